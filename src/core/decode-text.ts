// Owns turning bytes into text, the same wherever text comes in: UTF-8 with or without a mark, UTF-16 with a mark; everything else is refused with
// advice, never guessed. Must not know files. Source: Unicode 16, section 23.8 (byte order mark); https://encoding.spec.whatwg.org.
import { OnebitError } from '../errors.ts';

/** A zero byte among the first ones says that a file is no text: text has none. */
const LOOKED_AT_BYTES = 4096;
const CONVERT =
  'Save it as UTF-8, or convert it where the old encoding is known: iconv -f windows-1252 -t utf-8 OLD > NEW';

/**
 * The text of `bytes`, without a byte-order mark.
 * @param what for messages: what is done with which file, "read corpus: notes.txt"
 * @param advice what to do about a byte that is not UTF-8
 * @throws OnebitError `bad-file` naming the first byte that is not of the encoding
 */
export function decodeText(bytes: Uint8Array, what: string, advice = CONVERT): string {
  const encoding = encodingOf(bytes, what);
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    if (encoding !== 'utf-8') throw damaged(encoding, what);
    const at = firstInvalid(bytes);
    let line = 1;
    for (let i = 0; i < at; i++) if (bytes[i] === 0x0a) line++;
    throw refusal(what, `got 0x${bytes[at].toString(16)} at byte ${at}. It is on line ${line}. ${advice}`);
  }
}

/** The text of pieces of bytes as they come, by the same rules; pieces of text end where they may. */
export async function* decodePieces(pieces: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<string, void> {
  let head: Uint8Array = new Uint8Array(0);
  let decoder: TextDecoder | undefined;
  const decode = (bytes?: Uint8Array) => {
    try {
      return decoder!.decode(bytes, { stream: bytes !== undefined });
    } catch {
      if (decoder!.encoding !== 'utf-8') throw damaged(decoder!.encoding, what);
      throw refusal(what, `got bytes that are not. ${CONVERT}`);
    }
  };
  for await (const piece of pieces) {
    if (decoder) {
      yield decode(piece);
      continue;
    }
    head = joined(head, piece);
    // Marks have up to four bytes; text without one does not begin like them.
    const mayBeMark = head.length === 0 || [0xef, 0xff, 0xfe, 0x00].includes(head[0]);
    if (mayBeMark && head.length < 4) continue;
    decoder = new TextDecoder(encodingOf(head, what), { fatal: true });
    yield decode(head);
  }
  if (!decoder) {
    yield decodeText(head, what);
    return;
  }
  yield decode();
}

function encodingOf(bytes: Uint8Array, what: string): 'utf-8' | 'utf-16le' | 'utf-16be' {
  const [a, b, c, d] = bytes;
  if ((a === 0xff && b === 0xfe && c === 0 && d === 0) || (a === 0 && b === 0 && c === 0xfe && d === 0xff)) {
    throw refusal(what, 'got UTF-32. Convert it: iconv -f utf-32 -t utf-8 OLD > NEW');
  }
  if (a === 0xff && b === 0xfe) return 'utf-16le';
  if (a === 0xfe && b === 0xff) return 'utf-16be';
  const zero = bytes.subarray(0, LOOKED_AT_BYTES).indexOf(0);
  if (zero < 0) return 'utf-8';
  throw refusal(
    what,
    `got a zero byte at ${zero}, so it is no text, or UTF-16 without a mark. Name a text file, or convert it: iconv -f utf-16le -t utf-8 OLD > NEW`,
  );
}

/** Where the first character begins that is none, in bytes that are not UTF-8. */
function firstInvalid(bytes: Uint8Array): number {
  const isPrefixFine = (length: number) => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  let fine = 0;
  // One more than there is where only the end is missing.
  let bad = isPrefixFine(bytes.length) ? bytes.length + 1 : bytes.length;
  while (bad - fine > 1) {
    const middle = (fine + bad) >> 1;
    if (isPrefixFine(middle)) fine = middle;
    else bad = middle;
  }
  // The byte that cannot follow may be an innocent letter: the character begun before it is what is broken.
  for (let back = 1; back <= 3; back++) {
    const lead = bytes[bad - 1 - back];
    const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
    if (length > back) return bad - 1 - back;
    if (length > 0) break;
  }
  return bad - 1;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function damaged(encoding: string, what: string): OnebitError {
  return refusal(what, `got ${encoding.toUpperCase()} that is damaged or cut off. Save it as UTF-8`);
}

function refusal(what: string, got: string): OnebitError {
  return new OnebitError('bad-file', `${what} must be UTF-8 text, ${got}.`);
}
