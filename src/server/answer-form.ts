// Owns which form an answer must have: JSON of a schema, text of a pattern, calls of tools; compiled once for all requests of an owner that ask for the
// same.
import type { Budget } from '../core/budget.ts';
import { OnebitError } from '../errors.ts';
import type { LanguageModel } from '../language-model.ts';
import { compileRegexAsync, compileSchemaAsync } from '../structured/compile.ts';
import type { Constraint } from '../structured/constraint.ts';
import { checkSchemaSize } from '../structured/schema-size.ts';
import { compileToolCallsAsync } from '../structured/tool-calls.ts';
import { badField } from './api-error.ts';
import { BodyGate } from './body-gate.ts';
import { type ChatTask, isForced, mayCallOften } from './chat-task.ts';
import type { Exchange } from './exchange.ts';
import type { Tool } from './schemas/chat.ts';
import type { AnswerForm, AskedForm } from './schemas/form.ts';

/** Forms kept for each model and owner, those used last; and owners. Nobody learns by the time a form takes what another has asked for. */
const MOST_KEPT = 32;
const MOST_OWNERS = 64;
/** Forms whose descriptions have more characters are not kept. */
const LONGEST_KEPT = 1 << 16;
/** Forms that are compiled at a time, for all models and owners. */
const MOST_COMPILING = 2;
const COMPILE_BYTES = 128 << 20;
const compiling = new BodyGate(MOST_COMPILING * COMPILE_BYTES);
/** Memory of all forms kept for a model: beyond it the owner of most gives up those not used for longest. */
const KEPT_BYTES = 48 << 20;
const kept = new WeakMap<LanguageModel, Map<string, Map<string, Constraint>>>();

/**
 * What holds the answer of `task` to the form it asks for; undefined where it asks for none. Calls are held to their schemas where they are forced,
 * a tool is strict, or the answer without calls has a form; otherwise the model writes freely.
 * @param tools those that the model is told of
 * @param thinks whether thoughts come first
 * @throws ApiError 400 naming the field, for what is no schema or has features that are not supported
 */
export async function constraintOf(
  model: LanguageModel,
  task: ChatTask,
  tools: readonly Tool[],
  thinks: boolean,
  exchange: Exchange,
): Promise<Constraint | undefined> {
  const { toolChoice, format: asked } = task;
  const parallel = mayCallOften(task);
  const after = thinks ? '</think>' : undefined;
  const forced = isForced(task);
  if ((asked || forced) && task.sampling.ignore_eos) throw endless();
  if (asked && tools.length === 0) return constraintOfForm(model, asked, exchange, after);
  if (tools.length === 0 || !(forced || asked || tools.some((tool) => tool.function.strict))) return undefined;
  if (asked && !('schema' in asked.form)) {
    throw badField(asked.param, `${asked.param}: only a JSON Schema is supported together with tools.`, 'unsupported');
  }
  const answer = !forced && asked && 'schema' in asked.form ? asked.form.schema : undefined;
  const choice = toolChoice === 'none' ? 'auto' : toolChoice;
  const plain = tools.map(({ type, function: { name, parameters } }) => ({
    type,
    function: { name, parameters: parameters ?? undefined },
  }));
  // The form of the answer is compiled alone first, so that what is wrong with it is not said of the tools.
  if (answer !== undefined) await constraintOfForm(model, asked!, exchange);
  return compiled(model, exchange, ['tools', after, choice, parallel, plain, answer], 'tools', () =>
    compileToolCallsAsync(plain, model.tokenizer, { choice, parallel, after, answer, budget: exchange.budget }),
  );
}

/** What holds an answer to a form. @param after what comes first, as `</think>`. @throws ApiError 400 naming the field */
export function constraintOfForm(
  model: LanguageModel,
  { form, param }: AskedForm,
  exchange: Exchange,
  after?: string,
): Promise<Constraint> {
  return compiled(model, exchange, ['form', after, form], param, () =>
    compileForm(form, model, after, exchange.budget),
  );
}

function compileForm(
  form: AnswerForm,
  { tokenizer }: LanguageModel,
  after: string | undefined,
  budget: Budget,
): Promise<Constraint> {
  return 'schema' in form
    ? compileSchemaAsync(form.schema, tokenizer, { after, budget })
    : compileRegexAsync(form.pattern, tokenizer, { after, budget });
}

/** A form cannot be held where the answer may not end. */
export function endless(): Error {
  return badField('ignore_eos', 'ignore_eos: not supported where the answer has a form, which says where it ends.');
}

async function compiled(
  model: LanguageModel,
  { owner, budget }: Exchange,
  what: unknown[],
  param: string,
  compile: () => Promise<Constraint>,
): Promise<Constraint> {
  await budget.nextTurn('the form of the answer');
  const forms = formsOf(model, owner);
  try {
    checkSchemaSize(what); // before anything is made of it, also its key
  } catch (error) {
    throw named(param, error);
  }
  const key = JSON.stringify(what);
  const form = forms.get(key) ?? (await compiledInTurn(owner, param, compile, budget));
  forms.delete(key);
  if (key.length <= LONGEST_KEPT) forms.set(key, form);
  if (forms.size > MOST_KEPT) forms.delete(forms.keys().next().value!);
  forget(kept.get(model)!);
  return form;
}

/** Forms grow while they are followed, so all are looked at. An owner who holds no more than its share loses nothing by what others ask for. */
function forget(owners: ReadonlyMap<string, Map<string, Constraint>>): void {
  const held = [...owners.values()].map((forms) => {
    const bytes = [...forms].map(([key, form]) => [key, 2 * key.length + (form.bytes ?? 0)] as const);
    return { forms, bytes, sum: bytes.reduce((sum, [, one]) => sum + one, 0) };
  });
  let total = held.reduce((all, { sum }) => all + sum, 0);
  while (total > KEPT_BYTES) {
    const most = held.reduce((a, b) => (b.sum > a.sum ? b : a));
    const [key, bytes] = most.bytes.shift()!;
    most.forms.delete(key);
    most.sum -= bytes;
    total -= bytes;
  }
}

function formsOf(model: LanguageModel, owner: string): Map<string, Constraint> {
  const owners = kept.get(model) ?? new Map<string, Map<string, Constraint>>();
  kept.set(model, owners);
  const forms = owners.get(owner) ?? new Map<string, Constraint>();
  owners.delete(owner);
  owners.set(owner, forms);
  if (owners.size > MOST_OWNERS) owners.delete(owners.keys().next().value!);
  return forms;
}

/** A few forms are compiled at a time: each may take all the memory that a request has. */
async function compiledInTurn(
  owner: string,
  param: string,
  compile: () => Promise<Constraint>,
  budget: Budget,
): Promise<Constraint> {
  const asked = compiling.enter({ owner, bytes: COMPILE_BYTES, signal: budget.signal });
  const room = await budget.wait('the form of the answer', asked);
  try {
    return await refusingByName(param, compile);
  } finally {
    room.leave();
  }
}

async function refusingByName(param: string, compile: () => Promise<Constraint>): Promise<Constraint> {
  try {
    return await compile();
  } catch (error) {
    throw named(param, error);
  }
}

function named(param: string, error: unknown): unknown {
  return error instanceof OnebitError ? badField(param, `${param}: ${error.message}`, error.code) : error;
}
