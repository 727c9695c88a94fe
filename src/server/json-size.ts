// Owns whether a value of JSON is small enough to be worked on in one go. Looks at no more of it than it must.

/** Parts that a small value has at most: lists, objects, texts, numbers. */
const SMALL = 200;

/** Whether `value` has few parts, however long their texts. */
export function isSmall(value: unknown): boolean {
  let left = SMALL;
  const count = (part: unknown): boolean => {
    if (--left < 0) return false;
    if (typeof part !== 'object' || part === null) return true;
    if (Array.isArray(part)) return part.length <= left && part.every(count);
    for (const name in part) if (!count((part as Record<string, unknown>)[name])) return false;
    return true;
  };
  return count(value);
}
