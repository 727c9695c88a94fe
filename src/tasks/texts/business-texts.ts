// Owns all that customers read, as a business wants it: per language its own texts, names of intents and fields for people, answers in other languages. What it
// has not written is taken from the defaults. Must not know models.
import { checkArgument } from '../../core/check.ts';
import { nearName } from '../../core/near-name.ts';
import { OnebitError } from '../../errors.ts';
import { type CustomerTexts, DEFAULT_TEXTS, readyName } from './defaults.ts';

/** A text, the same in all languages or one for each. */
export type TextByLanguage = string | Readonly<Record<string, string>>;

/** What a business may write; languages are two letters. */
export interface BusinessTexts {
  /** The language of customers whose own is not known. */
  readonly language?: string;
  /** Two letters of the country whose phone numbers may lack their country code, "DE". */
  readonly country?: string;
  /** Per language, instead of the defaults. */
  readonly texts?: Readonly<Record<string, Partial<CustomerTexts>>>;
  /** What intents and fields are called before people: `{ card_arrival: { en: 'where a card is', de: 'wo eine Karte bleibt' } }`. */
  readonly names?: Readonly<Record<string, TextByLanguage>>;
  /** Answers of intents per language; those of the rows hold for all other languages. */
  readonly answers?: Readonly<Record<string, TextByLanguage>>;
}

const PARTS = ['language', 'country', 'texts', 'names', 'answers'] as const;
const TEXT_NAMES = Object.keys(DEFAULT_TEXTS.en) as (keyof CustomerTexts)[];
/** Without its place a text would not say what it is for. */
const PLACES: Readonly<Partial<Record<keyof CustomerTexts, string>>> = {
  ...{ clarify: '{options}', missing: '{fields}' },
};
const LANGUAGE = /^[a-z]{2,3}$/;
const MOST_CHARACTERS = 5000;
const MOST_ENTRIES = 20_000;

/** What is said to customers of one language. */
export interface Voice {
  readonly language: string;
  readonly texts: CustomerTexts;
  /** An intent as people say it: its name, else the words of its label. */
  name(label: string): string;
  /** The same of a field: those that need no examples have names in ten languages. */
  field(label: string): string;
  /** The answer of an intent in this language, where it was written. */
  answer(intent: string): string | undefined;
  /** "a, b or c". */
  either(options: readonly string[]): string;
}

/** The languages that there are texts for. */
export function languagesOf({ texts = {} }: BusinessTexts): string[] {
  return [...new Set([...Object.keys(texts), ...Object.keys(DEFAULT_TEXTS)])];
}

/** How customers of a language are spoken to; of one without texts, as those whose language is not known. */
export function voiceOf(own: BusinessTexts, wanted?: string): Voice {
  checkArgument('voiceOf', 'own', own, 'object');
  checkArgument('voiceOf', 'wanted', wanted, 'text', false);
  const fallback = own.language ?? 'en';
  const language = wanted !== undefined && languagesOf(own).includes(wanted) ? wanted : fallback;
  const texts = { ...(DEFAULT_TEXTS[language] ?? DEFAULT_TEXTS.en), ...own.texts?.[language] };
  const inLanguage = (text: TextByLanguage | undefined) =>
    typeof text === 'object' ? (entryOf(text, language) ?? entryOf(text, fallback)) : text;
  return {
    ...{ language, texts },
    name: (label) => inLanguage(entryOf(own.names, label)) ?? spoken(label),
    field: (label) => inLanguage(entryOf(own.names, label)) ?? readyName(label, language) ?? spoken(label),
    answer: (intent) => {
      const text = entryOf(own.answers, intent);
      return typeof text === 'object' ? entryOf(text, language) : text;
    },
    either: (options) => new Intl.ListFormat(language, { type: 'disjunction' }).format(options),
  };
}

/** `text` with what stands for each `{place}`. */
export function filledIn(text: string, places: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => entryOf(places, name) ?? place);
}

/** A label as people say it: `card_arrival` is "card arrival". */
export function spoken(label: string): string {
  return label
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .replace(/[_\-/.:]+/g, ' ')
    .trim()
    .toLowerCase();
}

/**
 * `value` as texts of a business, checked.
 * @throws OnebitError `bad-argument` naming the part that is wrong
 */
export function checkTexts(operation: string, value: unknown): BusinessTexts {
  checkArgument(operation, 'texts', value, 'object');
  const own = value as BusinessTexts;
  known(operation, 'texts', Object.keys(own), PARTS);
  if (own.language !== undefined && !LANGUAGE.test(String(own.language))) {
    throw refused(operation, 'texts.language must be two letters, "de" for example', own.language);
  }
  if (own.country !== undefined && !/^[A-Z]{2}$/.test(String(own.country))) {
    throw refused(operation, 'texts.country must be two letters, "DE" for example', own.country);
  }
  for (const [language, texts] of entriesOf(operation, 'texts.texts', own.texts)) {
    checkLanguage(operation, 'texts.texts', language);
    checkArgument(operation, `texts.texts.${language}`, texts, 'object');
    known(operation, `texts.texts.${language}`, Object.keys(texts as object), TEXT_NAMES);
    for (const [name, text] of Object.entries(texts as Record<keyof CustomerTexts, unknown>)) {
      checkText(operation, `texts.texts.${language}.${name}`, text);
      const place = PLACES[name as keyof CustomerTexts];
      if (place && !String(text).includes(place)) {
        throw refused(operation, `texts.texts.${language}.${name} must hold ${place}`, text);
      }
    }
  }
  for (const part of ['names', 'answers'] as const) {
    for (const [label, text] of entriesOf(operation, `texts.${part}`, own[part])) {
      const where = `texts.${part}.${label.slice(0, 60)}`;
      if (typeof text !== 'object' || text === null) checkText(operation, where, text);
      else
        for (const [language, one] of Object.entries(text)) {
          checkLanguage(operation, where, language);
          checkText(operation, `${where}.${language}`, one);
        }
    }
  }
  const { language, country, texts, names, answers } = own;
  return {
    ...(language === undefined ? {} : { language }),
    ...(country === undefined ? {} : { country }),
    ...(texts ? { texts } : {}),
    ...(names ? { names } : {}),
    ...(answers ? { answers } : {}),
  };
}

/** Labels that have names or answers and are none of `labels`: probably misspelt. */
export function unknownLabels({ names = {}, answers = {} }: BusinessTexts, labels: readonly string[]): string[] {
  const there = new Set(labels);
  return [...new Set([...Object.keys(names), ...Object.keys(answers)])].filter((label) => !there.has(label));
}

function entriesOf(operation: string, name: string, value: unknown): [string, unknown][] {
  if (value === undefined) return [];
  checkArgument(operation, name, value, 'object');
  const entries = Object.entries(value as object);
  if (entries.length > MOST_ENTRIES) throw refused(operation, `${name} must have at most ${MOST_ENTRIES}`, '');
  return entries;
}

function checkText(operation: string, name: string, text: unknown): void {
  checkArgument(operation, name, text, 'text');
  const length = (text as string).length;
  if (length === 0 || length > MOST_CHARACTERS) {
    throw refused(operation, `${name} must have 1 to ${MOST_CHARACTERS} characters`, length);
  }
}

function checkLanguage(operation: string, name: string, language: string): void {
  if (!LANGUAGE.test(language)) throw refused(operation, `${name} must be by languages of two letters`, language);
}

function known(operation: string, name: string, given: readonly string[], there: readonly string[]): void {
  const unknown = given.find((key) => !there.includes(key));
  if (unknown === undefined) return;
  const near = nearName(unknown, there);
  const advice = near ? `Did you mean '${near}'?` : `There are: ${there.join(', ')}.`;
  throw new OnebitError('bad-argument', `${operation}: ${name} has no '${unknown.slice(0, 60)}'. ${advice}`);
}

function refused(operation: string, must: string, got: unknown): OnebitError {
  return new OnebitError(
    'bad-argument',
    `${operation}: ${must}, got ${(JSON.stringify(got) ?? 'nothing').slice(0, 80)}. Correct it.`,
  );
}

function entryOf<Value>(of: Readonly<Record<string, Value>> | undefined, key: string): Value | undefined {
  return of !== undefined && Object.hasOwn(of, key) ? of[key] : undefined;
}
