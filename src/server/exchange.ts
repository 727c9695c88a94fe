// Owns one request while it is answered: its signal, its model, what it has used; and telling log and metrics when it has ended.
import type { LanguageModel } from '../language-model.ts';
import { ApiError, type ErrorForm } from './api-error.ts';
import type { ApiKey } from './keys.ts';
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

/** Who wants to know of requests that have ended. */
export interface Observer {
  requestEnded(exchange: Exchange): void;
}

/** Characters of a path that the log shows. */
const LONGEST_PATH = 200;

/** One request and its answer. */
export class Exchange {
  readonly id = `req-${crypto.randomUUID()}`;
  readonly method: string;
  readonly path: string;
  readonly beganMs = performance.now();
  readonly usage: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 };
  /** The route's pattern, which has few values. */
  route = 'none';
  status = 0;
  key: ApiKey | undefined;
  modelId: string | undefined;
  finishReason: string | undefined;
  firstTokenMs: number | undefined;
  lastTokenMs: number | undefined;
  error: ApiError | undefined;
  /** Text of prompt and answer, where the log wants them. */
  prompt: unknown;
  answer = '';
  /** Whether the answer goes on after the handler has returned. */
  streaming = false;
  private readonly controller = new AbortController();
  private readonly observer: Observer;
  private readonly timer: ReturnType<typeof setTimeout>;
  private readonly clientSignal: AbortSignal;
  private readonly onClientGone = () => this.abort(this.clientSignal.reason);
  private lease: Lease | undefined;
  private ended = false;

  constructor(request: Request, limitMs: number, observer: Observer) {
    this.method = request.method;
    this.path = URL.canParse(request.url) ? new URL(request.url).pathname.slice(0, LONGEST_PATH) : '';
    this.observer = observer;
    this.timer = setTimeout(() => {
      this.abort(new ApiError(504, `The answer took longer than ${limitMs / 1000} s.`, { code: 'timeout' }));
    }, limitMs);
    this.clientSignal = request.signal;
    if (this.clientSignal.aborted) this.onClientGone();
    this.clientSignal.addEventListener('abort', this.onClientGone);
  }

  /** Whose clients ask by this path: they read errors in their own form. */
  get errorForm(): ErrorForm {
    if (this.path.startsWith('/api/')) return 'ollama';
    return this.path.startsWith('/v1/messages') ? 'anthropic' : 'openai';
  }

  /** Aborted when the client has gone, the time is up, or the server stops. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Stops whatever is done for this request. */
  abort(reason: unknown): void {
    this.controller.abort(reason);
  }

  /** Notes the model, which stays loaded until the end of the request. */
  use(lease: Lease): LanguageModel {
    if (this.ended) lease.release();
    this.signal.throwIfAborted();
    this.lease = lease;
    this.modelId = lease.id;
    return lease.model;
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
    this.key?.spend(this.usage.promptTokens + this.usage.completionTokens, performance.now());
    this.observer.requestEnded(this);
  }
}
