// Owns byte-level byte-pair encoding (`tokenizer.ggml.model` = gpt2): the byte alphabet, merges, words to ids, ids to bytes.
// A trainer that writes its vocabulary with `textOfBytes` and cuts words with the same pre-tokenizer gets the same ids here and in llama.cpp.
// Source: GPT-2's bytes_to_unicode and merge order; llama.cpp for what a file may leave out.
import type { Steps } from '../core/steps.ts';
import { type Merges, mergeSymbols, PairTable } from './pair-merger.ts';
import type { PreTokenizer } from './pre-tokenizer.ts';
import { stringOfUnits } from './text-bytes.ts';
import {
  BYTE,
  type Metadata,
  NORMAL,
  type Problems,
  readStrings,
  USER_DEFINED,
  type Vocabulary,
} from './vocabulary.ts';
import { type TokenList, WordCache } from './word-cache.ts';

/** The character that stands for each byte in token texts: itself where it is printable in Latin-1, else U+0100 and up. */
const characterOfByte = new Uint16Array(256);
const byteOfCharacter = new Map<number, number>();
for (let byte = 0, others = 0; byte < 256; byte++) {
  const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
  characterOfByte[byte] = printable ? byte : 0x100 + others++;
  byteOfCharacter.set(characterOfByte[byte], byte);
}

/** The text by which a byte-level vocabulary names the token of these bytes. */
export function textOfBytes(bytes: Uint8Array): string {
  const units = new Uint16Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) units[i] = characterOfByte[bytes[i]];
  return stringOfUnits(units);
}

/** The bytes that a token text of a byte-level vocabulary names; characters outside the alphabet stand for their own UTF-8. */
export function bytesOfText(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const byte = byteOfCharacter.get(character.codePointAt(0)!);
    if (byte !== undefined) bytes.push(byte);
    else bytes.push(...new TextEncoder().encode(character));
  }
  return Uint8Array.from(bytes);
}

/** Turns text without added tokens into ids, and ids into bytes. */
export interface TextEncoding {
  /** Appends the ids of source[from, to) to `out`; rests now and then. */
  encode(source: string, from: number, to: number, out: TokenList): Steps;
  bytesOf(token: number): Uint8Array;
  /** Whether every byte gives a token, so that a text has at least its length divided by the longest token's. */
  readonly isComplete: boolean;
}

/** Longer words rest while they are encoded, and are encoded by themselves. */
export const LONG_WORD = 4096;
/** Characters after which encoding rests. */
export const UNITS_PER_REST = 4096;

/** Builds the encoding of a byte-level vocabulary; a merge that names a token the file does not have is a problem of the file. */
export function byteLevelEncoding(
  metadata: Metadata,
  vocabulary: Vocabulary,
  pre: PreTokenizer,
  problems: Problems,
): TextEncoding {
  const merges = readMerges(readStrings(metadata, 'tokenizer.ggml.merges', problems), vocabulary, problems);
  const { ids, texts, types } = vocabulary;
  /** Stands for a byte that the vocabulary lacks; merges with nothing and is left out, as in llama.cpp. */
  const missing = texts.length;
  const tokenOfByte = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const token = ids.get(String.fromCharCode(characterOfByte[byte]));
    tokenOfByte[byte] = token !== undefined && isText(types[token]) ? token : missing;
  }
  const scratch = new Int32Array(256);
  const encodeWord = function* (word: string): Steps<Int32Array> {
    let bytes = scratch;
    let count = 0;
    if (3 * word.length <= scratch.length) count = writeUtf8(word, bytes);
    else {
      bytes = new Int32Array(new TextEncoder().encode(word));
      count = bytes.length;
    }
    if (pre.wholeWords) {
      const token = ids.get(textOfBytes(Uint8Array.from(bytes.subarray(0, count))));
      if (token !== undefined && isText(types[token])) return Int32Array.of(token);
    }
    for (let i = 0; i < count; i++) bytes[i] = tokenOfByte[bytes[i]];
    const tokens = bytes.slice(0, yield* mergeSymbols(bytes, count, merges));
    return tokens.includes(missing) ? tokens.filter((token) => token !== missing) : tokens;
  };
  const cache = new WordCache(encodeWord);
  return {
    isComplete: !tokenOfByte.includes(missing),
    *encode(source, from, to, out) {
      const place = { stretchEnd: from };
      let at = from;
      while (at < to) {
        const rest = at + UNITS_PER_REST;
        let longEnd = -1;
        const take = (start: number, end: number): boolean => {
          if (end - start > LONG_WORD) {
            longEnd = end;
            return true;
          }
          out.append(cache.tokens(source, start, end));
          at = end;
          return at >= rest;
        };
        pre.split(source, at, to, take, place);
        if (longEnd >= 0) {
          out.append(yield* encodeWord(source.slice(at, longEnd)));
          at = longEnd;
        }
        yield;
      }
    },
    bytesOf: (token) => {
      if (types[token] === NORMAL) return bytesOfText(texts[token]);
      if (types[token] === BYTE) return byteTokenBytes(texts[token]);
      return isText(types[token]) || vocabulary.special[token]
        ? new TextEncoder().encode(texts[token])
        : new Uint8Array(0);
    },
  };
}

/** Whether tokens of this type may come out of plain text. */
export function isText(type: number): boolean {
  return type === NORMAL || type === USER_DEFINED;
}

/** The byte of a token with the text `<0xHH>`; nothing where the text is another. */
export function byteTokenBytes(text: string): Uint8Array {
  const match = /^<0x([0-9A-Fa-f]{2})>$/.exec(text);
  return match ? Uint8Array.of(Number.parseInt(match[1], 16)) : new Uint8Array(0);
}

function readMerges(lines: readonly string[], vocabulary: Vocabulary, problems: Problems): Merges {
  const { ids, texts, types } = vocabulary;
  const table = new PairTable(lines.length);
  const rank = new Int32Array(lines.length);
  const result = new Int32Array(lines.length);
  let broken = 0;
  let first = -1;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    const space = line.indexOf(' ', 1);
    const left = ids.get(line.slice(0, space));
    const right = ids.get(line.slice(space + 1));
    // Trained vocabularies list tokens in the order of merges: looking at the next id saves a third of the time of loading.
    const guess = i > 0 ? result[i - 1] + 1 : 0;
    const merged = isUnion(texts[guess], line, space) ? guess : ids.get(line.slice(0, space) + line.slice(space + 1));
    rank[i] = i;
    if (space < 0 || left === undefined || right === undefined || merged === undefined) {
      if (broken++ === 0) first = i;
      continue;
    }
    result[i] = merged;
    // Merging into a control token is left out: plain text must never make one. Of equal lines the first counts.
    if (isText(types[merged])) table.add(left, right, i);
  }
  if (broken > 0)
    problems.bad(
      `tokenizer.ggml.merges: must be two tokens apart by a space whose union is a token, got ${broken} others, first line ${first}: ${JSON.stringify(lines[first].slice(0, 80))}. Convert the model again.`,
    );
  return { find: (left, right) => table.get(left, right), rank, result };
}

/** Whether `text` is `line` without the space at `space`. */
function isUnion(text: string | undefined, line: string, space: number): boolean {
  if (text === undefined || text.length !== line.length - 1) return false;
  for (let i = 0; i < space; i++) if (text.charCodeAt(i) !== line.charCodeAt(i)) return false;
  for (let i = space; i < text.length; i++) if (text.charCodeAt(i) !== line.charCodeAt(i + 1)) return false;
  return true;
}

/** Writes the UTF-8 bytes of `word`, one an element; lone surrogates as U+FFFD. Returns how many. */
function writeUtf8(word: string, bytes: Int32Array): number {
  let count = 0;
  for (let i = 0; i < word.length; i++) {
    let point = word.charCodeAt(i);
    if (point < 0x80) {
      bytes[count++] = point;
      continue;
    }
    if (point >= 0xd800 && point <= 0xdfff) {
      point = word.codePointAt(i)!;
      if (point > 0xffff) i++;
      else point = 0xfffd;
    }
    if (point < 0x800) bytes[count++] = 0xc0 | (point >> 6);
    else {
      if (point < 0x10000) bytes[count++] = 0xe0 | (point >> 12);
      else {
        bytes[count++] = 0xf0 | (point >> 18);
        bytes[count++] = 0x80 | ((point >> 12) & 63);
      }
      bytes[count++] = 0x80 | ((point >> 6) & 63);
    }
    bytes[count++] = 0x80 | (point & 63);
  }
  return count;
}
