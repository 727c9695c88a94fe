// Owns running a model in training as its file will be run: the exported tensors in the inference engine, so that what training measures is, to the
// bit, what users get. Must not know updates.
import { memorySource } from '../bytes/memory-source.ts';
import { writeGguf } from '../gguf/write.ts';
import { scaled } from '../hf/adapter.ts';
import type { Backend, Tensor } from '../kernels/backend.ts';
import { logSumExp } from '../kernels/ranking.ts';
import type { Engine } from '../model/engine.ts';
import { type Continuation, continueSequence, openEngine, runSequence } from './engine-run.ts';
import type { Batch, EvaluationResult, ExportedModel } from './trainer-types.ts';

/** The bytes of a GGUF file. */
export async function exportedFile({ metadata, tensors }: ExportedModel): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await writeGguf({ metadata, tensors }, (bytes) => {
    parts.push(bytes.slice());
  });
  const file = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/** An exported model on a backend of its own. */
export class ExportedRun {
  readonly #engine: Engine;

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Takes over `backend`. @throws what loading a model throws */
  static async open(exported: ExportedModel, backend: Backend): Promise<ExportedRun> {
    try {
      // The cache as models are loaded unless told otherwise.
      const { engine } = await openEngine(memorySource(await exportedFile(exported)), backend, { format: 'f16' });
      if (exported.adapter) engine.defaultAdapter = await engine.loadAdapter(exported.adapter.map(scaled));
      return new ExportedRun(engine);
    } catch (error) {
      await backend.dispose();
      throw error;
    }
  }

  /** Logits [rows, vocabulary] of a batch's tokens. */
  async logits(batch: Pick<Batch, 'sequences' | 'length' | 'tokens'>, signal?: AbortSignal): Promise<Float32Array> {
    const { vocabulary } = this.#engine.config;
    const all = new Float32Array(batch.sequences * batch.length * vocabulary);
    for (let s = 0; s < batch.sequences; s++) {
      const first = s * batch.length;
      await this.#sequence(batch.tokens.subarray(first, first + batch.length), signal, (at, logits) => {
        all.set(logits, (first + at) * vocabulary);
      });
    }
    return all;
  }

  /** Cross entropy of a batch's targets. @param weights [rows] of each position's loss */
  async evaluate(batch: Batch, weights: Float32Array, signal?: AbortSignal): Promise<EvaluationResult> {
    const { vocabulary } = this.#engine.config;
    const losses = new Float32Array(weights.length);
    for (let s = 0; s < batch.sequences; s++) {
      const first = s * batch.length;
      const used = 1 + weights.subarray(first, first + batch.length).findLastIndex((weight) => weight > 0);
      await this.#sequence(batch.tokens.subarray(first, first + used), signal, (at, logits) => {
        for (let r = 0; r * vocabulary < logits.length; r++) {
          const position = first + at + r;
          if (weights[position] === 0) continue;
          const row = logits.subarray(r * vocabulary, (r + 1) * vocabulary);
          losses[position] = weights[position] * (logSumExp(row) - row[batch.targets[position]]);
        }
      });
    }
    const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
    return { lossSum: sum(losses), weightSum: sum(weights), losses };
  }

  /** The likeliest tokens after `tokens`. */
  goOn(tokens: Int32Array, how: Continuation, signal?: AbortSignal): Promise<number[]> {
    return continueSequence(this.#engine, tokens, how, signal);
  }

  async dispose(): Promise<void> {
    await this.#engine.backend.dispose();
  }

  async #sequence(
    tokens: Int32Array,
    signal: AbortSignal | undefined,
    use: (at: number, logits: Float32Array) => void,
  ): Promise<void> {
    const { backend, config } = this.#engine;
    const read = async (logits: Tensor, at: number, count: number) => {
      use(at, await backend.read(logits, 0, count * config.vocabulary, signal));
    };
    await runSequence(this.#engine, tokens, read, signal);
  }
}
