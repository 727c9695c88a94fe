// Owns one sequence of tokens with its cache: feeding it, choosing what follows, cutting it back, saving it. Must not know text.
import { checkArgument, checkGiven, checkOptions, checkTokens, wrong } from '../core/check.ts';
import { Random } from '../core/random.ts';
import { OnebitError } from '../errors.ts';
import { KV_PAGE, type Tensor, type TopEntry } from '../kernels/backend.ts';
import { logSumExp, rankLogits } from '../kernels/ranking.ts';
import { MOST_RANKED } from '../kernels/sampling.ts';
import type { Adapter } from '../model/adapter.ts';
import { CHUNK_OUTPUTS, type Engine } from '../model/engine.ts';
import type { KvSequence } from '../model/kv-cache.ts';
import type { SamplingDefaults } from '../model/own-sampling.ts';
import { applyMask, type Matcher } from '../structured/constraint.ts';
import { Choosable } from './choosable.ts';
import { lookUp } from './lookup.ts';
import { GENERATE_OPTIONS, type GenerateOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { applyPenalties, hasPenalties } from './penalties.ts';
import type { Request } from './request.ts';
import { chooseToken, samplingOf } from './sampler.ts';
import type { Scheduler } from './scheduler.ts';
import { packSession, type SessionIdentity, unpackSession } from './session-file.ts';
import type { Marker } from './watermark.ts';

/** One alternative with its exact log-probability under the model (natural log, before penalties and temperature). */
export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

/** A chosen token. */
export interface ChosenToken {
  readonly token: number;
  readonly logprob?: number;
  readonly top?: readonly TokenLogprob[];
}

interface SessionOptions {
  /** What the session held is kept for others of its owner when a generation ends, and nothing stays in the session. */
  readonly shared?: boolean;
  readonly owner?: string;
  readonly adapter?: Adapter;
  /** Rows of the logits that may be chosen; default all. */
  readonly choosable?: Choosable;
  /** Digest of the tokens' texts: a saved session is restored only where it is the same. */
  readonly texts?: () => string;
  /** How tokens are chosen where a generation does not say. */
  readonly sampling?: SamplingDefaults;
  /** What marks the choices of one generation by a key. */
  readonly markerOf?: (key: string) => Promise<Marker>;
}

/** What guides the choices of one generation. */
interface Guides {
  readonly random: Random;
  readonly matcher?: Matcher;
  readonly marker?: Marker;
}

/** A sequence of a model: its tokens, and what the model remembers of them. */
export class Session {
  readonly contextTokens: number;
  /** Whose cached beginnings it uses. */
  readonly owner: string;
  private readonly scheduler: Scheduler;
  private readonly engine: Engine;
  private readonly shared: boolean;
  private readonly sequence: KvSequence;
  private readonly breakers: ReadonlySet<number>;
  private readonly choosable: Choosable;
  private readonly texts: () => string;
  private readonly markerOf: ((key: string) => Promise<Marker>) | undefined;
  private readonly sampling: SamplingDefaults | undefined;
  private busy = false;
  private disposed = false;
  /** What runs in it. */
  private request: Request | undefined;

  /**
   * @param breakers tokens across which DRY sees no repetition
   * @internal
   */
  constructor(
    scheduler: Scheduler,
    contextTokens: number,
    breakers: ReadonlySet<number> = new Set(),
    options: SessionOptions = {},
  ) {
    checkGiven('new Session', 'scheduler', scheduler, 'a model', ['engine']);
    checkArgument('new Session', 'contextTokens', contextTokens, 'number');
    checkGiven('new Session', 'breakers', breakers, 'a model', ['has', 'size']);
    checkArgument('new Session', 'options', options, 'object');
    const { shared = false, owner = '', adapter, choosable, markerOf, sampling, texts = () => '' } = options;
    this.scheduler = scheduler;
    this.engine = scheduler.engine;
    this.contextTokens = contextTokens;
    this.breakers = breakers;
    this.shared = shared;
    this.choosable = choosable ?? new Choosable(scheduler.engine.config.vocabulary);
    this.texts = texts;
    this.markerOf = markerOf;
    this.sampling = sampling;
    this.owner = owner;
    this.sequence = this.engine.newSequence(owner, adapter);
  }

  /** The tokens that the cache holds. */
  get tokens(): readonly number[] {
    return this.sequence.tokens;
  }

  /** How many leading tokens of `tokens` the cache holds already. */
  commonPrefix(tokens: ArrayLike<number>): number {
    checkTokens('commonPrefix', 'tokens', tokens);
    let length = 0;
    while (length < tokens.length && tokens[length] === this.sequence.tokens[length]) length++;
    return length;
  }

  /** Forgets everything from position `length` on. */
  truncate(length: number): void {
    this.assertIdle('truncate');
    if (!Number.isSafeInteger(length) || length < 0) throw wrong('truncate', 'length', 'be a number of tokens', length);
    this.sequence.truncate(length);
  }

  /**
   * Makes the cache hold exactly `prompt`, reusing the common prefix, then yields tokens one by one until the caller stops asking.
   * @param onPrefill told the tokens evaluated so far, of all that were not reused
   * @param matcher says which tokens may come, and is told those that came; the caller stops when it is finished
   */
  async *generate(
    prompt: ArrayLike<number>,
    given: GenerateOptions = {},
    onPrefill?: (done: number, total: number, reused: number) => void,
    matcher?: Matcher,
  ): AsyncGenerator<ChosenToken, void, void> {
    this.assertIdle('generate');
    checkTokens('generate', 'prompt', prompt);
    checkOptions('generate', given, GENERATE_OPTIONS);
    checkArgument('generate', 'onPrefill', onPrefill, 'function', false);
    checkArgument('generate', 'matcher', matcher, 'object', false);
    this.checkPrompt(prompt);
    const options = resolveOptions(given, this.sampling);
    const request = this.open(options.signal, this.shared);
    try {
      const own = Math.min(this.commonPrefix(prompt), prompt.length - 1);
      this.sequence.truncate(own);
      const report = () => {
        const reused = own + request.cachedTokens;
        onPrefill?.(request.evaluatedTokens, prompt.length - 1 - reused, reused);
      };
      await request.prefill(Array.prototype.slice.call(prompt, own, prompt.length - 1), report);
      const { counts } = this.scheduler;
      counts.promptTokens += prompt.length;
      counts.cachedTokens += own + request.cachedTokens;
      const marker = options.watermark === undefined ? undefined : await this.markerOf?.(options.watermark);
      const guides = { random: new Random(options.seed), matcher, marker };
      let token = prompt[prompt.length - 1];
      for (;;) {
        if (request.parked.length > 0) await request.prefill([]);
        if (!this.makeRoom(options)) return;
        for (const chosen of await this.next(request, token, options, guides)) {
          counts.generatedTokens++;
          yield chosen;
          token = chosen.token;
        }
      }
    } finally {
      this.close(request);
    }
  }

  /**
   * Log-probabilities of `tokens[1..]`, each given all before it; element i belongs to token i + 1. Leaves the cache holding all but the last.
   */
  async score(tokens: ArrayLike<number>, signal?: AbortSignal): Promise<Float64Array> {
    return Float64Array.from(await this.rank(tokens, 0, signal), ({ logprob }) => logprob!);
  }

  /**
   * Logits after each of `tokens` but the last, some rows at a time: `values` [rows, vocabulary] of positions `from` on, valid until the next are asked for.
   * Rows of tokens that cannot be chosen are −∞.
   */
  async *logits(
    tokens: ArrayLike<number>,
    signal?: AbortSignal,
  ): AsyncGenerator<{ readonly from: number; readonly rows: number; readonly values: Float32Array }, void, void> {
    this.assertIdle('logits');
    checkTokens('logits', 'tokens', tokens);
    this.checkPrompt(tokens, 1);
    const request = this.open(signal);
    try {
      this.sequence.truncate(0);
      const { vocabulary } = this.engine.config;
      for (let from = 0; from < tokens.length - 1; from += CHUNK_OUTPUTS) {
        const rows = Math.min(CHUNK_OUTPUTS, tokens.length - 1 - from);
        const chunk = Array.from({ length: rows }, (_, i) => tokens[from + i]);
        const values = await request.step(chunk, async (logits, first) => {
          return (await this.engine.backend.read(logits, first * vocabulary, rows * vocabulary, signal)).slice();
        });
        for (let i = 0; i < rows; i++) this.choosable.exclude(values.subarray(i * vocabulary, (i + 1) * vocabulary));
        yield { from, rows, values };
      }
    } finally {
      this.close(request);
    }
  }

  /**
   * Like `score`: tokens[1..] with their log-probabilities, and so many of the likeliest in the place of each.
   * @param known so many of the results are not wanted: those before them are not computed where the cache holds their tokens
   */
  async rank(tokens: ArrayLike<number>, alternatives: number, signal?: AbortSignal, known = 0): Promise<ChosenToken[]> {
    this.assertIdle('score');
    checkTokens('score', 'tokens', tokens);
    checkArgument('score', 'alternatives', alternatives, 'number');
    checkArgument('score', 'signal', signal, 'signal', false);
    checkArgument('score', 'known', known, 'number');
    this.checkPrompt(tokens, 1);
    const request = this.open(signal);
    try {
      const begin = Math.min(known, this.commonPrefix(tokens));
      this.sequence.truncate(begin);
      const { vocabulary } = this.engine.config;
      const ranked: ChosenToken[] = [];
      for (let from = begin; from < tokens.length - 1; from += CHUNK_OUTPUTS) {
        const count = Math.min(CHUNK_OUTPUTS, tokens.length - 1 - from);
        const chunk = Array.from({ length: count }, (_, i) => tokens[from + i]);
        await request.step(chunk, async (logits, first) => {
          const values = await this.engine.backend.read(logits, first * vocabulary, count * vocabulary, signal);
          const chosen = chunk.map((_, i) => values[i * vocabulary + tokens[from + i + 1]]);
          for (let i = Math.max(0, known - from); i < count; i++) {
            const row = () => values.slice(i * vocabulary, (i + 1) * vocabulary);
            const { logSumExp, top } = await this.rankRow(logits, (first + i) * vocabulary, alternatives, row, signal);
            const logprob = chosen[i] - logSumExp;
            if (!Number.isFinite(logprob)) {
              throw new OnebitError(
                'bad-file',
                `score: log-probabilities must be finite numbers, got ${logprob}. The model's weights are damaged or far too large.`,
              );
            }
            ranked.push({
              token: tokens[from + i + 1],
              logprob,
              top: top.map(({ token, logit }) => ({ token, logprob: logit - logSumExp })),
            });
          }
        });
      }
      return ranked;
    } finally {
      this.close(request);
    }
  }

  /** The `count` likeliest of a row of logits that can be chosen, and log Σ exp over all that can. */
  private async rankRow(
    logits: Tensor,
    offset: number,
    count: number,
    valuesOf: () => Float32Array,
    signal?: AbortSignal,
  ): Promise<{ top: readonly TopEntry[]; logSumExp: number }> {
    const { length, gaps } = this.choosable;
    const most = Math.min(Math.max(1, count), length - gaps.length);
    if (gaps.length === 0) {
      const { top, logSumExp } = await this.engine.backend.topK(logits, offset, length, most, signal);
      return { top: top.slice(0, count), logSumExp };
    }
    const values = valuesOf();
    this.choosable.exclude(values);
    return { top: rankLogits(values, most).slice(0, count), logSumExp: logSumExp(values) };
  }

  /** The tokens and the cache as bytes, for `restore` with the same weights and tokens, backend and KV format. */
  async save(): Promise<Uint8Array> {
    this.assertIdle('save');
    this.busy = true;
    try {
      const { backend, pages } = this.engine;
      const stored: Uint8Array[] = [];
      for (const page of this.sequence.pageTable()) stored.push(await backend.readKvPage(pages.pool, page));
      return packSession(this.engine, this.identity(), this.sequence.tokens, stored);
    } finally {
      this.close();
    }
  }

  private identity(): SessionIdentity {
    return { texts: this.texts(), adapter: this.sequence.adapter?.digest };
  }

  /** Takes over what `save` gave. @throws OnebitError `bad-file` when the bytes are damaged or belong to something else. */
  restore(bytes: Uint8Array): void {
    this.assertIdle('restore');
    checkArgument('restore', 'bytes', bytes, 'bytes');
    const { tokens, pages } = unpackSession(this.engine, this.identity(), bytes, this.contextTokens);
    this.sequence.truncate(0);
    this.sequence.reserve(tokens.length);
    const table = this.sequence.pageTable();
    for (const [i, page] of pages.entries()) this.engine.backend.writeKvPage(this.engine.pages.pool, table[i], page);
    this.sequence.append(tokens);
  }

  /** Gives the cache memory back. A generation or score in the session fails with code `disposed`, at the latest at the end of its step. */
  dispose(): void {
    this.disposed = true;
    if (!this.busy) this.sequence.dispose();
    else this.request?.cancel(sessionDisposed('generate'));
    // Between two tokens nothing is in a step, and nobody need ask for the next.
    if (this.request && !this.request.feed) this.sequence.dispose();
  }

  /** Takes the session for a request, until `close`. */
  private open(signal: AbortSignal | undefined, shared = false): Request {
    this.busy = true;
    this.request = this.scheduler.open(this.sequence, { shared, signal });
    return this.request;
  }

  private close(request?: Request): void {
    request?.close();
    this.request = undefined;
    this.busy = false;
    if (this.disposed) this.sequence.dispose();
  }

  /** Feeds `token` and chooses its successor, or several where guesses turn out right. */
  private async next(
    request: Request,
    token: number,
    options: ResolvedOptions,
    guides: Guides,
  ): Promise<ChosenToken[]> {
    const guesses = guides.matcher ? [] : this.guess(token, options);
    const tokens = [token, ...guesses];
    const kept = this.sequence.length + 1;
    const chosen = await request.step(tokens, async (logits, first) => {
      const found: ChosenToken[] = [];
      for (let row = 0; row < tokens.length; row++) {
        found.push(await this.choose(logits, first + row, token, options, guides));
        guides.marker?.accept(found[row].token);
        if (found[row].token !== guesses[row]) break;
      }
      return found;
    });
    this.sequence.truncate(kept + chosen.length - 1);
    return chosen;
  }

  private guess(token: number, options: ResolvedOptions): number[] {
    if (options.lookupTokens === 0 || options.temperature > 0 || hasPenalties(options)) return [];
    const room = this.contextTokens - this.sequence.length - 1;
    return lookUp([...this.sequence.tokens, token], Math.min(options.lookupTokens, room));
  }

  private async choose(
    logits: Tensor,
    row: number,
    newest: number,
    options: ResolvedOptions,
    { random, matcher, marker }: Guides,
  ): Promise<ChosenToken> {
    const { backend, config } = this.engine;
    const offset = row * config.vocabulary;
    const { length, gaps } = this.choosable;
    const needed = Math.max(options.temperature === 0 ? 1 : options.topK, options.logprobs ?? 0, 1);
    const sampledFromAll = options.temperature > 0 && options.topK === 0;
    if (!matcher && !hasPenalties(options) && gaps.length === 0) {
      if (options.logprobs === undefined) {
        const sampling = samplingOf(options, random, marker);
        return { token: await backend.sample(logits, offset, length, sampling, options.signal) };
      }
      if (!sampledFromAll && needed <= MOST_RANKED) {
        const count = Math.min(needed, length);
        const ranked = await backend.topK(logits, offset, length, count, options.signal);
        const token = chooseToken(ranked.top, ranked.logSumExp, options, random, marker);
        return withLogprobs(token, ranked.top, ranked.logSumExp, options);
      }
    }
    const values = (await backend.read(logits, offset, config.vocabulary, options.signal)).slice();
    this.choosable.exclude(values);
    const original = options.logprobs === undefined ? undefined : { values: values.slice(), logSum: logSumExp(values) };
    if (matcher) {
      await matcher.prepare?.();
      applyMask(values, matcher.mask());
    }
    applyPenalties(values, [...this.sequence.tokens, newest], options, this.breakers);
    const ranked = rankLogits(values, sampledFromAll ? undefined : needed);
    // Where top-k chooses, nobody asks for the sum.
    const token = chooseToken(ranked, sampledFromAll ? logSumExp(values) : 0, options, random, marker);
    matcher?.accept(token);
    if (!original) return { token };
    const top = rankLogits(original.values, Math.max(1, options.logprobs!));
    return withLogprobs(token, top, original.logSum, options, original.values[token]);
  }

  /** False when the context is full and may not slide. */
  private makeRoom(options: ResolvedOptions): boolean {
    if (this.sequence.length < this.contextTokens) return true;
    if (options.overflow === 'stop') return false;
    const pages = Math.floor(this.contextTokens / KV_PAGE);
    if (pages < 3) return false;
    this.scheduler.detach(this.sequence, 1);
    this.sequence.slide(1, Math.ceil((pages - 1) / 2), this.engine.backend, this.engine.config);
    return true;
  }

  /** @param unread tokens at the end that are not fed, and need no room */
  private checkPrompt(prompt: ArrayLike<number>, unread = 0): void {
    const { vocabulary } = this.engine.config;
    if (prompt.length === 0) {
      throw new OnebitError(
        'bad-argument',
        'generate: the prompt must have at least one token. This model adds none itself.',
      );
    }
    if (prompt.length > this.contextTokens + unread) {
      throw new OnebitError(
        'too-long',
        `generate: the prompt must fit the context of ${this.contextTokens} tokens, got ${prompt.length}. Shorten it, or load the model with a larger contextTokens.`,
      );
    }
    for (let i = 0; i < prompt.length; i++) {
      const token = prompt[i];
      if (!Number.isInteger(token) || token < 0 || token >= vocabulary) {
        throw new OnebitError('bad-argument', `generate: token ${i} must be in 0..${vocabulary - 1}, got ${token}.`);
      }
    }
  }

  private assertIdle(operation: string): void {
    if (this.disposed) throw sessionDisposed(operation);
    if (this.busy) {
      throw new OnebitError(
        'bad-argument',
        `${operation}: the session is busy. Wait for it, or start another session.`,
      );
    }
  }
}

function sessionDisposed(operation: string): OnebitError {
  return new OnebitError('disposed', `${operation}: the session was disposed. Start a new one.`);
}

function withLogprobs(
  token: number,
  top: readonly TopEntry[],
  logSum: number,
  options: ResolvedOptions,
  logit = top.find((entry) => entry.token === token)!.logit,
): ChosenToken {
  if (options.logprobs === undefined) return { token };
  return {
    token,
    logprob: logit - logSum,
    top: top
      .filter((entry) => entry.logit > Number.NEGATIVE_INFINITY)
      .slice(0, options.logprobs)
      .map((entry) => ({ token: entry.token, logprob: entry.logit - logSum })),
  };
}
