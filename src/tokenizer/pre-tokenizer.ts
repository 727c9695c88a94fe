// Owns how text is cut into words before byte pairs are merged; one function a family of `tokenizer.ggml.pre`. Knows nothing of vocabularies.
// Source: the regular expressions of the models' tokenizer.json as llama.cpp applies them; written out by hand because a Unicode regex caps the speed.
import { characterClasses, LETTER, NUMBER, OTHER, PUNCTUATION, SPACE } from './character-classes.ts';

/**
 * Cuts text[from, to) into words, left to right and without gaps; `word(start, end)` in UTF-16 units. Where `word` says true it stops; going on from
 * any end of a word, with the same `place`, gives the same words as without the stop.
 */
export type Splitter = (text: string, from: number, to: number, word: WordOf, place?: Place) => void;
/** Takes a word; true stops. */
export type WordOf = (start: number, end: number) => unknown;
/** What a splitter knows about where it is: one object for each walk through a text. */
export interface Place {
  /** Where the stretch ends that the last word was in. */
  stretchEnd: number;
}

/** What one `tokenizer.ggml.pre` means. */
export interface PreTokenizer {
  readonly split: Splitter;
  /** A word that is a token as it stands is taken whole, whatever the merges say. */
  readonly wholeWords: boolean;
  /** Whether a beginning-of-text token is added when the file does not say. */
  readonly addBos: boolean;
}

const APOSTROPHE = 0x27;
const BLANK = 0x20;
const NEWLINE = 10;
const RETURN = 13;

/** The class of the code point at `at`; surrogate pairs are read whole. */
function classAt(classes: Uint8Array, text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return unit < 0xd800 || unit > 0xdbff ? classes[unit] : classes[text.codePointAt(at)!];
}

/** UTF-16 units of the code point at `at`. */
function widthAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return unit < 0xd800 || unit > 0xdbff ? 1 : text.codePointAt(at)! > 0xffff ? 2 : 1;
}

/** The end of the run of class `wanted` from `at`. */
function runEnd(classes: Uint8Array, text: string, at: number, to: number, wanted: number): number {
  while (at < to && classAt(classes, text, at) === wanted) at += widthAt(text, at);
  return at;
}

/** The end of the run that is neither letters, numbers nor white space. */
function otherEnd(classes: Uint8Array, text: string, at: number, to: number): number {
  while (at < to) {
    const kind = classAt(classes, text, at);
    if (kind !== OTHER && kind !== PUNCTUATION) break;
    at += widthAt(text, at);
  }
  return at;
}

/** Length of 's 't 'm 'd 're 've 'll at `at` (an apostrophe), or 0. `fold` 0x20 ignores the case of ASCII letters. */
function contraction(text: string, at: number, to: number, fold: number): number {
  if (at + 1 >= to) return 0;
  const first = text.charCodeAt(at + 1) | fold;
  if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) return 2;
  if (at + 2 >= to) return 0;
  const second = text.charCodeAt(at + 2) | fold;
  if ((first === 0x72 || first === 0x76) && second === 0x65) return 3;
  return first === 0x6c && second === 0x6c ? 3 : 0;
}

/** The end of a word of white space at `at`: all but the last where a word follows, so that the last can join it. */
function spaceEnd(classes: Uint8Array, text: string, at: number, to: number): number {
  const end = runEnd(classes, text, at, to, SPACE);
  return end < to && end - at > 1 ? end - 1 : end;
}

/**
 * The family of Llama 3 and Qwen 2, which differ in how many digits (1..3) make a word:
 * `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
 */
function splitModern(digits: number): Splitter {
  return (text, from, to, word) => {
    const classes = characterClasses();
    let at = from;
    while (at < to) {
      const start = at;
      const unit = text.charCodeAt(at);
      if (unit === APOSTROPHE && contraction(text, at, to, 0x20)) {
        at += contraction(text, at, to, 0x20);
        if (word(start, at) === true) return;
        continue;
      }
      const kind = classAt(classes, text, at);
      const next = at + widthAt(text, at);
      if (kind === LETTER) at = runEnd(classes, text, next, to, LETTER);
      else if (kind === NUMBER) {
        at = next;
        for (let n = 1; n < digits && at < to && classAt(classes, text, at) === NUMBER; n++) at += widthAt(text, at);
      } else if (unit !== NEWLINE && unit !== RETURN && next < to && classAt(classes, text, next) === LETTER)
        at = runEnd(classes, text, next, to, LETTER);
      else {
        at = otherEnd(classes, text, unit === BLANK ? next : start, to);
        if (at > (unit === BLANK ? next : start)) {
          while (at < to && isLineBreak(text.charCodeAt(at))) at++;
        } else at = spaceOrLinesEnd(classes, text, start, to);
      }
      if (word(start, at) === true) return;
    }
  };
}

function isLineBreak(unit: number): boolean {
  return unit === NEWLINE || unit === RETURN;
}

/** `\s*[\r\n]+|\s+(?!\S)|\s+` at `at`. */
function spaceOrLinesEnd(classes: Uint8Array, text: string, at: number, to: number): number {
  const end = runEnd(classes, text, at, to, SPACE);
  for (let last = end; last > at; last--) if (isLineBreak(text.charCodeAt(last - 1))) return last;
  return end < to && end - at > 1 ? end - 1 : end;
}

/** GPT-2: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`. */
const splitGpt2: Splitter = (text, from, to, word) => {
  const classes = characterClasses();
  let at = from;
  while (at < to) {
    const start = at;
    const unit = text.charCodeAt(at);
    const short = unit === APOSTROPHE ? contraction(text, at, to, 0) : 0;
    if (short) at += short;
    else {
      const body = unit === BLANK && at + 1 < to ? at + 1 : at;
      const kind = classAt(classes, text, body);
      if (kind === SPACE) at = spaceEnd(classes, text, start, to);
      else if (kind === LETTER || kind === NUMBER) at = runEnd(classes, text, body, to, kind);
      else at = otherEnd(classes, text, body, to);
    }
    if (word(start, at) === true) return;
  }
};

/** Punctuation of llama.cpp's default split: \p{P} and these symbols. */
const SYMBOLS = new Set([...'$+<=>^~|'].map((c) => c.charCodeAt(0)));

/** llama.cpp's `default`: punctuation runs apart, then GPT-2's split, then numbers apart, then ASCII digits in threes. */
const splitDefault: Splitter = (text, from, to, word, place = { stretchEnd: from }) => {
  const classes = characterClasses();
  const isMark = (at: number) => classAt(classes, text, at) === PUNCTUATION || SYMBOLS.has(text.charCodeAt(at));
  const numbersApart = (start: number, end: number): boolean => {
    for (let at = start; at < end; ) {
      const stop = runEnd(classes, text, at, end, NUMBER);
      if (stop > at && digitsInThrees(text, at, stop, word)) return true;
      at = stop;
      while (at < end && classAt(classes, text, at) !== NUMBER) at += widthAt(text, at);
      if (at > stop && word(stop, at) === true) return true;
    }
    return false;
  };
  let stopped = false;
  for (let at = from; at < to && !stopped; at = place.stretchEnd) {
    const marks = isMark(at);
    if (place.stretchEnd <= at) {
      let end = at;
      while (end < to && isMark(end) === marks) end += widthAt(text, end);
      place.stretchEnd = end;
    }
    if (marks) stopped = word(at, place.stretchEnd) === true;
    else {
      splitGpt2(text, at, place.stretchEnd, (start, end) => {
        stopped = numbersApart(start, end);
        return stopped;
      });
    }
  }
};

/** SmolLM: every number is a word, GPT-2's split between them. */
const splitSmol: Splitter = (text, from, to, word, place = { stretchEnd: from }) => {
  const classes = characterClasses();
  const isNumber = (at: number) => classAt(classes, text, at) === NUMBER;
  let stopped = false;
  for (let at = from; at < to && !stopped; ) {
    if (isNumber(at)) {
      const end = at + widthAt(text, at);
      stopped = word(at, end) === true;
      at = end;
      continue;
    }
    if (place.stretchEnd <= at) {
      let end = at;
      while (end < to && !isNumber(end)) end += widthAt(text, end);
      place.stretchEnd = end;
    }
    splitGpt2(text, at, place.stretchEnd, (start, end) => {
      stopped = word(start, end) === true;
      return stopped;
    });
    at = place.stretchEnd;
  }
};

/** Cuts a run of numbers into the matches of `[0-9][0-9][0-9]` and what lies between them. True where `word` stopped it. */
function digitsInThrees(text: string, from: number, to: number, word: WordOf): boolean {
  let start = from;
  let digits = 0;
  for (let at = from; at < to; at++) {
    const unit = text.charCodeAt(at);
    digits = unit >= 0x30 && unit <= 0x39 ? digits + 1 : 0;
    if (digits < 3) continue;
    if (at - 2 > start && word(start, at - 2) === true) return true;
    if (word(at - 2, at + 1) === true) return true;
    start = at + 1;
    digits = 0;
  }
  return start < to && word(start, to) === true;
}

const qwen2: PreTokenizer = { split: splitModern(1), wholeWords: false, addBos: false };
const llama3: PreTokenizer = { split: splitModern(3), wholeWords: true, addBos: true };
const gpt2: PreTokenizer = { split: splitGpt2, wholeWords: false, addBos: false };
const smol: PreTokenizer = { split: splitSmol, wholeWords: false, addBos: false };
const plain: PreTokenizer = { split: splitDefault, wholeWords: false, addBos: false };

/** Values of `tokenizer.ggml.pre` that this engine splits as llama.cpp does. */
export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map([
  ['qwen2', qwen2],
  ['deepseek-r1-qwen', qwen2],
  ['megrez', qwen2],
  ['llama-bpe', llama3],
  ['llama3', llama3],
  ['llama-v3', llama3],
  ['falcon3', llama3],
  ['falcon_e', llama3],
  ['gpt-2', gpt2],
  ['phi-2', gpt2],
  ['smollm', smol],
  ['default', plain],
]);
