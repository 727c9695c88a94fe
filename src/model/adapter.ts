// Owns low-rank adapters (LoRA, arXiv 2106.09685) beside a model's weights: loading them, and adding what they add to the rows that want them. The weights stay as they
// are, so that requests with different adapters, and with none, share a step. Must not know files.
import { FastDigest } from '../core/fast-digest.ts';
import { OnebitError } from '../errors.ts';
import type { Backend, Tensor, Weight } from '../kernels/backend.ts';
import { formatByName } from '../quant/formats.ts';
import type { ModelWeights } from './weights.ts';

/** What is added to one matrix of a model [rows, cols]: b · a, scaled already. */
export interface LowRank {
  /** GGUF's name of the matrix. */
  readonly name: string;
  readonly rank: number;
  /** [rank, cols] */
  readonly a: Float32Array;
  /** [rows, rank] */
  readonly b: Float32Array;
}

/** An adapter in a backend, for one model. */
export interface Adapter {
  /** The same for the same numbers, whatever file they came from. */
  readonly digest: string;
  readonly bytes: number;
  /** By the matrix that it changes. @internal */
  readonly parts: ReadonlyMap<Weight, { readonly a: Weight; readonly b: Weight }>;
}

/** Rows [from, from + count) of a step, which want an adapter. */
export interface AdaptedRows {
  readonly adapter: Adapter;
  readonly from: number;
  readonly count: number;
}

/** Ranks are filled up with zeros to this, so that kernels work on whole vectors. */
const RANK_STEP = 8;

/**
 * Loads an adapter for the model of `weights`. Matrices inside layers can have one.
 * @throws OnebitError `bad-file` for matrices that the model has not, or of another size, and for numbers that are not finite
 */
export async function loadAdapter(
  matrices: readonly LowRank[],
  weights: ModelWeights,
  backend: Backend,
  signal?: AbortSignal,
): Promise<Adapter> {
  const targets = matrices.map((matrix) => targetOf(matrix, weights));
  const digest = new FastDigest();
  const parts = new Map<Weight, { a: Weight; b: Weight }>();
  let bytes = 0;
  try {
    for (const [i, matrix] of matrices.entries()) {
      const { name, a, b } = padded(matrix);
      digest.update(new TextEncoder().encode(name));
      const load = async (values: Float32Array, rows: number) => {
        const raw = new Uint8Array(values.length * 4);
        formatByName('f32').encode(values, raw);
        digest.update(raw);
        bytes += raw.length;
        const read = async (target: Uint8Array, offset: number) => {
          target.set(raw.subarray(offset, offset + target.length));
        };
        return backend.weight('f32', rows, values.length / rows, read, signal);
      };
      parts.set(targets[i], { a: await load(a, a.length / targets[i].cols), b: await load(b, targets[i].rows) });
    }
  } catch (error) {
    freeAdapter({ digest: '', bytes, parts }, backend);
    throw error;
  }
  return { digest: digest.hex(), bytes, parts };
}

/** Gives back its memory. Nothing may use it any more. */
export function freeAdapter({ parts }: Adapter, backend: Backend): void {
  for (const { a, b } of parts.values()) for (const weight of [a, b]) backend.free(weight);
}

function targetOf({ name, rank, a, b }: LowRank, { layers }: ModelWeights): Weight {
  const [, layer, own] = /^blk\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  const weight = layers[Number(layer)]?.[own];
  if (!weight || !('cols' in weight)) {
    throw new OnebitError(
      'bad-file',
      `adapter: '${name.slice(0, 80)}' must be a matrix of the model's layers, it has none of this name. Use the model that the adapter was trained on; adapters of embedding or head can only be merged.`,
    );
  }
  if (rank < 1 || a.length !== rank * weight.cols || b.length !== rank * weight.rows) {
    throw new OnebitError(
      'bad-file',
      `adapter: '${name}' is [${weight.rows}, ${weight.cols}] in the model, got factors of ${a.length} and ${b.length} numbers at rank ${rank}. Use the model that the adapter was trained on.`,
    );
  }
  if (![a, b].every((values) => values.every(Number.isFinite))) {
    throw new OnebitError('bad-file', `adapter: '${name}' must have finite numbers. Train or download it again.`);
  }
  return weight;
}

function padded({ name, rank, a, b }: LowRank): LowRank {
  const wide = Math.ceil(rank / RANK_STEP) * RANK_STEP;
  if (wide === rank) return { name, rank, a, b };
  const rows = b.length / rank;
  const more = { a: new Float32Array((a.length / rank) * wide), b: new Float32Array(rows * wide) };
  more.a.set(a);
  for (let row = 0; row < rows; row++) more.b.set(b.subarray(row * rank, (row + 1) * rank), row * wide);
  return { name, rank: wide, ...more };
}

/** A backend whose products add what adapters add to the rows of a step. Everything else is the backend's own. */
export class AdaptedBackend {
  /** To be used in place of the backend between `begin`s. */
  readonly backend: Backend;
  readonly #own: Backend;
  #rows: readonly AdaptedRows[] = [];
  /** For each group of a step the products with its adapter's first factor. */
  readonly #low: Tensor[] = [];

  constructor(own: Backend) {
    this.#own = own;
    const methods = new Map<string | symbol, unknown>([
      ['matmul', (...given: Parameters<Backend['matmul']>) => this.#matmul(...given)],
    ]);
    this.backend = new Proxy(own, {
      get(target, name) {
        const known = methods.get(name);
        if (known) return known;
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function') return value;
        const bound = value.bind(target);
        methods.set(name, bound);
        return bound;
      },
    });
  }

  /** Says which rows of the next step want which adapter. */
  begin(rows: readonly AdaptedRows[]): void {
    this.#rows = rows;
  }

  #matmul(out: Tensor, x: Tensor, weight: Weight, rows: number, accumulate?: boolean): void {
    this.#own.matmul(out, x, weight, rows, accumulate);
    const own = this.#own;
    const groups = this.#rows.flatMap(({ adapter, ...rows }) => {
      const part = adapter.parts.get(weight);
      return part ? [{ ...rows, ...part }] : [];
    });
    // First all that depend on x alone: threads need not wait for each other in between.
    for (const [i, { a, from, count }] of groups.entries()) {
      own.matmul(this.#lowOf(i, count * a.rows), own.slice(x, from * a.cols, count * a.cols), a, count);
    }
    for (const [i, { b, from, count }] of groups.entries()) {
      own.matmul(own.slice(out, from * b.rows, count * b.rows), this.#low[i], b, count, true);
    }
  }

  #lowOf(group: number, length: number): Tensor {
    const old = this.#low[group];
    if (old && old.length >= length) return old;
    if (old) this.#own.free(old);
    this.#low[group] = this.#own.tensor(length + (length >> 1));
    return this.#low[group];
  }
}
