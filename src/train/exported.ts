// Owns running a model in training as its file will be run: the exported tensors in the inference engine's forward pass, so that what training measures
// is, to the bit, what users get. Must not know updates.
import { memorySource } from '../bytes/memory-source.ts';
import { readGguf } from '../gguf/read.ts';
import { writeGguf } from '../gguf/write.ts';
import { type Backend, KV_PAGE, type KvPool } from '../kernels/backend.ts';
import { readModelConfig } from '../model/config.ts';
import { Forward } from '../model/forward.ts';
import { loadWeights } from '../model/weights.ts';
import type { Batch, EvaluationResult, ExportedModel } from './trainer-types.ts';

/** Logits that exist at a time: 16 MB. */
const CHUNK_LOGITS = 1 << 22;
const MOST_ROWS = 256;

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
  readonly #backend: Backend;
  readonly #forward: Forward;
  readonly #pool: KvPool;

  private constructor(backend: Backend, forward: Forward, pool: KvPool) {
    this.#backend = backend;
    this.#forward = forward;
    this.#pool = pool;
  }

  /** Takes over `backend`. @throws what loading a model throws */
  static async open(exported: ExportedModel, backend: Backend): Promise<ExportedRun> {
    try {
      const source = memorySource(await exportedFile(exported));
      const gguf = await readGguf(source);
      const config = readModelConfig(gguf);
      const weights = await loadWeights(gguf, source, config, backend, {});
      const rows = Math.max(1, Math.min(MOST_ROWS, Math.floor(CHUNK_LOGITS / config.vocabulary)));
      const { layers, kvHeads, headSize, contextLength } = config;
      // As models are loaded unless told otherwise.
      const pool = backend.kvPool({
        layers,
        kvHeads,
        headSize,
        pages: Math.ceil(contextLength / KV_PAGE),
        format: 'f16',
      });
      return new ExportedRun(backend, new Forward(config, weights, backend, rows, rows), pool);
    } catch (error) {
      await backend.dispose();
      throw error;
    }
  }

  /** Logits [rows, vocabulary] of a batch's tokens. */
  async logits(batch: Pick<Batch, 'sequences' | 'length' | 'tokens'>, signal?: AbortSignal): Promise<Float32Array> {
    const { vocabulary } = this.#forward.config;
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
    const losses = new Float32Array(weights.length);
    for (let s = 0; s < batch.sequences; s++) {
      const first = s * batch.length;
      const used = 1 + weights.subarray(first, first + batch.length).findLastIndex((weight) => weight > 0);
      await this.#sequence(batch.tokens.subarray(first, first + used), signal, (at, logits) => {
        this.#crossEntropies(losses, logits, first + at, batch.targets, weights);
      });
    }
    const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
    return { lossSum: sum(losses), weightSum: sum(weights), losses };
  }

  async dispose(): Promise<void> {
    await this.#backend.dispose();
  }

  /** Runs one sequence from its start and hands over the logits [count, vocabulary] of the tokens from `at` on. */
  async #sequence(
    tokens: Int32Array,
    signal: AbortSignal | undefined,
    use: (at: number, logits: Float32Array) => void,
  ): Promise<void> {
    const { maxRows, config } = this.#forward;
    for (let at = 0; at < tokens.length; at += maxRows) {
      const count = Math.min(maxRows, tokens.length - at);
      const indices = Int32Array.from({ length: count }, (_, i) => i);
      const rows = {
        count,
        tokens: tokens.subarray(at, at + count),
        positions: indices.map((i) => at + i),
        sequence: new Int32Array(count),
        pageTables: [Int32Array.from({ length: Math.ceil((at + count) / KV_PAGE) }, (_, i) => i)],
      };
      const logits = this.#forward.step(rows, this.#pool, indices);
      use(at, await this.#backend.read(logits, 0, count * config.vocabulary, signal));
    }
  }

  #crossEntropies(
    losses: Float32Array,
    logits: Float32Array,
    first: number,
    targets: Int32Array,
    weights: Float32Array,
  ): void {
    const { vocabulary } = this.#forward.config;
    for (let r = 0; r * vocabulary < logits.length; r++) {
      const weight = weights[first + r];
      if (weight === 0) continue;
      const row = logits.subarray(r * vocabulary, (r + 1) * vocabulary);
      const largest = row.reduce((a, b) => Math.max(a, b));
      let sum = 0;
      for (const logit of row) sum += Math.exp(logit - largest);
      losses[first + r] = weight * (largest + Math.log(sum) - row[targets[first + r]]);
    }
  }
}
