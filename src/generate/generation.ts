// Owns one generation as callers see it: pieces of text as they come, and the result with its timings at the end.
import { OnebitError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type Abstain, agreementOf, chanceOfRight, likelihoodOf } from './abstain.ts';
import { LoopGuard } from './loop-guard.ts';
import type { ResolvedOptions } from './options.ts';
import type { ChosenToken, Session } from './session.ts';
import { StopScanner } from './stop.ts';

/** Text that became certain, and the tokens that made it. */
export interface Piece {
  readonly text: string;
  readonly tokens: readonly ChosenToken[];
  /** Milliseconds since the generation began. */
  readonly atMs: number;
  /** Whether this is what `abstain` says instead of an answer. */
  readonly abstained?: true;
}

/**
 * `stop`: the model ended its text or a stop string was met. `length`: maxTokens or the context ran out. `loop`: it only repeated itself, and `loopGuard`
 * ended it. `abstain`: it was not sure enough, and the text is what `abstain` says instead.
 */
export type FinishReason = 'stop' | 'length' | 'loop' | 'abstain';

export interface Timings {
  /** Tokens of the prompt that had to be evaluated; the last one counts to the decode. */
  readonly prefillTokens: number;
  readonly prefillMs: number;
  readonly prefillTokensPerSecond: number;
  readonly timeToFirstTokenMs: number;
  readonly decodeTokens: number;
  readonly decodeMs: number;
  readonly decodeTokensPerSecond: number;
}

export interface GenerationResult {
  readonly text: string;
  readonly promptTokens: readonly number[];
  /** Ids of the produced tokens, without the end-of-text token. None where an answer was held back. */
  readonly tokens: readonly number[];
  /** Tokens of the prompt whose keys and values the cache held already. */
  readonly cachedTokens: number;
  /** With option `logprobs`: one entry a token. */
  readonly logprobs?: readonly ChosenToken[];
  readonly finishReason: FinishReason;
  /** With option `abstain`: the chance that what the model wrote is right. */
  readonly chanceOfRight?: number;
  /** The text of option `stop` that ended it, where one did. */
  readonly stopText?: string;
  readonly seed: number;
  readonly timings: Timings;
}

/** The session that a generation runs in, and what to do with it at the end. */
export interface SessionUse {
  readonly session: Session;
  end(): void;
  /** Another answer to the same prompt, to compare with. */
  another?(options: { seed: number; temperature: number }): Generation;
}

/** An answer in the making: iterate over its pieces, or await `result()`. Nothing runs before that. It can be consumed once. */
export class Generation implements AsyncIterable<Piece> {
  private readonly iterator: AsyncGenerator<Piece, GenerationResult, void>;
  private finished: Promise<GenerationResult> | undefined;

  constructor(prompt: ArrayLike<number>, options: ResolvedOptions, tokenizer: Tokenizer, use: SessionUse) {
    this.iterator = run(prompt, options, tokenizer, use);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Piece, void, void> {
    let report: (result: GenerationResult) => void = () => {};
    let fail: (error: unknown) => void = () => {};
    this.finished ??= new Promise((resolve, reject) => {
      report = resolve;
      fail = reject;
    });
    this.finished.catch(() => {}); // whoever awaits result() sees it; the iteration throws it anyway
    try {
      for (;;) {
        const step = await this.iterator.next();
        if (step.done) {
          report(step.value);
          return;
        }
        yield step.value;
      }
    } catch (error) {
      fail(error);
      throw error;
    } finally {
      fail(
        new OnebitError('bad-argument', 'result: the iteration was ended before its end. Iterate to the end first.'),
      );
      await this.iterator.return(undefined as never);
    }
  }

  /** The whole answer. Runs it to its end, or waits for the iteration that somebody else has begun. */
  async result(): Promise<GenerationResult> {
    if (!this.finished) for await (const _ of this);
    return this.finished!;
  }
}

async function* run(
  prompt: ArrayLike<number>,
  options: ResolvedOptions,
  tokenizer: Tokenizer,
  { session, end, another }: SessionUse,
): AsyncGenerator<Piece, GenerationResult, void> {
  const began = performance.now();
  const { abstain } = options;
  try {
    const decoder = tokenizer.decoder();
    const scanner = new StopScanner(options.stop);
    const matcher = options.constraint?.matcher();
    const guard = options.loopGuard && !matcher ? new LoopGuard() : undefined;
    const chosen: ChosenToken[] = [];
    let text = '';
    let waiting: ChosenToken[] = [];
    let prefill = { done: 0, total: 0, reused: 0, endMs: 0 };
    let firstMs = 0;
    let held = '';
    const sampling = abstain ? { ...options, logprobs: options.logprobs ?? 0 } : options;
    let finishReason: FinishReason = 'length';

    const emit = (shown: string): Piece => {
      text += shown;
      const tokens = options.logprobs === undefined ? waiting.map(({ token }) => ({ token })) : waiting;
      waiting = [];
      return { text: shown, tokens, atMs: performance.now() - began };
    };
    const onPrefill = (done: number, total: number, reused: number) => {
      prefill = { done, total, reused, endMs: performance.now() - began };
    };
    if (options.maxTokens > 0) {
      for await (const next of session.generate(prompt, sampling, onPrefill, matcher)) {
        if (firstMs === 0) firstMs = performance.now() - began;
        if (!options.ignoreEndOfText && tokenizer.endOfGeneration.has(next.token)) {
          finishReason = 'stop';
          break;
        }
        chosen.push(next);
        waiting.push(next);
        const shown = scanner.push(decoder.push(next.token));
        if (abstain) held += shown;
        else if (shown !== '') yield emit(shown);
        if (scanner.matched !== undefined || matcher?.isFinished) finishReason = 'stop';
        else if (guard?.push(next.token)) finishReason = 'loop';
        if (finishReason !== 'length' || chosen.length >= options.maxTokens) break;
      }
    }
    const rest = held + scanner.push(decoder.flush()) + scanner.flush();
    const chance = abstain && (await chanceOf(abstain, rest, chosen, options, another));
    const holdsBack = abstain !== undefined && chance! < abstain.atLeast;
    if (holdsBack) {
      text = abstain.answer;
      yield { text, tokens: [], atMs: performance.now() - began, abstained: true };
    } else if (rest !== '' || waiting.length > 0) yield emit(rest);
    const given = holdsBack ? [] : chosen;
    return {
      text,
      promptTokens: Array.from(prompt),
      tokens: given.map((token) => token.token),
      cachedTokens: prefill.reused,
      logprobs: options.logprobs === undefined ? undefined : given,
      finishReason: holdsBack ? 'abstain' : finishReason,
      ...(chance === undefined ? {} : { chanceOfRight: chance }),
      ...(scanner.matched === undefined || holdsBack ? {} : { stopText: scanner.matched }),
      seed: options.seed,
      timings: timingsOf(prefill, firstMs, chosen.length, performance.now() - began),
    };
  } finally {
    end();
  }
}

/** Temperature of answers to compare with, at least: greedy ones would all be the same. */
const LEAST_VARIED = 0.7;

/** The chance that an answer is right, by the calibration of `abstain`. */
async function chanceOf(
  { calibration }: Abstain,
  text: string,
  chosen: readonly ChosenToken[],
  options: ResolvedOptions,
  another: SessionUse['another'],
): Promise<number> {
  if (calibration.measure === 'likelihood') return chanceOfRight(calibration, likelihoodOf(chosen));
  if (!another) throw new OnebitError('unsupported', 'abstain: agreement needs a model. Use generate or chat of one.');
  const temperature = Math.max(LEAST_VARIED, options.temperature);
  const others = Array.from({ length: calibration.samples! }, (_, i) =>
    another({ seed: options.seed + i + 1, temperature }).result(),
  );
  const texts = (await Promise.all(others)).map((other) => other.text);
  return chanceOfRight(calibration, agreementOf(text, texts));
}

function timingsOf(
  prefill: { total: number; endMs: number },
  firstMs: number,
  decodeTokens: number,
  totalMs: number,
): Timings {
  const perSecond = (tokens: number, ms: number) => (ms > 0 ? (tokens / ms) * 1000 : 0);
  const decodeMs = Math.max(0, totalMs - prefill.endMs);
  return {
    prefillTokens: prefill.total,
    prefillMs: prefill.endMs,
    prefillTokensPerSecond: perSecond(prefill.total, prefill.endMs),
    timeToFirstTokenMs: firstMs,
    decodeTokens,
    decodeMs,
    decodeTokensPerSecond: perSecond(decodeTokens, decodeMs),
  };
}
