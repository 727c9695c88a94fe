// Owns what the judges of the field, which are written in Python, call white space: `str.strip` and JavaScript's `trim` differ in a few characters, and a
// context that ends otherwise is another question.

/** The characters of `str.isspace` beyond those of JavaScript's `\\s`. */
const MORE = new Set(['\x1c', '\x1d', '\x1e', '\x1f', '\x85']);
/** White space for JavaScript alone. */
const BYTE_ORDER_MARK = '\ufeff';

function isSpace(character: string): boolean {
  return MORE.has(character) || (character !== BYTE_ORDER_MARK && /\s/.test(character));
}

/** `text` without white space at its end. */
export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text[end - 1])) end--;
  return text.slice(0, end);
}

/** `text` without white space around it. */
export function strip(text: string): string {
  let begin = 0;
  while (begin < text.length && isSpace(text[begin])) begin++;
  return stripEnd(text.slice(begin));
}
