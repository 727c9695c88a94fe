import { expect, test } from 'vitest';
import { metadataBoolean, metadataNumber, metadataNumbers, metadataString, metadataStrings } from './metadata.ts';
import type { GgufValue } from './types.ts';

const gguf = {
  metadata: new Map<string, GgufValue>([
    ['count', 7],
    ['half', 0.5],
    ['large', 2n ** 60n],
    ['nan', Number.NaN],
    ['name', 'x'],
    ['yes', true],
    ['names', ['a', 'b']],
    ['none', []],
    ['types', new Int32Array([1, -2])],
    ['longs', new BigInt64Array([-3n])],
    ['flags', [true]],
  ]),
};

test('values come back with the type asked for', () => {
  expect(metadataNumber(gguf, 'count', { integer: true, min: 1, max: 7 })).toBe(7);
  expect(metadataNumber(gguf, 'half')).toBe(0.5);
  expect(metadataNumber(gguf, 'large')).toBe(2 ** 60);
  expect(metadataString(gguf, 'name')).toBe('x');
  expect(metadataBoolean(gguf, 'yes')).toBe(true);
  expect(metadataStrings(gguf, 'names')).toEqual(['a', 'b']);
  expect(metadataStrings(gguf, 'none')).toEqual([]);
  expect(metadataNumbers(gguf, 'types')).toEqual(new Float64Array([1, -2]));
  expect(metadataNumbers(gguf, 'longs')).toEqual(new Float64Array([-3]));
});

test('a missing key gives the default, or an error that names it', () => {
  expect(metadataNumber(gguf, 'absent', { default: 0 })).toBe(0);
  expect(metadataString(gguf, 'absent', { default: '' })).toBe('');
  expect(metadataBoolean(gguf, 'absent', { default: false })).toBe(false);
  expect(metadataStrings(gguf, 'absent', { default: [] })).toEqual([]);
  expect(metadataNumbers(gguf, 'absent', { default: new Float64Array(0) })).toHaveLength(0);
  for (const get of [metadataNumber, metadataString, metadataBoolean, metadataStrings, metadataNumbers]) {
    expect(() => get(gguf, 'absent')).toThrow(/absent must be .*, the file has none/);
  }
});

test('values of another type or out of bounds are refused with what was found, also where there is a default', () => {
  expect(() => metadataNumber(gguf, 'name', { default: 1 })).toThrow('name must be a number, got the string "x"');
  expect(() => metadataNumber(gguf, 'half', { integer: true })).toThrow('half must be a whole number, got 0.5');
  expect(() => metadataNumber(gguf, 'large', { integer: true })).toThrow('whole number');
  expect(() => metadataNumber(gguf, 'count', { min: 8 })).toThrow('count must be at least 8, got 7');
  expect(() => metadataNumber(gguf, 'count', { max: 6 })).toThrow('count must be at most 6, got 7');
  expect(() => metadataNumber(gguf, 'count', { min: 8, max: 9 })).toThrow('count must be from 8 to 9, got 7');
  expect(() => metadataNumber(gguf, 'nan')).toThrow('nan must be finite, got NaN');
  expect(() => metadataString(gguf, 'count')).toThrow('a string, got 7');
  expect(() => metadataBoolean(gguf, 'count')).toThrow('a boolean, got 7');
  expect(() => metadataStrings(gguf, 'types')).toThrow('an array of strings, got an array of 2 numbers');
  expect(() => metadataStrings(gguf, 'flags')).toThrow('an array of 1 booleans');
  expect(() => metadataNumbers(gguf, 'names')).toThrow('an array of numbers, got an array of 2 strings');
});
