// Owns reading single metadata values by key with the type one expects. Must not know which keys there are.
import { checkArgument, checkGiven } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import type { Gguf, GgufValue } from './types.ts';

export type Metadata = Pick<Gguf, 'metadata'>;

/** What a missing key gives, and the bounds of a number. Without `default`, a missing key is an error. */
export interface NumberRequirement {
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
  readonly integer?: boolean;
}

/** The numeric scalar `key`, of any GGUF number type. Throws `bad-file` if it is missing, no number, or out of bounds. */
export function metadataNumber(gguf: Metadata, key: string, requirement: NumberRequirement = {}): number {
  const value = found(gguf, key, requirement);
  if (value === undefined) return missing(key, 'a number', requirement.default);
  const { min = -Number.MAX_VALUE, max = Number.MAX_VALUE, integer = false } = requirement;
  if (typeof value !== 'number' && typeof value !== 'bigint') throw wrong(key, 'a number', value);
  const number = Number(value);
  if (integer && !Number.isSafeInteger(number)) throw wrong(key, 'a whole number', value);
  if (!(number >= min && number <= max)) throw wrong(key, boundsText(requirement), value);
  return number;
}

function boundsText({ min, max }: NumberRequirement): string {
  if (min === undefined && max === undefined) return 'finite';
  if (max === undefined) return `at least ${min}`;
  return min === undefined ? `at most ${max}` : `from ${min} to ${max}`;
}

/** The string `key`. Throws `bad-file` if it is missing without a default, or no string. */
export function metadataString(gguf: Metadata, key: string, requirement: { readonly default?: string } = {}): string {
  const value = found(gguf, key, requirement);
  if (value === undefined) return missing(key, 'a string', requirement.default);
  if (typeof value !== 'string') throw wrong(key, 'a string', value);
  return value;
}

function found(gguf: Metadata, key: string, requirement: object): GgufValue | undefined {
  checkGiven('metadata', 'gguf', gguf, 'readGguf', ['metadata']);
  checkArgument('metadata', 'key', key, 'text');
  checkArgument('metadata', 'requirement', requirement, 'object');
  return gguf.metadata.get(key);
}

/** The boolean `key`. Throws `bad-file` if it is missing without a default, or no boolean. */
export function metadataBoolean(
  gguf: Metadata,
  key: string,
  requirement: { readonly default?: boolean } = {},
): boolean {
  const value = found(gguf, key, requirement);
  if (value === undefined) return missing(key, 'a boolean', requirement.default);
  if (typeof value !== 'boolean') throw wrong(key, 'a boolean', value);
  return value;
}

/** The array of strings `key`, not copied. Throws `bad-file` if it is missing without a default, or anything else. */
export function metadataStrings(
  gguf: Metadata,
  key: string,
  requirement: { readonly default?: readonly string[] } = {},
): readonly string[] {
  const value = found(gguf, key, requirement);
  if (value === undefined) return missing(key, 'an array of strings', requirement.default);
  // All elements of a GGUF array have one type, so the first speaks for all.
  if (!Array.isArray(value) || (value.length > 0 && typeof value[0] !== 'string')) {
    throw wrong(key, 'an array of strings', value);
  }
  return value as string[];
}

/** The array of numbers `key` of any element type, as float64 (exact but for 64-bit integers past 2⁵³). Throws `bad-file` as the others. */
export function metadataNumbers(
  gguf: Metadata,
  key: string,
  requirement: { readonly default?: Float64Array } = {},
): Float64Array {
  const value = found(gguf, key, requirement);
  if (value === undefined) return missing(key, 'an array of numbers', requirement.default);
  if (!ArrayBuffer.isView(value)) throw wrong(key, 'an array of numbers', value);
  return Float64Array.from(value as unknown as ArrayLike<number | bigint>, Number);
}

function missing<T>(key: string, what: string, fallback: T | undefined): T {
  if (fallback !== undefined) return fallback;
  throw new OnebitError(
    'bad-file',
    `read metadata: ${key} must be ${what}, the file has none. Convert the model again.`,
  );
}

function wrong(key: string, what: string, value: GgufValue): OnebitError {
  return new OnebitError(
    'bad-file',
    `read metadata: ${key} must be ${what}, got ${describe(value)}. Convert the model again.`,
  );
}

function describe(value: GgufValue): string {
  if (typeof value === 'string') return `the string ${JSON.stringify(value.slice(0, 40))}`;
  if (typeof value !== 'object') return String(value);
  const first = ArrayBuffer.isView(value) ? 'numbers' : value.length > 0 ? `${typeof value[0]}s` : 'nothing';
  return `an array of ${value.length} ${first}`;
}
