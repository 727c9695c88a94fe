// Every weight format against what other programs make of the same bytes and values: test/golden/formats.json says which.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type FormatName, formatByName, formats } from '../src/quant/formats.ts';

interface Golden {
  readonly bytes: string;
  readonly weights: string;
  readonly values?: string;
  readonly encoded?: string;
}
const golden: { formats: Partial<Record<FormatName, Golden>> } = JSON.parse(
  readFileSync(new URL('golden/formats.json', import.meta.url), 'utf8'),
);
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const floatsOf = (text: string) => new Float32Array(bytesOf(text).buffer);

test('every format has golden data, but for two that others test', () => {
  const without = formats.map(({ name }) => name).filter((name) => !(name in golden.formats));
  expect(without).toEqual(['f32', 'q1_0']); // f32 is what it is; q1_0: formats.test.ts, and parity with llama.cpp
});

test.each(Object.keys(golden.formats) as FormatName[])('%s means what others say', (name) => {
  const { bytes, weights } = golden.formats[name]!;
  const expected = floatsOf(weights);
  const out = new Float32Array(expected.length);
  formatByName(name).decode(bytesOf(bytes), out);
  const wrong = expected.findIndex((value, i) => value !== out[i] && !(Number.isNaN(value) && Number.isNaN(out[i])));
  expect(wrong, `weight ${wrong}: ${out[wrong]} instead of ${expected[wrong]}`).toBe(-1);
});

const encoded = (Object.entries(golden.formats) as [FormatName, Golden][]).filter(([, row]) => row.encoded);
test.each(encoded)('%s is encoded as others do', (name, row) => {
  const expected = bytesOf(row.encoded!);
  const out = new Uint8Array(expected.length);
  formatByName(name).encode(floatsOf(row.values!), out);
  const wrong = expected.findIndex((value, i) => value !== out[i]);
  expect(wrong, `byte ${wrong}: ${out[wrong]} instead of ${expected[wrong]}`).toBe(-1);
});
