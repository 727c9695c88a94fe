// Owns checking what callers pass to public functions, so that those of JavaScript too get an error that names the argument.
import { OnebitError } from '../errors.ts';
import { nearName } from './near-name.ts';

/** What an option must be: a kind, or one of some texts. Ranges are checked where they are known. */
export type Kind =
  | 'text'
  | 'number'
  | 'boolean'
  | 'function'
  | 'object'
  | 'map'
  | 'list'
  | 'objects'
  | 'bytes'
  | 'signal'
  | 'anything'
  | readonly string[];

export type Options = Readonly<Record<string, Kind>>;

const KINDS: Record<string, readonly [name: string, is: (value: unknown) => boolean]> = {
  text: ['a text', (value) => typeof value === 'string'],
  number: ['a number', (value) => typeof value === 'number' && !Number.isNaN(value)],
  boolean: ['true or false', (value) => typeof value === 'boolean'],
  function: ['a function', (value) => typeof value === 'function'],
  object: ['an object', (value) => typeof value === 'object' && value !== null && !Array.isArray(value)],
  map: ['a Map', (value) => value instanceof Map],
  list: ['a list', (value) => Array.isArray(value)],
  objects: [
    'a list of objects',
    (value) => Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null),
  ],
  bytes: ['bytes (Uint8Array)', (value) => value instanceof Uint8Array],
  signal: ['an AbortSignal', (value) => typeof value === 'object' && value !== null && 'aborted' in value],
  anything: ['anything', () => true],
};

/**
 * Checks one argument; undefined passes, unless it is `required`.
 * @throws OnebitError `bad-argument` with its name
 */
export function checkArgument(operation: string, name: string, value: unknown, kind: Kind, required = true): void {
  if (value === undefined && !required) return;
  if (typeof kind !== 'string') {
    if (typeof value === 'string' && kind.includes(value)) return;
    throw wrong(operation, name, `be one of ${kind.join(', ')}`, value);
  }
  const [expected, is] = KINDS[kind];
  if (!is(value)) throw wrong(operation, name, `be ${expected}`, value);
}

/** Checks a list and each of its items. @throws OnebitError `bad-argument` with the name of the argument or item */
export function checkList(operation: string, name: string, value: unknown, kind: Kind): void {
  checkArgument(operation, name, value, 'list');
  for (const [i, item] of (value as unknown[]).entries()) checkArgument(operation, `${name}[${i}]`, item, kind);
}

/**
 * Checks an object of options: no other names than those of `known`, each of its kind where it is given.
 * @throws OnebitError `bad-argument` with the name, and the near one that was probably meant
 */
export function checkOptions(operation: string, options: unknown, known: Options): void {
  checkArgument(operation, 'options', options, 'object');
  for (const [name, value] of Object.entries(options as object)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(known, name)) {
      const near = nearName(name, Object.keys(known));
      throw new OnebitError(
        'bad-argument',
        `${operation}: options must be known, got '${name.slice(0, 60)}'. ${near ? `Did you mean '${near}'?` : `There are: ${Object.keys(known).join(', ')}.`}`,
      );
    }
    checkArgument(operation, name, value, known[name]);
  }
}

/**
 * Checks an object that another part of the library makes, by what it `has`.
 * @param from who gives such: "load", "compileSchema"
 * @throws OnebitError `bad-argument` with the name of the argument
 */
export function checkGiven(
  operation: string,
  name: string,
  value: unknown,
  from: string,
  has: readonly PropertyKey[],
): void {
  const isOne = typeof value === 'object' && value !== null && has.every((key) => key in value);
  if (!isOne) throw wrong(operation, name, `be one that ${from} gave`, value);
}

/** Checks a text or token ids, for functions that take both. @throws OnebitError `bad-argument` with the name of the argument */
export function checkTextOrTokens(operation: string, name: string, value: unknown): void {
  if (typeof value !== 'string') checkTokens(operation, name, value, 'a text or token ids');
}

/** Checks token ids: whole numbers; which there are is the vocabulary's affair. @throws OnebitError `bad-argument` with the name of the argument */
export function checkTokens(operation: string, name: string, value: unknown, expected = 'token ids'): void {
  const list = value as ArrayLike<unknown> | null;
  const isList = typeof value === 'object' && list !== null && Number.isSafeInteger(list.length);
  if (!isList) throw wrong(operation, name, `be ${expected}`, value);
  for (let i = 0; i < list.length; i++) {
    if (!Number.isSafeInteger(list[i]))
      throw wrong(operation, `${name}[${i}]`, 'be a token id (a whole number)', list[i]);
  }
}

/** The error for an argument that is not what it must be. */
export function wrong(operation: string, name: string, requirement: string, value: unknown): OnebitError {
  return new OnebitError('bad-argument', `${operation}: ${name} must ${requirement}, got ${shown(value)}.`);
}

/** A value in a few words. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value.length > 40 ? `'${value.slice(0, 40)}…'` : `'${value}'`;
  if (value === null || ['number', 'boolean', 'undefined', 'bigint'].includes(typeof value)) return String(value);
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  const name = (value as object).constructor?.name;
  return name && name !== 'Object' ? `an object (${name})` : `an object`;
}
