// Owns templates in Jinja's language, as chat templates use it: read once, rendered within a budget. Semantics are those of Jinja2 in the sandbox that
// Hugging Face's transformers sets up. A library would do if one were bounded: a template is part of a downloaded file, and may try to hang or to kill us.
import { OnebitError } from '../../errors.ts';
import { pairsOf } from './attributes.ts';
import { tokenize } from './lexer.ts';
import { print } from './print.ts';
import { Output, Scope } from './scope.ts';
import { readTemplate } from './statements.ts';
import { strftime } from './strftime.ts';
import { bind, Callable, countOf, elementsOf, fromJson, keyOf, Namespace, textOf, type Value } from './values.ts';
import { overBudget, TemplateError, Work } from './work.ts';

export { Float } from './values.ts';
export { TemplateError, Work } from './work.ts';

/** Most numbers of one `range`, as in Jinja's sandbox. */
const LONGEST_RANGE = 100_000;

export class JinjaTemplate {
  private readonly run: (scope: Scope) => void;

  /** @throws TemplateError where `source` is no template */
  constructor(source: string) {
    this.run = guarded(() => readTemplate(tokenize(source)));
  }

  /**
   * The text that the template makes of `variables`, which are as JSON has them.
   * @throws TemplateError where the template refuses or fails; OnebitError `over-budget` where it costs more than `variables` are worth
   */
  render(variables: Readonly<Record<string, unknown>>, work = new Work()): string {
    return guarded(() => {
      const output = new Output(work);
      const scope = new Scope(work, output, globals());
      const given = scope.inner();
      for (const [name, value] of Object.entries(variables)) given.set(name, fromJson(value, work));
      this.run(given);
      return output.text();
    });
  }
}

/** A stack that overflows all the same ends as what is too deep. */
function guarded<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof OnebitError || error instanceof TemplateError) throw error;
    if (error instanceof RangeError && /call stack/.test(error.message)) throw overBudget('depth');
    if (error instanceof RangeError && /string length/.test(error.message)) throw overBudget('characters');
    if (error instanceof RangeError) throw new TemplateError(error.message);
    if (typeof error === 'object' && error !== null && /recursion/.test(String(error))) throw overBudget('depth');
    throw error;
  }
}

function globals(): Map<string, Value> {
  const functions = [
    new Callable('range', ({ list }, work) => {
      const [first, second, step = 1] = list.map((value) => countOf(value, 'range'));
      const [from, to] = second === undefined ? [0, first] : [first, second];
      if (step === 0) throw new TemplateError('the step of a range must not be 0');
      const length = Math.max(0, Math.ceil((to - from) / step));
      if (!(length <= LONGEST_RANGE)) throw overBudget('steps');
      work.step(length);
      return Array.from({ length }, (_, i) => from + i * step);
    }),
    new Callable('namespace', (args, work) => new Namespace(new Map(fields(args, work)) as Map<string, Value>)),
    new Callable('dict', (args, work) => new Map(fields(args, work))),
    new Callable('raise_exception', ({ list: [message] }, work) => {
      throw new TemplateError(print(message, work).slice(0, 500));
    }),
    new Callable('strftime_now', (args, work) => {
      const format = textOf(bind('strftime_now', ['format'], args)[0], 'format');
      work.make(format.length * 100);
      work.step(format.length * 20);
      return strftime(new Date(), format);
    }),
    new Callable('lipsum', () => {
      throw new TemplateError("'lipsum' is left out: a prompt must be the same each time it is made");
    }),
    new Callable('joiner', ({ list: [between = ', '] }) => {
      let used = false;
      return new Callable('joiner', () => {
        const result = used ? between : '';
        used = true;
        return result;
      });
    }),
    new Callable('cycler', ({ list }) => {
      let at = 0;
      const values = new Map<string, Value>([['current', list[0]]]);
      const turn = (name: string, run: () => Value) =>
        new Callable(name, () => {
          const result = run();
          values.set('current', list[at % list.length]);
          return result;
        });
      values.set(
        'next',
        turn('next', () => list[at++ % list.length]),
      );
      values.set(
        'reset',
        turn('reset', () => {
          at = 0;
          return null;
        }),
      );
      return new Namespace(values);
    }),
  ];
  return new Map(functions.map((callable) => [callable.name, callable]));
}

/** What `dict` and `namespace` are given: a dictionary or pairs, then names. */
function* fields({ list: [first], named }: Parameters<Callable['call']>[0], work: Work): Iterable<[string, Value]> {
  work.step(10);
  const pairs = first instanceof Map ? pairsOf(first, work) : elementsOf(first, work);
  for (const pair of pairs) {
    const [key, value] = elementsOf(pair, work);
    work.step(8);
    yield [keyOf(key, work) as string, value];
  }
  for (const [name, value] of named) {
    work.step(5);
    yield [name, value];
  }
}
