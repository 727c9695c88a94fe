// Owns macros: what a call gives their parameters, and how deep calls go.
import type { Expression } from './evaluate.ts';
import { Output, type Scope } from './scope.ts';
import { Callable, tuple, type Value } from './values.ts';

export interface Parameter {
  readonly name: string;
  readonly byDefault: Expression | undefined;
}

/**
 * A macro that was defined in `scope`, whose variables it sees as they are when it is called.
 * @param levels how deep its body nests
 */
export function macroOf(
  name: string,
  parameters: readonly Parameter[],
  levels: number,
  body: (scope: Scope) => unknown,
  scope: Scope,
): Callable {
  return new Callable(name, ({ list, named }, work) => {
    const output = new Output(work);
    const inner = scope.inner(output);
    const others = new Map<string, Value>(named);
    for (const { name } of parameters) others.delete(name);
    work.step(2 * parameters.length + list.length + named.size);
    inner.set('caller', others.get('caller'));
    others.delete('caller');
    inner.set('kwargs', others);
    inner.set('varargs', tuple(list.slice(parameters.length)));
    for (const [i, { name }] of parameters.entries()) inner.set(name, i < list.length ? list[i] : named.get(name));
    work.call(levels + 2, () => {
      for (const [i, { name, byDefault }] of parameters.entries()) {
        if (byDefault && i >= list.length && !named.has(name)) inner.set(name, byDefault(inner));
      }
      body(inner);
    });
    return output.text();
  });
}
