// Owns finding what was probably meant by a name that nobody knows.

/** Letters to add, drop or change. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

/** The one of `names` that `name` may have meant: written alike, or in another convention (`max_tokens`); undefined where none is near. */
export function nearName(name: string, names: readonly string[]): string | undefined {
  const simple = (text: string) => text.slice(0, 100).toLowerCase().replace(/[-_ ]/g, '');
  const wanted = simple(name);
  const longer = wanted.length > 2 ? names.filter((known) => simple(known).startsWith(wanted)) : [];
  if (longer.length === 1) return longer[0];
  const [nearest] = names
    .map((known) => ({ known, distance: editDistance(simple(known), wanted) }))
    .sort((a, b) => a.distance - b.distance);
  return nearest && nearest.distance <= Math.max(1, wanted.length / 3) ? nearest.known : undefined;
}
