// Owns one request while it is answered: its signal, its model, what it has used; and telling log and metrics when it has ended.
import { sha256 } from '@noble/hashes/sha2.js';
import type { Awaitable } from '../core/awaitable.ts';
import { Budget } from '../core/budget.ts';
import { hexOf } from '../core/digest.ts';
import type { Abstain } from '../generate/abstain.ts';
import type { GenerateOptions } from '../generate/options.ts';
import type { LanguageModel } from '../language-model.ts';
import { ApiError, type ErrorForm } from './api-error.ts';
import type { ApiKey, Reservation, TokenNeed } from './keys.ts';
import type { ServerLimits } from './limits.ts';
import { marked } from './marked.ts';
import type { Lease } from './model-shelf.ts';

/** Tokens of a request; sums over its choices. */
export interface Usage {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  /** Those of the completion that were thoughts. */
  reasoningTokens: number;
}

/** What the log is told of a request. Texts only where that was asked for. */
export interface LogEntry {
  readonly time: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** What a job comes from: an HTTP request, or a line of a batch. */
export type Asked = Pick<Request, 'method' | 'url' | 'signal'> & {
  /** `background`: everybody who waits goes first. */
  readonly priority?: 'background';
  readonly headers?: Pick<Headers, 'get'>;
};

/** Who wants to know of requests that have ended. */
export interface Observer {
  requestEnded(exchange: Exchange): void;
}

/** Characters of a path that the log shows. */
const LONGEST_PATH = 200;
/** Steps of preparing: some seconds of compiling a form. */
const PREPARE_STEPS = 50e6;
/** Memory of a request: of preparing it, and of log-probabilities. */
const REQUEST_BYTES = 128 << 20;
/** Memory of a token's log-probability until it is written. */
const LOGPROB_BYTES = 330;

/** Why what is left of a request stops at its end. */
const ENDED = new DOMException('The request has ended.', 'AbortError');

/** A path with single slashes, and none at its end. */
export function plainPath(path: string): string {
  return path.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
}

/** A job: one request, from wherever it came, and its answer. */
export class Exchange {
  readonly id = `req-${crypto.randomUUID()}`;
  readonly method: string;
  readonly path: string;
  readonly beganMs = performance.now();
  /** What may be spent on what was sent, before the model runs and when its answer is written. */
  readonly budget: Budget;
  readonly usage: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 };
  /** The trace that it is a part of: the header `traceparent`. */
  readonly trace: string | undefined;
  /** Whether it is a line of a batch: everybody who waits goes first. */
  readonly isBackground: boolean;
  /** The route's pattern, which has few values. */
  route = 'none';
  status = 0;
  /** Time that was waited for the model. */
  loadMs = 0;
  key: ApiKey | undefined;
  /** Whose batch it is a line of, where that is no key of this process. */
  batchOwner = '';
  /** Marks the answers to those whose key has no mark of its own. */
  watermark: string | undefined;
  /** When nothing is answered, and what is said then. */
  abstain: Abstain | undefined;
  modelId: string | undefined;
  finishReason: string | undefined;
  firstTokenMs: number | undefined;
  lastTokenMs: number | undefined;
  error: ApiError | undefined;
  /** The prompt's tokens, for answers that give them back. */
  promptIds: ArrayLike<number> & Iterable<number> = [];
  /** Text of prompt and answer, where the log wants them. */
  prompt: unknown;
  /** What the model wrote, a text for each choice. */
  readonly answers: string[] = [];
  /** Whether a policy must see the answer before anything of it is kept. */
  awaitsPolicy = false;
  /** What is done once it has passed. */
  private readonly whenPassed: (() => Awaitable<void>)[] = [];
  /** What the policy said of it. */
  verdict: 'allowed' | 'refused' | 'failed open' | 'failed closed' | undefined;
  /** The body as it came, for the audit log: its text where that is wanted, and its hash. */
  requestText: string | undefined;
  requestSha256: (() => string) | undefined;
  /** Whether the answer goes on after the handler has returned. */
  streaming = false;
  private readonly controller = new AbortController();
  private readonly observer: Observer;
  private readonly timer: ReturnType<typeof setTimeout>;
  private readonly clientSignal: AbortSignal;
  private readonly onClientGone = () => this.abort(this.clientSignal.reason);
  private lease: Lease | undefined;
  private reservation: Reservation | undefined;
  private leaveGate: () => void = () => {};
  private ended = false;

  constructor(request: Asked, { requestMs, prepareMs }: ServerLimits, observer: Observer) {
    this.method = request.method;
    this.path = URL.canParse(request.url) ? plainPath(new URL(request.url).pathname).slice(0, LONGEST_PATH) : '';
    this.trace = request.headers?.get('traceparent') ?? undefined;
    this.isBackground = request.priority === 'background';
    this.observer = observer;
    this.timer = setTimeout(() => {
      this.abort(new ApiError(504, `The answer took longer than ${requestMs / 1000} s.`, { code: 'timeout' }));
    }, requestMs);
    const { signal } = this.controller;
    this.budget = new Budget({ steps: PREPARE_STEPS, bytes: REQUEST_BYTES, computeMs: prepareMs, signal });
    this.clientSignal = request.signal;
    if (request.priority) Object.assign(signal, { priority: request.priority }); // where the scheduler looks for it
    if (this.clientSignal.aborted) this.onClientGone();
    this.clientSignal.addEventListener('abort', this.onClientGone);
  }

  /** Whose request it is: what it leaves on the server nobody else finds. */
  get owner(): string {
    return this.key?.id ?? this.batchOwner;
  }

  /** The adapter of the model that was asked for; '' for none. */
  get adapter(): string {
    return this.lease?.adapter ?? '';
  }

  /** Whose clients ask by this path: they read errors in their own form. */
  get errorForm(): ErrorForm {
    if (this.path.startsWith('/api/')) return 'ollama';
    return this.path.startsWith('/v1/messages') ? 'anthropic' : 'openai';
  }

  /** The model's options for an answer, as the request wants them and the operator lets it. */
  allowed(options: GenerateOptions): GenerateOptions {
    const watermark = this.key?.watermark ?? this.watermark;
    const { abstain, adapter } = this;
    const own = { ...options, signal: this.signal, owner: this.owner, abstain, adapter };
    return watermark === undefined ? own : marked(own, watermark);
  }

  /** Aborted when the client has gone, the time is up, or the server stops. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Stops whatever is done for this request. */
  abort(reason: unknown): void {
    this.controller.abort(reason);
  }

  /** Does `keep` once the whole answer may pass: now, where no policy has to see it. */
  async oncePassed(keep: () => Awaitable<void>): Promise<void> {
    if (this.awaitsPolicy) this.whenPassed.push(keep);
    else await keep();
  }

  /** To be called when the policy has let the whole answer pass. */
  async passed(): Promise<void> {
    for (const keep of this.whenPassed.splice(0)) await keep();
  }

  /** Takes the body for the audit log as it comes. @param asText whether its text is wanted, not only its hash */
  keepRequest(asText: boolean): (bytes: Uint8Array) => void {
    const hash = sha256.create();
    const decoder = new TextDecoder();
    this.requestSha256 = () => hexOf(hash.clone().digest());
    return (bytes) => {
      hash.update(bytes);
      if (asText) this.requestText = (this.requestText ?? '') + decoder.decode(bytes, { stream: true });
    };
  }

  /** Notes the model, which stays loaded until the end of the request. @throws the reason of the signal; then the model is given back at once */
  use(lease: Lease): LanguageModel {
    if (this.ended || this.signal.aborted) lease.release();
    this.signal.throwIfAborted();
    this.lease = lease;
    this.modelId = lease.id;
    return lease.model;
  }

  /** Notes how to leave the room for large bodies, which is held until the request is prepared. */
  enterGate(leave: () => void): void {
    this.leaveGate = leave;
    if (this.ended) leave();
  }

  /** To be called before texts become tokens: takes from the key's allowance what they likely are, until that is known. @throws ApiError 429 */
  expectTokens(likely: number): Promise<void> {
    return this.lend({ promptTokens: likely, answers: 0, answerTokens: 0, known: true });
  }

  /**
   * To be called when the request is prepared and before the model runs: takes from the key's allowance what it may use.
   * @returns tokens that each answer may have
   * @throws ApiError 429 while that is not there
   */
  async reserve(need: TokenNeed): Promise<number> {
    this.leaveGate();
    await this.lend(need);
    this.usage.promptTokens = need.promptTokens;
    return this.reservation?.answerTokens ?? need.answerTokens;
  }

  /** Like `reserve` for what the model only reads. */
  async reserveReading(promptTokens: number): Promise<void> {
    await this.reserve({ promptTokens, answers: 0, answerTokens: 0, known: true });
  }

  /** Takes what is needed instead of what was taken before. */
  private async lend(need: TokenNeed): Promise<void> {
    if (!this.key) return;
    const before = this.reservation;
    this.reservation = undefined;
    const reservation = await this.key.reserve(need, before, this.batchOwner !== '');
    if (this.ended) await this.key.settle(reservation, 0);
    else this.reservation = reservation;
  }

  /** To be called when all work is done, where tokens are only read: so many they were. */
  countReading(promptTokens: number): void {
    this.leaveGate();
    this.usage.promptTokens = promptTokens;
  }

  /** Counts the memory of tokens with so many alternatives each. @throws OnebitError `over-budget` */
  holdLogprobs(tokens: number, alternatives: number): void {
    this.budget.hold('logprobs', LOGPROB_BYTES * tokens * (alternatives + 1));
  }

  /** Notes that tokens came. */
  countTokens(tokens: number): void {
    if (tokens === 0) return;
    this.usage.completionTokens += tokens;
    this.lastTokenMs = performance.now();
    this.firstTokenMs ??= this.lastTokenMs;
  }

  /** To be called when the last byte was written or the client has gone; further calls do nothing. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    this.clientSignal.removeEventListener('abort', this.onClientGone); // Node may keep the signal; it must not keep all of this
    this.lease?.release();
    this.leaveGate();
    const used = this.usage.promptTokens + this.usage.completionTokens;
    if (this.reservation) this.key?.settle(this.reservation, used).catch(() => {}); // what was lent flows in again
    this.observer.requestEnded(this);
    this.abort(ENDED); // what still runs for it, as the other choices of one that failed
  }
}
