import { expect, test } from 'vitest';
import { decodePieces, decodeText } from './decode-text.ts';

const text = 'Grüße, 世界 👋\n';
const utf8 = new TextEncoder().encode(text);
const utf16le = Uint8Array.from(Buffer.from(`\ufeff${text}`, 'utf16le'));
const utf16be = Uint8Array.from(Buffer.from(`\ufeff${text}`, 'utf16le').swap16());
const marked = Uint8Array.from([0xef, 0xbb, 0xbf, ...utf8]);

async function inPieces(bytes: Uint8Array, size: number): Promise<string> {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  let whole = '';
  for await (const piece of decodePieces(pieces(), 'read x')) whole += piece;
  return whole;
}

test('UTF-8 with and without a mark and UTF-16 with one are the same text, whole and in pieces of any size', async () => {
  for (const bytes of [utf8, marked, utf16le, utf16be]) {
    expect(decodeText(bytes, 'read x')).toBe(text);
    for (const size of [1, 2, 3, 5, 1000]) expect(await inPieces(bytes, size)).toBe(text);
  }
  expect([decodeText(new Uint8Array(0), 'read x'), await inPieces(new Uint8Array(0), 1)]).toEqual(['', '']);
});

test.each([
  ['Windows-1252', [0x61, 0x0a, 0xfc, 0x62], /got 0xfc at byte 2\. It is on line 2\. .*iconv/],
  ['a character that is cut off', [0x61, 0xc3], /got 0xc3 at byte 1/],
  ['UTF-16 without a mark', [...utf16le.subarray(2)], /a zero byte at 1.*iconv -f utf-16le/],
  ['UTF-16 that is cut off', [...utf16le.subarray(0, -1)], /UTF-16LE that is damaged/],
  ['UTF-32', [0xff, 0xfe, 0, 0, 0x61, 0, 0, 0], /UTF-32/],
])('%s is refused with advice, whole and in pieces', async (_, bytes, message) => {
  expect(() => decodeText(Uint8Array.from(bytes), 'read x')).toThrow(message);
  await expect(inPieces(Uint8Array.from(bytes), 3)).rejects.toThrow(/read x must be UTF-8 text/);
});
