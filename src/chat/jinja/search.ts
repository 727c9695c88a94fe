// Owns looking for a text in a text in linear time: what a file brings may be made so that the usual ways compare every place with all of it.
import type { Work } from './work.ts';

/** Up to this length V8's own search is fast in the worst case too. */
const SHORT = 32;

/** Where `part` first begins in `text`, at `from` or later; -1 where nowhere. */
export function indexOf(text: string, part: string, from: number, work: Work): number {
  work.scan(part.length);
  if (part.length <= SHORT || part.length > text.length) return text.indexOf(part, from);
  return search(text, part, Math.max(0, from), 1);
}

/** Where `part` last begins in `text`; -1 where nowhere. */
export function lastIndexOf(text: string, part: string, work: Work): number {
  work.scan(part.length);
  if (part.length <= SHORT || part.length > text.length) return text.lastIndexOf(part);
  return search(text, part, text.length - 1, -1);
}

/** Knuth, Morris and Pratt's search, from `from` on to the end or, backwards, to the start: no character of the text is looked at again. */
function search(text: string, part: string, from: number, direction: 1 | -1): number {
  const first = direction > 0 ? 0 : part.length - 1;
  // Of each beginning of `part`, the length of its longest end that is a beginning too
  const again = new Int32Array(part.length);
  for (let i = 1, same = 0; i < part.length; i++) {
    const code = part.charCodeAt(first + direction * i);
    while (same > 0 && code !== part.charCodeAt(first + direction * same)) same = again[same - 1];
    if (code === part.charCodeAt(first + direction * same)) same++;
    again[i] = same;
  }
  for (let i = from, same = 0; i >= 0 && i < text.length; i += direction) {
    const code = text.charCodeAt(i);
    while (same > 0 && code !== part.charCodeAt(first + direction * same)) same = again[same - 1];
    if (code === part.charCodeAt(first + direction * same)) same++;
    if (same === part.length) return direction > 0 ? i - same + 1 : i;
  }
  return -1;
}
