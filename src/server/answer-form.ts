// Owns which form an answer must have: JSON of a schema, or calls of tools; compiled once for all requests that ask for the same.
import { OnebitError } from '../errors.ts';
import type { LanguageModel } from '../language-model.ts';
import { compileSchema } from '../structured/compile.ts';
import type { Constraint } from '../structured/constraint.ts';
import { compileToolCalls } from '../structured/tool-calls.ts';
import { badField } from './api-error.ts';
import { type ChatTask, isForced, mayCallOften } from './chat-task.ts';
import type { Tool } from './schemas/chat.ts';

/** Forms kept for each model, those used last. */
const MOST_KEPT = 32;
const kept = new WeakMap<LanguageModel, Map<string, Constraint>>();

/**
 * What holds the answer of `task` to the form it asks for; undefined where it asks for none. Calls are held to their schemas where they are forced,
 * a tool is strict, or the answer without calls has a form; otherwise the model writes freely.
 * @param tools those that the model is told of
 * @param thinks whether thoughts come first
 * @throws ApiError 400 naming the field, for what is no schema or has features that are not supported
 */
export function formOf(
  model: LanguageModel,
  task: ChatTask,
  tools: readonly Tool[],
  thinks: boolean,
): Constraint | undefined {
  const { toolChoice, names } = task;
  const parallel = mayCallOften(task);
  const format = task.format?.type === 'text' ? undefined : task.format;
  const after = thinks ? '</think>' : undefined;
  const forced = isForced(task);
  if ((format || forced) && task.sampling.ignore_eos) {
    throw badField('ignore_eos', 'ignore_eos: not supported where the answer has a form, which says where it ends.');
  }
  const schema = format && (format.type === 'json_object' ? { type: 'object' } : (format.json_schema.schema ?? {}));
  if (schema && tools.length === 0) {
    return compiled(model, ['schema', after, schema], names.format, () =>
      compileSchema(schema, model.tokenizer, { after }),
    );
  }
  if (tools.length === 0 || !(forced || schema || tools.some((tool) => tool.function.strict))) return undefined;
  const answer = forced ? undefined : schema;
  const choice = toolChoice === 'none' ? 'auto' : toolChoice;
  const plain = tools.map(({ type, function: { name, parameters } }) => ({
    type,
    function: { name, parameters: parameters ?? undefined },
  }));
  // The form of the answer is compiled alone first, so that what is wrong with it is not said of the tools.
  if (answer)
    compiled(model, ['schema', undefined, answer], names.format, () => compileSchema(answer, model.tokenizer));
  return compiled(model, ['tools', after, choice, parallel, plain, answer], 'tools', () =>
    compileToolCalls(plain, model.tokenizer, { choice, parallel, after, answer }),
  );
}

function compiled(model: LanguageModel, what: unknown[], param: string, compile: () => Constraint): Constraint {
  const forms = kept.get(model) ?? new Map<string, Constraint>();
  kept.set(model, forms);
  const key = JSON.stringify(what);
  const form = forms.get(key) ?? refusingByName(param, compile);
  forms.delete(key);
  forms.set(key, form);
  if (forms.size > MOST_KEPT) forms.delete(forms.keys().next().value!);
  return form;
}

function refusingByName(param: string, compile: () => Constraint): Constraint {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof OnebitError)) throw error;
    throw badField(param, `${param}: ${error.message}`, error.code);
  }
}
