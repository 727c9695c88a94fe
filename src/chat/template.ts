// Owns turning messages into the text that a model was trained on, by the file's own template or ChatML.
// Message content can never become control tokens: see `renderChat`.
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { OnebitError } from '../errors.ts';
import type { ChatMessage } from './messages.ts';

/** Qwen's format without its extras, for files that bring no template. */
export const CHATML = `{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
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
  /** Tool descriptions in OpenAI's form, for templates that know them. */
  tools?: readonly unknown[];
}

export class ChatTemplate {
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
      const environment = new Environment();
      const variables = {
        ...globals(),
        ...this.tokenTexts,
        messages: messages.map((message) => ({ ...message, content: this.breakUp(message.content) })),
        tools: options.tools && options.tools.length > 0 ? options.tools : null,
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

  private breakUp(content: string): string {
    let broken = content.replaceAll(BREAK, '');
    for (const text of this.specialTexts) {
      if (broken.includes(text)) broken = broken.replaceAll(text, `${text[0]}${BREAK}${text.slice(1)}`);
    }
    return broken;
  }
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
