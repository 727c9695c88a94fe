// Owns who may ask: API keys (only their SHA-256 is kept), how much each may ask a minute. What each has used is the quota's (quota.ts).
import { checkArgument } from '../core/check.ts';
import { hexOf, sha256 } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import { checkWatermarkKey } from '../generate/watermark-key.ts';
import { ApiError } from './api-error.ts';
import { type Asked, type Bucket, type Lent, MemoryQuota, type Quota, worthOf } from './quota.ts';

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
  /** All of them. */
  readonly taken: number;
}

/** An answer whose length nobody said gets at least so many tokens, or the request waits. */
const LEAST_ANSWER = 256;
/** Tokens a day of a key that says nothing else. */
export const DEFAULT_TOKENS_PER_DAY = 2_000_000;
const DAY_MINUTES = 24 * 60;
/** Shares of what a key may use in a minute and in a day that lines of batches leave to whoever waits: else they take all that flows in, and who asks how far they are is refused. */
const SPARE_OF_MINUTE = 1 / 4;
const SPARE_OF_DAY = 1 / 16;

/** A key, and what it may use. */
export class ApiKey {
  readonly name: string;
  /** Nobody else has it: what the key leaves on the server is found by it. */
  readonly id: string;
  readonly hash: Uint8Array;
  readonly isOperator: boolean;
  readonly watermark: string | undefined;
  private readonly quota: Quota;
  private readonly requests: Bucket | undefined;
  private readonly tokens: Bucket | undefined;
  private readonly tokensOfDay: Bucket | undefined;

  constructor(config: KeyConfig, quota: Quota) {
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
    this.quota = quota;
    const bucket = (kind: string, perMinute: number | undefined) =>
      perMinute === undefined ? undefined : { name: `${this.id}:${kind}`, perMinute };
    this.requests = bucket('requests', requestsPerMinute);
    this.tokens = bucket('tokens', tokensPerMinute);
    if (tokensPerDay !== null) {
      const perMinute = tokensPerDay / DAY_MINUTES;
      this.tokensOfDay = { name: `${this.id}:tokens-of-day`, perMinute, minutes: DAY_MINUTES };
    }
  }

  /**
   * Counts a request.
   * @param isOfBatch whether it is a line of a batch and leaves something to whoever waits
   * @throws ApiError 429 when the key has used what it may use
   */
  async admit(isOfBatch = false): Promise<void> {
    const { requests } = this;
    const base = 1;
    await this.ask([
      ...(requests ? [{ bucket: requests, how: 'lend', base, spare: this.spare(requests, isOfBatch) } as const] : []),
      ...this.tokenBuckets.map(
        (bucket) => ({ bucket, how: 'look', base, spare: this.spare(bucket, isOfBatch) }) as const,
      ),
    ]);
  }

  /**
   * Takes what a request may use before it runs: its prompts, and `answers` answers. Where the allowance of a minute does not hold the answers wanted,
   * they may be as long as it does.
   * @param need most tokens of an answer; `known` false where the request did not say, so that fewer will do
   * @param before what was taken for the request already: it is given back in the same piece
   * @param isOfBatch whether it is a line of a batch and leaves something to whoever waits
   * @throws ApiError 429 while that is not there
   */
  async reserve(need: TokenNeed, before?: Reservation, isOfBatch = false): Promise<Reservation> {
    const { promptTokens, answers, answerTokens, known } = need;
    const wanted = known ? answerTokens : Math.min(answerTokens, LEAST_ANSWER);
    const buckets = this.tokenBuckets;
    const asked = { how: 'lend', base: promptTokens, parts: answers, wanted, most: answerTokens } as const;
    const back = before ? this.taken(-before.taken) : [];
    const { part } = await this.ask([
      ...back,
      ...buckets.map((bucket) => ({ bucket, ...asked, spare: this.spare(bucket, isOfBatch) })),
    ]);
    const answer = buckets.length === 0 ? answerTokens : part;
    return { answerTokens: answer, taken: promptTokens + answers * answer };
  }

  /** Gives back what a request did not use. */
  async settle({ taken }: Reservation, usedTokens: number): Promise<void> {
    await this.ask(this.taken(usedTokens - taken));
  }

  private spare(bucket: Bucket, isOfBatch: boolean): number {
    return isOfBatch ? worthOf(bucket) * (bucket === this.tokensOfDay ? SPARE_OF_DAY : SPARE_OF_MINUTE) : 0;
  }

  private taken(amount: number): Asked[] {
    return amount === 0 ? [] : this.tokenBuckets.map((bucket) => ({ bucket, how: 'take', base: amount }));
  }

  private get tokenBuckets(): Bucket[] {
    return [this.tokensOfDay, this.tokens].filter((bucket) => bucket !== undefined);
  }

  /** @throws ApiError 429 */
  private async ask(asked: readonly Asked[]): Promise<Lent> {
    if (asked.length === 0) return { waitMs: 0, part: 0 };
    const lent = await this.quota.ask(asked);
    if (lent.waitMs > 0) throw usedUp(lent.waitMs, asked[lent.short ?? 0].bucket === this.tokensOfDay);
    return lent;
  }
}

/** Whether whoever asks sees the whole server: one with an operator's key, or anybody where there are no keys. */
export function isOperator(key: ApiKey | undefined): boolean {
  return key === undefined || key.isOperator;
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

/** All keys that may ask. */
export class KeyRing {
  private readonly keys: readonly ApiKey[];

  constructor(keys: readonly KeyConfig[], quota: Quota = new MemoryQuota()) {
    const names = new Set(keys.map(({ name }) => name));
    this.keys = keys.map((key) => {
      if (keys.filter(({ name }) => name === key.name).length === 1) return new ApiKey(key, quota);
      let name = `${key.name}#${key.sha256.slice(0, 8)}`;
      while (names.has(name)) name += '+'; // another key is called so, or begins so
      names.add(name);
      return new ApiKey({ ...key, name }, quota);
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
  checkArgument('hashKey', 'key', key, 'text');
  return hexOf(await sha256(key));
}
