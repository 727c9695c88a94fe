import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { siteResponse } from './page.ts';

const files = async (path: string) => {
  const texts: Record<string, string> = {
    'index.html': '<head></head>',
    'assets/a.js': 'let a;'.repeat(200),
    'assets/k.wasm': '\0asm'.repeat(99),
  };
  return texts[path] === undefined ? undefined : new TextEncoder().encode(texts[path]);
};

test('text goes compressed to whoever takes gzip, and as it is to others', async () => {
  for (const [encodings, packed] of [
    ['gzip, br', true],
    ['br;q=1.0, gzip;q=0.5', true],
    ['gzip;q=0', false],
    ['', false],
    ['identity', false],
  ] as const) {
    const response = (await siteResponse(files, '/assets/a.js', encodings))!;
    expect(response.headers.get('content-encoding'), encodings).toBe(packed ? 'gzip' : null);
    expect(response.headers.get('vary')).toBe('accept-encoding');
    const body = Buffer.from(await response.arrayBuffer());
    expect((packed ? gunzipSync(body) : body).toString()).toBe('let a;'.repeat(200));
    if (packed) expect(body.length).toBeLessThan(100);
  }
  const page = (await siteResponse(files, '/', 'gzip'))!;
  expect(gunzipSync(Buffer.from(await page.arrayBuffer())).toString()).toContain('onebit-server');
  const kernels = (await siteResponse(files, '/assets/k.wasm', 'gzip'))!.headers;
  expect([kernels.get('content-type'), kernels.get('content-encoding')]).toEqual(['application/wasm', 'gzip']);
  expect(await siteResponse(files, '/assets/none.js', 'gzip')).toBeUndefined();
});
