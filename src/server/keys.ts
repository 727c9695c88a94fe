// Owns who may ask: API keys (only their SHA-256 is kept), how much each may ask a minute, and how much each has used.
import { hexOf, sha256 } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import { checkWatermarkKey } from '../generate/watermark-key.ts';
import { ApiError } from './api-error.ts';

/** A key as it is configured. */
export interface KeyConfig {
  /** Shown in the log and the metrics; where several keys have it, with the beginning of `sha256`. */
  readonly name: string;
  /** Hex. Of a random key; a password would need a slow hash. */
  readonly sha256: string;
  readonly requestsPerMinute?: number;
  /** Prompt and answer together; what is tokenized or embedded counts too. */
  readonly tokensPerMinute?: number;
  /** Prompt and answer together in a day, against mass generation. Default 2,000,000, some fifteen novels; null for no bound. */
  readonly tokensPerDay?: number | null;
  /** Marks all answers to this key by this secret key; default: as the server is configured. */
  readonly watermark?: string;
  /** Whether its /metrics are those of the whole server. Default false: its own. */
  readonly operator?: boolean;
}

/** Tokens that were taken from a key's allowance for one request. */
export interface Reservation {
  /** Tokens that each answer may have. */
  readonly answerTokens: number;
  /** Gives back what was not used. */
  settle(usedTokens: number, nowMs: number): void;
}

/** An answer whose length nobody said gets at least so many tokens, or the request waits. */
const LEAST_ANSWER = 256;
/** Tokens a day of a key that says nothing else. */
export const DEFAULT_TOKENS_PER_DAY = 2_000_000;
const DAY_MINUTES = 24 * 60;

/** A key and what it has used. */
export class ApiKey {
  readonly name: string;
  /** Nobody else has it: what the key leaves on the server is found by it. */
  readonly id: string;
  readonly hash: Uint8Array;
  readonly isOperator: boolean;
  readonly watermark: string | undefined;
  private readonly requests: Allowance | undefined;
  private readonly tokens: Allowance | undefined;
  private readonly tokensOfDay: Allowance | undefined;

  constructor(config: KeyConfig) {
    const { name, sha256, requestsPerMinute, tokensPerMinute, watermark, operator = false } = config;
    const { tokensPerDay = DEFAULT_TOKENS_PER_DAY } = config;
    if (!/^[0-9a-f]{64}$/i.test(sha256)) {
      throw new OnebitError('bad-argument', `api keys: sha256 of '${name}' must be 64 hexadecimal digits.`);
    }
    this.name = name;
    this.id = sha256.toLowerCase();
    if (watermark !== undefined) checkWatermarkKey(watermark);
    this.watermark = watermark;
    this.isOperator = operator;
    this.hash = Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(sha256.slice(2 * i, 2 * i + 2), 16));
    this.requests = requestsPerMinute === undefined ? undefined : new Allowance(requestsPerMinute);
    this.tokens = tokensPerMinute === undefined ? undefined : new Allowance(tokensPerMinute);
    this.tokensOfDay = tokensPerDay === null ? undefined : new Allowance(tokensPerDay, DAY_MINUTES);
  }

  /** Counts a request. @throws ApiError 429 when the key has used what it may use */
  admit(nowMs: number): void {
    const { requests, tokens, tokensOfDay } = this;
    for (const allowance of [requests, tokens, tokensOfDay]) {
      const waitMs = allowance?.waitMs(nowMs, 1) ?? 0;
      if (waitMs > 0) throw usedUp(waitMs, allowance === tokensOfDay);
    }
    this.requests?.take(nowMs, 1);
  }

  /**
   * Takes what a request may use before it runs: its prompts, and `answers` answers. Where the allowance of a minute does not hold the answers wanted,
   * they may be as long as it does.
   * @param answerTokens most tokens of an answer; `known` false where the request did not say, so that fewer will do
   * @throws ApiError 429 while that is not there
   */
  reserve({ promptTokens, answers, answerTokens, known }: TokenNeed, nowMs: number): Reservation {
    const bounds = [this.tokens, this.tokensOfDay].filter((bound) => bound !== undefined);
    if (bounds.length === 0) return { answerTokens, settle: () => {} };
    const wanted = known ? answerTokens : Math.min(answerTokens, LEAST_ANSWER);
    for (const bound of bounds) {
      const waitMs = bound.waitMs(nowMs, promptTokens + answers * wanted);
      if (waitMs > 0) throw usedUp(waitMs, bound === this.tokensOfDay);
    }
    const left = Math.min(...bounds.map((bound) => bound.left));
    const granted = Math.max(
      Math.min(answerTokens, 1),
      Math.min(answerTokens, Math.floor((left - promptTokens) / Math.max(1, answers))),
    );
    const reserved = promptTokens + answers * granted;
    for (const bound of bounds) bound.take(nowMs, reserved);
    const settle = (used: number, atMs: number) => {
      for (const bound of bounds) bound.take(atMs, used - reserved);
    };
    return { answerTokens: granted, settle };
  }
}

/** What a request may use. */
export interface TokenNeed {
  readonly promptTokens: number;
  readonly answers: number;
  readonly answerTokens: number;
  readonly known: boolean;
}

function usedUp(waitMs: number, ofDay: boolean): ApiError {
  const time = ofDay ? 'day' : 'minute';
  return new ApiError(429, `This API key has used what it may use a ${time}. Wait, then try again.`, {
    code: 'rate_limit_exceeded',
    retryAfterSeconds: waitMs / 1000,
  });
}

/** What may be used in a time, a minute or a day; flows in evenly, up to that time's worth. */
class Allowance {
  /** Below 0 where more was used than there was. */
  left: number;
  private readonly most: number;
  private readonly timeMs: number;
  private atMs = 0;

  constructor(most: number, minutes = 1) {
    this.most = most;
    this.timeMs = minutes * 60_000;
    this.left = most;
  }

  /** How long until `amount` is there, or all that can be. */
  waitMs(nowMs: number, amount: number): number {
    this.refill(nowMs);
    return Math.max(0, ((Math.min(amount, this.most) - this.left) / this.most) * this.timeMs);
  }

  take(nowMs: number, amount: number): void {
    this.refill(nowMs);
    this.left -= amount;
  }

  private refill(nowMs: number): void {
    if (this.atMs > 0) this.left += ((nowMs - this.atMs) / this.timeMs) * this.most;
    this.left = Math.min(this.left, this.most);
    this.atMs = nowMs;
  }
}

/** All keys that may ask. */
export class KeyRing {
  private readonly keys: readonly ApiKey[];

  constructor(keys: readonly KeyConfig[]) {
    const names = new Set(keys.map(({ name }) => name));
    this.keys = keys.map((key) => {
      if (keys.filter(({ name }) => name === key.name).length === 1) return new ApiKey(key);
      let name = `${key.name}#${key.sha256.slice(0, 8)}`;
      while (names.has(name)) name += '+'; // another key is called so, or begins so
      names.add(name);
      return new ApiKey({ ...key, name });
    });
    const ids = this.keys.map(({ id }) => id);
    const twice = this.keys.find(({ id }, i) => ids.indexOf(id) < i);
    if (twice) throw new OnebitError('bad-argument', `api keys: a key may be given once, got '${twice.name}' again.`);
  }

  /** The key of this id; undefined where there is none (any more). */
  withId(id: string): ApiKey | undefined {
    return this.keys.find((key) => key.id === id);
  }

  /** The key that `authorization` presents. Takes the same time whichever key it is, and whether it is one. @throws ApiError 401 */
  async identify(authorization: string | null): Promise<ApiKey> {
    const presented = /^Bearer +(\S+)\s*$/i.exec(authorization ?? '')?.[1];
    const hash = await sha256(presented ?? '');
    let found: ApiKey | undefined;
    for (const key of this.keys) {
      let difference = 0;
      for (let i = 0; i < 32; i++) difference |= hash[i] ^ key.hash[i];
      if (difference === 0) found = key;
    }
    if (presented === undefined) {
      throw new ApiError(401, 'An API key is needed: send the header "authorization: Bearer KEY".', {
        code: 'missing_api_key',
      });
    }
    if (!found) throw new ApiError(401, 'This API key is not known here.', { code: 'invalid_api_key' });
    return found;
  }
}

/** Hex SHA-256 of a key, as `KeyConfig` wants it. */
export async function hashKey(key: string): Promise<string> {
  return hexOf(await sha256(key));
}
