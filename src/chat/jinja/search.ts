// Owns looking for a text in a text in linear time: what a file brings may be made so that the usual ways compare every place with all of it.
import type { Work } from './work.ts';

/** Up to this length V8's own search is fast in the worst case too. */
const SHORT = 32;

/** Where `part` first begins in `text`, at `from` or later; -1 where nowhere. */
export function indexOf(text: string, part: string, from: number, work: Work): number {
  work.scan(part.length);
  if (part.length <= SHORT || part.length > text.length) return text.indexOf(part, from);
  return search(
    text.length,
    part,
    (i) => text.charCodeAt(i),
    (i) => part.charCodeAt(i),
    from,
  );
}

/** Where `part` last begins in `text`; -1 where nowhere. */
export function lastIndexOf(text: string, part: string, work: Work): number {
  work.scan(part.length);
  if (part.length <= SHORT || part.length > text.length) return text.lastIndexOf(part);
  const [end, last] = [text.length - 1, part.length - 1];
  const at = search(
    text.length,
    part,
    (i) => text.charCodeAt(end - i),
    (i) => part.charCodeAt(last - i),
    0,
  );
  return at < 0 ? -1 : text.length - part.length - at;
}

/** Knuth, Morris and Pratt's search: no character of the text is looked at again. */
function search(
  length: number,
  part: string,
  textAt: (i: number) => number,
  partAt: (i: number) => number,
  from: number,
): number {
  // Of each beginning of `part`, the length of its longest end that is a beginning too
  const again = new Int32Array(part.length);
  for (let i = 1, same = 0; i < part.length; i++) {
    while (same > 0 && partAt(i) !== partAt(same)) same = again[same - 1];
    if (partAt(i) === partAt(same)) same++;
    again[i] = same;
  }
  for (let i = Math.max(0, from), same = 0; i < length; i++) {
    while (same > 0 && textAt(i) !== partAt(same)) same = again[same - 1];
    if (textAt(i) === partAt(same)) same++;
    if (same === part.length) return i - same + 1;
  }
  return -1;
}
