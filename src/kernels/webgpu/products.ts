// Owns which kernel a product goes through, its dispatches, and activations rounded to int8. What kernels compute: wgsl/products.ts, wgsl/int8.ts.
import type { GpuFeatures } from './features.ts';
import { bits, type Memory, spread } from './pipelines.ts';
import type { Moved, Recorder } from './recorder.ts';
import type { GpuWeight, WeightPart } from './weights.ts';
import {
  hasInt8Products,
  INT8_BLOCK,
  INT8_GROUP_ROWS,
  INT8_UNIT,
  int8Words,
  matmulInt8Kernel,
  matvecInt8Kernel,
  roundKernel,
} from './wgsl/int8.ts';
import { embedKernel, matmulKernel, matvecKernel, TILE } from './wgsl/products.ts';
import { weightShader } from './wgsl/weights.ts';

/** Rows up to which products go a row at a time: a tile would be mostly empty. */
const MATVEC_ROWS = 4;

export class Products {
  readonly #recorder: Recorder;
  readonly #features: GpuFeatures;
  readonly #roundActivations: boolean;
  /** Activations rounded last: where they lie, and what of. */
  #rounded: Memory | undefined;
  #roundedOf = '';

  constructor(recorder: Recorder, features: GpuFeatures, roundActivations: boolean) {
    this.#recorder = recorder;
    this.#features = features;
    this.#roundActivations = roundActivations;
  }

  /** out[r, o] = Σᵢ x[r, i] · weight[o, i], or added to it. */
  matmul(out: Memory, x: Memory, weight: GpuWeight, rows: number, accumulate: boolean): void {
    const { format, cols, parts } = weight;
    const int8 = this.#roundActivations && hasInt8Products(format);
    const single = rows <= MATVEC_ROWS;
    const { subgroups } = this.#features;
    const from = int8 ? this.#round(x, rows, cols) : x;
    const inputBytes = 4 * rows * (int8 ? int8Words(cols) : cols);
    const unit = int8 ? INT8_UNIT : weightShader(format, cols).unit;
    const groupRows = !single ? TILE : int8 ? INT8_GROUP_ROWS : weightShader(format, cols).groupRows;
    const tokens = single ? rows : Math.ceil(rows / TILE);
    const vector = int8 ? matvecInt8Kernel(format, subgroups) : matvecKernel(format, cols, subgroups);
    const kernel = single ? vector : int8 ? matmulInt8Kernel(format) : matmulKernel(format, cols);
    for (const part of parts) {
      const rowGroups = Math.ceil(part.rows / groupRows);
      const weights = (part.rows * weight.sizeBytes) / weight.rows;
      const moved: Moved = {
        weights,
        other: inputBytes + 4 * rows * (accumulate ? 2 : 1) * part.rows,
        again: inputBytes * (rowGroups - 1) + weights * (tokens - 1),
      };
      const params = weightParams(weight, part, unit, rows, accumulate, 0);
      this.#recorder.dispatch(kernel, [out, from, part.memory], params, [tokens, ...spread(rowGroups)], moved);
    }
  }

  /** out[r] = row tokens[r] of the weight; `tokensAt` gives the word of the host data at which they begin, good for the next dispatch. */
  embed(out: Memory, weight: GpuWeight, tokens: Int32Array, tokensAt: () => number): void {
    const { format, cols } = weight;
    const kernel = embedKernel(format, cols);
    const { unit } = weightShader(format, cols);
    const groups = [Math.ceil(cols / 256), tokens.length] as const;
    for (const part of weight.parts) {
      const params = weightParams(weight, part, unit, tokens.length, false, tokensAt());
      const behind = part.firstRow + part.rows;
      const here = tokens.reduce((sum, token) => sum + (token >= part.firstRow && token < behind ? 1 : 0), 0);
      const moved: Moved = {
        weights: (here * weight.sizeBytes) / weight.rows,
        other: 4 * (here * cols + tokens.length),
        again: 4 * tokens.length * (groups[0] - 1),
      };
      this.#recorder.dispatch(kernel, [out, this.#recorder.hostMemory, part.memory], params, groups, moved);
    }
  }

  /** `x` [rows, cols] rounded to int8; what was rounded last is used again, as queries, keys and values do. */
  #round(x: Memory, rows: number, cols: number): Memory {
    const words = rows * int8Words(cols);
    if (!this.#rounded || this.#rounded.byteLength < 4 * words) {
      if (this.#rounded) this.#recorder.release(this.#rounded);
      this.#rounded = this.#recorder.allocate(2 ** Math.ceil(Math.log2(4 * words)), 'activations as int8');
      this.#roundedOf = '';
    }
    const of = `${x.id} ${x.writes} ${rows} ${cols}`;
    if (of !== this.#roundedOf) {
      const blocks = (rows * cols) / INT8_BLOCK;
      const groups = spread(Math.ceil(blocks / 64));
      const moved = { other: 4 * (rows * cols + words) };
      this.#recorder.dispatch(roundKernel, [this.#rounded, x], [blocks, cols / INT8_BLOCK], groups, moved);
      this.#roundedOf = of;
    }
    return this.#rounded;
  }
}

/** The struct Params of wgsl/weights.ts. */
function weightParams(
  { rows, cols, gain }: GpuWeight,
  part: WeightPart,
  unit: number,
  tokens: number,
  accumulate: boolean,
  tokensAt: number,
): number[] {
  const [cols4, units] = [Math.ceil(cols / 4), Math.ceil(cols / unit)];
  const sizes = [part.rows, part.firstRow, rows, cols, cols4, units, part.scales, tokens];
  return [...sizes, accumulate ? 1 : 0, tokensAt, bits(gain)];
}
