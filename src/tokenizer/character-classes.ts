// Owns the class of every code point, as pre-tokenizers see it. Knows nothing of tokens.
// Source: Unicode 15.1, embedded rather than asked of the engine's \p{L}, so that the same text gives the same ids on every engine and in llama.cpp.
import { characterRuns } from './generated/character-ranges.ts';

/** Classes of code points. Marks, symbols, controls and everything unassigned are OTHER. */
export const OTHER = 0;
export const LETTER = 1;
export const NUMBER = 2;
export const SPACE = 3;
export const PUNCTUATION = 4;

let table: Uint8Array | undefined;

/** One class per code point, 0..0x10ffff (1.1 MB, made on first use). Lone surrogates are OTHER. */
export function characterClasses(): Uint8Array {
  if (table) return table;
  const made = new Uint8Array(0x110000);
  let at = 0;
  for (const [, length, kind] of characterRuns.replaceAll('\n', '').matchAll(/([0-9a-z]+)([A-Z])/g)) {
    const end = at + Number.parseInt(length, 36);
    made.fill('OLNWP'.indexOf(kind), at, end);
    at = end;
  }
  table = made;
  return made;
}
