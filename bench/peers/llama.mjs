// Owns: how the project talks to llama.cpp, the outside judge. Goes below node-llama-cpp's public classes to the addon
// they wrap (`context._ctx`): its public API re-queues every token through a batch scheduler, and the judge must be
// neither slowed down nor filtered by a wrapper. Must not know: onebit.
// Source: node-llama-cpp 3.22.1, dist/bindings/AddonTypes.d.ts (interface of the native addon).
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

/**
 * @typedef {object} LlamaOptions
 * @property {number} [threads] CPU threads, default 2.
 * @property {number} [contextSize] tokens of KV cache of a sequence, default 512.
 * @property {number} [sequences] sequences beside each other, default 1.
 * @property {number} [batchSize] most tokens in one evaluation, default 512 (llama.cpp's own default micro-batch).
 * @property {boolean | 'auto'} [flashAttention] default 'auto' as in llama.cpp.
 * @property {string} [lora] an adapter's GGUF, used for everything.
 * @property {'F16' | 'F32' | 'Q8_0'} [kvType] type of the KV cache, default 'F16' as in llama.cpp.
 */

/**
 * Opens a model in llama.cpp on the CPU.
 * @param {string} modelPath
 * @param {LlamaOptions} [options]
 */
export async function openLlama(modelPath, options = {}) {
  const {
    threads = 2,
    contextSize = 512,
    batchSize = 512,
    flashAttention = 'auto',
    kvType = 'F16',
    sequences = 1,
    lora,
  } = options;
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 0, logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({
    contextSize,
    sequences,
    batchSize,
    threads,
    flashAttention,
    experimentalKvCacheKeyType: kvType,
    experimentalKvCacheValueType: kvType,
    ignoreMemorySafetyChecks: true,
    lora,
  });
  const raw = context._ctx;
  if (raw.getThreads() !== threads) raw.setThreads(threads);
  const sampler = new llama._bindings.AddonSampler(model._model);
  sampler.applyConfig({});
  const vocabSize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const none = new Uint32Array(0);
  let cached = 0;
  /** Tokens in the cache of each sequence that `evaluateTogether` met. */
  const lengths = new Map();

  /** Evaluates tokens of several sequences in one batch; gives the slot of each one's last token. */
  async function evaluateTogether(parts) {
    raw.initBatch(parts.reduce((sum, { tokens }) => sum + tokens.length, 0));
    const slots = parts.map(({ sequence, tokens }) => {
      const before = lengths.get(sequence) ?? 0;
      lengths.set(sequence, before + tokens.length);
      return raw.addToBatch(sequence, before, Uint32Array.from(tokens), Uint32Array.of(tokens.length - 1))[0];
    });
    await raw.decodeBatch();
    return slots;
  }

  /** Evaluates tokens after those already in the cache; `wanted` are indexes in `tokens` whose logits are kept. */
  async function evaluate(tokens, wanted) {
    raw.initBatch(tokens.length);
    const slots = raw.addToBatch(0, cached, Uint32Array.from(tokens), wanted ?? none);
    await raw.decodeBatch();
    cached += tokens.length;
    return slots;
  }

  /** The raw logits of one evaluated position, vocabulary-sized. */
  async function logits(slot) {
    const [, , , pairs] = await raw.sampleToken(slot, sampler, false, false, true);
    const row = new Float32Array(vocabSize).fill(Number.NaN);
    for (let i = 0; i < pairs.length; i += 2) row[pairs[i]] = pairs[i + 1];
    if (row.some(Number.isNaN)) throw new Error('llama.cpp returned logits for a part of the vocabulary only');
    return row;
  }

  return {
    llama,
    model,
    vocabSize,
    evaluate,
    evaluateTogether,
    logits,
    /** The most likely token of one evaluated position. */
    greedy: (slot) => raw.sampleToken(slot, sampler),
    /** Forgets everything after the first `length` tokens. */
    truncate(length) {
      if (length === 0) raw.disposeSequence(0);
      else raw.removeTokenCellsFromSequence(0, length, -1);
      cached = length;
    },
    /** Forgets one sequence of `evaluateTogether`. */
    forget(sequence) {
      raw.disposeSequence(sequence);
      lengths.delete(sequence);
    },
    tokenize: (text, special = false) => Array.from(model._model.tokenize(text, special)),
    async dispose() {
      sampler.dispose();
      await context.dispose();
      await model.dispose();
    },
  };
}

/** Natural log of the softmax of raw logits, in double precision over the whole vocabulary. */
export function logSoftmax(row) {
  let max = Number.NEGATIVE_INFINITY;
  for (const value of row) if (value > max) max = value;
  let sum = 0;
  for (const value of row) sum += Math.exp(value - max);
  const shift = max + Math.log(sum);
  return Float64Array.from(row, (value) => value - shift);
}

/**
 * Scores a list of tokens in one pass of at most `batchSize` tokens a time.
 * @param judge result of openLlama
 * @param {ArrayLike<number>} tokens
 * @param {(row: Float64Array, position: number) => void} [onRow] sees each row of log-probabilities (also the last)
 * @returns {Promise<number[]>} logprobs[i] belongs to tokens[i + 1]
 */
export async function scoreTokens(judge, tokens, onRow, batchSize = 512) {
  judge.truncate(0);
  const logprobs = [];
  for (let start = 0; start < tokens.length; start += batchSize) {
    const part = Array.from(tokens).slice(start, start + batchSize);
    const slots = await judge.evaluate(part, Uint32Array.from(part.keys()));
    for (let i = 0; i < part.length; i++) {
      const next = start + i + 1;
      if (next >= tokens.length && !onRow) break;
      const row = logSoftmax(await judge.logits(slots[i]));
      onRow?.(row, start + i);
      if (next < tokens.length) logprobs.push(row[tokens[next]]);
    }
  }
  return logprobs;
}

/** Greedy continuation: evaluates the prompt in one batch, then one token at a time; never stops at an end token. */
export async function greedyTokens(judge, prompt, count) {
  judge.truncate(0);
  const tokens = [];
  let slots = await judge.evaluate(prompt, Uint32Array.of(prompt.length - 1));
  while (tokens.length < count) {
    const token = await judge.greedy(slots[0]);
    tokens.push(token);
    slots = await judge.evaluate([token], Uint32Array.of(0));
  }
  return tokens;
}

/** Name and version of the judge, as golden files record it. */
export async function judgeVersion(llama) {
  const path = new URL('../package.json', import.meta.resolve('node-llama-cpp'));
  const { version } = JSON.parse(await readFile(path, 'utf8'));
  return `llama.cpp ${llama.llamaCppRelease.release} by node-llama-cpp ${version} (CPU)`;
}

/** SHA-256 of a file, hexadecimal. */
export async function sha256File(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}
