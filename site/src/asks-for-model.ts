// Owns whether the page's address names a model; what reads it is fetched only then.

/** What stands in an address before a model's bytes. */
export const LINK_PREFIX = '#model=';

export function asksForModel(): boolean {
  return location.hash.startsWith(LINK_PREFIX) || new URLSearchParams(location.search).has('model');
}
