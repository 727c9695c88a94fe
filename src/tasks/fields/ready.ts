// Owns fields that need no examples: e-mail addresses, web addresses, phone numbers, IBANs, amounts of money, order numbers, dates and times. Libraries are
// loaded when the first reader is made. Must not know models.
import { atOnce, type InPieces } from '../../core/budget.ts';
import { checkList, checkOptions } from '../../core/check.ts';
import { OnebitError } from '../../errors.ts';
import { dateReader } from './dates.ts';
import type { Field } from './field-model.ts';

/** Kinds of ready fields, which are their labels. */
export const READY_FIELDS = ['email', 'url', 'iban', 'order_number', 'amount', 'phone', 'datetime'] as const;
export type ReadyField = (typeof READY_FIELDS)[number];

export interface ReadyFieldsOptions {
  /** Which kinds. Default: all. */
  readonly kinds?: readonly ReadyField[];
  /**
   * Two letters of the country whose phone numbers may lack their country code, "DE"; it also says whether 5/1 is in May or in January in English texts. Without it
   * such numbers are found where a word announces them or they begin with a zero, and have no `value`.
   */
  readonly country?: string;
  /** When the text was written, which "tomorrow" counts from. Default: now. */
  readonly writtenAt?: Date;
}

/** Reads the ready fields of a text, in their order; they do not overlap. Dates are read in its language, two letters (default: English). */
export type ReadyReader = (text: string, language?: string) => Field[];

/** The same, a piece of a text at a time: a long one takes half a second in all. */
export type ReadyPieces = (text: string, language?: string) => InPieces<Field[]>;

/** Their form says what they are. */
const UNDOUBTED: ReadonlySet<string> = new Set<ReadyField>(['email', 'url', 'iban']);
/** What a learnt field must be to name an address or an account number otherwise. */
const SURE = 0.95;
/** Longer texts are read up to here: libraries of patterns are slow on long ones. */
const MAX_CHARACTERS = 20_000;
const EMAIL =
  /(?<![\p{L}\p{N}_.+-])[\p{L}\p{N}_.+-]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.){1,8}\p{L}{2,24}(?![\p{L}\p{N}])/gu;
const URL_PATTERN = /(?<![\w@.])(?:https?:\/\/|www\.)[^\s<>"']{2,2000}/giu;
const IBAN = /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])/gi;
const CURRENCIES: Readonly<Record<string, string>> = {
  ...{
    r$: 'BRL',
    '₺': 'TRY',
    '₴': 'UAH',
    kč: 'CZK',
    kc: 'CZK',
    sek: 'SEK',
    nok: 'NOK',
    dkk: 'DKK',
    try: 'TRY',
    brl: 'BRL',
  },
  ...{ reais: 'BRL', real: 'BRL', us$: 'USD', czk: 'CZK', huf: 'HUF', mxn: 'MXN', nzd: 'NZD', sgd: 'SGD', cny: 'CNY' },
  ...{ '€': 'EUR', $: 'USD', '£': 'GBP', '¥': 'JPY', '₹': 'INR', '₽': 'RUB', '₩': 'KRW', zł: 'PLN' },
  ...{ eur: 'EUR', euro: 'EUR', euros: 'EUR', usd: 'USD', dollar: 'USD', dollars: 'USD', gbp: 'GBP', pounds: 'GBP' },
  ...{
    chf: 'CHF',
    franken: 'CHF',
    jpy: 'JPY',
    yen: 'JPY',
    inr: 'INR',
    rupees: 'INR',
    pln: 'PLN',
    cad: 'CAD',
    aud: 'AUD',
  },
};
const MONEY = String.raw`(?:r\$|us\$|[€$£¥₹₽₩₺₴]|(?:eur|euros?|usd|dollars?|gbp|pounds|chf|franken|jpy|yen|inr|rupees|pln|zł|cad|aud|kč|sek|nok|dkk|czk|huf|mxn|nzd|sgd|cny|brl|reais)(?!\p{L}))`;
const NUMBER = String.raw`\d{1,3}(?:[.,' \u00a0]\d{3})+(?:[.,]\d{1,2})?|\d{1,12}(?:[.,]\d{1,2})?`;
const AMOUNT = new RegExp(
  String.raw`(?<![\p{L}\p{N}.,])(?:(?<before>${MONEY})\s?(?<n1>${NUMBER})|(?<n2>${NUMBER})\s?(?<after>${MONEY}))(?!\p{N}|[.,\d]*[kmb](?:n|io|illion)?(?!\p{L}))`,
  'giu',
);
/** A phone number without its country: announced by a word, or begun with a zero. */
const PHONE_DIGITS = String.raw`\(?\d(?:[ ./()-]{0,2}\d){5,14}`;
const ANNOUNCED_PHONE = new RegExp(
  String.raw`(?<!\p{L})(?:phone|telephone|tele(?:fon|foon|fone|fono)|tel|mobile?|mob|cell|handy|fax|hotline|call(?: me| us)?|ring me|reach me|ruf\p{L}*|anruf\p{L}*|téléphone|portable|appel\p{L}*|móvil|celular|llám\p{L}*|llam\p{L}*|telemóvel|ligu\p{L}*|cellulare|mobiel|bel)(?:[ -]?(?:number|nummer|no|nr|numéro|número|numero))?[ .:]*(?:(?:is|on|at|under|unter|ist|au|al|est|es|é|me|mich)[ :]+){0,2}(${PHONE_DIGITS})(?![\p{L}\p{N}-])`,
  'giu',
);
const LOCAL_PHONE = /(?<![\p{L}\p{N}#@+.,/-])(\(?0[1-9](?:[ ./()-]{0,2}\d){7,10})(?![\p{L}\p{N}-])/giu;
/** Figures of a date. */
const CALENDAR = /^(?:\d{1,2}([./ -])\d{1,2}\1(?:\d{4}|\d{2})|\d{4}([./ -])\d{1,2}\2\d{1,2})$/;
/** Lines, long ones cut at a space where there is one. */
const PIECES = /[^\n]{1,400}(?=\s|$)|[^\n]{1,400}/gu;
/** What is announced as an order, or looks like one: letters and digits joined, at least four digits. */
const ANNOUNCED =
  /\b(?:order|booking|reservation|confirmation|tracking|invoice|ticket|case|claim|customer|bestell\w*|auftrag\w*|rechnung\w*|buchung\w*|commande|facture|pedido|factura|ordine|encomenda)(?:[ -]?(?:number|no|nr|num|id|code|ref|reference|nummer|numéro|número|numero)\b\.?)?\s*(?:is|lautet|est|es|:|#|n°|-)?\s*#?((?:[A-Z]{1,5}-?)?\d[A-Z0-9]*(?:-[A-Z0-9]+){0,4})/giu;
const CODED = /(?<![\p{L}\p{N}@./-])(?:#\d{4,14}|[A-Z]{2,5}-?\d{4,14}(?:-\d+)?)(?![\p{L}\p{N}@-])/gu;

/** Loads what the kinds need and gives a reader. Throws `bad-argument`. */
export async function readyFields(options: ReadyFieldsOptions = {}): Promise<ReadyReader> {
  const read = await readyPieces(options);
  return (text, language) => atOnce(read(text, language));
}

/** The same for who has others to serve. */
export async function readyPieces(options: ReadyFieldsOptions = {}): Promise<ReadyPieces> {
  checkOptions('readyFields', options, { kinds: 'list', country: 'text', writtenAt: 'object' });
  const { kinds = READY_FIELDS, country, writtenAt } = options;
  const unknown = kinds.find((kind) => !READY_FIELDS.includes(kind));
  if (unknown !== undefined) {
    throw new OnebitError(
      'bad-argument',
      `readyFields: kinds must be of ${READY_FIELDS.join(', ')}, got ${String(unknown).slice(0, 60)}. Correct the name.`,
    );
  }
  if (country !== undefined && !/^[a-z]{2}$/i.test(country)) throw noCountry(country);
  const readers: ReadyPieces[] = [];
  for (const kind of READY_FIELDS) {
    if (!kinds.includes(kind)) continue;
    if (kind === 'phone') readers.push(inPieces(await phones(country)));
    else if (kind === 'datetime') readers.push(inPieces(await datetimes(country, writtenAt)));
    else readers.push(inOnePiece(PATTERNS[kind]));
  }
  return function* (text, language) {
    const head = text.slice(0, MAX_CHARACTERS);
    let found: Field[] = [];
    for (const read of readers) {
      found = withoutOverlap(found, yield* read(head, language));
      yield;
    }
    return found;
  };
}

/** Both lists in order; of fields that overlap those of `first` count. */
export function withoutOverlap(first: readonly Field[], second: readonly Field[]): Field[] {
  const free = second.filter(({ start, end }) => !first.some((other) => other.start < end && start < other.end));
  return [...first, ...free].sort((a, b) => a.start - b.start);
}

/**
 * What a model has learnt to read and what needs no examples, together: where they overlap the learnt field counts, and takes the value of a ready one that is
 * most of it. What is only a part of an address or an account number is no field, nor is the whole of one that the model is not sure of.
 */
export function withReadyFields(learnt: readonly Field[], ready: readonly Field[]): Field[] {
  checkList('withReadyFields', 'learnt', learnt, 'object');
  checkList('withReadyFields', 'ready', ready, 'object');
  const whole = ready.filter(({ label }) => UNDOUBTED.has(label));
  const isPart = (field: Field) =>
    whole.some(
      ({ start, end }) =>
        start <= field.start && field.end <= end && (end - start > field.end - field.start || field.probability < SURE),
    );
  const kept = learnt.filter((field) => !isPart(field));
  const valued = kept.map((field): Field => {
    const same = ready.find(({ start, end, value }) => {
      const shared = Math.min(end, field.end) - Math.max(start, field.start);
      return value !== undefined && shared >= 0.6 * (field.end - field.start) && shared >= 0.6 * (end - start);
    });
    return same && field.value === undefined ? { ...field, value: same.value } : field;
  });
  return withoutOverlap(valued, ready);
}

function field(label: ReadyField, text: string, start: number, value?: string): Field {
  return { label, text, start, end: start + text.length, probability: 1, ...(value === undefined ? {} : { value }) };
}

const PATTERNS: Record<Exclude<ReadyField, 'phone' | 'datetime'>, ReadyReader> = {
  email: (text) =>
    Array.from(text.matchAll(EMAIL), ({ 0: found, index }) => field('email', found, index, found.toLowerCase())),
  url: (text) =>
    Array.from(text.matchAll(URL_PATTERN), ({ 0: found, index }) => {
      const address = found.replace(/[.,;:!?)\]}…]+$/u, '');
      return field('url', address, index, /^www\./i.test(address) ? `https://${address}` : address);
    }),
  iban: (text) =>
    Array.from(text.matchAll(IBAN)).flatMap(({ 0: found, index }) => {
      // A word after it may have been taken for its end.
      for (let end = found.length; end >= 15; end--) {
        const next = found[end];
        if (found[end - 1] === ' ' || (next !== undefined && next !== ' ')) continue;
        const value = found.slice(0, end).replaceAll(' ', '').toUpperCase();
        if (value.length >= 15 && hasIbanChecksum(value)) return [field('iban', found.slice(0, end), index, value)];
      }
      return [];
    }),
  amount: (text) =>
    Array.from(text.matchAll(AMOUNT), (match) => {
      const { before, n1, n2, after } = match.groups as Record<string, string | undefined>;
      const currency = CURRENCIES[(before ?? after ?? '').toLowerCase()];
      return field('amount', match[0], match.index, `${decimal(n1 ?? n2 ?? '')} ${currency}`);
    }),
  order_number: (text) => {
    const announced = Array.from(text.matchAll(ANNOUNCED)).flatMap((match) => {
      const start = match.index + match[0].length - match[1].length;
      return (match[1].match(/\d/g)?.length ?? 0) >= 3
        ? [field('order_number', match[1], start, match[1].toUpperCase())]
        : [];
    });
    const coded = Array.from(text.matchAll(CODED), ({ 0: found, index }) =>
      field('order_number', found, index, found.replace(/^#/, '')),
    );
    return withoutOverlap(announced, coded);
  },
};

/** ISO 13616: the number made of the letters and digits, first four last, leaves 1 when divided by 97. */
function hasIbanChecksum(iban: string): boolean {
  let rest = 0;
  for (const char of iban.slice(4) + iban.slice(0, 4)) {
    const digits = String(Number.parseInt(char, 36));
    for (const digit of digits) rest = (10 * rest + Number(digit)) % 97;
  }
  return rest === 1;
}

/** "1.234,50", "1,234.50" and "1 234,50" are 1234.50: the last mark with one or two digits behind it stands before the fraction. */
function decimal(number: string): string {
  const parts = /^(.*?)(?:[.,](\d{1,2}))?$/.exec(number)!;
  return parts[1].replace(/\D/g, '') + (parts[2] === undefined ? '' : `.${parts[2]}`);
}

/** Libraries of patterns take time that grows with the square of a text's length: they are shown a line of it, or a part of a long line, at a time. */
function inPieces(read: ReadyReader): ReadyPieces {
  return function* (text, language) {
    const all: Field[] = [];
    for (const { 0: piece, index } of text.matchAll(PIECES)) {
      for (const found of read(piece, language))
        all.push({ ...found, start: found.start + index, end: found.end + index });
      yield;
    }
    return all;
  };
}

function inOnePiece(read: ReadyReader): ReadyPieces {
  // biome-ignore lint/correctness/useYield: it has one piece
  return function* (text, language) {
    return read(text, language);
  };
}

async function phones(country: string | undefined): Promise<ReadyReader> {
  const { findPhoneNumbersInText, isSupportedCountry, Metadata } = await import('libphonenumber-js');
  const code = country?.toUpperCase() as Parameters<typeof isSupportedCountry>[0] | undefined;
  if (code !== undefined && !isSupportedCountry(code)) throw noCountry(country);
  const plan = new Metadata();
  if (code !== undefined) plan.selectNumberingPlan(code);
  // Where numbers are dialled with a zero first, "4711-8820" is none. (Italian mobile numbers have no zero.)
  const needsZero = code !== undefined && code !== 'IT' && prefixOf(plan.numberingPlan) === '0';
  return (text) => {
    const found = findPhoneNumbersInText(text, code as 'DE' | undefined).flatMap(({ startsAt, endsAt, number }) => {
      const said = text.slice(startsAt, endsAt);
      if (CALENDAR.test(said) || (needsZero && !/^\(?[+0]/.test(said))) return [];
      return [field('phone', said, startsAt, number.number)];
    });
    const announced = [ANNOUNCED_PHONE, LOCAL_PHONE].flatMap((pattern) =>
      Array.from(text.matchAll(pattern)).flatMap((match) => {
        const digits = match[1].replace(/\D/g, '').length;
        const start = match.index + match[0].length - match[1].length;
        return digits >= 6 && digits <= 15 && !CALENDAR.test(match[1]) ? [field('phone', match[1], start)] : [];
      }),
    );
    return announced.reduce<Field[]>((known, one) => withoutOverlap(known, [one]), found);
  };
}

async function datetimes(country: string | undefined, writtenAt: Date | undefined): Promise<ReadyReader> {
  const read = await dateReader(country, writtenAt);
  return (text, language) =>
    read(text, language).map(({ text: found, start, value }) => field('datetime', found, start, value));
}

/** What national numbers are dialled with first; the library's types do not name it. */
function prefixOf(plan: object | undefined): string | undefined {
  return (plan as { nationalPrefix?(): string | undefined } | undefined)?.nationalPrefix?.();
}

function noCountry(country: unknown): OnebitError {
  return new OnebitError(
    'bad-argument',
    `readyFields: country must be two letters of a country that has phones, got '${String(country).slice(0, 20)}'. Give one as in "DE".`,
  );
}
