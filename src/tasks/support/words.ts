// Owns what is seen of a text: its words, and the hashes of its words, pairs of words and pieces of words. The hashes are part of the file format
// (docs/support.md): changing them makes old files wrong. Must not know models.

/** Longer texts are judged by their first and last characters, half of this each. */
const MAX_CHARACTERS = 4000;
/** A longer run of letters (a text without spaces) is cut into words of so many characters for its pieces. */
const MAX_WORD = 64;
const WORD = /[\p{L}\p{M}\p{N}]+(?:'\p{L}+)?|[?!$£€¥%]/gu;

/** Which kind of piece a hash is of: kinds never share hashes but by accident. */
const KIND = { word: 1, pair: 2, gap: 3, piece: 4 } as const;

/** What texts pasted from pages and mails have in them and nobody sees: soft hyphens, zero-width spaces and joiners, marks of order and direction, controls. */
const INVISIBLE = /(?![\t\n\v\f\r\u0085])[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Bidi_Control}]/gu;
/** The apostrophe in its forms; some are lost when compatibility forms are unified. */
const APOSTROPHES = /[\u2018\u2019\u201b\u02bc\u2032\u00b4`\uff07]/g;
/** Only so much of a longer text is looked at for what is visible. */
const MOST_LOOKED_AT = 64 * MAX_CHARACTERS;

/** `text` without what nobody sees of it. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, '');
}

/** Texts of the same key are the same to people: case, invisible characters, kinds of spaces and apostrophes do not count. */
export function textKey(text: string): string {
  return unified(visible(text)).trim().replace(/\s+/g, ' ');
}

/** Words of scripts that put no spaces between words are phrases: their end is no ending. */
const UNSPACED = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]/u;

/** Texts of the same key differ in the ends of words, numbers and punctuation at most. */
export function likenessKey(text: string): string {
  return wordsOf(text)
    .filter((word) => /[\p{L}\p{N}]/u.test(word))
    .map((word) => (/\p{N}/u.test(word) ? '0' : UNSPACED.test(word) ? word : word.slice(0, 4)))
    .join(' ');
}

/** The words of a text in order: lower case, compatibility forms unified, punctuation left out but for ? ! % and currency signs. */
export function wordsOf(text: string): string[] {
  return unified(ends(visible(ends(text, MOST_LOOKED_AT)), MAX_CHARACTERS)).match(WORD) ?? [];
}

function unified(text: string): string {
  return text.replace(APOSTROPHES, "'").normalize('NFKC').toLowerCase();
}

/** At most `most` characters of a text, from its beginning and its end. */
function ends(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most / 2)} ${text.slice(-most / 2)}` : text;
}

/** The hash of a word by itself, as trunks and vocabularies know it. */
export function wordHash(word: string): number {
  return finish(mix(start(KIND.word), word, 0, word.length));
}

/**
 * Hashes of all evidence in `words`, repeated where it repeats. `ofWords`: words, neighbours (with the text's edges), words with one between them;
 * `ofPieces`: two to five characters of each word with its edges.
 */
export function evidenceHashes(words: readonly string[]): { ofWords: number[]; ofPieces: number[] } {
  const ofWords: number[] = [];
  const ofPieces: number[] = [];
  for (let i = 0; i <= words.length; i++) {
    const word = words[i] ?? '>';
    if (i < words.length) ofWords.push(wordHash(word));
    ofWords.push(pairHash(KIND.pair, words[i - 1] ?? '<', word));
    if (i >= 2 && i < words.length) ofWords.push(pairHash(KIND.gap, words[i - 2], word));
  }
  for (const word of words) pieceHashes(word, ofPieces);
  return { ofWords, ofPieces };
}

/** Appends the hashes of two to five characters of a word with its edges. */
export function pieceHashes(word: string, out: number[]): void {
  for (let from = 0; from < word.length; from += MAX_WORD) runHashes(` ${word.slice(from, from + MAX_WORD)} `, out);
}

function runHashes(edged: string, out: number[]): void {
  for (let from = 0; from + 2 <= edged.length; from++) {
    let hash = mix(start(KIND.piece), edged, from, from + 1);
    for (let end = from + 2; end <= Math.min(from + 5, edged.length); end++) {
      hash = mix(hash, edged, end - 1, end);
      out.push(finish(hash));
    }
  }
}

function pairHash(kind: number, first: string, second: string): number {
  const hash = Math.imul(mix(start(kind), first, 0, first.length) ^ 0xffff, 0x01000193);
  return finish(mix(hash, second, 0, second.length));
}

function start(kind: number): number {
  return Math.imul(0x811c9dc5 ^ kind, 0x01000193);
}

/** FNV-1a over UTF-16 code units. */
function mix(hash: number, text: string, from: number, to: number): number {
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** MurmurHash3's finaliser: FNV alone leaves the high bits of short texts alike. */
function finish(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
