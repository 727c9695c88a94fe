// Owns how likely a model finds texts: per-token log-probabilities, nats per token, bits per byte. Must not know files or the command line.
import { OnebitError } from '../errors.ts';
import type { Session } from '../generate/session.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

export interface ScoreOptions {
  /** Begin every document with the model's begin token. Default: what the file says for text, false for tokens. */
  bos?: boolean;
  /** Tokens of context; longer documents are scored in windows that overlap by half. Default: the model's context as loaded. */
  contextTokens?: number;
  /** Told the characters (or token ids) of documents done so far, of all. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

export interface Score {
  /** All tokens, document after document. */
  readonly tokens: readonly number[];
  /** [tokens − 1] natural log-probability of token i + 1 given what precedes it in its document; null where a document begins. */
  readonly logprobs: readonly (number | null)[];
  readonly documents: number;
  /** Tokens with a log-probability: all but the first of each document. */
  readonly tokensScored: number;
  /** UTF-8 bytes of the scored tokens. */
  readonly bytes: number;
  readonly natsPerToken: number;
  readonly bitsPerByte: number;
}

/** Scores documents one after the other, each from an empty cache. */
export async function scoreDocuments(
  documents: readonly (string | ArrayLike<number>)[],
  session: Session,
  tokenizer: Tokenizer,
  options: ScoreOptions,
): Promise<Score> {
  const context = options.contextTokens ?? session.contextTokens;
  if (!Number.isInteger(context) || context < 2 || context > session.contextTokens) {
    throw new OnebitError('bad-argument', `score: contextTokens must be 2..${session.contextTokens}, got ${context}.`);
  }
  const tokens: number[] = [];
  const logprobs: (number | null)[] = [];
  let nats = 0;
  let bytes = 0;
  let tokensScored = 0;
  let done = 0;
  const total = documents.reduce((sum, document) => sum + document.length, 0);
  for (const document of documents) {
    const ids = tokensOf(document, tokenizer, options.bos);
    bytes += scoredBytes(document, ids, tokenizer);
    if (tokens.length > 0 && ids.length > 0) logprobs.push(null);
    for (const id of ids) tokens.push(id);
    for (const logprob of await scoreTokens(ids, session, context, options.signal)) {
      logprobs.push(logprob);
      nats -= logprob;
      tokensScored++;
    }
    done += document.length;
    options.onProgress?.(done, total);
  }
  return {
    tokens,
    logprobs,
    documents: documents.length,
    tokensScored,
    bytes,
    natsPerToken: tokensScored > 0 ? nats / tokensScored : 0,
    bitsPerByte: bytes > 0 ? nats / Math.LN2 / bytes : 0,
  };
}

function tokensOf(document: string | ArrayLike<number>, tokenizer: Tokenizer, bos?: boolean): number[] {
  if (typeof document === 'string') return [...tokenizer.encode(document, { bos: bos ?? tokenizer.addBos })];
  const ids = Array.from(document);
  if (!bos) return ids;
  if (tokenizer.bos === undefined) {
    throw new OnebitError('bad-argument', 'score: the model has no begin token. Leave bos out.');
  }
  return [tokenizer.bos, ...ids];
}

/** Bytes of all tokens but the first; of text, its own bytes, since some vocabularies put a space before it that is not there. */
function scoredBytes(document: string | ArrayLike<number>, ids: readonly number[], tokenizer: Tokenizer): number {
  if (ids.length === 0) return 0;
  const bytesOf = (id: number) => (tokenizer.isSpecial(id) ? 0 : tokenizer.bytesOf(id).length);
  if (typeof document !== 'string') return ids.slice(1).reduce((sum, id) => sum + bytesOf(id), 0);
  return new TextEncoder().encode(document).length - bytesOf(ids[0]);
}

/** Log-probabilities of tokens 1.. of one document; beyond `context`, each window keeps half of the one before it as context. */
async function scoreTokens(
  tokens: readonly number[],
  session: Session,
  context: number,
  signal?: AbortSignal,
): Promise<number[]> {
  const logprobs: number[] = [];
  for (let from = 0; logprobs.length < tokens.length - 1; from += Math.floor(context / 2)) {
    const window = await session.score(tokens.slice(from, from + context), signal);
    for (let i = logprobs.length - from; i < window.length; i++) logprobs.push(window[i]);
  }
  return logprobs;
}
