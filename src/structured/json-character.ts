// Owns what one character of a JSON string may look like in bytes: UTF-8 or an escaping, never half a surrogate pair.
// Sources: RFC 8259 section 7, RFC 3629 section 4.

/** An automaton: `next[state × 256 + byte]` is −1 where the byte cannot come, 0 where a character is complete (0 is also where it begins). */
export const jsonCharacters: {
  readonly next: Int16Array;
  readonly states: number;
  /** The same by state as flat triples: from byte, to byte, next state. */
  readonly edges: readonly (readonly number[])[];
} = build();

function build() {
  const rows: Int16Array[] = [];
  const state = () => rows.push(new Int16Array(256).fill(-1)) - 1;
  const edge = (from: number, low: number, high: number, to: number) => rows[from].fill(to, low, high + 1);
  const hex = (from: number, to: number) => {
    edge(from, 0x30, 0x39, to);
    edge(from, 0x41, 0x46, to);
    edge(from, 0x61, 0x66, to);
  };
  const begin = state();
  edge(begin, 0x20, 0x7f, begin);
  edge(begin, 0x22, 0x22, -1);

  const [last, last2, last3] = [state(), state(), state()];
  edge(last, 0x80, 0xbf, begin);
  edge(last2, 0x80, 0xbf, last);
  edge(last3, 0x80, 0xbf, last2);
  edge(begin, 0xc2, 0xdf, last);
  edge(begin, 0xe1, 0xef, last2);
  edge(begin, 0xf1, 0xf3, last3);
  // No overlong forms, no surrogates, nothing beyond U+10FFFF.
  for (const [first, low, high, to] of [
    [0xe0, 0xa0, 0xbf, last],
    [0xed, 0x80, 0x9f, last],
    [0xf0, 0x90, 0xbf, last2],
    [0xf4, 0x80, 0x8f, last2],
  ]) {
    const second = state();
    edge(begin, first, first, second);
    edge(second, low, high, to);
  }

  const escaping = state();
  edge(begin, 0x5c, 0x5c, escaping);
  for (const letter of '"\\/bfnrt') edge(escaping, letter.charCodeAt(0), letter.charCodeAt(0), begin);
  const [digit1, digit2, digit3, digit4] = [state(), state(), state(), state()];
  edge(escaping, 0x75, 0x75, digit1);
  hex(digit1, digit2);
  hex(digit2, digit3);
  hex(digit3, digit4);
  hex(digit4, begin);
  // \uD800 to \uDBFF must be followed by \uDC00 to \uDFFF.
  const [afterD, high3, high4, slash, u, low1, low2] = [state(), state(), state(), state(), state(), state(), state()];
  for (const d of [0x44, 0x64]) {
    edge(digit1, d, d, afterD);
    edge(u, d, d, low1);
  }
  edge(afterD, 0x30, 0x37, digit3);
  edge(afterD, 0x38, 0x39, high3);
  for (const [low, high] of [
    [0x41, 0x42],
    [0x61, 0x62],
  ]) {
    edge(afterD, low, high, high3);
    edge(low1, low + 2, high + 4, low2);
  }
  hex(high3, high4);
  hex(high4, slash);
  edge(slash, 0x5c, 0x5c, state());
  edge(rows.length - 1, 0x75, 0x75, u);
  hex(low2, digit4);

  const next = new Int16Array(rows.length * 256);
  for (const [i, row] of rows.entries()) next.set(row, i * 256);
  return { next, states: rows.length, edges: rows.map(edgesOf) };
}

function edgesOf(row: Int16Array): number[] {
  const edges: number[] = [];
  for (let low = 0; low < 256; ) {
    let high = low;
    while (high < 255 && row[high + 1] === row[low]) high++;
    if (row[low] >= 0) edges.push(low, high, row[low]);
    low = high + 1;
  }
  return edges;
}
