// Owns log-probabilities in the API's two forms: /v1/chat/completions' and the older of /v1/completions.
import type { ChosenToken, TokenLogprob } from '../generate/session.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

interface Entry {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

/** As in chat completions. */
export interface ChatLogprobs {
  readonly content: readonly (Entry & { readonly top_logprobs: readonly Entry[] })[];
  readonly refusal: null;
}

/** The log-probabilities of `tokens`, which must have been asked for. */
export function chatLogprobs(tokens: readonly ChosenToken[], tokenizer: Tokenizer): ChatLogprobs {
  const content = tokens.map((chosen) => ({
    ...entry({ token: chosen.token, logprob: chosen.logprob ?? 0 }, tokenizer),
    top_logprobs: (chosen.top ?? []).map((top) => entry(top, tokenizer)),
  }));
  return { content, refusal: null };
}

function entry({ token, logprob }: TokenLogprob, tokenizer: Tokenizer): Entry {
  const bytes = tokenizer.bytesOf(token);
  return { token: new TextDecoder().decode(bytes), logprob, bytes: Array.from(bytes) };
}

/** As in completions. */
export interface TextLogprobs {
  readonly tokens: string[];
  readonly token_logprobs: number[];
  readonly top_logprobs: Record<string, number>[];
  readonly text_offset: number[];
}

/** The log-probabilities of `tokens`; the first of them begins at character `offset` of the text. */
export function textLogprobs(tokens: readonly ChosenToken[], tokenizer: Tokenizer, offset: number): TextLogprobs {
  const result: TextLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
  for (const chosen of tokens) {
    const { token, logprob } = entry({ token: chosen.token, logprob: chosen.logprob ?? 0 }, tokenizer);
    result.tokens.push(token);
    result.token_logprobs.push(logprob);
    result.top_logprobs.push(
      Object.fromEntries((chosen.top ?? []).map((top) => [entry(top, tokenizer).token, top.logprob])),
    );
    result.text_offset.push(offset);
    offset += token.length;
  }
  return result;
}
