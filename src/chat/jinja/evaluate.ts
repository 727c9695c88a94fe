// Owns what expressions share when they compute: collecting arguments, calling, comparing, and refusing what is undefined.
import type { Scope } from './scope.ts';
import {
  type Arguments,
  Callable,
  compare,
  elementsOf,
  isEqual,
  isIn,
  isLoop,
  kindOf,
  textOf,
  type Value,
} from './values.ts';
import { TemplateError } from './work.ts';

/** Computes a value. */
export type Expression = (scope: Scope) => Value;

export const NO_NAMES: ReadonlyMap<string, Value> = new Map();

/** The arguments of a call, with what `*` and `**` spread. */
export function collect(
  list: readonly { spread: boolean; value: Expression }[],
  named: readonly { name: string | undefined; value: Expression }[],
  scope: Scope,
): Arguments {
  const values: Value[] = [];
  for (const { spread, value } of list) {
    if (!spread) values.push(value(scope));
    else {
      const elements = elementsOf(value(scope), scope.work);
      scope.work.step(elements.length);
      for (const element of elements) values.push(element);
    }
  }
  if (named.length === 0) return { list: values, named: NO_NAMES };
  const names = new Map<string, Value>();
  scope.work.step(5 + named.length);
  for (const { name, value } of named) {
    if (name !== undefined) names.set(name, value(scope));
    else {
      const fields = value(scope);
      if (!(fields instanceof Map)) throw new TemplateError(`what follows '**' must be a dict, got ${kindOf(fields)}`);
      scope.work.step(4 * fields.size);
      for (const [key, field] of fields) names.set(textOf(key, 'the name of an argument'), field);
    }
  }
  return { list: values, named: names };
}

/** Calls `value`, which stands as `label` in the template. */
export function callValue(value: Value, args: Arguments, scope: Scope, label: string): Value {
  assertDefined(value, label);
  if (value instanceof Callable) return value.call(args, scope.work);
  if (isLoop(value)) return value.call(args.list[0]);
  throw new TemplateError(`'${label}' is a ${kindOf(value)}, which cannot be called`);
}

/** Whether a comparison holds. */
export function holds(operator: string, a: Value, b: Value, { work }: Scope): boolean {
  switch (operator) {
    case '==':
      return isEqual(a, b, work);
    case '!=':
      return !isEqual(a, b, work);
    case 'in':
      return isIn(a, b, work);
    case 'not in':
      return !isIn(a, b, work);
    case '<':
      return compare(a, b, work) < 0;
    case '<=':
      return compare(a, b, work) <= 0;
    case '>':
      return compare(a, b, work) > 0;
    default:
      return compare(a, b, work) >= 0;
  }
}

export function assertDefined(value: Value, label: string): void {
  if (value === undefined) throw new TemplateError(`'${label}' is undefined`);
}
