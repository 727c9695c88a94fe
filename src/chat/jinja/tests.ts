// Owns the tests: `value is name`. Must not know syntax.
import { isInCase } from './text-methods.ts';
import {
  Callable,
  compare,
  countOf,
  Float,
  isEqual,
  isIn,
  isNumber,
  isWhole,
  kindOf,
  Markup,
  numberOf,
  Once,
  plain,
  scanTexts,
  type Value,
} from './values.ts';
import { TemplateError, type Work } from './work.ts';

type Test = (value: Value, args: readonly Value[], work: Work) => boolean;

const equals: Test = (value, [other], work) => isEqual(value, other, work);
const differs: Test = (value, [other], work) => !isEqual(value, other, work);
const less: Test = (value, [other], work) => compare(value, other, work) < 0;
const atMost: Test = (value, [other], work) => compare(value, other, work) <= 0;
const more: Test = (value, [other], work) => compare(value, other, work) > 0;
const atLeast: Test = (value, [other], work) => compare(value, other, work) >= 0;
const isWholeNumber: Test = (value) => isWhole(value) && typeof value !== 'boolean';

const TESTS: Record<string, Test> = {
  boolean: (value) => typeof value === 'boolean',
  callable: (value) => value instanceof Callable,
  defined: (value) => value !== undefined,
  divisibleby: (value, [by]) => countOf(value, 'what is divided') % countOf(by, 'what it is divided by') === 0,
  eq: equals,
  equalto: equals,
  '==': equals,
  ne: differs,
  '!=': differs,
  lt: less,
  lessthan: less,
  '<': less,
  le: atMost,
  '<=': atMost,
  gt: more,
  greaterthan: more,
  '>': more,
  ge: atLeast,
  '>=': atLeast,
  even: (value) => countOf(value, 'what is even') % 2 === 0,
  odd: (value) => countOf(value, 'what is odd') % 2 !== 0,
  true: (value) => value === true,
  false: (value) => value === false,
  float: (value) => value instanceof Float,
  in: (value, [container], work) => isIn(value, container, work),
  integer: isWholeNumber,
  iterable: (value) =>
    value === undefined ||
    typeof value === 'string' ||
    Array.isArray(value) ||
    value instanceof Map ||
    value instanceof Once,
  lower: (value, _, work) => typeof value === 'string' && isInCase('lower', value, work),
  upper: (value, _, work) => typeof value === 'string' && isInCase('upper', value, work),
  mapping: (value) => value instanceof Map,
  none: (value) => value === null,
  number: (value) => isNumber(value),
  sameas: (value, [other]) =>
    isNumber(value) && isNumber(other)
      ? kindOf(value) === kindOf(other) && numberOf(value) === numberOf(other)
      : value === other,
  sequence: (value) => value === undefined || typeof value === 'string' || Array.isArray(value) || value instanceof Map,
  string: (value) => typeof value === 'string',
  undefined: (value) => value === undefined,
  escaped: (value) => value instanceof Markup,
};

/** Whether there is a test of this name. */
export function isTest(name: Value, work: Work): boolean {
  scanTexts([name], work);
  return typeof name === 'string' && Object.hasOwn(TESTS, name);
}

/** `value is name(args)`. @throws TemplateError where there is no such test */
export function passes(name: string, value: Value, args: readonly Value[], work: Work): boolean {
  work.scan(name.length);
  scanTexts([value, ...args], work);
  if (!Object.hasOwn(TESTS, name)) throw new TemplateError(`there is no test '${name}'`);
  return TESTS[name](name === 'escaped' ? value : plain(value), args, work);
}
