// Owns distillation's other side: a loaded model that says what it finds likely at each position of a batch. Must not know the student.
import type { ByteSource } from '../bytes/source.ts';
import { readGguf } from '../gguf/read.ts';
import type { Backend } from '../kernels/backend.ts';
import { readModelConfig } from '../model/config.ts';
import { CHUNK_OUTPUTS, Engine } from '../model/engine.ts';
import { checkTensors, loadWeights } from '../model/weights.ts';
import { type TokenizerMetadata, tokenizerMetadataOf } from './start-model.ts';
import type { Batch, TeacherTargets } from './trainer-types.ts';

/** Tokens a position that the student learns from; the rest of the probability is left out and the remainder scaled to 1. */
const CANDIDATES = 32;

/** A model that teaches. Dispose of its backend when done. */
export class Teacher {
  readonly name: string;
  readonly tokenizer: TokenizerMetadata;
  readonly contextLength: number;
  readonly #engine: Engine;

  private constructor(name: string, tokenizer: TokenizerMetadata, engine: Engine) {
    this.name = name;
    this.tokenizer = tokenizer;
    this.contextLength = engine.config.contextLength;
    this.#engine = engine;
  }

  /** Loads a teacher for sequences of up to `context` tokens. @throws what loading a model throws */
  static async open(source: ByteSource, backend: Backend, context: number): Promise<Teacher> {
    const gguf = await readGguf(source);
    const config = readModelConfig(gguf);
    checkTensors(gguf, config);
    const weights = await loadWeights(gguf, source, config, backend, {});
    const engine = new Engine(config, weights, backend, { kvFormat: 'f32', kvTokens: context });
    return new Teacher(config.name, tokenizerMetadataOf(gguf), engine);
  }

  /** The batch with what this model predicts at its positions. */
  async teach(batch: Batch, share: number, signal?: AbortSignal): Promise<Batch> {
    const k = Math.min(CANDIDATES, this.#engine.config.vocabulary);
    const rows = batch.sequences * batch.length;
    const targets: TeacherTargets = {
      k,
      tokens: new Int32Array(rows * k),
      probabilities: new Float32Array(rows * k),
      share,
    };
    for (let s = 0; s < batch.sequences; s++) await this.#sequence(batch, s * batch.length, targets, signal);
    return { ...batch, teacher: targets };
  }

  async #sequence(batch: Batch, first: number, targets: TeacherTargets, signal?: AbortSignal): Promise<void> {
    const { k } = targets;
    const { backend, config } = this.#engine;
    const sequence = this.#engine.newSequence();
    try {
      for (let from = 0; from < batch.length; from += CHUNK_OUTPUTS) {
        const count = Math.min(CHUNK_OUTPUTS, batch.length - from);
        const tokens = batch.tokens.subarray(first + from, first + from + count);
        const outputs = Array.from({ length: count }, (_, i) => i);
        await this.#engine.step(
          [{ sequence, tokens, outputs }],
          async (logits) => {
            for (let i = 0; i < count; i++) {
              const { top } = await backend.topK(logits, i * config.vocabulary, config.vocabulary, k, signal);
              const at = (first + from + i) * k;
              const likelihoods = top.map(({ logit }) => Math.exp(logit - top[0].logit));
              const sum = likelihoods.reduce((a, b) => a + b, 0);
              for (const [j, { token }] of top.entries()) {
                targets.tokens[at + j] = token;
                targets.probabilities[at + j] = likelihoods[j] / sum;
              }
            }
          },
          signal,
        );
      }
    } finally {
      sequence.dispose();
    }
  }
}
