// Owns turning messages into the text that a model was trained on, by the file's own template or ChatML.
// Message content can never become control tokens: see `ChatTemplate.render`.
import type { Budget } from '../core/budget.ts';
import { OnebitError } from '../errors.ts';
import { ADAPTATIONS, adaptationsThatMayFind, contentAsParts, missingFrom, withToolsAsText } from './adaptations.ts';
import { CHATML } from './chatml.ts';
import { type Conversation, turnsOf, withArguments } from './conversation.ts';
import { Float, JinjaTemplate, TemplateError, Work } from './jinja/jinja.ts';
import type { ChatMessage } from './messages.ts';

/** Templates of real models have up to some 30,000 characters. */
const LONGEST_TEMPLATE = 1 << 17;
/** A Unicode noncharacter, "intended for internal use": marks where control-token text inside a message is broken up. */
const BREAK = '\uFDD0';

/** Steps that a rendering has for each message beside those for its text. */
const STEPS_PER_MESSAGE = 200;
/** Characters from which content is not tried in a form that the template does not know: it might go through it letter by letter. */
const LONG = 10_000;

export interface ChatTemplateOptions {
  /** Let models that can think do so before they answer. Default false. */
  thinking?: boolean;
  /** End with the opening of an assistant turn. Default true. */
  addGenerationPrompt?: boolean;
  /** Tool descriptions in OpenAI's form. Models whose template does not know tools are told of them as text. */
  tools?: readonly unknown[];
  /** More variables for the template, as JSON has them: what servers call `chat_template_kwargs`. */
  variables?: Readonly<Record<string, unknown>>;
  /** What the rendering may cost beside its own limits: that of the request it belongs to. */
  budget?: Budget;
}

export class ChatTemplate {
  /** Whether thinking can be asked for. */
  readonly knowsThinking: boolean;
  private readonly knowsTools: boolean;
  private readonly template: JinjaTemplate;
  private readonly specials: RegExp | undefined;
  private readonly tokenTexts: Record<string, string>;
  /** Whether the template knows only content in parts; found out before the first long conversation. */
  private wantsParts: boolean | undefined;

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
      this.template = new JinjaTemplate(source ?? CHATML);
    } catch (cause) {
      throw new OnebitError('bad-file', `chat: the file's chat template cannot be parsed: ${messageOf(cause)}`, {
        cause,
      });
    }
    this.knowsThinking = /\benable_thinking\b/.test(source ?? CHATML);
    this.knowsTools = /\btools\b/.test(source ?? CHATML);
    this.specials = patternOf(specialTexts);
    this.tokenTexts = { bos_token: tokens.bos ?? '', eos_token: tokens.eos ?? '' };
  }

  /**
   * The conversation as pieces of text, to be encoded one by one with special tokens allowed and then joined. Where a message contains the text of
   * a control token, the pieces part inside of it, so that no piece contains it and it stays ordinary text.
   * @throws OnebitError `bad-argument` when the template refuses the messages, `over-budget` when it does more than they are worth
   */
  render(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string[] {
    const work = new Work(options.budget);
    const given: Conversation = { turns: turnsOf(messages), tools: options.tools?.length ? options.tools : null };
    work.grant(STEPS_PER_MESSAGE * messages.length);
    const known = this.knowsTools ? given : withToolsAsText(given);
    const variables = Object.fromEntries(this.breakUp(options.variables ?? {}, work) as Map<string, unknown>);
    const write = (conversation: Conversation) =>
      this.template.render(
        {
          ...this.tokenTexts,
          documents: null,
          add_generation_prompt: options.addGenerationPrompt ?? true,
          enable_thinking: options.thinking ?? false,
          ...variables,
          messages: this.breakUp(withArguments(conversation), work),
          tools: this.breakUp(conversation.tools, work),
        },
        work,
      );
    const length = messages.reduce((sum, { content }) => sum + content.length, 0);
    if (length > LONG) this.wantsParts ??= wantsParts(write);
    return adapted(length > LONG && this.wantsParts ? contentAsParts(known) : known, write, work)
      .split(BREAK)
      .filter((piece) => piece.length > 0);
  }

  /** Breaks up control tokens in all texts of `value`, names of fields too. */
  private breakUp(value: unknown, work: Work, depth = 0): unknown {
    work.grant(8);
    work.enter(depth);
    if (typeof value === 'string') return this.breakUpText(value);
    if (Array.isArray(value)) return value.map((element) => this.breakUp(element, work, depth + 1));
    if (typeof value !== 'object' || value === null || value instanceof Float) return value;
    const fields = value instanceof Map ? [...value] : Object.entries(value);
    return new Map(
      fields
        .filter(([, field]) => field !== undefined)
        .map(([name, field]) => [this.breakUpText(name), this.breakUp(field, work, depth + 1)]),
    );
  }

  /** A break after the first character of every place where a control token's text begins, overlapping ones too. */
  private breakUpText(content: string): string {
    const text = content.replaceAll(BREAK, '');
    if (!this.specials) return text;
    const pieces: string[] = [];
    let from = 0;
    this.specials.lastIndex = 0;
    for (let match = this.specials.exec(text); match; match = this.specials.exec(text)) {
      const at = match.index + 1;
      pieces.push(text.slice(from, at));
      from = at;
      this.specials.lastIndex = at;
    }
    pieces.push(text.slice(from));
    return pieces.join(BREAK);
  }
}

/**
 * What `write` makes of the conversation: as it is, or, where the template refuses that, with the fewest adaptations with which it does not. Templates that
 * leave out what was said last, or the calls, are tried with those that may mend it.
 */
function adapted(conversation: Conversation, write: (conversation: Conversation) => string, work: Work): string {
  const attempt = (conversation: Conversation) => {
    try {
      const text = write(conversation);
      return { text, missing: missingFrom(text.replaceAll(BREAK, ''), conversation, work), error: undefined };
    } catch (error) {
      if (error instanceof TemplateError) return { text: '', missing: undefined, error };
      throw error;
    }
  };
  const plain = attempt(conversation);
  if (plain.missing?.length === 0) return plain.text;
  let best = plain;
  for (const adaptations of subsets(plain.missing ? adaptationsThatMayFind(plain.missing) : ADAPTATIONS)) {
    let changed = conversation;
    const helps = adaptations.every((adapt) => {
      const before = changed;
      changed = adapt(changed);
      return changed !== before;
    });
    if (!helps) continue;
    const result = attempt(changed);
    if (!result.missing) continue;
    if (!best.missing || result.missing.length < best.missing.length) best = result;
    if (result.missing.length === 0) break;
  }
  if (best.missing) return best.text;
  throw new OnebitError('bad-argument', `chat: the model's template refused the messages: ${messageOf(plain.error)}`, {
    cause: plain.error,
  });
}

/** Whether `write` leaves out content that is a text, and not content in parts. */
function wantsParts(write: (conversation: Conversation) => string): boolean {
  const probe: Conversation = { turns: [{ role: 'user', content: 'probe' }], tools: null };
  const shows = (conversation: Conversation) => {
    try {
      return write(conversation).includes('probe');
    } catch (error) {
      if (error instanceof TemplateError) return false;
      throw error;
    }
  };
  return !shows(probe) && shows(contentAsParts(probe));
}

/** All subsets of one to three, smallest first. */
function subsets<T>(items: readonly T[]): T[][] {
  const pick = (count: number, from: number): T[][] =>
    count === 0
      ? [[]]
      : items.slice(from).flatMap((item, i) => pick(count - 1, from + i + 1).map((rest) => [item, ...rest]));
  return [1, 2, 3].flatMap((count) => pick(count, 0));
}

/** Finds all texts of control tokens of more than one character. */
function patternOf(texts: readonly string[]): RegExp | undefined {
  const long = texts.filter((text) => text.length > 1);
  if (long.length === 0) return undefined;
  return new RegExp(long.map((text) => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')).join('|'), 'g');
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
