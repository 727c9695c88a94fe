// Owns asking a language model about each row: a conversation of its own from templates, held to a schema or pattern where one is given. Must not know files.
import type { ChatInput } from '../chat/messages.ts';
import { checkOptions } from '../core/check.ts';
import { hexOf, sha256 } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import type { GenerateOptions } from '../generate/options.ts';
import type { LanguageModel } from '../language-model.ts';
import { compileRegexAsync, compileSchemaAsync } from '../structured/compile.ts';
import type { Grammar } from '../structured/grammar.ts';
import { checkCells, checkPlaces, fillTemplate, templateColumns } from './row-template.ts';
import type { Json, RowAnswer, RowTexts, RowWork } from './row-work.ts';
import { textOrRefuse } from './row-work.ts';

/** What is asked. In all texts `{{column}}` stands for the cell of the row. */
export interface PromptOptions {
  /** The column that is the question, where there is neither `prompt` nor `messages`. Default `text`. */
  readonly column?: string;
  readonly prompt?: string;
  readonly system?: string;
  /** A conversation instead of system and prompt. */
  readonly messages?: readonly { readonly role: string; readonly content: string }[];
  /** Answers are JSON of this schema; the properties that it names become columns. */
  readonly schema?: unknown;
  /** Answers match this regular expression. */
  readonly regex?: string;
  /** How answers are generated. Rows of the same seed have seeds of their own, so that equal rows may differ. */
  readonly generate?: Omit<GenerateOptions, 'constraint' | 'signal' | 'seed'> & { readonly seed: number };
}

const OPTIONS = {
  column: 'text',
  prompt: 'text',
  system: 'text',
  messages: 'list',
  schema: 'anything',
  regex: 'text',
  generate: 'object',
} as const;
const ROLES = ['system', 'user', 'assistant', 'tool'];
/** References that lead to references. */
const MOST_HOPS = 20;
/** The column of answers that are no objects. */
const ANSWER = 'answer';

/**
 * Work that asks `model` about each row.
 * @throws OnebitError `bad-argument` for options that contradict each other, and what compiling schema or pattern throws
 */
export async function promptWork(model: LanguageModel, options: PromptOptions = {}): Promise<RowWork> {
  checkOptions('promptWork', options, OPTIONS);
  const { schema, regex, generate } = options;
  const messages = messagesOf(options);
  const constraint = await constraintOf(options, model);
  const columns = (schema === undefined ? undefined : propertiesOf(schema)) ?? [ANSWER];
  const isObject = schema !== undefined && propertiesOf(schema) !== undefined;
  const column =
    options.prompt === undefined && options.messages === undefined ? (options.column ?? 'text') : undefined;
  const templates = column === undefined ? messages : messages.slice(0, -1);
  const reads = new Set([
    ...(column === undefined ? [] : [column]),
    ...templates.flatMap(({ content }) => templateColumns(content)),
  ]);
  checkPlaces([...reads]);
  const settings = await settingsOf(generate ?? {});
  const asked = (row: RowTexts): ChatInput[] => {
    const cellOf = (name: string) => row.text(name);
    checkCells([...reads], cellOf);
    const filled = templates.map(({ role, content }) => ({ role, content: fillTemplate(content, cellOf) }));
    const own = column === undefined ? [] : [{ role: 'user', content: textOrRefuse(row.text(column), column) }];
    return [...filled, ...own] as ChatInput[];
  };

  return {
    columns,
    reads: [...reads],
    settings: { messages, schema: schema as Json, regex, ...settings },
    sharesBeginning: true,
    async run(row, signal) {
      const { seed, ...sampling } = generate ?? { seed: 0 };
      const chat = model.chat(asked(row), { ...sampling, seed: seed + row.index, keepAll: true, constraint, signal });
      const { text, finishReason, tokens, promptTokens, cachedTokens } = await chat.result();
      const used = { prompt: promptTokens.length, cached: cachedTokens, completion: tokens.length };
      const error = finishReason === 'length' ? `the answer was cut off after ${tokens.length} tokens` : undefined;
      return { ...answerOf(text, error, isObject ? columns : undefined, schema !== undefined), tokens: used };
    },
    preview(row) {
      const conversation = asked(row);
      return { text: model.prompt(conversation), tokens: model.chatPrompt(conversation).length };
    },
  };
}

/** What is said as cells. JSON that is not whole has none. */
function answerOf(
  text: string,
  cut: string | undefined,
  columns: readonly string[] | undefined,
  isJson: boolean,
): RowAnswer {
  const width = columns?.length ?? 1;
  if (!isJson) return { cells: [text], ...(cut === undefined ? {} : { error: cut }) };
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return { cells: Array(width).fill(null), error: cut ?? 'the answer is no JSON' };
  }
  if (!columns) return { cells: [value] };
  const fields = value as { readonly [name: string]: Json };
  return { cells: columns.map((name) => (Object.hasOwn(fields, name) ? fields[name] : null)) };
}

function messagesOf({ column, prompt, system, messages }: PromptOptions): readonly { role: string; content: string }[] {
  if (messages !== undefined) {
    if (prompt === undefined && system === undefined && column === undefined) return messages.map(checkedMessage);
    throw new OnebitError('bad-argument', 'batch: messages must be given without prompt, system and column, got both.');
  }
  if (prompt !== undefined && column !== undefined) {
    throw new OnebitError(
      'bad-argument',
      `batch: prompt or column must be given, got both. Write {{${column}}} in the prompt.`,
    );
  }
  const question = { role: 'user', content: prompt ?? `{{${column ?? 'text'}}}` };
  return system === undefined ? [question] : [{ role: 'system', content: system }, question];
}

function checkedMessage(message: unknown, i: number): { role: string; content: string } {
  const { role, content } = (message ?? {}) as Record<string, unknown>;
  if (ROLES.includes(role as string) && typeof content === 'string') return { role: role as string, content };
  throw new OnebitError(
    'bad-argument',
    `batch: messages[${i}] must have a role (${ROLES.join(', ')}) and content as a text, got another value.`,
  );
}

/** How answers are generated, by the names of the options; of a secret key only what tells it from others, for journals are no place for it. */
async function settingsOf({
  watermark,
  ...others
}: Partial<GenerateOptions>): Promise<Record<string, Json | undefined>> {
  const key = watermark === undefined ? undefined : hexOf(await sha256(watermark));
  return { ...(others as Record<string, Json | undefined>), watermark: key };
}

async function constraintOf({ schema, regex }: PromptOptions, model: LanguageModel): Promise<Grammar | undefined> {
  if (schema !== undefined && regex !== undefined) {
    throw new OnebitError(
      'bad-argument',
      'batch: a schema or a regular expression must be given, got both. Leave one out.',
    );
  }
  if (regex !== undefined) return compileRegexAsync(regex, model.tokenizer);
  return schema === undefined ? undefined : compileSchemaAsync(schema, model.tokenizer);
}

/** Names of the properties of a schema of objects; undefined where its values may be something else, or names are not fixed. */
function propertiesOf(schema: unknown): string[] | undefined {
  const { type, properties } = referredIn(schema);
  if (type !== 'object' || typeof properties !== 'object' || properties === null) return undefined;
  const names = Object.keys(properties);
  return names.length > 0 ? names : undefined;
}

/** The schema that a schema of one reference to its own definitions stands for. */
function referredIn(schema: unknown): Record<string, unknown> {
  let found = (schema ?? {}) as Record<string, unknown>;
  for (let hops = 0; hops < MOST_HOPS && typeof found.$ref === 'string' && found.$ref.startsWith('#/'); hops++) {
    const names = found.$ref.slice(2).split('/');
    const decoded = names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
    found = (decoded.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], schema) ??
      {}) as Record<string, unknown>;
  }
  return found;
}
