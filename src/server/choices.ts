// Owns running the choices of one request: several generations at once, their pieces in the order they come, their tokens counted.
import type { Generation, GenerationResult, Piece } from '../generate/generation.ts';
import type { Exchange } from './exchange.ts';
import { tooLong } from './prompt.ts';

/** What all `sources` give, in the order it comes. Ends them all when it is ended. */
export async function* interleave<Item>(sources: readonly AsyncGenerator<Item>[]): AsyncGenerator<Item, void, void> {
  const next = (source: AsyncGenerator<Item>) => {
    const pending = source.next().then((step) => ({ source, step }));
    pending.catch(() => {}); // it may fail while whoever takes the items is busy: the next race, or nobody, hears of it
    return pending;
  };
  const waiting = new Map(sources.map((source) => [source, next(source)]));
  try {
    while (waiting.size > 0) {
      const { source, step } = await Promise.race(waiting.values());
      if (step.done) waiting.delete(source);
      else {
        waiting.set(source, next(source));
        yield step.value;
      }
    }
  } finally {
    for (const source of waiting.keys()) source.return(undefined).catch(() => {});
  }
}

/** The pieces of one generation, counted for `exchange`; the result is given at the end, unless the caller ends it first. */
export async function* counted(
  generation: Generation,
  exchange: Exchange,
  logprobs?: number | null,
): AsyncGenerator<Piece, GenerationResult, void> {
  let seen = 0;
  const index = exchange.answers.push('') - 1;
  for await (const piece of generation) {
    seen += piece.tokens.length;
    exchange.countTokens(piece.tokens.length);
    if (logprobs != null) exchange.holdLogprobs(piece.tokens.length, logprobs);
    exchange.answers[index] += piece.text;
    yield piece;
  }
  const result = await generation.result();
  exchange.countTokens(result.timings.decodeTokens - seen); // an answer that was held back
  exchange.usage.cachedTokens = Math.max(exchange.usage.cachedTokens, result.cachedTokens);
  return result;
}

/** Most tokens to generate behind a prompt. @throws ApiError 400 when the prompt leaves no room */
export function roomFor(
  promptTokens: number,
  contextTokens: number,
  wanted: number | undefined,
  param: string,
): number {
  if (promptTokens > contextTokens) {
    throw tooLong(contextTokens, param, promptTokens);
  }
  const room = contextTokens - promptTokens + 1;
  return Math.min(wanted ?? room, room);
}

/** `usage` as the API tells it. */
export function usageOf({ usage }: Exchange) {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  };
}
