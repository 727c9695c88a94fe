// Owns the form of tool calls in Qwen's wire form, which the models' chat templates ask for.
// Source: the chat template of Qwen3: `<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>`.
import { checkArgument, wrong } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { afterText, type CompileOptions, checkCompile, inTurns, textWithout } from './compile.ts';
import { type Grammar, grammarOf } from './grammar.ts';
import { choice, type Node, nothing, optional, repeat, sequence, words } from './language.ts';
import { schemaLanguage } from './schema.ts';
import { isObject } from './schema-parts.ts';
import { finish, Meter, type Work } from './work.ts';

/** A tool in OpenAI's form. */
export interface ToolDescription {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string;
    /** JSON Schema of the arguments, an object; without it there are none. */
    readonly parameters?: unknown;
  };
}

export interface ToolCallOptions extends CompileOptions {
  /** `required`: calls and nothing else. `auto`: text, calls, or both, but never a malformed call. `{ name }`: calls of this tool. Default `auto`. */
  choice?: 'auto' | 'required' | { readonly name: string };
  /** Whether there may be several calls. Default true. */
  parallel?: boolean;
  /** With `auto`: JSON Schema of answers that call nothing. Default: any text, also before calls. */
  answer?: unknown;
}

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';
const ARGUMENTS: unknown = { type: 'object' };

/**
 * Answers that call tools, for option `constraint` together with option `tools` of `chat`: each call is
 * `<tool_call>\n{"name": "…", "arguments": {…}}\n</tool_call>` with arguments of the tool's schema. For OpenAI's `tool_choice`: `"auto"` is `auto`,
 * `"required"` is `required`, `{ type: "function", function: { name } }` is `{ name }`; for `"none"` use no constraint. With a model that thinks
 * first, pass `after: '</think>'`.
 * @throws OnebitError as `compileSchema` does; pointers begin with `/tools/n/function/parameters`
 */
export function compileToolCalls(
  tools: readonly ToolDescription[],
  tokenizer: Tokenizer,
  options: ToolCallOptions = {},
): Grammar {
  checkToolCalls('compileToolCalls', tools, tokenizer, options);
  return finish(toolCallWork(tools, tokenizer, options));
}

/** As `compileToolCalls`, with turns of the event loop in between where it takes longer than some 10 ms. */
export async function compileToolCallsAsync(
  tools: readonly ToolDescription[],
  tokenizer: Tokenizer,
  options: ToolCallOptions = {},
): Promise<Grammar> {
  checkToolCalls('compileToolCallsAsync', tools, tokenizer, options);
  return inTurns(toolCallWork, tools, tokenizer, options);
}

function checkToolCalls(
  operation: string,
  tools: readonly ToolDescription[],
  tokenizer: unknown,
  options: ToolCallOptions,
): void {
  checkArgument(operation, 'tools', tools, 'list');
  for (const [i, tool] of tools.entries()) {
    checkArgument(operation, `tools[${i}]`, tool, 'object');
    checkArgument(operation, `tools[${i}].function`, tool.function, 'object');
  }
  checkCompile(operation, tokenizer, options, { choice: 'anything', parallel: 'boolean', answer: 'anything' });
  const { choice: wanted = 'auto' } = options;
  const isName = typeof wanted === 'object' && wanted !== null && typeof wanted.name === 'string';
  if (!isName && wanted !== 'auto' && wanted !== 'required') {
    throw wrong(operation, 'choice', "be 'auto', 'required' or { name }", wanted);
  }
}

function* toolCallWork(
  tools: readonly ToolDescription[],
  tokenizer: Tokenizer,
  options: ToolCallOptions,
): Work<Grammar> {
  const meter = new Meter(options.budget);
  const { choice: wanted = 'auto', parallel = true } = options;
  const named = typeof wanted === 'object' ? tools.filter((tool) => tool.function.name === wanted.name) : tools;
  if (named.length === 0) {
    const missing = typeof wanted === 'object' ? JSON.stringify(wanted.name) : 'no tools';
    throw new OnebitError('bad-argument', `compileToolCalls: the choice must be among the tools, got ${missing}.`);
  }
  const forms: Node[] = [];
  for (const tool of named) forms.push(yield* callOf(tool, tools.indexOf(tool), meter));
  const call = choice(...forms);
  const more = parallel ? repeat(sequence(words('\n'), call), 0, Number.POSITIVE_INFINITY) : nothing;
  const calls = sequence(call, more);
  let form = calls;
  if (wanted === 'auto') {
    form =
      options.answer === undefined
        ? sequence(yield* textWithout(OPEN, meter), optional(calls))
        : choice(calls, yield* schemaLanguage(options.answer, meter));
  }
  return yield* grammarOf(yield* afterText(form, options.after, meter), tokenizer, meter);
}

function* callOf(tool: ToolDescription, index: number, meter: Meter): Work<Node> {
  const { name, parameters } = tool.function;
  if (typeof name !== 'string' || name === '') {
    throw new OnebitError(
      'bad-argument',
      `compileToolCalls: /tools/${index}/function/name must be a text, got ${JSON.stringify(name)}.`,
    );
  }
  return sequence(
    words(`${OPEN}\n{"name": ${JSON.stringify(name)}, "arguments": `),
    yield* argumentsOf(parameters, `/tools/${index}/function/parameters`, meter),
    words(`}\n${CLOSE}`),
  );
}

/** Arguments are an object even where the schema does not say so. */
function* argumentsOf(parameters: unknown, at: string, meter: Meter): Work<Node> {
  const isEmpty =
    parameters === undefined || parameters === null || (isObject(parameters) && Object.keys(parameters).length === 0);
  if (isEmpty) return words('{}');
  return yield* schemaLanguage(parameters, meter, [
    { schema: parameters, at, name: `#${at}` },
    { schema: ARGUMENTS, at, name: 'arguments' },
  ]);
}
