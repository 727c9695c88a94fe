// Owns where a text may be cut into fields: its tokens, spans as tags of tokens (B- begins, I- goes on, O is outside) and back. The way of cutting is part
// of the file format (docs/support.md). Must not know networks.

/** A run of letters, a run of digits, or one other character that can be seen; places in UTF-16 code units. */
export interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** A named part of a text: `text.slice(start, end)`. */
export interface Span {
  readonly label: string;
  readonly start: number;
  readonly end: number;
}

/** More tokens of one text are not looked at. */
export const MAX_TOKENS = 512;
const TOKEN = /[\p{L}\p{M}]+|\p{N}+|[^\s\p{Cc}\p{Default_Ignorable_Code_Point}]/gu;

export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (const match of text.matchAll(TOKEN)) {
    if (tokens.length === MAX_TOKENS) break;
    tokens.push({ text: match[0], start: match.index, end: match.index + match[0].length });
  }
  return tokens;
}

/** The tag of tokens outside of all fields; those of label k are `beginOf(k)` and `insideOf(k)`. */
export const OUTSIDE = 0;
export const beginOf = (label: number): number => 1 + 2 * label;
export const insideOf = (label: number): number => 2 + 2 * label;
export const labelOf = (tag: number): number => (tag - 1) >> 1;
export const isInside = (tag: number): boolean => tag > 0 && tag % 2 === 0;

/** Tags of the tokens: a token that a span touches is of it; of spans that overlap the first counts. */
export function tagsOf(
  tokens: readonly Token[],
  spans: readonly Span[],
  numberOf: ReadonlyMap<string, number>,
): Uint16Array {
  const tags = new Uint16Array(tokens.length);
  for (const { label, start, end } of spans) {
    const number = numberOf.get(label);
    if (number === undefined) continue;
    let isFirst = true;
    for (const [i, token] of tokens.entries()) {
      if (token.start >= end || token.end <= start || tags[i] !== OUTSIDE) continue;
      tags[i] = isFirst ? beginOf(number) : insideOf(number);
      isFirst = false;
    }
  }
  return tags;
}

/** A run of tokens with one label: `first` to `last`, both of it. */
export interface TaggedRun {
  readonly label: number;
  readonly first: number;
  readonly last: number;
}

export function runsOf(tags: ArrayLike<number>): TaggedRun[] {
  const runs: TaggedRun[] = [];
  for (let i = 0; i < tags.length; i++) {
    if (tags[i] === OUTSIDE) continue;
    const label = labelOf(tags[i]);
    let last = i;
    while (last + 1 < tags.length && tags[last + 1] === insideOf(label)) last++;
    runs.push({ label, first: i, last });
    i = last;
  }
  return runs;
}
