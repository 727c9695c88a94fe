// Owns how values become text: as Python prints them, and as its JSON module writes them.
import { type Dictionary, Float, keyValue, kindOf, Markup, Tuple, type Value } from './values.ts';
import { TemplateError, type Work } from './work.ts';

/** What Python's `str` gives. */
export function print(value: Value, work: Work): string {
  if (typeof value === 'string') return value;
  if (value instanceof Markup) return value.text;
  if (value === undefined) return '';
  return new Writer(work).python(value);
}

/** What Python's `repr` gives. */
export function printQuoted(value: Value, work: Work): string {
  return new Writer(work).python(value);
}

export interface JsonStyle {
  readonly indent?: string;
  /** Whether other characters than those of ASCII are escaped. */
  readonly ascii?: boolean;
  readonly separators?: readonly [string, string];
  readonly sorted?: boolean;
}

/** What Python's `json.dumps` gives. */
export function printJson(value: Value, style: JsonStyle, work: Work): string {
  return new Writer(work).json(value, style);
}

/** Python's shortest form: an exponent below 1e-4 and from 1e16 on, and always a point or an exponent. */
export function printFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0.0';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  }
  const text = value.toString();
  return text.includes('.') ? text : `${text}.0`;
}

/** What a whole number beyond 53 bits costs, to be written or computed with. */
export const STEPS_PER_LONG_NUMBER = 20;

/** Writes one value, whose whole size must fit: a list may hold itself twice, many times over. */
class Writer {
  private readonly work: Work;
  private length = 0;

  constructor(work: Work) {
    this.work = work;
  }

  python(value: Value, depth = 0): string {
    this.work.enter(depth);
    if (value instanceof Markup) return `Markup(${this.python(value.text, depth)})`;
    if (typeof value === 'string') {
      this.work.step(value.length >> 1);
      return this.made(quote(value));
    }
    if (value === null || value === undefined) return this.made(value === null ? 'None' : 'Undefined');
    if (typeof value === 'boolean') return this.made(value ? 'True' : 'False');
    if (typeof value === 'bigint') this.work.step(STEPS_PER_LONG_NUMBER);
    if (typeof value === 'number' || typeof value === 'bigint') return this.made(String(value));
    if (value instanceof Float) return this.made(printFloat(value.value));
    if (Array.isArray(value)) {
      this.reserve(value.length * 2);
      const text = value.map((element: Value) => this.python(element, depth + 1)).join(', ');
      return value instanceof Tuple ? `(${text}${value.length === 1 ? ',' : ''})` : `[${text}]`;
    }
    if (value instanceof Map) {
      this.reserve(value.size * 4);
      const fields = Array.from(value as Dictionary, ([key, field]) => {
        return `${this.python(keyValue(key), depth + 1)}: ${this.python(field, depth + 1)}`;
      });
      return `{${fields.join(', ')}}`;
    }
    throw new TemplateError(`a ${kindOf(value)} cannot be printed`);
  }

  json(value: Value, style: JsonStyle, depth = 0): string {
    this.work.enter(depth);
    if (value instanceof Markup) return this.json(value.text, style, depth);
    if (typeof value === 'string') {
      this.work.scan(value.length);
      if (style.ascii) this.work.step(value.length);
      return this.made(quoteJson(value, style));
    }
    if (value === null) return this.made('null');
    if (typeof value === 'bigint') this.work.step(STEPS_PER_LONG_NUMBER);
    if (typeof value === 'boolean' || typeof value === 'number' || typeof value === 'bigint') {
      return this.made(String(value));
    }
    if (value instanceof Float) return this.made(jsonFloat(value.value));
    if (!Array.isArray(value) && !(value instanceof Map)) {
      throw new TemplateError(`a ${kindOf(value)} cannot be written as JSON`);
    }
    const [comma, colon] = style.separators ?? [style.indent === undefined ? ', ' : ',', ': '];
    const size = Array.isArray(value) ? value.length : (value as Dictionary).size;
    this.reserve((size + 1) * ((style.indent?.length ?? 0) * (depth + 1) + comma.length + colon.length));
    const line = style.indent === undefined ? '' : `\n${style.indent.repeat(depth)}`;
    const inner = style.indent === undefined ? '' : line + style.indent;
    const join = (parts: readonly string[]) => (size === 0 ? '' : inner + parts.join(comma + inner) + line);
    if (Array.isArray(value)) return `[${join(value.map((element) => this.json(element, style, depth + 1)))}]`;
    const entries = [...(value as Dictionary)];
    if (style.sorted) entries.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
    const fields = entries.map(([key, field]) => {
      return this.made(quoteJson(jsonKey(keyValue(key)), style)) + colon + this.json(field, style, depth + 1);
    });
    return `{${join(fields)}}`;
  }

  private made(text: string): string {
    this.reserve(text.length);
    return text;
  }

  /** Counts `length` characters of what is written. */
  private reserve(length: number): void {
    this.length += length;
    this.work.make(length);
    this.work.fits(this.length);
  }
}

function jsonKey(key: Value): string {
  return key instanceof Float ? jsonFloat(key.value) : String(key);
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  return printFloat(value);
}

function quoteJson(text: string, { ascii }: JsonStyle): string {
  const quoted = JSON.stringify(text);
  return ascii ? quoted.replace(/[\x7f-\ufdcf\ufdd1-\uffff]/g, escapeUnit) : quoted;
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Python's quotes. U+FDD0, with which onebit marks its own places (template.ts), stays itself. */
function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = text.replace(/[\\'\n\r\t]|[^\P{C}\ufdd0]|[^\P{Z} ]/gu, (character) => {
    if (character === '\\') return '\\\\';
    if (character === "'") return mark === "'" ? "\\'" : "'";
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character];
    if (short) return short;
    const code = character.codePointAt(0)!;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code < 0x10000 ? escapeUnit(character) : `\\U${code.toString(16).padStart(8, '0')}`;
  });
  return mark + body + mark;
}
