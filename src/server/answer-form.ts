// Owns which form an answer must have: JSON of a schema, or calls of tools; compiled once for all requests that ask for the same.
import { OnebitError } from '../errors.ts';
import type { LanguageModel } from '../language-model.ts';
import { compileJsonObject, compileSchema } from '../structured/compile.ts';
import type { Constraint } from '../structured/constraint.ts';
import { compileToolCalls } from '../structured/tool-calls.ts';
import { badField } from './api-error.ts';
import type { ChatTask } from './chat-task.ts';
import type { Tool } from './schemas/chat.ts';

/** Forms kept for each model, those used last. */
const MOST_KEPT = 32;
const kept = new WeakMap<LanguageModel, Map<string, Constraint>>();

/**
 * What holds the answer of `task` to the form it asks for; undefined where it asks for none. Calls are held to their schemas where they are forced
 * or a tool is strict; otherwise the model writes freely.
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
  const { format, toolChoice, parallelToolCalls, names } = task;
  const after = thinks ? '</think>' : undefined;
  const forced = toolChoice === 'required' || typeof toolChoice === 'object';
  const json = format && format.type !== 'text';
  if (json && tools.length > 0) {
    throw badField(
      names.format,
      `${names.format}: not supported together with tools. Use a strict tool.`,
      'unsupported',
    );
  }
  if ((json || forced) && task.sampling.ignore_eos) {
    throw badField('ignore_eos', 'ignore_eos: not supported where the answer has a form, which says where it ends.');
  }
  if (format?.type === 'json_object') {
    return compiled(model, ['object', after], names.format, () => compileJsonObject(model.tokenizer, { after }));
  }
  if (format?.type === 'json_schema') {
    const schema = format.json_schema.schema ?? {};
    return compiled(model, ['schema', after, schema], names.format, () =>
      compileSchema(schema, model.tokenizer, { after }),
    );
  }
  if (tools.length === 0 || !(forced || tools.some((tool) => tool.function.strict))) return undefined;
  const choice = toolChoice === 'none' ? 'auto' : toolChoice;
  const plain = tools.map(({ type, function: { name, parameters } }) => ({
    type,
    function: { name, parameters: parameters ?? undefined },
  }));
  return compiled(model, ['tools', after, choice, parallelToolCalls, plain], 'tools', () =>
    compileToolCalls(plain, model.tokenizer, { choice, parallel: parallelToolCalls, after }),
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
