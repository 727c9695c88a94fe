// Owns composing characters (NFC) as a tokenizer.json may ask: a letter and the accent behind it become one character. In bounded time, whatever the text:
// sorting the accents of one letter takes the square of their number, so runs of more than a piece are composed piece by piece. Must not know vocabularies.
import type { Steps } from '../core/steps.ts';

/** Below U+0300 nothing joins what stands before it. */
const PLAIN = /^[\0-\u02ff]*$/;
/** What may join the character before it: marks, and the vowels and endings of Hangul. */
const JOINS = /^[\p{M}\u1160-\u11ff]/u;
const PIECE_UNITS = 128;
const PIECES_PER_REST = 32;

/** Most characters that become one. */
export const MOST_COMPOSED = 4;

/** The text in NFC; rests now and then. */
export function* composed(text: string): Steps<string> {
  if (PLAIN.test(text)) return text;
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + PIECE_UNITS, text.length);
    while (end > at && !startsPiece(text, end)) end--;
    if (end === at) end = Math.min(at + PIECE_UNITS, text.length);
    pieces.push(text.slice(at, end).normalize('NFC'));
    at = end;
    if (pieces.length % PIECES_PER_REST === 0) yield;
  }
  return pieces.join('');
}

function startsPiece(text: string, at: number): boolean {
  if (at === text.length) return true;
  const isInside = (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
  return !isInside && !JOINS.test(text.slice(at, at + 2));
}
