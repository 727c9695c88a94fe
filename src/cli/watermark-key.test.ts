import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { watermarkKey } from './watermark-key.ts';

const folder = mkdtempSync(join(tmpdir(), 'onebit-watermark-'));
afterAll(() => rmSync(folder, { recursive: true }));
const KEY = 'the shöp’s secret';

test.each([
  ['UTF-8', Buffer.from(`${KEY}\n`)],
  ['UTF-8 with a mark, as Windows ends lines', Buffer.from(`\ufeff${KEY}\r\n`)],
  ['UTF-16', Buffer.from(`\ufeff${KEY}\r\n`, 'utf16le')],
  ['UTF-16, big-endian', Buffer.from(`\ufeff${KEY}`, 'utf16le').swap16()],
])('a key in a file of %s is the same key', (_, bytes) => {
  writeFileSync(join(folder, 'key'), bytes);
  expect(watermarkKey(`@${join(folder, 'key')}`)).toBe(KEY);
});

test.each([
  ['Latin-1', Buffer.from(KEY.replace('’', "'"), 'latin1'), /key must be UTF-8 text, got 0xf6/],
  ['UTF-16 without a mark', Buffer.from(KEY, 'utf16le'), /key must be UTF-8 text, got a zero byte/],
])('a key in a file of %s is refused, for it would be another key', (_, bytes, message) => {
  writeFileSync(join(folder, 'key'), bytes);
  expect(() => watermarkKey(`@${join(folder, 'key')}`)).toThrow(message);
});
