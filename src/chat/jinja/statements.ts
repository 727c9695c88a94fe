// Owns reading blocks: text, `{{ }}` and `{% %}` become functions that write into a scope's output.

import { callValue, type Expression } from './evaluate.ts';
import { ExpressionReader } from './expressions.ts';
import type { Token } from './lexer.ts';
import { LoopOver } from './loop.ts';
import { macroOf, type Parameter } from './macro.ts';
import { print } from './print.ts';
import { Output, type Scope } from './scope.ts';
import { describe } from './token-reader.ts';
import { Callable, elementsOf, isTrue, Namespace, type Value } from './values.ts';
import { TemplateError, type Work } from './work.ts';

/** What `{% break %}` and `{% continue %}` tell the loop around them. */
type Jump = 'break' | 'continue' | undefined;
/** Writes into the scope's output. */
type Statement = (scope: Scope) => Jump;
/** Gives variables their values. */
type Assign = (scope: Scope, value: Value) => void;

/** Reads a whole template. @throws TemplateError where it is not one */
export function readTemplate(tokens: readonly Token[]): (scope: Scope) => void {
  return new StatementReader(tokens).template();
}

class StatementReader extends ExpressionReader {
  private loops = 0;
  private readonly blocks = new Map<string, { body: Statement; levels: number }>();

  template(): (scope: Scope) => void {
    const body = this.body([]);
    return (scope) => {
      if (this.blocks.size > 0) scope.set('self', this.self(scope));
      body(scope);
    };
  }

  /** What `self` is: the template's blocks, to be written again. */
  private self(scope: Scope): Namespace {
    const calls = [...this.blocks].map(([name, { body, levels }]): [string, Value] => {
      const call = (_: unknown, work: Work) => {
        const output = new Output(work);
        work.call(levels + 2, () => body(scope.outermost(output)));
        return output.text();
      };
      return [name, new Callable(name, call)];
    });
    return new Namespace(new Map(calls));
  }

  /** Statements up to one of the tags `ends`, whose name is left to be read; up to the end of the template where there are none. */
  private body(ends: readonly string[]): Statement {
    const statements: Statement[] = [];
    for (;;) {
      const token = this.peek();
      if (!token) {
        if (ends.length > 0) throw new TemplateError(`'${ends.at(-1)}' is missing`);
        break;
      }
      if (token.kind === 'block' && this.peek(1)?.kind === 'name' && ends.includes(this.peek(1)!.text)) {
        this.advance();
        break;
      }
      this.advance();
      if (token.kind === 'text') statements.push(writeText(token.text));
      else if (token.kind === 'print') statements.push(this.printed());
      else statements.push(this.nest(() => this.block()));
    }
    return (scope) => {
      for (const statement of statements) {
        scope.work.step();
        const jump = statement(scope);
        if (jump) return jump;
      }
    };
  }

  private printed(): Statement {
    const value = this.expressions();
    this.take('end');
    return (scope) => {
      scope.output.write(print(value(scope), scope.work));
      return undefined;
    };
  }

  /** After `{%`. */
  private block(): Statement {
    const name = this.take('name');
    switch (name) {
      case 'if':
        return this.branches();
      case 'for':
        return this.loop();
      case 'set':
        return this.assignment();
      case 'macro':
        return this.macro();
      case 'call':
        return this.callBlock();
      case 'filter':
        return this.filterBlock();
      case 'with':
        return this.withBlock();
      case 'block':
        return this.namedBlock();
      case 'autoescape':
        return this.unescaped();
      case 'generation':
        return this.plain('endgeneration');
      case 'break':
      case 'continue':
        if (this.loops === 0) throw new TemplateError(`'${name}' stands outside of a loop`);
        this.take('end');
        return () => name;
      case 'include':
      case 'import':
      case 'from':
      case 'extends':
        throw new TemplateError(`'${name}' wants another template, and a model has one only`);
      default:
        throw new TemplateError(`there is no tag '${name}'`);
    }
  }

  /** `{% block name %}`: sees none of the variables around it but with `scoped`. */
  private namedBlock(): Statement {
    const name = this.take('name');
    if (this.blocks.has(name)) throw new TemplateError(`block '${name}' is there twice`);
    const isScoped = this.skip('name', 'scoped');
    if (this.skip('name', 'required'))
      throw new TemplateError(`block '${name}' is required of a template that extends this one`);
    this.take('end');
    const loops = this.loops;
    this.loops = 0;
    const [body, levels] = this.measure(() => this.body(['endblock']));
    this.loops = loops;
    this.take('name');
    this.skip('name', name);
    this.take('end');
    this.blocks.set(name, { body, levels });
    return (scope) => {
      body(isScoped ? scope.inner() : scope.outermost());
      return undefined;
    };
  }

  /** `{% autoescape false %}`, as prompts are; as HTML they are not written. */
  private unescaped(): Statement {
    if (!this.skip('name', 'false') && !this.skip('name', 'False'))
      throw new TemplateError(`only 'autoescape false' is supported: a prompt is text, and no HTML`);
    const body = this.plain('endautoescape');
    return (scope) => body(scope.inner());
  }

  private branches(): Statement {
    const branches: { test: Expression; body: Statement }[] = [];
    let otherwise: Statement | undefined;
    for (let word = 'if'; word !== 'endif'; ) {
      if (word === 'else') {
        this.take('end');
        otherwise = this.body(['endif']);
      } else {
        const test = this.expressions();
        this.take('end');
        branches.push({ test, body: this.body(['elif', 'else', 'endif']) });
      }
      word = this.take('name');
    }
    this.take('end');
    return (scope) => {
      for (const { test, body } of branches) if (isTrue(test(scope))) return body(scope);
      return otherwise?.(scope);
    };
  }

  private loop(): Statement {
    const assign = this.target();
    this.take('name', 'in');
    const list = this.expressions(false, () => this.is('name', 'if') || this.is('name', 'recursive'));
    const test = this.skip('name', 'if') ? this.expression() : undefined;
    const recursive = this.skip('name', 'recursive');
    this.take('end');
    this.loops++;
    const [body, levels] = this.measure(() => this.body(['else', 'endfor']));
    this.loops--;
    const otherwise = this.take('name') === 'else' ? this.inElse() : undefined;
    this.take('end');
    const run = (scope: Scope, value: Value, depth: number): Jump => {
      const { work } = scope;
      const elements = elementsOf(value, work);
      work.step(elements.length);
      const items = elements.filter((item) => {
        if (!test) return true;
        const inner = scope.inner();
        assign(inner, item);
        return isTrue(test(inner));
      });
      const again = (outer: Scope) => (value: Value) => {
        const output = new Output(work);
        work.call(levels, () => run(outer.inner(output), value, depth + 1));
        return output.text();
      };
      const loop = new LoopOver(items, depth, recursive ? again(scope) : undefined);
      for (const item of items) {
        work.step(5);
        const inner = scope.inner();
        inner.set('loop', loop);
        assign(inner, item);
        if (body(inner) === 'break') break;
        loop.index++;
      }
      return items.length === 0 ? otherwise?.(scope.inner()) : undefined;
    };
    return (scope) => run(scope, list(scope), 1);
  }

  private inElse(): Statement {
    this.take('end');
    const body = this.body(['endfor']);
    this.take('name');
    return body;
  }

  private assignment(): Statement {
    const assign = this.target();
    if (this.skip('sign', '=')) {
      const value = this.expressions();
      this.take('end');
      return (scope) => {
        assign(scope, value(scope));
        return undefined;
      };
    }
    const filters: ((value: Value, scope: Scope) => Value)[] = [];
    while (this.skip('sign', '|')) filters.push(this.filter());
    const body = this.plain('endset');
    return (scope) => {
      let value: Value = written(body, scope);
      for (const filter of filters) value = filter(value, scope);
      assign(scope, value);
      return undefined;
    };
  }

  /** `a`, `a, b`, `(a, b)` or `ns.a`, to be given a value. */
  private target(): Assign {
    const parts: Assign[] = [];
    const bracket = this.skip('sign', '(');
    do {
      if (parts.length > 0 && !this.is('name') && !this.is('sign', '(')) break;
      parts.push(this.is('sign', '(') ? this.nest(() => this.target()) : this.targetName());
    } while (this.skip('sign', ','));
    if (bracket) this.take('sign', ')');
    if (parts.length === 1) return parts[0];
    return (scope, value) => {
      const elements = elementsOf(value, scope.work);
      if (elements.length !== parts.length) {
        throw new TemplateError(`${parts.length} values were expected, got ${elements.length}`);
      }
      for (const [i, part] of parts.entries()) part(scope, elements[i]);
    };
  }

  private targetName(): Assign {
    const name = this.take('name');
    if (!this.skip('sign', '.')) return (scope, value) => scope.set(name, value);
    const field = this.take('name');
    return (scope, value) => {
      const namespace = scope.get(name);
      if (!(namespace instanceof Namespace)) throw new TemplateError(`only a namespace can be changed, not '${name}'`);
      scope.work.step(3);
      namespace.values.set(field, value);
    };
  }

  private macro(): Statement {
    const name = this.take('name');
    const parameters = this.parameters();
    const [body, levels] = this.macroBody('endmacro');
    return (scope) => {
      scope.set(name, macroOf(name, parameters, levels, body, scope));
      return undefined;
    };
  }

  private macroBody(end: string): [Statement, levels: number] {
    const loops = this.loops;
    this.loops = 0;
    const result = this.measure(() => this.plain(end));
    this.loops = loops;
    return result;
  }

  private parameters(): Parameter[] {
    const parameters: Parameter[] = [];
    this.take('sign', '(');
    while (!this.skip('sign', ')')) {
      const name = this.take('name');
      parameters.push({ name, byDefault: this.skip('sign', '=') ? this.expression() : undefined });
      if (!this.is('sign', ')')) this.take('sign', ',');
    }
    return parameters;
  }

  /** `{% call(parameters) macro(arguments) %}`. */
  private callBlock(): Statement {
    const parameters = this.is('sign', '(') ? this.parameters() : [];
    const label = describe(this.peek());
    const callee = this.take('name');
    const path: string[] = [];
    while (this.skip('sign', '.')) path.push(this.take('name'));
    if (path.length > 0) throw new TemplateError(`only a macro can be called so, got ${label}`);
    const args = this.callArguments();
    const [body, levels] = this.macroBody('endcall');
    return (scope) => {
      const { list, named } = args(scope);
      const caller = macroOf('caller', parameters, levels, body, scope);
      const result = callValue(
        scope.get(callee),
        { list, named: new Map([...named, ['caller', caller]]) },
        scope,
        callee,
      );
      scope.output.write(print(result, scope.work));
      return undefined;
    };
  }

  private filterBlock(): Statement {
    const filters = [this.filter()];
    while (this.skip('sign', '|')) filters.push(this.filter());
    const body = this.plain('endfilter');
    return (scope) => {
      let value: Value = written(body, scope);
      for (const filter of filters) value = filter(value, scope);
      scope.output.write(print(value, scope.work));
      return undefined;
    };
  }

  private withBlock(): Statement {
    const assignments: { assign: Assign; value: Expression }[] = [];
    while (!this.is('end')) {
      const assign = this.target();
      this.take('sign', '=');
      assignments.push({ assign, value: this.expression() });
      if (!this.is('end')) this.take('sign', ',');
    }
    const body = this.plain('endwith');
    return (scope) => {
      const inner = scope.inner();
      for (const { assign, value } of assignments) assign(inner, value(scope));
      return body(inner);
    };
  }

  /** The rest of a tag, and all up to the tag `end`. */
  private plain(end: string): Statement {
    this.take('end');
    const body = this.body([end]);
    this.take('name');
    this.take('end');
    return body;
  }
}

function writeText(text: string): Statement {
  return (scope) => {
    scope.output.write(text);
    return undefined;
  };
}

/** What `body` writes, in a scope of its own. */
function written(body: Statement, scope: Scope): string {
  const output = new Output(scope.work);
  body(scope.inner(output));
  return output.text();
}
