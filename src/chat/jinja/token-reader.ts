// Owns walking over the tokens of a template: what comes next, what must come, and how deeply brackets and blocks nest.
import type { Token, TokenKind } from './lexer.ts';
import { TemplateError } from './work.ts';

/** Deepest nesting of brackets and blocks. */
const DEEPEST = 80;

export class TokenReader {
  /** Deepest nesting since it was last set. */
  protected deepest = 0;
  private readonly tokens: readonly Token[];
  private next = 0;
  private depth = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  protected peek(ahead = 0): Token | undefined {
    return this.tokens[this.next + ahead];
  }

  protected is(kind: TokenKind, text?: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token?.kind === kind && (text === undefined || token.text === text);
  }

  /** Takes the next token if it is this one. */
  protected skip(kind: TokenKind, text?: string): boolean {
    if (!this.is(kind, text)) return false;
    this.next++;
    return true;
  }

  protected take(kind: TokenKind, text?: string): string {
    const token = this.peek();
    if (!this.skip(kind, text)) throw new TemplateError(`'${text ?? kind}' was expected, got ${describe(token)}`);
    return token!.text;
  }

  protected advance(): Token | undefined {
    return this.tokens[this.next++];
  }

  /** Reads something that nests. */
  protected nest<T>(read: () => T): T {
    if (++this.depth > DEEPEST) throw new TemplateError(`nested deeper than ${DEEPEST} levels`);
    this.deepest = Math.max(this.deepest, this.depth);
    const result = read();
    this.depth--;
    return result;
  }

  /** Reads with `nest`, and says how many levels what was read has. */
  protected measure<T>(read: () => T): [T, levels: number] {
    const [before, depth] = [this.deepest, this.depth];
    this.deepest = depth;
    const result = this.nest(read);
    const levels = this.deepest - depth;
    this.deepest = Math.max(before, this.deepest);
    return [result, levels];
  }
}

/** A token in words, for messages. */
export function describe(token: Token | undefined): string {
  if (!token) return 'the end of the template';
  if (token.kind === 'end') return 'the end of the tag';
  return token.text === '' ? 'a tag' : `'${token.text.slice(0, 40)}'`;
}
