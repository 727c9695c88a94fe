// Owns log-probabilities in the API's two forms: /v1/chat/completions' and the older of /v1/completions.
import type { ChosenToken, TokenLogprob } from '../generate/session.ts';
import type { StreamDecoder, Tokenizer } from '../tokenizer/tokenizer.ts';

interface Entry {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}
type ChatEntry = Entry & { readonly top_logprobs: readonly Entry[] };

/** As in chat completions. */
export interface ChatLogprobs {
  readonly content: readonly ChatEntry[];
  readonly refusal: null;
}

/** The log-probabilities of `tokens`, which must have been asked for. */
export function chatLogprobs(tokens: readonly ChosenToken[], tokenizer: Tokenizer): ChatEntry[] {
  return tokens.map((chosen) => ({
    ...entry({ token: chosen.token, logprob: chosen.logprob ?? 0 }, tokenizer),
    top_logprobs: (chosen.top ?? []).map((top) => entry(top, tokenizer)),
  }));
}

function entry({ token, logprob }: TokenLogprob, tokenizer: Tokenizer): Entry {
  const bytes = tokenizer.bytesOf(token);
  return { token: new TextDecoder().decode(bytes), logprob, bytes: Array.from(bytes) };
}

/** As in completions: the first token of a prompt has none. */
export interface TextLogprobs {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  readonly text_offset: number[];
}

/**
 * Writes the log-probabilities of one text as it grows. A token is written as what it adds to the text, so that all of them together are the text: of a
 * character in several tokens the last has it all.
 */
export class TextLogprobsWriter {
  private readonly tokenizer: Tokenizer;
  private readonly decoder: StreamDecoder;
  /** Characters that the tokens so far make, and those of the text so far. */
  private offset = 0;
  private length = 0;

  constructor(tokenizer: Tokenizer) {
    this.tokenizer = tokenizer;
    this.decoder = tokenizer.decoder();
  }

  /**
   * The next tokens, and the text that came with them.
   * @param begins whether they begin the text, where some vocabularies write a space that is not there
   */
  add(tokens: readonly ChosenToken[], text: string, begins = false): TextLogprobs {
    const result: TextLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    this.length += text.length;
    let hasExtraSpace = begins && this.hasExtraSpace(tokens, text);
    for (const { token, logprob, top } of tokens) {
      let shown = this.decoder.push(token);
      if (hasExtraSpace && shown.startsWith(' ')) {
        shown = shown.slice(1);
        hasExtraSpace = false;
      }
      result.tokens.push(shown);
      result.token_logprobs.push(logprob ?? null);
      result.top_logprobs.push(logprob === undefined ? null : this.byText(top ?? []));
      result.text_offset.push(this.offset);
      this.offset += shown.length;
    }
    // The text goes on where the tokens do not: it has ended in the middle of a character.
    if (this.length > this.offset && tokens.length > 0) {
      const rest = this.decoder.flush();
      result.tokens[tokens.length - 1] += rest;
      this.offset += rest.length;
    }
    return result;
  }

  /** Whether the tokens make one space more than the text begins with. */
  private hasExtraSpace(tokens: readonly ChosenToken[], text: string): boolean {
    const decoder = this.tokenizer.decoder();
    const made = tokens.map(({ token }) => decoder.push(token)).join('') + decoder.flush();
    return made === ` ${text}`;
  }

  /** Alternatives by their text; by their bytes where these are no text, or another has the same: `bytes:\xe3`, as OpenAI has it. */
  private byText(top: readonly TokenLogprob[]): Record<string, number> {
    const found = new Map<string, number>();
    for (const { token, logprob } of top) {
      const bytes = this.tokenizer.bytesOf(token);
      const names = [textOf(bytes), escaped(bytes), `token:${token}`];
      found.set(names.find((name) => name !== undefined && !found.has(name)) ?? '', logprob);
    }
    return Object.fromEntries(found);
  }
}

/**
 * Parts of the log-probabilities of `text` as one. Where a stop text has cut it, offsets end with it; where it has ended in the middle of a character,
 * the last token has what stands for that.
 */
export function joinLogprobs(parts: readonly TextLogprobs[], text: string): TextLogprobs {
  const tokens = parts.flatMap((part) => part.tokens);
  const shown = tokens.reduce((sum, token) => sum + token.length, 0);
  if (tokens.length > 0) tokens[tokens.length - 1] += text.slice(shown);
  return {
    tokens,
    token_logprobs: parts.flatMap(({ token_logprobs }) => token_logprobs),
    top_logprobs: parts.flatMap(({ top_logprobs }) => top_logprobs),
    text_offset: parts.flatMap(({ text_offset }) => text_offset.map((offset) => Math.min(offset, text.length))),
  };
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function escaped(bytes: Uint8Array): string {
  return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
}
