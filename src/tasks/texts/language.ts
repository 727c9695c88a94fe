// Owns telling languages apart, by the library eld (n-grams, 60 languages), which is loaded when the first reader is made. Must not know models.

/**
 * The language of a text by its two letters, of those allowed; undefined where it is not clear. `usual`: the language in which it most likely is. A few words
 * ("no internet", "iphone 15 pro max") look like any language: another than the usual one must be clearly likelier.
 */
export type LanguageReader = (text: string, among?: readonly string[], usual?: string) => string | undefined;

/** Longer texts are judged by their beginning. */
const MAX_CHARACTERS = 2000;
/** What a language must have of the likeliest one's score to be taken instead of it, where that is none of those allowed. */
const LEAST_OF_BEST = 0.8;
/** By how much another language's score must be above that of the usual one. */
const CLEARLY = 0.15;

/** Loads the library and gives a reader. */
export async function languageReader(): Promise<LanguageReader> {
  const { eld } = await import('eld/extrasmall');
  return (text, among, usual) => {
    const found = eld.detect(text.slice(0, MAX_CHARACTERS));
    const scores = Object.entries(found.getScores());
    const most = Math.max(0, ...scores.map(([, score]) => score));
    const [first, second] = scores
      .filter(([language, score]) => (among?.includes(language) ?? true) && score >= LEAST_OF_BEST * most)
      .sort((a, b) => b[1] - a[1]);
    if (!first || first[1] === second?.[1]) return undefined;
    const [language, score] = first;
    if (usual === undefined || language === usual) return language;
    const usually = scores.find(([one]) => one === usual)?.[1] ?? 0;
    return found.isReliable() && score - usually >= CLEARLY ? language : undefined;
  };
}

/** The language of most of the texts, and the share of them that is of it; undefined where none is clear. */
export function mainLanguage(
  texts: readonly string[],
  read: LanguageReader,
): { language: string; share: number } | undefined {
  const counts = new Map<string, number>();
  for (const text of texts) {
    const language = read(text);
    if (language !== undefined) counts.set(language, (counts.get(language) ?? 0) + 1);
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1]);
  return most && { language: most[0], share: most[1] / texts.length };
}
