import { expect, test } from 'vitest';
import { formatBytes, progressLine, progressText } from './progress.ts';

test('sizes have three digits and decimal units', () => {
  const sizes = [0, 999, 1000, 9994, 9996, 99_960, 999_499, 999_500, 247_700_000, 1_160_000_000];
  expect(sizes.map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1.00 kB',
    '9.99 kB',
    '10.0 kB',
    '100 kB',
    '999 kB',
    '1.00 MB',
    '248 MB',
    '1.16 GB',
  ]);
});

test('the line fits into any terminal', () => {
  const text = progressText('Downloading', 62e6, 248e6, 12e6, 100);
  expect(text).toMatch(/^Downloading {2}\[#+\.+\] {3}25 % {2}62\.0 MB of 248 MB {2}12\.0 MB\/s {2}16 s left$/);
  for (let columns = 1; columns < 120; columns++) {
    expect(progressText('Downloading', 62e6, 248e6, 12e6, columns).length).toBeLessThan(columns);
  }
  expect(progressText('Downloading', 5e6, undefined, 0, 80)).toBe('Downloading  5.00 MB');
});

test('draws on a terminal at most ten times a second plus the end, and nowhere else', () => {
  const written: string[] = [];
  const stream = {
    isTTY: true,
    columns: 80,
    write: (text: string | Uint8Array) => written.push(String(text)) > 0,
  };
  const line = progressLine(stream);
  for (let i = 0; i <= 1000; i++) line.update('Loading', i, 1000);
  expect(written.length).toBeGreaterThanOrEqual(2);
  expect(written.length).toBeLessThan(10);
  expect(written.at(-1)).toContain('100 %');
  line.clear();
  expect(written.at(-1)).toBe('\r\x1b[K');
  written.length = 0;
  const silent = progressLine({ ...stream, isTTY: false });
  silent.update('Loading', 1, 2);
  silent.clear();
  expect(written).toEqual([]);
});
