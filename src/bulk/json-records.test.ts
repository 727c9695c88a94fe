// Lines however they are cut into pieces, and what they cost.
import { expect, test } from 'vitest';
import { jsonRecords } from './json-records.ts';

async function* piecesOf(text: string, size: number): AsyncGenerator<string, void> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

async function read(text: string, size: number, problemOf?: (json: string) => string | undefined) {
  const found: (string | number)[][] = [];
  for await (const { line, json } of jsonRecords(piecesOf(text, size), 'x', { problemOf })) found.push([line, json]);
  return found;
}

test.each([1, 3, 1000])('lines come as they are, with their numbers, from pieces of %i characters', async (size) => {
  const text = '\n\n{"a":1}\r\n  \n\t{"b":"c d"} \n\n\n{"e":[]}';
  expect(await read(text, size)).toEqual([
    [3, '{"a":1}'],
    [5, '{"b":"c d"}'],
    [8, '{"e":[]}'],
  ]);
});

test('a line that is refused before it is parsed says its number', async () => {
  await expect(read('{}\n{"a":1}\n', 4, (json) => (json.length > 3 ? 'got a long one' : undefined))).rejects.toThrow(
    'read x: row 2 must be a JSON object, got a long one. Correct the line.',
  );
});

test('a long line is put together once, not anew with every piece', async () => {
  const long = `{"a":"${'x'.repeat(15e6)}"}`;
  const begun = performance.now();
  expect(await read(long, 1 << 10)).toHaveLength(1);
  expect(performance.now() - begun).toBeLessThan(20_000); // anew at each of 15,000 pieces it would copy 110 GB
}, 120_000);
