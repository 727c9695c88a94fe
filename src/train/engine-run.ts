// Owns running whole sequences through the inference engine for training: of a teacher, and of the model as its file will be run. Must not know what for.
import type { ByteSource } from '../bytes/source.ts';
import { readGguf } from '../gguf/read.ts';
import type { Gguf } from '../gguf/types.ts';
import type { Backend, KvFormat, Tensor } from '../kernels/backend.ts';
import { readModelConfig } from '../model/config.ts';
import { Engine } from '../model/engine.ts';
import { withFrequencyFactors } from '../model/frequency-factors.ts';
import { checkTensors, loadWeights } from '../model/weights.ts';

/** Rows of logits that a step gives: 34 MB of the largest vocabulary that can be trained. */
const STEP_LOGITS = 64;

/** A model on `backend` with room for one sequence: of `tokens` tokens, or of the model's whole context. @throws what loading a model throws */
export async function openEngine(
  source: ByteSource,
  backend: Backend,
  kv: { readonly format: KvFormat; readonly tokens?: number },
): Promise<{ gguf: Gguf; engine: Engine }> {
  const gguf = await readGguf(source);
  const said = readModelConfig(gguf);
  checkTensors(gguf, said);
  const config = await withFrequencyFactors(said, gguf, source);
  const weights = await loadWeights(gguf, source, config, backend, {});
  const kvTokens = kv.tokens ?? config.contextLength;
  const engine = new Engine(config, weights, backend, { kvFormat: kv.format, kvTokens, parallel: STEP_LOGITS });
  return { gguf, engine };
}

/** Runs `tokens` from their start; hands over the logits [count, vocabulary] of those from `at` on, step after step. */
export async function runSequence(
  engine: Engine,
  tokens: Int32Array,
  use: (logits: Tensor, at: number, count: number) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const sequence = engine.newSequence();
  try {
    for (let at = 0; at < tokens.length; at += engine.maxOutputs) {
      const part = tokens.subarray(at, at + engine.maxOutputs);
      const outputs = Array.from(part.keys());
      await engine.step([{ sequence, tokens: part, outputs }], (logits) => use(logits, at, part.length), signal);
    }
  } finally {
    sequence.dispose();
  }
}

/** How a model goes on. */
export interface Continuation {
  /** Most tokens to add. */
  readonly most: number;
  /** Tokens that end it; they are not part of it. */
  readonly ends: ReadonlySet<number>;
}

/** The likeliest tokens after `tokens`, one by one. Stops at the end of the context. */
export async function continueSequence(
  engine: Engine,
  tokens: Int32Array,
  { most, ends }: Continuation,
  signal?: AbortSignal,
): Promise<number[]> {
  const { vocabulary, contextLength } = engine.config;
  const sequence = engine.newSequence();
  const added: number[] = [];
  const likeliest = async (logits: Tensor) => {
    const row = await engine.backend.read(logits, 0, vocabulary, signal);
    let best = 0;
    for (let token = 1; token < vocabulary; token++) if (row[token] > row[best]) best = token;
    return best;
  };
  try {
    let next = tokens;
    while (added.length < most && tokens.length + added.length < contextLength) {
      for (; next.length > STEP_LOGITS; next = next.subarray(STEP_LOGITS)) {
        await engine.step([{ sequence, tokens: next.subarray(0, STEP_LOGITS), outputs: [] }], async () => {}, signal);
      }
      const token = await engine.step([{ sequence, tokens: next, outputs: [next.length - 1] }], likeliest, signal);
      if (ends.has(token)) break;
      added.push(token);
      next = Int32Array.of(token);
    }
  } finally {
    sequence.dispose();
  }
  return added;
}
