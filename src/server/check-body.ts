// Owns holding a body against its schema: at once where it is small; else element by element, with turns for others, and up to the first mistake
// only: a library that collects all of them can be made to collect millions.
import type { z } from 'zod';
import type { Budget } from '../core/budget.ts';
import { ApiError } from './api-error.ts';
import { isSmall } from './json-size.ts';

/** Numbers or texts of a list between two turns. */
const STRETCH = 1000;

/** Why a value is not as it should be. */
interface Mistake {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}
type Checked = { readonly value: unknown } | { readonly mistake: Mistake };
/** What this file needs to know of a schema of zod. */
type Schema = z.core.$ZodType;

/** `value` as `schema` has it. @throws ApiError 400 with the field's name */
export async function checkBody<Body extends z.ZodType>(
  schema: Body,
  value: unknown,
  budget: Budget,
): Promise<z.output<Body>> {
  const checked = await check(schema, value, budget);
  if ('value' in checked) return checked.value as z.output<Body>;
  const { path, message } = checked.mistake;
  const param = path.map(String).join('.');
  throw new ApiError(400, `${param === '' ? 'The body' : param}: ${message}.`, {
    code: 'invalid_value',
    param: param === '' ? undefined : param,
  });
}

async function check(schema: Schema, value: unknown, budget: Budget): Promise<Checked> {
  await budget.turn('the body');
  if (isSmall(value)) return checkAtOnce(schema, value);
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
      return check(def.innerType, value, budget);
    case 'object':
      return isObject(value) ? checkFields(def.shape, schema, value, budget) : checkAtOnce(schema, 0);
    case 'record':
      return isObject(value) ? checkRecord(schema, def.valueType, value, budget) : checkAtOnce(schema, 0);
    case 'array':
      return Array.isArray(value) ? checkList(schema, def.element, value, budget) : checkAtOnce(schema, 0);
    case 'union':
      return checkUnion(def.options, value, budget);
    case 'unknown':
      return { value };
    default:
      return checkAtOnce(schema, Array.isArray(value) ? [] : {}); // none of the others takes lists or objects
  }
}

function checkAtOnce(schema: Schema, value: unknown): Checked {
  const parsed = (schema as z.ZodType).safeParse(value);
  return parsed.success ? { value: parsed.data } : { mistake: deepest(parsed.error.issues[0]) };
}

/** Large fields by themselves, then the rest of the object. Fields that the schema does not know are left out. */
async function checkFields(
  shape: Readonly<Record<string, Schema>>,
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  budget: Budget,
): Promise<Checked> {
  const large: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(shape)) {
    if (!Object.hasOwn(value, name)) continue;
    if (isSmall(value[name])) {
      rest[name] = value[name];
      continue;
    }
    const checked = await check(field, value[name], budget);
    if ('mistake' in checked) return inside(name, checked.mistake);
    large[name] = checked.value;
  }
  const names = Object.fromEntries(Object.keys(large).map((name) => [name, true as const]));
  const checked = checkAtOnce((schema as z.ZodObject).omit(names as never), rest);
  return 'mistake' in checked ? checked : { value: { ...(checked.value as object), ...large } };
}

async function checkRecord(
  schema: Schema,
  valueSchema: Schema,
  value: Readonly<Record<string, unknown>>,
  budget: Budget,
): Promise<Checked> {
  const most = (schema as z.ZodType).meta()?.maxProperties as number | undefined;
  const names = most === undefined ? 0 : Object.keys(value).length;
  if (most !== undefined && names > most) return mistake(`Too many: expected at most ${most} pairs, got ${names}`);
  const whole: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    budget.spend('the body');
    if (budget.isTurnDue) await budget.turn('the body');
    const alone = { [name]: isSmall(field) ? field : undefined };
    const checked = isSmall(field) ? checkAtOnce(schema, alone) : await check(valueSchema, field, budget);
    if ('mistake' in checked) return isSmall(field) ? checked : inside(name, checked.mistake);
    if (name !== '__proto__') whole[name] = isSmall(field) ? (checked.value as typeof alone)[name] : checked.value;
  }
  return { value: whole };
}

async function checkList(
  schema: Schema,
  element: Schema,
  values: readonly unknown[],
  budget: Budget,
): Promise<Checked> {
  const { least, most } = boundsOf(schema);
  if (values.length > most) return mistake(`Too big: expected at most ${most} elements, got ${values.length}`);
  if (values.length < least) return mistake(`Too small: expected at least ${least} elements, got ${values.length}`);
  const isTokenId = tokenIdsOf(element);
  const whole: unknown[] = [];
  for (let from = 0; from < values.length; from += STRETCH) {
    await budget.turn('the body');
    for (let i = from; i < Math.min(values.length, from + STRETCH); i++) {
      budget.spend('the body');
      if (isTokenId(values[i])) {
        whole.push(values[i]);
        continue;
      }
      if (budget.isTurnDue) await budget.turn('the body');
      const checked = isSmall(values[i]) ? checkAtOnce(element, values[i]) : await check(element, values[i], budget);
      if ('mistake' in checked) return inside(i, checked.mistake);
      whole.push(checked.value);
    }
  }
  return { value: whole };
}

/** The length of a list, or size of a number, that a schema asks for. */
function boundsOf(schema: Schema): { least: number; most: number } {
  let least = Number.NEGATIVE_INFINITY;
  let most = Number.POSITIVE_INFINITY;
  for (const { _zod } of schema._zod.def.checks ?? []) {
    const { check, minimum, maximum, value } = _zod.def as { check: string } & Record<string, number>;
    if (check === 'min_length' || check === 'greater_than') least = Math.max(least, minimum ?? value);
    if (check === 'max_length' || check === 'less_than') most = Math.min(most, maximum ?? value);
  }
  return { least, most };
}

/** Tells what is a token's id, where the elements of a list are such: zod would take a second for a million. */
function tokenIdsOf(element: Schema): (value: unknown) => boolean {
  const { type, format } = element._zod.def as { type: string; format?: string };
  if (type !== 'number' || format !== 'safeint') return () => false;
  const { least, most } = boundsOf(element);
  return (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most;
}

async function checkUnion(options: readonly Schema[], value: unknown, budget: Budget): Promise<Checked> {
  let best: Mistake = { path: [], message: NONE_FITS };
  for (const option of options) {
    const checked = await check(option, value, budget);
    if ('value' in checked) return checked;
    const { def } = option._zod as unknown as { def: z.core.$ZodArrayDef };
    const isKind = Array.isArray(value) && def.type === 'array';
    // What begins as this list should, is this list: there are too many of it, or a later one is wrong.
    if (isKind && value.length > 0 && 'value' in (await check(def.element, value[0], budget))) return checked;
    const deeper = checked.mistake.path.length - best.path.length;
    if (deeper > 0 || (deeper === 0 && isKind && best.message === NONE_FITS)) best = checked.mistake;
  }
  return { mistake: best };
}

const NONE_FITS = 'Invalid input: of none of the allowed types';

/** Of a union the branch that got furthest knows best what is wrong. */
function deepest(issue: z.core.$ZodIssue): Mistake {
  if (issue.code !== 'invalid_union') return issue;
  let best: Mistake = { path: [], message: NONE_FITS };
  for (const branch of issue.errors) {
    for (const inner of branch.slice(0, 1)) {
      const found = deepest(inner);
      if (isFurther(found.path, best.path)) best = found;
    }
  }
  return { path: [...issue.path, ...best.path], message: best.message };
}

/** Deeper, or as deep and later in a list. */
function isFurther(path: readonly PropertyKey[], than: readonly PropertyKey[]): boolean {
  if (path.length !== than.length) return path.length > than.length;
  const at = path.findIndex((key, i) => key !== than[i]);
  return at >= 0 && Number(path[at]) > Number(than[at]);
}

function inside(name: PropertyKey, { path, message }: Mistake): Checked {
  return { mistake: { path: [name, ...path], message } };
}

function mistake(message: string): Checked {
  return { mistake: { path: [], message } };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
