// Owns `'%s' % x` and `'{}'.format(x)`: Python's two ways to fill in a text.
import { print, printFloat, printQuoted } from './print.ts';
import {
  type Arguments,
  Float,
  HIGH_SURROGATE,
  isNumber,
  isWhole,
  keyOf,
  kindOf,
  numberOf,
  Tuple,
  type Value,
} from './values.ts';
import { TemplateError, type Work } from './work.ts';

const PERCENT = /%(?:\(([^)]{0,200})\))?([-+ #0]*)(\d+|\*)?(?:\.(\d+))?[hlL]?(.)/gs;

/** `text` with each `%s`, `%d`, `%(name)s`, … filled in: from a tuple, a dictionary, or the one value. */
export function formatPercent(text: string, values: Value, work: Work): string {
  work.scan(text.length);
  const list = values instanceof Tuple ? values : [values];
  let next = 0;
  const take = () => {
    if (next >= list.length) throw new TemplateError('a text to be filled in has more places than there are values');
    return list[next++];
  };
  const filled = fill(text, PERCENT, work, ([, name, flags, width, precision, code]) => {
    if (code === '%') return '%';
    const least = width === '*' ? Number(print(take(), work)) : Number(width ?? 0);
    const value = name === undefined ? take() : values instanceof Map ? values.get(keyOf(name, work)) : undefined;
    const align = flags.includes('-') ? '<' : flags.includes('0') && isNumber(value) ? '=' : '>';
    const sign = flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
    const body = percentBody(value, code, precision === undefined ? undefined : Number(precision), flags, work);
    return pad(signed(body, sign, value, code), least, align, align === '=' ? '0' : ' ', work);
  });
  if (values instanceof Tuple && next < list.length) throw new TemplateError('not all values are filled in');
  return filled;
}

function percentBody(value: Value, code: string, precision: number | undefined, flags: string, work: Work): string {
  if (code === 's' || code === 'r' || code === 'a') {
    const text = code === 's' ? print(value, work) : printQuoted(value, work);
    work.scan(text.length);
    return precision === undefined ? text : text.slice(0, precision);
  }
  if (code === 'c') return typeof value === 'string' ? value : String.fromCodePoint(Number(wholeOf(value)));
  return number(value, code === 'i' || code === 'u' ? 'd' : code, precision, flags.includes('#'));
}

const FIELD = /\{\{|\}\}|\{([\w.[\]]*)(?:!([rsa]))?(?::([^{}]*))?\}/g;
const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/su;

/** `text` with each `{}`, `{0}`, `{name}`, `{x:>5.1f}` filled in. */
export function formatFields(text: string, { list, named }: Arguments, work: Work): string {
  work.scan(text.length);
  let next = 0;
  return fill(text, FIELD, work, ([whole, path, conversion, spec]) => {
    if (whole === '{{' || whole === '}}') return whole[0];
    const [first, ...rest] = path.split(/[.[\]]+/).filter((part, i) => i === 0 || part !== '');
    let value = first === '' ? list[next++] : /^\d+$/.test(first) ? list[Number(first)] : named.get(first);
    for (const part of rest) {
      value = value instanceof Map ? value.get(part) : Array.isArray(value) ? value[Number(part)] : undefined;
    }
    if (value === undefined) throw new TemplateError(`the place '${whole}' has no value`);
    return formatSpec(conversion === 'r' ? printQuoted(value, work) : value, spec ?? '', work);
  });
}

function formatSpec(value: Value, spec: string, work: Work): string {
  const match = SPEC.exec(spec);
  if (!match) throw new TemplateError(`'${spec}' does not say how to write a value`);
  const [, filler, align, sign = '', hash, zero, width = '0', comma, precision, code] = match;
  const digits = precision === undefined ? undefined : Number(precision);
  const asNumber = isNumber(value) && typeof value !== 'boolean' && code !== 's';
  let text: string;
  if (!asNumber) {
    text = print(value, work);
    work.scan(text.length);
    if (digits !== undefined) text = text.slice(0, digits);
  } else if (code === undefined && digits === undefined) text = print(value, work);
  else text = number(value, code ?? 'g', digits, hash !== undefined);
  if (comma && !asNumber) throw new TemplateError(`'${comma}' goes with numbers`);
  if (comma) text = text.replace(/\d+/, (whole) => grouped(whole, comma));
  if (asNumber) text = signed(text, sign === '-' ? '' : sign, value, code ?? 'd');
  const where = align ?? (zero ? '=' : asNumber ? '>' : '<');
  return pad(text, Number(width), where, filler ?? (zero ? '0' : ' '), work);
}

/** Digits in threes. */
function grouped(digits: string, comma: string): string {
  const groups: string[] = [];
  for (let end = digits.length; end > 0; end -= 3) groups.unshift(digits.slice(Math.max(0, end - 3), end));
  return groups.join(comma);
}

/** Replaces what `pattern` finds, piece by piece within the budget. */
function fill(text: string, pattern: RegExp, work: Work, write: (match: RegExpExecArray) => string): string {
  let [filled, from] = ['', 0];
  for (const match of text.matchAll(pattern)) {
    work.step(50);
    const piece = write(match as RegExpExecArray);
    work.fits(filled.length + piece.length);
    filled += text.slice(from, match.index) + piece;
    from = match.index + match[0].length;
  }
  return filled + text.slice(from);
}

function number(value: Value, code: string, precision: number | undefined, alternative: boolean): string {
  if (precision !== undefined && precision > 100) throw new TemplateError('a number has at most 100 decimals');
  switch (code) {
    case 'd':
    case 'n':
      return String(wholeOf(value));
    case 'x':
    case 'X':
    case 'o':
    case 'b': {
      const base = { x: 16, X: 16, o: 8, b: 2 }[code];
      const digits = wholeOf(value).toString(base);
      const text = alternative ? digits.replace(/^-?/, `$&0${code}`) : digits;
      return code === 'X' ? text.toUpperCase() : text;
    }
    case 'f':
    case 'F':
      return fixed(floatOf(value), precision ?? 6);
    case '%':
      return `${fixed(floatOf(value) * 100, precision ?? 6)}%`;
    case 'e':
    case 'E':
    case 'g':
    case 'G': {
      const text =
        code.toLowerCase() === 'e' ? exponent(floatOf(value), precision ?? 6) : general(floatOf(value), precision);
      return code === 'E' || code === 'G' ? text.toUpperCase() : text;
    }
    default:
      throw new TemplateError(`'${code}' does not say how to write a value`);
  }
}

/** Rounded as C does it, exactly, which toFixed does too below 1e21. */
function fixed(value: number, decimals: number): string {
  if (!Number.isFinite(value)) return printFloat(value);
  if (Math.abs(value) < 1e21) return value.toFixed(decimals);
  return BigInt(value).toString() + (decimals > 0 ? `.${'0'.repeat(decimals)}` : '');
}

function exponent(value: number, decimals: number): string {
  if (!Number.isFinite(value)) return printFloat(value);
  return value.toExponential(decimals).replace(/e([+-])(\d)$/, 'e$10$2');
}

function general(value: number, precision: number | undefined): string {
  if (!Number.isFinite(value)) return printFloat(value);
  const digits = Math.max(1, precision ?? 6);
  const power = value === 0 ? 0 : Number(value.toExponential(digits - 1).split('e')[1]);
  if (power >= -4 && power < digits) {
    const text = value.toFixed(Math.min(100, Math.max(0, digits - 1 - power)));
    return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
  }
  return exponent(value, digits - 1).replace(/\.?0+e/, 'e');
}

function signed(text: string, sign: string, value: Value, code: string): string {
  return sign !== '' && isNumber(value) && code !== 's' && !text.startsWith('-') ? sign + text : text;
}

/** `text` made `width` long: `=` pads between sign and digits. */
function pad(text: string, width: number, align: string, filler: string, work: Work): string {
  work.scan(text.length);
  const missing = width - (HIGH_SURROGATE.test(text) ? Array.from(text).length : text.length);
  if (!(missing > 0)) return text;
  work.make(width);
  if (align === '<') return text + filler.repeat(missing);
  if (align === '^') return filler.repeat(missing >> 1) + text + filler.repeat(missing - (missing >> 1));
  if (align !== '=') return filler.repeat(missing) + text;
  const sign = /^[-+ ]?(?:0[xob])?/.exec(text)![0];
  return sign + filler.repeat(missing) + text.slice(sign.length);
}

function wholeOf(value: Value): bigint {
  if (isWhole(value)) return BigInt(value);
  if (value instanceof Float && Number.isFinite(value.value)) return BigInt(Math.trunc(value.value));
  throw new TemplateError(`a number is needed, got ${kindOf(value)}`);
}

function floatOf(value: Value): number {
  if (isNumber(value)) return numberOf(value);
  throw new TemplateError(`a number is needed, got ${kindOf(value)}`);
}
