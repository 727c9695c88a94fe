// Owns reading expressions: tokens become functions that compute a value in a scope. Precedence as in Jinja's documentation and parser.
// Chains (`a + b + c`, `a.b.c | d`) are loops, so that only brackets and blocks nest, and those no deeper than a limit.
import { attributeOf, itemOf, sliceOf } from './attributes.ts';
import { assertDefined, callValue, collect, type Expression, holds, NO_NAMES } from './evaluate.ts';
import { applyFilter, isFilter } from './filters.ts';
import { type BinaryOperator, negate, operate, whole } from './operators.ts';
import type { Scope } from './scope.ts';
import { isTest, passes } from './tests.ts';
import { describe, TokenReader } from './token-reader.ts';
import { type Arguments, Float, isNumber, isTrue, type Key, keyOf, tuple, type Value } from './values.ts';
import { TemplateError } from './work.ts';

interface Operand {
  readonly run: Expression;
  /** As it stands in the template, for messages. */
  readonly label: string;
}
type Step = (value: Value, scope: Scope) => Value;

const CONSTANTS = new Map<string, Value>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
]);

export class ExpressionReader extends TokenReader {
  // -- from loosest to tightest

  /** One expression, with `a if b else c` unless `conditional` is false. */
  expression(conditional = true): Expression {
    return this.nest(() => this.condition(conditional).run);
  }

  /** `a` or `a, b, c`. @param ends whether the list ends at the next token, beside brackets and tags */
  protected expressions(conditional = true, ends: () => boolean = () => false): Expression {
    const first = this.expression(conditional);
    if (!this.is('sign', ',')) return first;
    const items = [first];
    while (this.skip('sign', ',')) {
      if (this.is('end') || this.is('sign', ')') || this.is('sign', '=') || ends()) break;
      items.push(this.expression(conditional));
    }
    return (scope) => tuple(this.all(items, scope));
  }

  private all(items: readonly Expression[], scope: Scope): Value[] {
    scope.work.step(3 + items.length);
    return items.map((item) => item(scope));
  }

  private condition(conditional: boolean): Operand {
    const first = this.or();
    if (!conditional || !this.is('name', 'if')) return first;
    const branches: { test: Expression; value: Expression }[] = [];
    let value: Expression | undefined = first.run;
    while (value && this.skip('name', 'if')) {
      branches.push({ value, test: this.or().run });
      value = this.skip('name', 'else') ? this.or().run : undefined;
    }
    const otherwise = value;
    const run: Expression = (scope) => {
      for (const { test, value } of branches) if (isTrue(test(scope))) return value(scope);
      return otherwise?.(scope);
    };
    return { run, label: 'the value of an if' };
  }

  private or(): Operand {
    return this.logic('or', () => this.logic('and', () => this.not()));
  }

  private logic(word: 'or' | 'and', operand: () => Operand): Operand {
    const first = operand();
    if (!this.is('name', word)) return first;
    const items = [first.run];
    while (this.skip('name', word)) items.push(operand().run);
    const run: Expression = (scope) => {
      let value: Value;
      for (const item of items) {
        value = item(scope);
        if (isTrue(value) === (word === 'or')) break;
      }
      return value;
    };
    return { run, label: `the value of an ${word}` };
  }

  private not(): Operand {
    let count = 0;
    while (this.skip('name', 'not')) count++;
    const operand = this.comparison();
    if (count === 0) return operand;
    return { run: (scope) => isTrue(operand.run(scope)) === (count % 2 === 0), label: 'the value of a not' };
  }

  private comparison(): Operand {
    const first = this.sum();
    const rest: { operator: string; operand: Operand }[] = [];
    for (let operator = this.comparator(); operator; operator = this.comparator()) {
      rest.push({ operator, operand: this.sum() });
    }
    if (rest.length === 0) return first;
    const run: Expression = (scope) => {
      let left = first.run(scope);
      for (const { operator, operand } of rest) {
        const right = operand.run(scope);
        scope.work.step();
        if (!holds(operator, left, right, scope)) return false;
        left = right;
      }
      return true;
    };
    return { run, label: 'the value of a comparison' };
  }

  private comparator(): string | undefined {
    if (this.peek()?.kind === 'sign' && ['==', '!=', '<', '>', '<=', '>='].includes(this.peek()!.text)) {
      return this.advance()!.text;
    }
    if (this.skip('name', 'in')) return 'in';
    if (!this.is('name', 'not') || !this.is('name', 'in', 1)) return undefined;
    this.advance();
    this.advance();
    return 'not in';
  }

  private sum(): Operand {
    const concatenation = () => this.binary(['~'], () => this.product());
    return this.binary(['+', '-'], concatenation);
  }

  private product(): Operand {
    return this.binary(['*', '/', '//', '%'], () => this.binary(['**'], () => this.unary()));
  }

  private binary(operators: readonly BinaryOperator[], operand: () => Operand): Operand {
    const first = operand();
    const rest: { operator: BinaryOperator; operand: Operand }[] = [];
    while (this.peek()?.kind === 'sign' && operators.includes(this.peek()!.text as BinaryOperator)) {
      const operator = this.advance()!.text as BinaryOperator;
      rest.push({ operator, operand: operand() });
    }
    if (rest.length === 0) return first;
    const run: Expression = (scope) => {
      let value = first.run(scope);
      let { label } = first;
      for (const { operator, operand } of rest) {
        const right = operand.run(scope);
        if (operator !== '~') {
          assertDefined(value, label);
          assertDefined(right, operand.label);
        }
        value = operate(operator, value, right, scope.work);
        label = 'a sum';
      }
      return value;
    };
    return { run, label: `the value of '${rest[0].operator}'` };
  }

  private unary(withFilters = true): Operand {
    if (this.is('sign', '-') || this.is('sign', '+')) {
      const { text } = this.advance()!;
      const { run, label } = this.nest(() => this.unary(false));
      const signed: Expression = (scope) => {
        const value = run(scope);
        return text === '-' ? negate(value) : isNumber(value) ? value : negate(value);
      };
      return this.steps({ run: signed, label }, withFilters);
    }
    return this.steps(this.primary(), withFilters);
  }

  /** What follows a value: `.name`, `[key]`, `(arguments)`, `| filter`, `is test`. */
  private steps(first: Operand, withFilters: boolean): Operand {
    const steps: Step[] = [];
    let { label } = first;
    for (let filtered = false; ; ) {
      const at = label;
      if (!filtered && this.skip('sign', '.')) {
        const key = this.is('whole') ? Number(this.advance()!.text) : this.take('name');
        steps.push((value, scope) => {
          assertDefined(value, at);
          return typeof key === 'string' ? attributeOf(value, key, scope.work) : itemOf(value, key, scope.work);
        });
        label = `${at}.${key}`;
      } else if (!filtered && this.skip('sign', '[')) {
        steps.push(this.nest(() => this.subscript(at)));
        label = `${at}[...]`;
      } else if (this.is('sign', '(')) {
        const args = this.callArguments();
        steps.push((value, scope) => callValue(value, args(scope), scope, at));
        label = `${at}(...)`;
      } else if (withFilters && this.skip('sign', '|')) {
        const filter = this.filter();
        steps.push(filter);
        filtered = true;
        label = `${at} | ...`;
      } else if (withFilters && this.skip('name', 'is')) {
        steps.push(this.test());
        filtered = true;
        label = `${at} is ...`;
      } else break;
      if (label.length > 80) label = `...${label.slice(-60)}`;
    }
    if (steps.length === 0) return first;
    const run: Expression = (scope) => {
      let value = first.run(scope);
      for (const step of steps) {
        scope.work.step();
        value = step(value, scope);
      }
      return value;
    };
    return { run, label };
  }

  /** After `[`. */
  private subscript(label: string): Step {
    const bounds: (Expression | undefined)[] = [];
    let current: Expression | undefined;
    while (!this.skip('sign', ']')) {
      if (this.skip('sign', ':')) {
        bounds.push(current);
        current = undefined;
        if (bounds.length > 2) throw new TemplateError('a slice has at most three parts');
      } else if (current) throw new TemplateError(`']' was expected, got ${describe(this.peek())}`);
      else current = this.expressions(true, () => this.is('sign', ']'));
    }
    if (bounds.length === 0) {
      if (!current) throw new TemplateError("a place was expected, got ']'");
      const key = current;
      return (value, scope) => {
        assertDefined(value, label);
        return itemOf(value, key(scope), scope.work);
      };
    }
    bounds.push(current);
    return (value, scope) => {
      assertDefined(value, label);
      return sliceOf(
        value,
        bounds.map((bound) => bound?.(scope)),
        scope.work,
      );
    };
  }

  /** After `|`, or a block's filter: its name and arguments. */
  protected filter(): Step {
    const name = this.dotted();
    const args = this.is('sign', '(') ? this.callArguments() : none;
    return (value, scope) => applyFilter(name, value, args(scope), scope.work);
  }

  private test(): Step {
    const negated = this.skip('name', 'not');
    const name = this.dotted();
    let args: (scope: Scope) => Arguments = none;
    if (this.is('sign', '(')) args = this.callArguments();
    else if (this.startsValue()) {
      const { run } = this.nest(() => this.steps(this.primary(), false));
      args = (scope) => ({ list: [run(scope)], named: NO_NAMES });
    }
    if (name === 'filter') return (value, { work }) => isFilter(value, work) !== negated;
    if (name === 'test')
      return (value, { work }) => (isTest(value, work) || value === 'filter' || value === 'test') !== negated;
    return (value, scope) => passes(name, value, args(scope).list, scope.work) !== negated;
  }

  /** Whether the argument of a test comes without brackets. */
  private startsValue(): boolean {
    const token = this.peek();
    if (!token) return false;
    if (token.kind === 'name') return !['else', 'or', 'and', 'is', 'if', 'not', 'in', 'recursive'].includes(token.text);
    return ['string', 'whole', 'float'].includes(token.kind) || (token.kind === 'sign' && '[{'.includes(token.text));
  }

  private dotted(): string {
    let name = this.take('name');
    while (this.skip('sign', '.')) name += `.${this.take('name')}`;
    return name;
  }

  /** `(a, b, *c, name=d, **e)`. */
  protected callArguments(): (scope: Scope) => Arguments {
    return this.nest(() => {
      const list: { spread: boolean; value: Expression }[] = [];
      const named: { name: string | undefined; value: Expression }[] = [];
      this.take('sign', '(');
      while (!this.skip('sign', ')')) {
        if (this.skip('sign', '*')) list.push({ spread: true, value: this.expression() });
        else if (this.skip('sign', '**')) named.push({ name: undefined, value: this.expression() });
        else if (this.is('name') && this.is('sign', '=', 1)) {
          const name = this.take('name');
          this.take('sign', '=');
          named.push({ name, value: this.expression() });
        } else list.push({ spread: false, value: this.expression() });
        if (!this.is('sign', ')')) this.take('sign', ',');
      }
      return (scope) => collect(list, named, scope);
    });
  }

  private primary(): Operand {
    const token = this.advance();
    if (token?.kind === 'name') {
      const { text } = token;
      if (CONSTANTS.has(text)) return constant(CONSTANTS.get(text));
      return { run: (scope) => scope.get(text), label: text };
    }
    if (token?.kind === 'string') {
      const parts = [token.text];
      while (this.is('string')) parts.push(this.advance()!.text);
      return constant(parts.join(''));
    }
    if (token?.kind === 'whole') return constant(wholeOf(token.text));
    if (token?.kind === 'float') return constant(new Float(Number(token.text.replaceAll('_', ''))));
    if (token?.kind === 'sign' && token.text === '(') return this.nest(() => this.bracketed());
    if (token?.kind === 'sign' && token.text === '[') return this.nest(() => this.list());
    if (token?.kind === 'sign' && token.text === '{') return this.nest(() => this.dictionary());
    throw new TemplateError(`a value was expected, got ${describe(token)}`);
  }

  private bracketed(): Operand {
    if (this.skip('sign', ')')) return { run: () => tuple([]), label: '()' };
    const run = this.expressions();
    this.take('sign', ')');
    return { run, label: '(...)' };
  }

  private list(): Operand {
    const items: Expression[] = [];
    while (!this.skip('sign', ']')) {
      items.push(this.expression());
      if (!this.is('sign', ']')) this.take('sign', ',');
    }
    return { run: (scope) => this.all(items, scope), label: '[...]' };
  }

  private dictionary(): Operand {
    const fields: [Expression, Expression][] = [];
    while (!this.skip('sign', '}')) {
      const key = this.expression();
      this.take('sign', ':');
      fields.push([key, this.expression()]);
      if (!this.is('sign', '}')) this.take('sign', ',');
    }
    const run: Expression = (scope) => {
      scope.work.step(10 + 5 * fields.length);
      return new Map(fields.map(([key, value]): [Key, Value] => [keyOf(key(scope), scope.work), value(scope)]));
    };
    return { run, label: '{...}' };
  }
}

const none = (_: Scope): Arguments => ({ list: [], named: NO_NAMES });

function constant(value: Value): Operand {
  return { run: () => value, label: 'a constant' };
}

function wholeOf(text: string): Value {
  const digits = text.replaceAll('_', '');
  if (digits.length > 1000) throw new TemplateError('a number has at most 1000 digits');
  return whole(BigInt(digits));
}
