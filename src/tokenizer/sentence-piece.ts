// Owns SentencePiece-style vocabularies (`tokenizer.ggml.model` = llama): scores, byte fallback, the space that becomes U+2581.
// Works on strings with one byte per character, since llama.cpp falls back byte by byte also where the text is not UTF-8. Source: llama.cpp.
import type { Steps } from '../core/steps.ts';
import { byteTokenBytes, isText, LONG_WORD, type TextEncoding, UNITS_PER_REST } from './byte-level.ts';
import { type Merges, mergeSymbols, PairTable } from './pair-merger.ts';
import { byteString, bytesOfByteString } from './text-bytes.ts';
import { BYTE, describe, type Metadata, NORMAL, type Problems, type Vocabulary } from './vocabulary.ts';
import { TokenList, WordCache } from './word-cache.ts';

/** U+2581, which stands for a space in token texts, as bytes. */
export const SPACE = '\xe2\x96\x81';
/** Pairs remembered at most; the memory is emptied when full. */
const MOST_PAIRS = 2 ** 18;

/**
 * Builds the encoding of a SentencePiece-style vocabulary. `source` of its `encode` is a byte string; the caller adds the leading space.
 * Only normal and user-defined tokens come out of text: llama.cpp would also spell out control, byte and unused ones where the merges lead
 * there. U+2581 in the text comes back as a space.
 */
export function sentencePieceEncoding(metadata: Metadata, vocabulary: Vocabulary, problems: Problems): TextEncoding {
  const { texts, types } = vocabulary;
  const pieces = pieceIds(vocabulary);
  const ranks = readRanks(metadata, texts.length, problems);
  const byteTokens = Array.from({ length: 256 }, (_, byte) => byteToken(byte, vocabulary));
  const merges = lazyMerges(pieces, texts.length, ranks);
  let apart = true;
  for (const [piece, token] of pieces)
    if (token < texts.length && piece.includes(SPACE, leadingSpaces(piece, 0))) apart = false;

  const encodeWord = function* (word: string): Steps<Int32Array> {
    const symbols = new Int32Array(word.length);
    const tokens = new TokenList();
    let count = 0;
    for (let at = 0; at < word.length; ) {
      const length = characterLength(word, at);
      const symbol = pieces.get(word.slice(at, at + length));
      // A character in no token merges with nothing: the number past all symbols says where its bytes are.
      symbols[count++] = symbol ?? pieces.size + texts.length + at;
      at += length;
      if (count % UNITS_PER_REST === 0) yield;
    }
    const left = yield* mergeSymbols(symbols, count, merges);
    const texted = merges.texts;
    for (let i = 0; i < left; i++) {
      const symbol = symbols[i];
      if (i % UNITS_PER_REST === UNITS_PER_REST - 1) yield;
      if (symbol < texts.length) {
        tokens.push(symbol);
        continue;
      }
      const at = symbol - pieces.size - texts.length;
      const bytes = at < 0 ? texted[symbol] : word.slice(at, at + characterLength(word, at));
      for (let k = 0; k < bytes.length; k++) for (const token of byteTokens[bytes.charCodeAt(k)]) tokens.push(token);
    }
    return tokens.toArray();
  };
  const cache = new WordCache(encodeWord);
  return {
    isComplete: byteTokens.every((tokens) => tokens.length > 0),
    *encode(source, from, to, out) {
      const text = source.slice(from, to).replaceAll(' ', SPACE);
      let rest = UNITS_PER_REST;
      for (let start = 0; start < text.length; ) {
        // No token has a space inside or at its end: words can be merged one by one.
        let end = apart ? leadingSpaces(text, start) : text.length;
        // Character by character: bytes that are not UTF-8 can swallow a part of a space.
        while (end < text.length && !text.startsWith(SPACE, end)) end += characterLength(text, end);
        if (end - start > LONG_WORD) out.append(yield* encodeWord(text.slice(start, end)));
        else out.append(cache.tokens(text, start, end));
        start = end;
        if (start < rest) continue;
        rest = start + UNITS_PER_REST;
        yield;
      }
    },
    bytesOf: (token) => {
      if (types[token] === NORMAL) return bytesOfByteString(byteString(texts[token]).replaceAll(SPACE, ' '));
      if (types[token] === BYTE) return byteTokenBytes(texts[token]);
      return isText(types[token]) || vocabulary.special[token]
        ? new TextEncoder().encode(texts[token])
        : new Uint8Array(0);
    },
  };
}

/** Where the spaces that stand at `at` end. */
function leadingSpaces(text: string, at: number): number {
  while (text.startsWith(SPACE, at)) at += SPACE.length;
  return at;
}

/** Bytes of the character at `at` as its first byte has it, also where the others do not follow. */
function characterLength(text: string, at: number): number {
  const lead = text.charCodeAt(at);
  const length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return Math.min(length, text.length - at);
}

/** Ids of all tokens that may come out of text, and numbers from the vocabulary's size on for the characters in them that are no tokens. */
function pieceIds(vocabulary: Vocabulary): Map<string, number> {
  const { texts, types } = vocabulary;
  const pieces = new Map<string, number>();
  for (let token = 0; token < texts.length; token++)
    if (isText(types[token])) pieces.set(byteString(texts[token]), token);
  let symbols = texts.length;
  for (const piece of [...pieces.keys()])
    for (let at = 0; at < piece.length; ) {
      const character = piece.slice(at, at + characterLength(piece, at));
      if (!pieces.has(character)) pieces.set(character, symbols++);
      at += character.length;
    }
  return pieces;
}

/** Ranks of tokens by score, the highest first, equal ones equal. */
function readRanks(metadata: Metadata, count: number, problems: Problems): Int32Array {
  const key = 'tokenizer.ggml.scores';
  const value = metadata.get(key);
  const ranks = new Int32Array(count);
  if (value === undefined) return ranks;
  if (!(value instanceof Float32Array || value instanceof Int32Array) || value.length < count) {
    problems.bad(`${key}: must be ${count} numbers of 32 bits, got ${describe(value)}.`);
    return ranks;
  }
  const scores = Float32Array.from(value.subarray(0, count));
  const token = scores.findIndex(Number.isNaN);
  if (token >= 0) problems.bad(`${key}: must be numbers, got NaN for token ${token}.`);
  const order = Float32Array.from(new Set(scores)).sort().reverse();
  const rankOf = new Map<number, number>();
  for (const score of order) rankOf.set(score, rankOf.size);
  for (let i = 0; i < count; i++) ranks[i] = rankOf.get(scores[i])!;
  return ranks;
}

/** The tokens of a byte: `<0xHH>`, else the character, else the unknown token, else nothing. */
function byteToken(byte: number, vocabulary: Vocabulary): readonly number[] {
  const { ids, unknown } = vocabulary;
  const named = ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const token = named ?? (byte < 0x80 ? ids.get(String.fromCharCode(byte)) : undefined) ?? unknown;
  return token === undefined ? [] : [token];
}

/** Merges looked up by text when a pair is first met: writing out all of them would take longer than most texts do. */
function lazyMerges(
  pieces: ReadonlyMap<string, number>,
  tokens: number,
  rank: Int32Array,
): Merges & { texts: string[] } {
  const texts: string[] = [];
  const result = new Int32Array(tokens);
  for (let i = 0; i < tokens; i++) result[i] = i;
  let longest = 0;
  for (const [piece, symbol] of pieces) {
    texts[symbol] = piece;
    if (symbol < tokens) longest = Math.max(longest, piece.length);
  }
  const NONE = tokens;
  const symbols = texts.length;
  let pairs = new PairTable(1024);
  const find = (left: number, right: number): number => {
    if (left >= symbols || right >= symbols) return -1;
    const known = pairs.get(left, right);
    if (known >= 0) return known === NONE ? -1 : known;
    let merged = NONE;
    if (texts[left].length + texts[right].length <= longest) {
      const token = pieces.get(texts[left] + texts[right]) ?? NONE;
      if (token < tokens) merged = token;
    }
    if (pairs.size >= MOST_PAIRS) pairs = new PairTable(1024);
    pairs.add(left, right, merged);
    return merged === NONE ? -1 : merged;
  };
  return { find, rank, result, texts };
}
