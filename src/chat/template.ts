// Owns turning messages into the text that a model was trained on, by the file's own template or ChatML.
// Message content can never become control tokens: see `renderChat`.
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { OnebitError } from '../errors.ts';
import type { ChatMessage } from './messages.ts';
import { describeTools, type TemplateMessage, toolsAsText } from './tool-text.ts';

/** Qwen's format, for files that bring no template. With tools it is the text that Qwen's models were trained on. */
export const CHATML = `{%- set system = messages[0].content if messages and messages[0].role == 'system' else none -%}
{%- if tools -%}
{{ '<|im_start|>system\\n' + (system + '\\n\\n' if system else '') }}
{{- '# Tools\\n\\nYou may call one or more functions to assist with the user query.\\n\\n' }}
{{- 'You are provided with function signatures within <tools></tools> XML tags:\\n<tools>' }}
{%- for tool in tools -%}{{ '\\n' + (tool | tojson) }}{%- endfor -%}
{{ '\\n</tools>\\n\\nFor each function call, return a json object with function name and arguments within ' }}
{{- '<tool_call></tool_call> XML tags:\\n<tool_call>\\n{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call>' }}
{{- '<|im_end|>\\n' }}
{%- endif -%}
{%- for message in messages -%}
{%- if message.role == 'tool' -%}
{%- if loop.first or messages[loop.index0 - 1].role != 'tool' -%}{{ '<|im_start|>user' }}{%- endif -%}
{{ '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' -%}{{ '<|im_end|>\\n' }}{%- endif -%}
{%- elif not (tools and loop.first and message.role == 'system') -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content }}
{%- for call in message.tool_calls or [] -%}
{%- if message.content or not loop.first -%}{{ '\\n' }}{%- endif -%}
{{ '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' + call.function.arguments + '}\\n</tool_call>' }}
{%- endfor -%}
{{ '<|im_end|>' + '\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}`;

/** Templates of real models have up to some 15,000 characters. */
const LONGEST_TEMPLATE = 1 << 18;
/** Most numbers that the ranges of one rendering may give together: templates loop over messages, and a hostile one must not loop for ever. */
const RANGE_BUDGET = 10_000;
/** A Unicode noncharacter, "intended for internal use": marks where control-token text inside a message is broken up. */
const BREAK = '\uFDD0';

export interface ChatTemplateOptions {
  /** Let models that can think do so before they answer. Default false. */
  thinking?: boolean;
  /** End with the opening of an assistant turn. Default true. */
  addGenerationPrompt?: boolean;
  /** Tool descriptions in OpenAI's form. Models whose template does not know tools are told of them as text. */
  tools?: readonly unknown[];
}

export class ChatTemplate {
  /** Whether thinking can be asked for. */
  readonly knowsThinking: boolean;
  private readonly knowsTools: boolean;
  private readonly program: ReturnType<typeof parse>;
  private readonly specialTexts: readonly string[];
  private readonly tokenTexts: Record<string, string>;

  /**
   * @param source Jinja, as in `tokenizer.chat_template`; ChatML where undefined
   * @param specialTexts texts of control tokens, which must not arise from message content
   * @param tokens texts of the begin and end tokens, for templates that print them
   * @throws OnebitError `bad-file` when the template cannot be parsed
   */
  constructor(source: string | undefined, specialTexts: readonly string[], tokens: { bos?: string; eos?: string }) {
    if (source !== undefined && source.length > LONGEST_TEMPLATE) {
      throw new OnebitError(
        'bad-file',
        `chat: the template must have at most ${LONGEST_TEMPLATE} characters, got ${source.length}.`,
      );
    }
    try {
      this.program = parse(tokenize(source ?? CHATML, { lstrip_blocks: true, trim_blocks: true }));
    } catch (cause) {
      throw new OnebitError('bad-file', `chat: the file's chat template cannot be parsed: ${messageOf(cause)}`, {
        cause,
      });
    }
    this.knowsThinking = /\benable_thinking\b/.test(source ?? CHATML);
    this.knowsTools = /\btools\b/.test(source ?? CHATML);
    this.specialTexts = specialTexts.filter((text) => text.length > 1);
    this.tokenTexts = { bos_token: tokens.bos ?? '', eos_token: tokens.eos ?? '' };
  }

  /**
   * The conversation as pieces of text, to be encoded one by one with special tokens allowed and then joined. Where a message contains the text of
   * a control token, the pieces part inside of it, so that no piece contains it and it stays ordinary text.
   * @throws OnebitError `bad-argument` when the template refuses the messages
   */
  render(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string[] {
    try {
      let turns = messages.map((message) => this.breakUp(asTemplatesExpect(message)) as TemplateMessage);
      const tools = options.tools && options.tools.length > 0 ? this.breakUp(options.tools) : null;
      if (!this.knowsTools && (tools || messages.some(({ role, toolCalls }) => role === 'tool' || toolCalls?.length))) {
        turns = toolsAsText(turns, tools ? describeTools(tools) : '');
      }
      const environment = new Environment();
      const variables = {
        ...globals(),
        ...this.tokenTexts,
        messages: turns,
        tools,
        add_generation_prompt: options.addGenerationPrompt ?? true,
        enable_thinking: options.thinking ?? false,
      };
      for (const [name, value] of Object.entries(variables)) environment.set(name, value);
      const text = String(new Interpreter(environment).run(this.program).value);
      return text.split(BREAK).filter((piece) => piece.length > 0);
    } catch (cause) {
      throw new OnebitError('bad-argument', `chat: the model's template refused the messages: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  /** Breaks up control tokens in all texts of `value`, names of fields too. */
  private breakUp(value: unknown): unknown {
    if (typeof value === 'string') return this.breakUpText(value);
    if (Array.isArray(value)) return value.map((element) => this.breakUp(element));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, field]) => [this.breakUpText(name), this.breakUp(field)]),
    );
  }

  private breakUpText(content: string): string {
    let broken = content.replaceAll(BREAK, '');
    for (const text of this.specialTexts) {
      if (broken.includes(text)) broken = broken.replaceAll(text, `${text[0]}${BREAK}${text.slice(1)}`);
    }
    return broken;
  }
}

/** A message as templates know it, in the field names of Hugging Face's implementations. */
function asTemplatesExpect({ role, content, reasoning, toolCalls }: ChatMessage): Record<string, unknown> {
  return {
    role,
    content,
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    ...(toolCalls === undefined || toolCalls.length === 0
      ? {}
      : { tool_calls: toolCalls.map((call) => ({ type: 'function', function: call })) }),
  };
}

/** What templates expect to find, as in Hugging Face's implementations. */
function globals(): Record<string, unknown> {
  let budget = RANGE_BUDGET;
  const range = (start: number, stop?: number | null, step = 1): number[] => {
    const [from, to] = typeof stop === 'number' ? [start, stop] : [0, start];
    const length = Math.max(0, Math.ceil((to - from) / step));
    budget -= length;
    if (!(budget >= 0)) throw new Error(`ranges must give at most ${RANGE_BUDGET} numbers`);
    return Array.from({ length }, (_, i) => from + i * step);
  };
  const raise = (message: unknown) => {
    throw new Error(String(message));
  };
  const literals = { true: true, True: true, false: false, False: false, none: null, None: null };
  return { ...literals, range, raise_exception: raise, strftime_now: (format: string) => strftime(new Date(), format) };
}

function strftime(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const month = (style: 'long' | 'short') => date.toLocaleString('en-US', { month: style });
  const parts: Record<string, () => string> = {
    '%Y': () => String(date.getFullYear()),
    '%m': () => two(date.getMonth() + 1),
    '%d': () => two(date.getDate()),
    '%H': () => two(date.getHours()),
    '%M': () => two(date.getMinutes()),
    '%b': () => month('short'),
    '%B': () => month('long'),
    '%%': () => '%',
  };
  return format.replace(/%[YmdHMbB%]/g, (code) => parts[code]());
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
