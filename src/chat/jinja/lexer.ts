// Owns taking the source of a template apart: text, `{{ }}`, `{% %}`, `{# #}`, `{% raw %}`, and what stands inside of them. White space goes as Jinja's
// `trim_blocks` and `lstrip_blocks` have it, with which all chat templates are made. Source: Jinja's documentation. Linear in the source.
import { TemplateError } from './work.ts';

export type TokenKind = 'text' | 'print' | 'block' | 'end' | 'name' | 'string' | 'whole' | 'float' | 'sign';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Where in the source, for messages. */
  readonly at: number;
}

const LONG_SIGNS = new Set(['**', '//', '==', '!=', '>=', '<=']);
const SIGNS = '+-/*%~[](){}<>=.:|,';
const CLOSING = new Map([
  [')', '('],
  [']', '['],
  ['}', '{'],
]);
const NAME = /[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*/uy;
const FLOAT = /\d[\d_]*(?:\.\d[\d_]*(?:[eE][+-]?\d+)?|[eE][+-]?\d+)/y;
const WHOLE = /0[bB][01_]+|0[oO][0-7_]+|0[xX][\da-fA-F_]+|\d[\d_]*/y;
const WORDS = [
  ['name', NAME],
  ['float', FLOAT],
  ['whole', WHOLE],
] as const;
const RAW = /\{%[-+]?\s*raw\s*(?:-%\}\s*|%\})/y;
const END_RAW = /\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/g;

/** The tokens of `source`. @throws TemplateError where it breaks off or has what no template has */
export function tokenize(source: string): Token[] {
  return new Lexer(source.replace(/\r\n?/g, '\n').replace(/\n$/, '')).run();
}

class Lexer {
  private readonly source: string;
  private readonly tokens: Token[] = [];
  private at = 0;

  constructor(source: string) {
    this.source = source;
  }

  run(): Token[] {
    while (this.at < this.source.length) {
      const open = this.nextTag(this.at);
      if (open < 0) {
        this.push('text', this.source.slice(this.at));
        break;
      }
      this.text(open, this.source[open + 2] ?? '', this.source[open + 1] !== '{');
      this.at = open;
      if (this.source[open + 1] === '#') this.comment();
      else if (this.source[open + 1] === '{') this.tag('print', '}}');
      else if (!this.raw()) this.tag('block', '%}');
    }
    return this.tokens;
  }

  private nextTag(from: number): number {
    for (let open = this.source.indexOf('{', from); open >= 0; open = this.source.indexOf('{', open + 1)) {
      if ('{%#'.includes(this.source[open + 1] ?? ' ')) return open;
    }
    return -1;
  }

  /** The text up to `end`, without the white space that the tag there takes away: all for `-`, that of its line where `strips` and no `+`. */
  private text(end: number, control: string, strips: boolean): void {
    let text = this.source.slice(this.at, end);
    if (control === '-') text = stripEnd(text);
    else if (control !== '+' && strips) {
      const line = text.lastIndexOf('\n') + 1;
      const starts = line > 0 || this.at === 0 || this.source[this.at - 1] === '\n';
      if (starts && stripEnd(text.slice(line)) === '') text = text.slice(0, line);
    }
    if (text !== '') this.push('text', text);
  }

  private comment(): void {
    const end = this.source.indexOf('#}', this.at + 2);
    if (end < 0) throw new TemplateError('a comment has no end');
    const start = this.at + ('-+'.includes(this.source[this.at + 2]) ? 3 : 2);
    const control = end > start ? this.source[end - 1] : '';
    this.at = end + 2;
    this.afterTag(control);
  }

  /** After `%}` and `#}`: `-` takes all white space away, nothing a newline. */
  private afterTag(control: string): void {
    if (control === '-') this.skipSpace();
    else if (control !== '+' && this.source[this.at] === '\n') this.at++;
  }

  private raw(): boolean {
    RAW.lastIndex = this.at;
    const begin = RAW.exec(this.source);
    if (!begin) return false;
    END_RAW.lastIndex = this.at = RAW.lastIndex;
    const end = END_RAW.exec(this.source);
    if (!end) throw new TemplateError("'raw' has no 'endraw'");
    this.text(end.index, end[1], true);
    this.at = END_RAW.lastIndex;
    return true;
  }

  /** `{{ ... }}` or `{% ... %}`, whose end counts only outside of brackets. */
  private tag(kind: 'print' | 'block', end: string): void {
    this.push(kind, '');
    this.at += '-+'.includes(this.source[this.at + 2] ?? ' ') ? 3 : 2;
    const open: string[] = [];
    for (;;) {
      this.skipSpace();
      if (this.at >= this.source.length) throw new TemplateError(`a '${kind === 'print' ? '{{' : '{%'}' has no end`);
      if (open.length === 0) {
        const control = '-+'.includes(this.source[this.at]) ? this.source[this.at] : '';
        if (this.source.startsWith(end, this.at + control.length) && !(control === '+' && kind === 'print')) {
          this.push('end', '');
          this.at += control.length + 2;
          if (kind === 'block' || control === '-') this.afterTag(control);
          return;
        }
      }
      this.token(open);
    }
  }

  private token(open: string[]): void {
    const { source, at } = this;
    if (source[at] === '"' || source[at] === "'") {
      this.string(source[at]);
      return;
    }
    const two = source.slice(at, at + 2);
    const sign = LONG_SIGNS.has(two) ? two : source[at];
    if (sign.length < 2 && !SIGNS.includes(sign)) {
      this.word();
      return;
    }
    if ('([{'.includes(sign)) open.push(sign);
    const opening = CLOSING.get(sign);
    if (opening && open.pop() !== opening) throw new TemplateError(`'${sign}' closes nothing`);
    this.push('sign', sign);
    this.at += sign.length;
  }

  /** A name or a number. */
  private word(): void {
    const { source, at } = this;
    for (const [kind, pattern] of WORDS) {
      // `a.0.1` has two indices, not a number
      if (kind === 'float' && source[at - 1] === '.') continue;
      pattern.lastIndex = at;
      const match = pattern.exec(source);
      if (!match) continue;
      this.push(kind, match[0]);
      this.at = pattern.lastIndex;
      return;
    }
    throw new TemplateError(`'${source[at]}' cannot stand there`);
  }

  private string(mark: string): void {
    let end = this.at + 1;
    while (this.source[end] !== mark) {
      if (end >= this.source.length) throw new TemplateError('a text has no end');
      end += this.source[end] === '\\' ? 2 : 1;
    }
    this.push('string', unescaped(this.source.slice(this.at + 1, end)));
    this.at = end + 1;
  }

  private skipSpace(): void {
    while (isSpace(this.source.charCodeAt(this.at))) this.at++;
  }

  private push(kind: TokenKind, text: string): void {
    this.tokens.push({ kind, text, at: this.at });
  }
}

const ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\x07',
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/** Escapes as Python has them; what is none stays as it is. */
function unescaped(text: string): string {
  return text.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|(.))/gs,
    (whole, x, u, long, octal, other) => {
      if (other !== undefined) return ESCAPES[other] ?? whole;
      const code = octal === undefined ? Number.parseInt(x ?? u ?? long, 16) : Number.parseInt(octal, 8);
      if (code > 0x10ffff) throw new TemplateError(`${whole} is no character`);
      return String.fromCodePoint(code);
    },
  );
}

/** White space as Python's texts have it. */
export function isSpace(code: number): boolean {
  if (code < 0x85) return code === 0x20 || (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x1f);
  if (code < 0x1680) return code === 0x85 || code === 0xa0;
  return (code >= 0x2000 && code <= 0x200a) || RARE_SPACES.has(code);
}
const RARE_SPACES: ReadonlySet<number> = new Set([0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000]);

export function stripEnd(text: string, strips: (code: number) => boolean = isSpace): string {
  let end = text.length;
  while (end > 0 && strips(text.charCodeAt(end - 1))) end--;
  return text.slice(0, end);
}

export function stripStart(text: string, strips: (code: number) => boolean = isSpace): string {
  let start = 0;
  while (start < text.length && strips(text.charCodeAt(start))) start++;
  return text.slice(start);
}
