// Owns where the variables of a rendering live and where its text goes.
import type { Value } from './values.ts';
import type { Work } from './work.ts';

/** Text that is being written. */
export class Output {
  private readonly pieces: string[] = [];
  private length = 0;
  private readonly work: Work;

  constructor(work: Work) {
    this.work = work;
  }

  write(text: string): void {
    this.length += text.length;
    this.work.fits(this.length);
    this.pieces.push(text);
  }

  /** All that was written. */
  text(): string {
    this.work.make(this.length);
    return this.pieces.join('');
  }
}

/** So many (as a power of two) are looked through in the time of a step. */
const SCOPES_PER_STEP = 3;

/** Variables of a block; those of the blocks around it are seen through it. */
export class Scope {
  readonly work: Work;
  readonly output: Output;
  private readonly parent: Scope | undefined;
  private readonly variables: Map<string, Value>;

  constructor(work: Work, output: Output, variables: Map<string, Value>, parent?: Scope) {
    this.work = work;
    this.output = output;
    this.variables = variables;
    this.parent = parent;
  }

  /** A scope inside of this one, which writes to `output`. */
  inner(output: Output = this.output): Scope {
    return new Scope(this.work, output, new Map(), this);
  }

  /** A scope that sees what the template itself set, and none of the blocks around. */
  outermost(output: Output = this.output): Scope {
    let passed = 0;
    let scope: Scope = this;
    for (; scope.parent?.parent; passed++) scope = scope.parent;
    this.work.step(1 + (passed >> SCOPES_PER_STEP));
    return scope.inner(output);
  }

  get(name: string): Value {
    let passed = 0;
    let value: Value;
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) {
      value = scope.variables.get(name);
      if (value !== undefined || scope.variables.has(name)) break;
      passed++;
    }
    this.work.step(1 + (passed >> SCOPES_PER_STEP));
    return value;
  }

  set(name: string, value: Value): void {
    this.variables.set(name, value);
  }
}
