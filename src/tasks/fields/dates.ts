// Owns dates and times in texts of several languages, by the library chrono-node, which is loaded when the first reader is made. Must not know models.
import type { Chrono, ParsedComponents, Parser } from 'chrono-node';

/** A date or a time, where it stands, and as much of an ISO 8601 date and time as the text says. */
export interface FoundDate {
  readonly text: string;
  readonly start: number;
  readonly value: string;
}

/** Dates in a text of a language, two letters; English where the library does not know it. Long texts are to be given in pieces: the time grows with the square. */
export type DateReader = (text: string, language?: string) => FoundDate[];

/** Where 5/1 is the first of May; elsewhere it is the fifth of January. */
const MONTH_FIRST: ReadonlySet<string> = new Set(['US', 'CA', 'PH']);
/** A lone number is no date, but "12.05.2027" and "12.5." are. */
const NUMBER = /^[\d\s.]+$/;
const DOTTED = /^\d{1,2}\.\s?\d{1,2}\.(?:\s?(?:\d{4}|\d{2}))?$/;
/** "so", "mar" and "the sun" are other words far more often than days of the week. */
const ABBREVIATION = /^\p{L}{1,3}[.,]?$/u;
/** "I waited 10 days", "a 5m cable" and "24/7" name no day; the library counts durations from now. */
const DURATION =
  /^(?:for\s+)?(?:[\d.,]+|half an?|an?|one|two|three|four|five|six|seven|eight|nine|ten|few)\s*(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|mo|months?|y|yrs?|years?)$|^24\/7$/iu;
/** Days stand before months wherever dots stand between them. */
const DAY_MONTH_YEAR: Parser = {
  pattern: () => /(?<![\d.,])([0-3]?\d)\.\s?(1[0-2]|0?[1-9])\.\s?(\d{4})(?!\d|\.\d)/,
  extract: (_, match) => ({ day: Number(match[1]), month: Number(match[2]), year: Number(match[3]) }),
};
const DAY_MONTH: Parser = {
  pattern: () => /(?<![\d.,])([0-3]?\d)\.\s?(1[0-2]|0?[1-9])\.(?!\s?\d)/,
  extract: (_, match) => ({ day: Number(match[1]), month: Number(match[2]) }),
};
const DOTTED_CLOCK: Parser = {
  pattern: () => /(?<![\d.,])([01]?\d|2[0-3])\.([0-5]\d)(?=\s?Uhr)/,
  extract: (_, match) => ({ hour: Number(match[1]), minute: Number(match[2]) }),
};

/**
 * Loads the library and gives a reader.
 * @param country two letters: where English texts are from
 * @param writtenAt what "tomorrow" counts from
 */
export async function dateReader(country?: string, writtenAt?: Date): Promise<DateReader> {
  const chrono = await import('chrono-node');
  const isMonthFirst = country === undefined || MONTH_FIRST.has(country.toUpperCase());
  const others = chrono as unknown as Record<string, { readonly casual: Chrono }>;
  const knownAs = (language: string) =>
    /^[a-z]{2}$/.test(language) && Object.hasOwn(chrono, language) ? language : 'en';
  const made = new Map<string, Chrono>();
  const parserOf = (language: string): Chrono => {
    const known = made.get(language);
    if (known) return known;
    const parser = (language === 'en' && !isMonthFirst ? chrono.en.GB : others[language].casual).clone();
    parser.parsers.unshift(DAY_MONTH_YEAR);
    if (language === 'de') parser.parsers.push(DAY_MONTH, DOTTED_CLOCK);
    made.set(language, parser);
    return parser;
  };
  return (text, wanted = 'en') => {
    const language = knownAs(wanted);
    const found = parserOf(language).parse(text, writtenAt ?? new Date(), { forwardDate: true });
    return found.flatMap(({ text: said, index, start, end }) => {
      if (NUMBER.test(said) && !DOTTED.test(said.trim())) return [];
      if (ABBREVIATION.test(said) && (start.isCertain('weekday') || start.isCertain('month'))) return [];
      if (language === 'en' && DURATION.test(said)) return [];
      // "hace tres días" is three days ago; the library counts forward.
      if (language === 'es' && /\bhace\s+$/iu.test(text.slice(Math.max(0, index - 10), index))) return [];
      return [{ text: said, start: index, value: iso(start) + (end ? `/${iso(end)}` : '') }];
    });
  };
}

/** As much of an ISO 8601 date and time as the text says. */
function iso(parts: ParsedComponents): string {
  const two = (part: 'month' | 'day' | 'hour' | 'minute') => String(parts.get(part) ?? 0).padStart(2, '0');
  const date = `${String(parts.get('year') ?? 0).padStart(4, '0')}-${two('month')}-${two('day')}`;
  if (!parts.isCertain('hour')) return date;
  const offset = parts.isCertain('timezoneOffset') ? parts.get('timezoneOffset') : null;
  const zone = (minutes: number) =>
    `${minutes < 0 ? '-' : '+'}${String(Math.floor(Math.abs(minutes) / 60)).padStart(2, '0')}:${String(Math.abs(minutes) % 60).padStart(2, '0')}`;
  return `${date}T${two('hour')}:${two('minute')}${offset === null ? '' : zone(offset)}`;
}
