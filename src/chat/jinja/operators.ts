// Owns `+ - * / // % ** ~`, with Python's numbers: whole ones of any size (within reason) and floats.
import { formatPercent } from './format.ts';
import { print, STEPS_PER_LONG_NUMBER } from './print.ts';
import { Float, isNumber, isWhole, kindOf, Markup, numberOf, plain, Tuple, tuple, type Value } from './values.ts';
import { overBudget, TemplateError, type Work } from './work.ts';

/** Longest whole number, in bits. */
const LONGEST_WHOLE = 4096;

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**' | '~';

/** `a operator b`. @throws TemplateError where the two do not go together */
export function operate(operator: BinaryOperator, a: Value, b: Value, work: Work): Value {
  work.step();
  if (a instanceof Markup || b instanceof Markup) {
    if (operator !== '+') return operate(operator, plain(a), plain(b), work);
    return new Markup(concatenate(markup(a, work).text, markup(b, work).text, work));
  }
  if (operator === '~') return concatenate(print(a, work), print(b, work), work);
  if (isNumber(a) && isNumber(b)) return calculate(operator, a, b, work);
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') return concatenate(a, b, work);
    if (Array.isArray(a) && Array.isArray(b)) {
      work.step(a.length + b.length);
      return a instanceof Tuple ? tuple([...a, ...b]) : [...a, ...b];
    }
  }
  if (operator === '%' && typeof a === 'string') return formatPercent(a, b, work);
  if (operator === '*') {
    if (isWhole(b)) return repeat(a, Number(b), work);
    if (isWhole(a)) return repeat(b, Number(a), work);
  }
  throw new TemplateError(`'${operator}' does not go with ${kindOf(a)} and ${kindOf(b)}`);
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };

/** `value` as HTML, which it may be already. */
export function markup(value: Value, work: Work): Markup {
  if (value instanceof Markup) return value;
  const text = print(value, work);
  work.make(text.length * 5);
  work.step(text.length);
  return new Markup(text.replace(/[&<>"']/g, (character) => ENTITIES[character]));
}

export function concatenate(a: string, b: string, work: Work): string {
  work.fits(a.length + b.length);
  return a + b;
}

export function repeat(value: Value, times: number, work: Work): Value {
  const count = Math.max(0, times);
  if (typeof value === 'string') {
    work.make(value.length * count);
    return value.repeat(count);
  }
  if (!Array.isArray(value)) throw new TemplateError(`a ${kindOf(value)} cannot be repeated`);
  work.step(value.length * count + 1);
  const items = Array.from({ length: value.length === 0 ? 0 : count }, () => value).flat();
  return value instanceof Tuple ? tuple(items) : items;
}

function calculate(operator: BinaryOperator, a: number | bigint | boolean | Float, b: typeof a, work: Work): Value {
  if (operator === '**' || typeof a === 'bigint' || typeof b === 'bigint') work.step(STEPS_PER_LONG_NUMBER);
  const isZero = numberOf(b) === 0;
  if (isZero && ['/', '//', '%'].includes(operator)) throw new TemplateError('division by zero');
  if (a instanceof Float || b instanceof Float || operator === '/' || (operator === '**' && numberOf(b) < 0)) {
    return new Float(calculateFloat(operator, numberOf(a), numberOf(b)));
  }
  const [x, y] = [BigInt(a), BigInt(b)];
  switch (operator) {
    case '+':
      return whole(x + y);
    case '-':
      return whole(x - y);
    case '*':
      return whole(x * y);
    case '**':
      if (bits(x) * Number(y) > LONGEST_WHOLE) throw overBudget('numbers');
      return whole(x ** y);
    case '//':
      return whole((x - modulo(x, y)) / y);
    default:
      return whole(modulo(x, y));
  }
}

function calculateFloat(operator: BinaryOperator, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '**':
      if (a === 0 && b < 0) throw new TemplateError('division by zero');
      return a ** b;
    case '//':
      return Math.floor(a / b);
    default: {
      const rest = a % b;
      return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
    }
  }
}

/** As in Python, the rest has the sign of `b`. */
function modulo(a: bigint, b: bigint): bigint {
  const rest = a % b;
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
}

/** A whole number in the form that it has in templates. */
export function whole(value: bigint): number | bigint {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  if (bits(value) > LONGEST_WHOLE) throw overBudget('numbers');
  return value;
}

function bits(value: bigint): number {
  const size = value < 0n ? -value : value;
  return size < 1n << 64n ? Math.log2(Number(size) + 1) : size.toString(16).length * 4;
}

export function negate(value: Value): Value {
  if (value instanceof Float) return new Float(-value.value);
  if (isWhole(value)) return whole(-BigInt(value));
  throw new TemplateError(`'-' does not go with ${kindOf(value)}`);
}
