// Owns judging a model behind an OpenAI endpoint: likelihoods by `echo` with log-probabilities of /completions, answers by chat. Must not know what is judged
// with them.
import { sleep } from '../core/sleep.ts';
import { OnebitError } from '../errors.ts';
import { likelihoodOf } from '../generate/abstain.ts';
import type { AskAnswer, AskItem } from './asks.ts';
import type { LogLikelihood } from './choices.ts';
import { stripEnd } from './python-text.ts';

export interface EndpointOptions {
  /** Up to and including `/v1`. */
  readonly url: string;
  /** Name of the model there. */
  readonly model: string;
  readonly key?: string;
  readonly signal?: AbortSignal;
  readonly fetch?: typeof fetch;
}

interface EchoedLogprobs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly (number | null)[];
  readonly top_logprobs?: readonly (Readonly<Record<string, number>> | null)[] | null;
  readonly text_offset: readonly number[];
}

/** So often a busy endpoint is waited for, each time at most so many seconds. */
const MOST_WAITS = 5;
const LONGEST_WAIT = 120;

/** Largest difference of two log-probabilities that are the same. */
const SAME = 1e-6;

/** A model behind an endpoint. */
export class Endpoint {
  private readonly options: EndpointOptions;
  /** Tokens that were read and written so far, as the endpoint counts them. */
  tokens = 0;

  constructor(options: EndpointOptions) {
    this.options = options;
  }

  /** log P(continuation | context). @throws OnebitError `unsupported` where the endpoint gives no log-probabilities of the prompt */
  async logLikelihood(context: string, continuation: string): Promise<LogLikelihood> {
    const text = context + continuation;
    const echoed = await this.echo(text);
    const offsets = offsetsOf(echoed, text);
    const from = stripEnd(context).length;
    let sum = 0;
    let isGreedy: boolean | undefined = true;
    let found = 0;
    for (const [i, offset] of offsets.entries()) {
      const logprob = echoed.token_logprobs[i];
      // Nothing is known of the first token of a text.
      if (offset < from || offset >= text.length || logprob === null) continue;
      sum += logprob;
      found++;
      const alternatives = Object.values(echoed.top_logprobs?.[i] ?? {});
      if (alternatives.length === 0) isGreedy = undefined;
      else isGreedy &&= logprob >= Math.max(...alternatives) - SAME;
    }
    if (found > 0) return { sum, isGreedy };
    throw this.unsupported('tokens of the continuation, got none');
  }

  /** Log-probabilities of the tokens of a text that have one, and their lengths in bytes. */
  async textLogprobs(text: string): Promise<{ logprobs: number[]; bytes: number[] }> {
    const echoed = await this.echo(text);
    const { tokens, token_logprobs } = echoed;
    const offsets = offsetsOf(echoed, text);
    const known = token_logprobs.flatMap((logprob, i) => (logprob === null || offsets[i] >= text.length ? [] : [i]));
    return {
      logprobs: known.map((i) => token_logprobs[i]!),
      bytes: known.map((i) => new TextEncoder().encode(tokens[i]).length),
    };
  }

  /** An answer, and how likely its tokens were. */
  async answer(item: AskItem, maxTokens: number, sampling: { temperature: number; seed?: number }): Promise<AskAnswer> {
    const messages = typeof item.prompt === 'string' ? undefined : item.prompt;
    const shared = { max_tokens: item.maxTokens ?? maxTokens, stop: item.stop, ...sampling };
    const form =
      item.schema === undefined
        ? {}
        : {
            response_format: {
              type: 'json_schema',
              json_schema: { name: 'answer', schema: item.schema, strict: true },
            },
          };
    const body = messages
      ? await this.post('chat/completions', { messages, logprobs: true, ...form, ...shared })
      : await this.post('completions', { prompt: item.prompt, logprobs: 0, ...form, ...shared });
    const [choice] = body.choices as readonly {
      text?: string;
      message?: { content: string | null };
      finish_reason: string;
      logprobs?: { token_logprobs?: (number | null)[]; content?: { logprob: number }[] } | null;
    }[];
    const logprobs = choice.logprobs?.content?.map(({ logprob }) => logprob) ?? choice.logprobs?.token_logprobs ?? [];
    const likelihood = likelihoodOf(logprobs.map((logprob) => ({ logprob: logprob ?? 0 })));
    return {
      text: choice.text ?? choice.message?.content ?? '',
      finishReason: choice.finish_reason,
      confidence: logprobs.length > 0 ? { likelihood } : {},
    };
  }

  private async echo(prompt: string): Promise<EchoedLogprobs> {
    const body = await this.post('completions', { prompt, max_tokens: 1, echo: true, logprobs: 1, temperature: 0 });
    const logprobs = (body.choices as { logprobs?: EchoedLogprobs | null }[])?.[0]?.logprobs;
    if (logprobs?.token_logprobs && logprobs.text_offset && logprobs.token_logprobs.length > 1) return logprobs;
    throw this.unsupported('log-probabilities of the prompt (echo with logprobs), got none');
  }

  private async post(path: string, body: object): Promise<Record<string, unknown>> {
    const { url, model, key, signal, fetch: ask = fetch } = this.options;
    const address = `${url.replace(/\/$/, '')}/${path}`;
    const headers = { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) };
    let response: Response;
    for (let tries = 1; ; tries++) {
      try {
        response = await ask(address, { method: 'POST', headers, body: JSON.stringify({ model, ...body }), signal });
      } catch (cause) {
        signal?.throwIfAborted();
        throw new OnebitError('network', `evaluate: ${url} must answer, it did not. Is it running?`, { cause });
      }
      const waitSeconds = waitOf(response, tries);
      if (waitSeconds === undefined) break;
      await response.body?.cancel();
      await sleep(1000 * waitSeconds, signal);
    }
    const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    if (!response.ok) {
      const said = (answer.error as { message?: string })?.message ?? response.statusText;
      throw new OnebitError('network', `evaluate: ${address} must answer, got ${response.status}: ${said}`);
    }
    this.tokens += Number((answer.usage as { total_tokens?: number })?.total_tokens ?? 0);
    return answer;
  }

  private unsupported(what: string): OnebitError {
    return new OnebitError(
      'unsupported',
      `evaluate: ${this.options.url} must give ${what}. Servers that do: onebit serve, vLLM, llama.cpp's.`,
    );
  }
}

/** How long one that is busy, or lets so much pass a minute, is to be waited for; undefined where it has answered, or has been busy too often. */
function waitOf({ status, headers }: Response, tries: number): number | undefined {
  if ((status !== 429 && status !== 503) || tries > MOST_WAITS) return undefined;
  const seconds = Number(headers.get('retry-after') ?? tries);
  return seconds >= 0 && seconds <= LONGEST_WAIT ? seconds : undefined;
}

/** Where each token begins, in UTF-16 units of `text`: from the tokens' own texts, else from `text_offset`, which counts code points. */
function offsetsOf({ tokens, text_offset }: EchoedLogprobs, text: string): number[] {
  if (tokens.join('').startsWith(text)) {
    let at = 0;
    return tokens.map((token) => {
      at += token.length;
      return at - token.length;
    });
  }
  const units = [0];
  for (const character of text) units.push(units[units.length - 1] + character.length);
  return text_offset.map((offset) => units[offset] ?? text.length);
}
