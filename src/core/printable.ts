// Owns making text from untrusted files safe to show: what a terminal would obey, and what would change the order or the lines of what people read,
// becomes visible. Must not know where it is shown.

/** Controls (of terminals too), line and paragraph separators, halves of pairs, and formatting characters (directions, tags) but for the two joiners that some scripts need. */
const INVISIBLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]|(?![\u200c\u200d])\p{Cf}/gu;
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `text` in one line: `\n`, `\x1b`, `\u202e` stand for what cannot be seen. */
export function printable(text: string): string {
  return text.replace(INVISIBLE, escaped);
}

/** The same, but line feeds and tabs stay. */
export function printableLines(text: string): string {
  return text.replace(INVISIBLE, (char) => (char === '\n' || char === '\t' ? char : escaped(char)));
}

/** JSON of `value` in which nothing is left that a terminal would obey; it reads back the same. */
export function printableJson(value: unknown, space?: number): string {
  return JSON.stringify(value, null, space).replace(INVISIBLE, (char) =>
    char === '\n' ? char : Array.from({ length: char.length }, (_, i) => hex(char.charCodeAt(i))).join(''),
  );
}

function escaped(char: string): string {
  const code = char.codePointAt(0)!;
  if (SHORT[char]) return SHORT[char];
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000 ? hex(code) : `\\u{${code.toString(16)}}`;
}

function hex(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`;
}
