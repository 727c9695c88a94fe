// Owns the interface between the model and whatever computes: a few buffers and operations, dispatched in order; only reading back waits.
// Must not know any concrete backend. The plain meaning of every operation is kernels/reference/; its test cases are kernels/cases.ts.
import type { KernelFormatName } from '../quant/format.ts';

/** Row-major float32 activations in a backend's memory. */
export interface Tensor {
  /** Number of float32 elements. */
  readonly length: number;
}

/** A matrix of `rows` outputs by `cols` inputs in a backend's own layout. Immutable once loaded. */
export interface Weight {
  readonly rows: number;
  readonly cols: number;
  readonly format: KernelFormatName;
  /** What one product with it must read from memory. */
  readonly sizeBytes: number;
}

/** How a backend asks for a weight's bytes: fill `target`, whole rows, from byte `offsetBytes` of the tensor. */
export type ReadWeight = (target: Uint8Array, offsetBytes: number, signal?: AbortSignal) => Promise<void>;

/** Number formats of the key/value cache. */
export type KvFormat = 'f32' | 'f16' | 'q8';

/** Tokens of one KV page: the unit in which cache memory is handed to sequences. */
export const KV_PAGE = 32;

export interface KvShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Pages of KV_PAGE tokens each. */
  readonly pages: number;
  readonly format: KvFormat;
}

/** A pool of KV pages for all layers. Which page belongs to which sequence is the caller's business. */
export interface KvPool extends KvShape {
  /** Bytes of one page over all layers, keys and values. */
  readonly pageBytes: number;
}

/**
 * The rows of one step. Each row is one token of some sequence; rows of a sequence come in ascending positions. A step may mix sequences.
 * A row's keys and values are stored at its position before any row attends, and it attends to positions 0..position of its own sequence.
 */
export interface Rows {
  readonly count: number;
  /** [count] token ids. */
  readonly tokens: Int32Array;
  /** [count] place in the sequence's cache, from 0. */
  readonly positions: Int32Array;
  /** [count] index into `pageTables`. */
  readonly sequence: Int32Array;
  /** One table a sequence: `pageTables[s][p / KV_PAGE]` is the pool page that holds position p. */
  readonly pageTables: readonly Int32Array[];
}

export interface RopeSpec {
  /** Leading elements of a head that rotate (even). */
  readonly dims: number;
  /** `half`: element i pairs with i + dims/2 (NeoX). `interleaved`: 2i pairs with 2i+1. */
  readonly pairing: 'half' | 'interleaved';
  /** [dims/2] angle a position, in radians; scaling (linear, YaRN) already applied. */
  readonly frequencies: Float32Array;
  /** Factor on cos and sin (YaRN's attention factor), else 1. */
  readonly magnitude: number;
}

/** What becomes of a gate: x · sigmoid(x), max(x, 0)², or x · sigmoid(√(8/π) · (x + 0.044715 · x³)), the usual approximation of x · Φ(x). */
export type GateActivation = 'silu' | 'relu2' | 'gelu';

/** One candidate token. */
export interface TopEntry {
  readonly token: number;
  readonly logit: number;
}

/** How a token is chosen from logits. */
export interface Sampling {
  /** Divides logits before the draw; 0 takes the likeliest. */
  readonly temperature: number;
  /** Only the k likeliest; 0 is all. */
  readonly topK: number;
  /** Of those only the likeliest that together have this probability; 1 is all. */
  readonly topP: number;
  /** Of those only tokens at least this share as likely as the likeliest; 0 is all. */
  readonly minP: number;
  /** The draw, in [0, 1): the same draw on the same logits chooses the same token. */
  readonly uniform: number;
  /** Chooses among the tokens that are left, likeliest first, in place of the draw; undefined leaves the choice to the draw. */
  readonly pick?: (kept: readonly TopEntry[]) => number | undefined;
}

/**
 * Computes. Shapes are row-major with `rows` outermost; all activations float32. Operations are dispatched in order; outputs may be read by later
 * operations at once; `out` must not overlap an input unless an operation says so. Sizes are the caller's duty: backends may assume them.
 */
export interface Backend {
  readonly name: string;
  readonly threads: number;
  /** Most bytes of weights, cache and activations together that it can ever hold. */
  readonly limitBytes: number;

  /** Float32 memory, zeroed. Throws `out-of-memory`. */
  tensor(length: number): Tensor;
  /**
   * Loads a matrix; the bytes are requested in ascending order, in whole rows, one request at a time. `gain` (default 1) multiplies all its weights. Files
   * of other formats: `loadWeight` of weight-loading.ts.
   * @throws OnebitError `bad-file` for a scale that is infinite or NaN, naming its row and block
   */
  weight(
    format: KernelFormatName,
    rows: number,
    cols: number,
    read: ReadWeight,
    signal?: AbortSignal,
    gain?: number,
  ): Promise<Weight>;
  kvPool(shape: KvShape): KvPool;
  /** Gives back memory. Weights, tensors and pools of a disposed backend need not be freed. */
  free(resource: Tensor | Weight | KvPool): void;

  /** A part of `x`, sharing its memory; not to be freed. @throws OnebitError `unsupported` where tensors have no parts (webgpu) */
  slice(x: Tensor, offset: number, length: number): Tensor;

  /** Copies host values into `target` from element `offset`. */
  write(target: Tensor, values: Float32Array, offset?: number): void;

  /**
   * Dispatches what `record` does. Its operations serve only whoever reads their results next: when that read is aborted they may be left out, and what
   * they would have written holds anything. All other operations are carried out whoever aborts.
   */
  abandonable<Result>(record: () => Result): Result;

  /** Announces the rows that the next operations work on (positions, page tables). */
  setRows(rows: Rows): void;
  /** out[r] = table[rows.tokens[r]]; out [count, cols]. */
  embed(out: Tensor, table: Weight): void;
  /** out[r] = x[r] / sqrt(mean(x[r]²) + eps) · scale for `rows` rows of `cols`; scale [cols]. `out` may be `x`. */
  rmsNorm(out: Tensor, x: Tensor, scale: Tensor, rows: number, cols: number, eps: number): void;
  /** out[r, o] = Σᵢ x[r, i] · weight[o, i] for `rows` rows. With `accumulate`, adds to out instead. */
  matmul(out: Tensor, x: Tensor, weight: Weight, rows: number, accumulate?: boolean): void;
  /** Rotates x [count, heads, headSize] in place by each row's position. */
  rope(x: Tensor, heads: number, headSize: number, rope: RopeSpec): void;
  /** Stores k and v [count, kvHeads, headSize] of `layer` at each row's position. */
  storeKv(pool: KvPool, layer: number, k: Tensor, v: Tensor): void;
  /**
   * out[r, h] = softmax(q[r, h] · Kᵀ · scale) · V over positions 0..position of the row's sequence, or with a `window` over the last so many of them;
   * q, out [count, heads, headSize].
   */
  attention(out: Tensor, q: Tensor, pool: KvPool, layer: number, heads: number, scale: number, window?: number): void;
  /** out[i] = activation(gate[i]) · up[i] for `length` elements; default silu. `out` may be `gate` or `up`. */
  gated(out: Tensor, gate: Tensor, up: Tensor, length: number, activation?: GateActivation): void;
  /** out[i] = factor · x[i] for `length` elements; with `accumulate`, adds to out instead. `out` may be `x`. */
  scale(out: Tensor, x: Tensor, length: number, factor: number, accumulate?: boolean): void;
  /** out[i] = x[indices[i]], rows of `cols`. */
  gatherRows(out: Tensor, x: Tensor, indices: Int32Array, cols: number): void;

  /** Rotates the stored keys of the given pool pages by −`delta` positions, for caches that slide: of all layers, or of one. */
  shiftKeys(pool: KvPool, pages: Int32Array, delta: number, rope: RopeSpec, layer?: number): void;
  /** Copies the contents of page `from` to page `to`. */
  copyKvPage(pool: KvPool, from: number, to: number): void;
  /** Copies KV page contents out, for saving; [layers, …] in the pool's own format. */
  readKvPage(pool: KvPool, page: number): Promise<Uint8Array>;
  writeKvPage(pool: KvPool, page: number, bytes: Uint8Array): void;

  /** Waits for everything dispatched, then gives `length` elements from `offset`. The view is valid until the next dispatch. */
  read(x: Tensor, offset: number, length: number, signal?: AbortSignal): Promise<Float32Array>;
  /** The `k` largest of `length` values from `offset`, descending, ties by the lower index, with the log of the sum of exponentials of all. */
  topK(
    x: Tensor,
    offset: number,
    length: number,
    k: number,
    signal?: AbortSignal,
  ): Promise<{ top: TopEntry[]; logSumExp: number }>;

  /**
   * The token that `sampling` chooses among `length` logits from `offset`: the candidate, in descending order, in whose share of the probability the
   * draw falls. Sums of float32 may decide for a neighbour where the draw falls within 1e-5 of a border.
   */
  sample(x: Tensor, offset: number, length: number, sampling: Sampling, signal?: AbortSignal): Promise<number>;

  /** Bytes currently allocated. */
  memoryBytes(): number;
  /** Stops threads, returns memory. Later calls throw `disposed`. */
  dispose(): Promise<void>;
}
