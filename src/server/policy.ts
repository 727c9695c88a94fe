// Owns asking the operator's policy about requests before the model runs and about answers before they pass, streamed ones too. Must not know what a policy forbids
// nor the routes' forms.
import { checkArgument, checkOptions, type Options, wrong } from '../core/check.ts';
import { withinTime } from '../core/within-time.ts';
import { ApiError } from './api-error.ts';
import type { ServerEvent } from './event-stream.ts';
import type { Exchange } from './exchange.ts';

/** A request as a policy sees it. */
export interface PolicyRequest {
  readonly id: string;
  /** The route, as `/v1/chat/completions`. */
  readonly route: string;
  /** Name of the API key. */
  readonly key?: string;
  /** The body, checked. */
  readonly body: unknown;
}

/** An answer as a policy sees it. */
export interface PolicyAnswer extends PolicyRequest {
  /** What the model wrote so far, a text for each choice, thoughts and calls of tools as it wrote them. */
  readonly texts: readonly string[];
  /** Whether it is whole; a streamed one is also seen on the way. */
  readonly final: boolean;
  /** The answer that will be sent, where it is not streamed. */
  readonly answer?: object;
}

export interface Verdict {
  readonly allow: boolean;
  /** Told to the client, where it is not allowed. */
  readonly reason?: string;
}

/** What an operator wants to see. What it throws, and what takes too long, is a failure. */
export interface Policy {
  /** Asked before the model runs. Default: all pass. */
  readonly request?: (request: PolicyRequest, signal: AbortSignal) => Verdict | Promise<Verdict>;
  /** Asked before an answer passes. Default: all pass. */
  readonly answer?: (answer: PolicyAnswer, signal: AbortSignal) => Verdict | Promise<Verdict>;
  /** Tells it from others: workers answer a batch only where their policy has the name and the `onFailure` of the server's. Default ''. */
  readonly name?: string;
  /** What a failure means: `closed`: nothing passes; `open`: it passes, and the log says so. Default `closed`. */
  readonly onFailure?: 'closed' | 'open';
  /** Longest time for one verdict. Default 10 s. */
  readonly timeoutMs?: number;
  /** Of streams: so many new characters are held back until they were seen. Default 200. */
  readonly streamCharacters?: number;
}

const TIMEOUT_MS = 10_000;
const STREAM_CHARACTERS = 200;
const LONGEST_REASON = 500;
const LONGEST_VERDICT = 1 << 16;
const OPTIONS: Options = {
  ...({ name: 'text', request: 'function', answer: 'function', onFailure: ['closed', 'open'] } as const),
  ...({ timeoutMs: 'number', streamCharacters: 'number' } as const),
};

/** Asks one policy. */
export class PolicyGate {
  private readonly policy: Policy;
  private readonly failed: (error: unknown, exchange: Exchange) => void;

  /** @param failed told of failures @throws OnebitError `bad-argument` for what is no policy */
  constructor(policy: Policy, failed: (error: unknown, exchange: Exchange) => void) {
    checkOptions('policy', policy, OPTIONS);
    for (const name of ['timeoutMs', 'streamCharacters'] as const) {
      const value = policy[name];
      checkArgument('policy', name, value, 'number', false);
      if (value !== undefined && !(value > 0)) throw wrong('policy', name, 'be above 0', value);
    }
    this.policy = policy;
    this.failed = failed;
  }

  /** @throws ApiError 403 where it is refused, 503 where the policy fails closed */
  async checkRequest(exchange: Exchange, body: unknown): Promise<void> {
    const { request, answer } = this.policy;
    exchange.awaitsPolicy = answer !== undefined;
    if (request) await this.ask(exchange, (signal) => request(this.facts(exchange, body), signal));
  }

  /** `answer`, once it was seen. @throws as `checkRequest` */
  async whole(answer: object, exchange: Exchange, body: unknown): Promise<object> {
    await this.checkAnswer(exchange, body, true, answer);
    return answer;
  }

  /** `events`, each once the text up to it was seen. */
  async *stream(
    events: AsyncIterator<ServerEvent>,
    exchange: Exchange,
    body: unknown,
  ): AsyncGenerator<ServerEvent, void, void> {
    const { answer, streamCharacters = STREAM_CHARACTERS } = this.policy;
    let held: ServerEvent[] = [];
    let seen = 0;
    try {
      for (;;) {
        const { value, done } = await events.next();
        if (!done) held.push(value);
        const length = exchange.answers.reduce((sum, text) => sum + text.length, 0);
        if (!done && answer && length - seen < streamCharacters) continue;
        await this.checkAnswer(exchange, body, done ?? false);
        seen = length;
        yield* held;
        held = [];
        if (done) return;
      }
    } finally {
      await events.return?.();
    }
  }

  private async checkAnswer(exchange: Exchange, body: unknown, final: boolean, whole?: object): Promise<void> {
    const { answer } = this.policy;
    if (!answer) return;
    const facts = { ...this.facts(exchange, body), texts: [...exchange.answers], final, answer: whole };
    await this.ask(exchange, (signal) => answer(facts, signal));
    if (final) await exchange.passed();
  }

  private facts({ id, route, key }: Exchange, body: unknown): PolicyRequest {
    return { id, route, key: key?.name, body };
  }

  private async ask(exchange: Exchange, ask: (signal: AbortSignal) => Verdict | Promise<Verdict>): Promise<void> {
    const { timeoutMs = TIMEOUT_MS, onFailure = 'closed' } = this.policy;
    let verdict: Verdict;
    try {
      verdict = await withinTime(timeoutMs, exchange.signal, ask);
      if (typeof verdict?.allow !== 'boolean') throw new TypeError('the verdict must say allow: true or false');
    } catch (error) {
      exchange.signal.throwIfAborted();
      this.failed(error, exchange);
      exchange.verdict = onFailure === 'open' ? 'failed open' : 'failed closed';
      if (onFailure === 'open') return;
      throw new ApiError(503, 'The policy of this server cannot be asked. Try again later.', {
        code: 'policy_unavailable',
        cause: error,
      });
    }
    if (verdict.allow) {
      exchange.verdict ??= 'allowed';
      return;
    }
    exchange.verdict = 'refused';
    const reason = typeof verdict.reason === 'string' ? verdict.reason.slice(0, LONGEST_REASON) : '';
    throw new ApiError(403, reason || 'The policy of this server does not allow this.', { code: 'policy_refused' });
  }
}

/** @throws where it does not end in the length that a verdict may have: an address that never stops must not fill the memory */
async function shortText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  // Cancelled when the loop is left.
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > LONGEST_VERDICT)
      throw new Error(`the policy answered with more than ${LONGEST_VERDICT} characters`);
  }
  return text + decoder.decode();
}

/**
 * A policy at an address: each question is a POST of JSON with `stage` (`request` or `answer`) and the fields of `PolicyRequest` or `PolicyAnswer`, to be
 * answered with a `Verdict` in JSON. `stages`: what it is asked about, both unless told otherwise. Its name is the address.
 * @throws OnebitError `bad-argument` for what is no address of HTTP: it could never be asked
 */
export function policyEndpoint(
  url: string,
  options: Pick<Policy, 'onFailure' | 'timeoutMs' | 'streamCharacters'> & {
    readonly token?: string;
    readonly stages?: readonly ('request' | 'answer')[];
  } = {},
): Policy {
  checkArgument('policyEndpoint', 'url', url, 'text');
  checkArgument('policyEndpoint', 'options', options, 'object');
  if (!/^https?:\/\/./i.test(url) || !URL.canParse(url)) {
    throw wrong('policyEndpoint', 'url', 'be an address as https://host/path', url);
  }
  const { token, stages = ['request', 'answer'], ...rest } = options;
  const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const ask = (stage: string) => async (about: object, signal: AbortSignal) => {
    const response = await fetch(url, {
      ...{ method: 'POST', headers, signal, redirect: 'error' },
      body: JSON.stringify({ stage, ...about }),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`the policy answered ${response.status}`);
    }
    return JSON.parse(await shortText(response)) as Verdict;
  };
  const asked = stages.map((stage) => [stage, ask(stage)]);
  return { ...rest, name: `${url} ${[...stages].sort().join()}`, ...Object.fromEntries(asked) };
}
