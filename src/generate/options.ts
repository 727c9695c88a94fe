// Owns what a caller may ask of a generation, its defaults, and checking it.
import { type Options, wrong } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import { SAMPLING_DEFAULTS, type SamplingDefaults } from '../model/own-sampling.ts';
import type { Constraint } from '../structured/constraint.ts';
import { type Abstain, checkAbstain } from './abstain.ts';
import { checkWatermarkKey } from './watermark-key.ts';

/**
 * How the next token is chosen. Order of the steps, as in llama.cpp: penalties, DRY, top-k, top-p, min-p, temperature. Temperature, top-k, top-p and min-p
 * are by default what the model's file asks for (`LanguageModel.sampling`), else what is said here.
 */
export interface SamplingOptions {
  /** 0 takes the likeliest token (greedy). Default 0.5. */
  temperature?: number;
  /** Keep the k likeliest tokens; 0 keeps all. Default 20. */
  topK?: number;
  /** Keep the likeliest tokens that together have this probability; 1 keeps all. Default 0.85. */
  topP?: number;
  /** Keep tokens at least this share as likely as the likeliest; 0 keeps all. Default 0. */
  minP?: number;
  /** Divides positive and multiplies negative logits of recent tokens; 1 is off. Default 1. */
  repeatPenalty?: number;
  /** Subtracted once from logits of recent tokens. Default 0. */
  presencePenalty?: number;
  /** Subtracted from logits of recent tokens for each time they occurred. Default 0. */
  frequencyPenalty?: number;
  /** How many recent tokens the penalties and DRY look at; −1 means all. Default 64. */
  penaltyWindow?: number;
  /** DRY: strength of the penalty on continuing a repeated passage; 0 is off. Default 0. */
  dryMultiplier?: number;
  /** DRY: growth of the penalty for each token of the repeated passage. Default 1.75. */
  dryBase?: number;
  /** DRY: repeats up to this length are free. Default 2. */
  dryAllowedLength?: number;
  /** Added to the logits of these tokens (−100 practically forbids). */
  logitBias?: ReadonlyMap<number, number>;
  /**
   * A secret key: the text is marked so that whoever has the key can tell that it was made with it (`detectWatermark`). Each token comes as often as
   * without; nothing can be marked at temperature 0, and little where the model is sure. At least 8 characters.
   */
  watermark?: string;
  /** Same seed, same text (for the same model, backend and options). Default: a new one each time, told in the result. */
  seed?: number;
}

export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to produce. Default 256. */
  maxTokens?: number;
  /** Text at which to stop; it is not part of the result. */
  stop?: string | readonly string[];
  /** Give exact log-probabilities of the chosen tokens, with this many alternatives each (0 for none). */
  logprobs?: number;
  /**
   * Allow only text of a certain form, such as JSON of a schema. When the text is complete and nothing can follow, generation ends with finish
   * reason `stop`; with `length` the text may be cut off. Guessing (`lookupTokens`) is off meanwhile.
   */
  constraint?: Constraint;
  /**
   * End a text that only repeats itself (a passage of up to 128 tokens, six times in a row and at least 128 tokens) with finish reason `loop`. Off with a
   * constraint. Default: true in `chat`, false in `generate`.
   */
  loopGuard?: boolean;
  /**
   * Answer only where the model is sure: an answer whose calibrated chance of being right is too small is not given, but what is written here, with finish
   * reason `abstain`. The text then comes in one piece, at its end. Default: every answer is given.
   */
  abstain?: Abstain;
  /** Go on after the model ends its text. Default false; not together with a constraint. */
  ignoreEndOfText?: boolean;
  /** Read special tokens such as `<|im_start|>` in a prompt string. Default false. */
  special?: boolean;
  /**
   * Greedy only: guess up to this many tokens from what was said and let the model check them in one step. The text is the same. It can only
   * pay where the answer repeats long passages; elsewhere it is 10 to 35 % slower (docs/experiments.md). Default 0.
   */
  lookupTokens?: number;
  /** When the context is full: `stop` (finish reason `length`) or `slide` (forget the oldest, keep the first page). Default `stop`. */
  overflow?: 'stop' | 'slide';
  /**
   * Whose request this is. What the cache keeps of it shortens later requests of the same owner and is never found by another: not in `cachedTokens`,
   * not in the time to the first token. Default: the common owner `''`. The cache's memory is shared: an owner who keeps more than the others in it
   * loses pages as they come, one who keeps to an equal share does not (docs/serving.md).
   */
  owner?: string;
  /** One of the model's adapters, by the name that it was loaded with; '' for none. Default: the model's `defaultAdapter`. */
  adapter?: string;
  /** Stops prefill and generation within one step; the iteration throws the signal's reason. */
  signal?: AbortSignal;
}

export type ResolvedOptions = Required<
  Omit<
    GenerateOptions,
    'stop' | 'logprobs' | 'signal' | 'logitBias' | 'constraint' | 'watermark' | 'abstain' | 'adapter'
  >
> & {
  readonly stop: readonly string[];
  readonly logprobs: number | undefined;
  readonly watermark: string | undefined;
  readonly abstain: Abstain | undefined;
  readonly adapter: string | undefined;
  readonly logitBias: ReadonlyMap<number, number>;
  readonly signal: AbortSignal | undefined;
  readonly constraint: Constraint | undefined;
};

interface Range {
  min: number;
  max: number;
  integer?: boolean;
}

const ranges: Record<string, Range> = {
  temperature: { min: 0, max: 100 },
  topK: { min: 0, max: 1 << 24, integer: true },
  topP: { min: 0, max: 1 },
  minP: { min: 0, max: 1 },
  repeatPenalty: { min: 0.01, max: 100 },
  presencePenalty: { min: -100, max: 100 },
  frequencyPenalty: { min: -100, max: 100 },
  penaltyWindow: { min: -1, max: 1 << 24, integer: true },
  dryMultiplier: { min: 0, max: 100 },
  dryBase: { min: 1, max: 100 },
  dryAllowedLength: { min: 1, max: 1 << 20, integer: true },
  maxTokens: { min: 0, max: 1 << 24, integer: true },
  logprobs: { min: 0, max: 1000, integer: true },
  lookupTokens: { min: 0, max: 15, integer: true },
};

/** What each option must be; ranges and values are checked by `resolveOptions`. */
export const GENERATE_OPTIONS: Options = {
  ...Object.fromEntries(Object.keys(ranges).map((name) => [name, 'anything'] as const)),
  seed: 'anything',
  watermark: 'text',
  owner: 'anything',
  adapter: 'text',
  stop: 'anything',
  logitBias: 'map',
  constraint: 'object',
  loopGuard: 'boolean',
  abstain: 'object',
  ignoreEndOfText: 'boolean',
  special: 'boolean',
  overflow: ['stop', 'slide'],
  signal: 'signal',
};

/** @throws OnebitError `bad-argument` for an owner that is not a text */
export function checkOwner(owner: unknown, operation: string): void {
  if (owner === undefined || typeof owner === 'string') return;
  throw new OnebitError('bad-argument', `${operation}: owner must be a text, got ${typeof owner}.`);
}

/**
 * Fills in defaults, those of the model from `own`, and checks every value. A marked text needs a choice, whatever the model's file asks for.
 * @throws OnebitError `bad-argument` naming the option
 */
export function resolveOptions(options: GenerateOptions, own: SamplingDefaults = SAMPLING_DEFAULTS): ResolvedOptions {
  for (const [name, range] of Object.entries(ranges)) {
    const value = options[name as keyof GenerateOptions];
    if (value === undefined) continue;
    const valid = typeof value === 'number' && value >= range.min && value <= range.max;
    if (!valid || (range.integer && !Number.isInteger(value))) {
      const kind = range.integer ? 'a whole number' : 'a number';
      throw wrong('generate', name, `be ${kind} from ${range.min} to ${range.max}`, value);
    }
  }
  if (options.seed !== undefined && !Number.isFinite(options.seed)) {
    throw wrong('generate', 'seed', 'be a finite number', options.seed);
  }
  for (const [token, bias] of options.logitBias ?? []) {
    if (!Number.isSafeInteger(token) || typeof bias !== 'number' || Number.isNaN(bias)) {
      throw wrong('generate', 'logitBias', 'be a Map of token ids to numbers', `${String(token)}: ${String(bias)}`);
    }
  }
  checkOwner(options.owner, 'generate');
  if (options.watermark !== undefined) checkWatermarkKey(options.watermark);
  if (options.abstain !== undefined) checkAbstain(options.abstain);
  const stop = typeof options.stop === 'string' ? [options.stop] : (options.stop ?? []);
  if (!Array.isArray(stop) || stop.some((text) => typeof text !== 'string' || text.length === 0)) {
    throw new OnebitError('bad-argument', 'generate: stop must be a string or strings, none empty.');
  }
  if (options.constraint && typeof options.constraint.matcher !== 'function') {
    throw wrong('generate', 'constraint', 'be what a compile function made (compileSchema)', options.constraint);
  }
  if (options.constraint && options.ignoreEndOfText) {
    throw new OnebitError(
      'bad-argument',
      'generate: ignoreEndOfText must be false with a constraint, which says where the text ends, got true. Leave one of them out.',
    );
  }
  const defaults = options.watermark === undefined ? own : SAMPLING_DEFAULTS;
  return {
    temperature: options.temperature ?? defaults.temperature,
    topK: options.topK ?? defaults.topK,
    topP: options.topP ?? defaults.topP,
    minP: options.minP ?? defaults.minP,
    repeatPenalty: options.repeatPenalty ?? 1,
    presencePenalty: options.presencePenalty ?? 0,
    frequencyPenalty: options.frequencyPenalty ?? 0,
    penaltyWindow: options.penaltyWindow ?? 64,
    dryMultiplier: options.dryMultiplier ?? 0,
    dryBase: options.dryBase ?? 1.75,
    dryAllowedLength: options.dryAllowedLength ?? 2,
    logitBias: options.logitBias ?? new Map(),
    watermark: options.watermark,
    abstain: options.abstain,
    adapter: options.adapter,
    seed: options.seed ?? Math.floor(Math.random() * 2 ** 32),
    maxTokens: options.maxTokens ?? 256,
    stop,
    logprobs: options.logprobs,
    loopGuard: options.loopGuard ?? false,
    ignoreEndOfText: options.ignoreEndOfText ?? false,
    special: options.special ?? false,
    lookupTokens: options.lookupTokens ?? 0,
    overflow: options.overflow ?? 'stop',
    owner: options.owner ?? '',
    signal: options.signal,
    constraint: options.constraint,
  };
}
