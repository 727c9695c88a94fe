// Owns the plain TypeScript backend: the specification of every operation, readable before it is fast. Sums are kept in float64 and rounded once.
// Must not know other backends. Weights stay encoded as in the file and are decoded a row at a time.
import { OnebitError } from '../../errors.ts';
import { findNotFinite } from '../../quant/finite.ts';
import { formatByName } from '../../quant/formats.ts';
import type {
  Backend,
  GateActivation,
  KvPool,
  KvShape,
  ReadWeight,
  RopeSpec,
  Rows,
  Sampling,
  Tensor,
  Weight,
} from '../backend.ts';
import { KV_PAGE } from '../backend.ts';
import { rankValues } from '../ranking.ts';
import { sampleValues } from '../sampling.ts';
import { activated } from './activations.ts';
import { attend, type ReferenceKvPool, roundToKvFormat, shiftPageKeys } from './attention.ts';
import { rotateHead } from './rope.ts';

interface ReferenceTensor extends Tensor {
  readonly data: Float32Array;
}
interface ReferenceWeight extends Weight {
  readonly bytes: Uint8Array;
  readonly gain: number;
}

/** Most bytes asked of `ReadWeight` at a time. */
const READ_BYTES = 1 << 24;

/** A backend without tricks, one thread, float32 activations, weights exactly as the file says. */
export function referenceBackend(): Backend {
  return new ReferenceBackend();
}

class ReferenceBackend implements Backend {
  readonly name = 'reference';
  readonly threads = 1;
  readonly limitBytes = Number.POSITIVE_INFINITY;
  private rows: Rows | undefined;
  private allocatedBytes = 0;
  private disposed = false;

  tensor(length: number): ReferenceTensor {
    this.assertAlive();
    this.allocatedBytes += length * 4;
    return { length, data: new Float32Array(length) };
  }

  slice(x: Tensor, offset: number, length: number): ReferenceTensor {
    return { length, data: (x as ReferenceTensor).data.subarray(offset, offset + length) };
  }

  async weight(
    format: Weight['format'],
    rows: number,
    cols: number,
    read: ReadWeight,
    signal?: AbortSignal,
    gain = 1,
  ): Promise<ReferenceWeight> {
    this.assertAlive();
    const { blockSize, blockBytes } = formatByName(format);
    const sizeBytes = (rows * cols * blockBytes) / blockSize;
    const bytes = new Uint8Array(sizeBytes);
    const rowBytes = sizeBytes / rows;
    const pieceBytes = Math.max(1, Math.floor(READ_BYTES / rowBytes)) * rowBytes;
    for (let at = 0; at < sizeBytes; at += pieceBytes) {
      await read(bytes.subarray(at, Math.min(at + pieceBytes, sizeBytes)), at, signal);
    }
    const bad = blockSize > 1 ? findNotFinite(formatByName(format), bytes) : -1;
    if (bad >= 0) {
      const rowBlocks = cols / blockSize;
      throw new OnebitError(
        'bad-file',
        `weight: scales must be finite, got infinity or NaN in row ${Math.floor(bad / rowBlocks)}, block ${bad % rowBlocks}. The file is damaged: download it again.`,
      );
    }
    this.allocatedBytes += sizeBytes;
    return { rows, cols, format, sizeBytes, bytes, gain };
  }

  kvPool(shape: KvShape): ReferenceKvPool {
    this.assertAlive();
    const pool = makeKvPool(shape);
    this.allocatedBytes += pool.data.byteLength;
    return pool;
  }

  free(resource: Tensor | Weight | KvPool): void {
    const bytes = 'data' in resource ? (resource as ReferenceTensor).data.byteLength : (resource as Weight).sizeBytes;
    this.allocatedBytes -= bytes;
  }

  write(target: Tensor, values: Float32Array, offset = 0): void {
    dataOf(target).set(values, offset);
  }

  abandonable<Result>(record: () => Result): Result {
    return record();
  }

  setRows(rows: Rows): void {
    this.rows = rows;
  }

  embed(out: Tensor, table: Weight): void {
    const { tokens, count } = this.currentRows();
    const target = dataOf(out);
    for (let r = 0; r < count; r++) {
      decodeRow(table as ReferenceWeight, tokens[r], target.subarray(r * table.cols, (r + 1) * table.cols));
    }
  }

  rmsNorm(out: Tensor, x: Tensor, scale: Tensor, rows: number, cols: number, eps: number): void {
    const source = dataOf(x);
    const target = dataOf(out);
    const factors = dataOf(scale);
    for (let r = 0; r < rows; r++) {
      let squares = 0;
      for (let i = 0; i < cols; i++) squares += source[r * cols + i] * source[r * cols + i];
      const inverse = 1 / Math.sqrt(squares / cols + eps);
      for (let i = 0; i < cols; i++) target[r * cols + i] = source[r * cols + i] * inverse * factors[i];
    }
  }

  matmul(out: Tensor, x: Tensor, weight: Weight, rows: number, accumulate = false): void {
    const source = dataOf(x);
    const target = dataOf(out);
    const { cols } = weight;
    const weightRow = new Float32Array(cols);
    for (let o = 0; o < weight.rows; o++) {
      decodeRow(weight as ReferenceWeight, o, weightRow);
      for (let r = 0; r < rows; r++) {
        let sum = 0;
        for (let i = 0; i < cols; i++) sum += source[r * cols + i] * weightRow[i];
        const at = r * weight.rows + o;
        target[at] = accumulate ? target[at] + sum : sum;
      }
    }
  }

  rope(x: Tensor, heads: number, headSize: number, rope: RopeSpec): void {
    const { count, positions } = this.currentRows();
    const data = dataOf(x);
    for (let r = 0; r < count; r++) {
      for (let h = 0; h < heads; h++) {
        const start = (r * heads + h) * headSize;
        rotateHead(data.subarray(start, start + headSize), positions[r], rope);
      }
    }
  }

  storeKv(pool: KvPool, layer: number, k: Tensor, v: Tensor): void {
    const rows = this.currentRows();
    const { data, vectorAt } = pool as ReferenceKvPool;
    const { headSize, kvHeads, format } = pool;
    for (let r = 0; r < rows.count; r++) {
      const pages = rows.pageTables[rows.sequence[r]];
      for (let h = 0; h < kvHeads; h++) {
        const from = (r * kvHeads + h) * headSize;
        for (const [part, source] of [dataOf(k), dataOf(v)].entries()) {
          const at = vectorAt(layer, part, pages, rows.positions[r], h);
          data.set(source.subarray(from, from + headSize), at);
          roundToKvFormat(data.subarray(at, at + headSize), format);
        }
      }
    }
  }

  attention(out: Tensor, q: Tensor, pool: KvPool, layer: number, heads: number, scale: number, window?: number): void {
    attend(dataOf(out), dataOf(q), pool as ReferenceKvPool, layer, heads, scale, this.currentRows(), window);
  }

  gated(out: Tensor, gate: Tensor, up: Tensor, length: number, activation: GateActivation = 'silu'): void {
    const [target, g, u] = [dataOf(out), dataOf(gate), dataOf(up)];
    for (let i = 0; i < length; i++) target[i] = activated(g[i], activation).value * u[i];
  }

  scale(out: Tensor, x: Tensor, length: number, factor: number, accumulate = false): void {
    const [target, source] = [dataOf(out), dataOf(x)];
    for (let i = 0; i < length; i++) target[i] = factor * source[i] + (accumulate ? target[i] : 0);
  }

  gatherRows(out: Tensor, x: Tensor, indices: Int32Array, cols: number): void {
    const [target, source] = [dataOf(out), dataOf(x)];
    for (let i = 0; i < indices.length; i++) {
      target.set(source.subarray(indices[i] * cols, (indices[i] + 1) * cols), i * cols);
    }
  }

  shiftKeys(pool: KvPool, pages: Int32Array, delta: number, rope: RopeSpec, layer?: number): void {
    for (const page of pages) shiftPageKeys(pool as ReferenceKvPool, page, delta, rope, layer);
  }

  copyKvPage(pool: KvPool, from: number, to: number): void {
    const { data, pageElements } = pool as ReferenceKvPool;
    data.copyWithin(to * pageElements, from * pageElements, (from + 1) * pageElements);
  }

  async readKvPage(pool: KvPool, page: number): Promise<Uint8Array> {
    const { data, pageElements } = pool as ReferenceKvPool;
    return new Uint8Array(data.slice(page * pageElements, (page + 1) * pageElements).buffer);
  }

  writeKvPage(pool: KvPool, page: number, bytes: Uint8Array): void {
    const { data, pageElements } = pool as ReferenceKvPool;
    data.set(new Float32Array(bytes.slice().buffer), page * pageElements);
  }

  async read(x: Tensor, offset: number, length: number, signal?: AbortSignal): Promise<Float32Array> {
    this.assertAlive();
    signal?.throwIfAborted();
    return dataOf(x).subarray(offset, offset + length);
  }

  async topK(x: Tensor, offset: number, length: number, k: number, signal?: AbortSignal) {
    const values = await this.read(x, offset, length, signal);
    return rankValues(values, k);
  }

  async sample(x: Tensor, offset: number, length: number, sampling: Sampling, signal?: AbortSignal): Promise<number> {
    return sampleValues(await this.read(x, offset, length, signal), sampling);
  }

  memoryBytes(): number {
    return this.allocatedBytes;
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    this.rows = undefined;
    this.allocatedBytes = 0;
  }

  private currentRows(): Rows {
    if (!this.rows) throw new OnebitError('bad-argument', 'reference: setRows must come before operations on rows.');
    return this.rows;
  }

  private assertAlive(): void {
    if (this.disposed) throw new OnebitError('disposed', 'reference: the backend was disposed. Load the model again.');
  }
}

function dataOf(tensor: Tensor): Float32Array {
  return (tensor as ReferenceTensor).data;
}

/** Decodes row `row` of `weight` into `out` [cols]. */
function decodeRow(weight: ReferenceWeight, row: number, out: Float32Array): void {
  const rowBytes = weight.sizeBytes / weight.rows;
  formatByName(weight.format).decode(weight.bytes.subarray(row * rowBytes, (row + 1) * rowBytes), out);
  if (weight.gain !== 1) for (let i = 0; i < out.length; i++) out[i] *= weight.gain;
}

function makeKvPool(shape: KvShape): ReferenceKvPool {
  const layerElements = 2 * KV_PAGE * shape.kvHeads * shape.headSize;
  const pageElements = shape.layers * layerElements;
  return {
    ...shape,
    pageElements,
    pageBytes: pageElements * 4,
    data: new Float32Array(shape.pages * pageElements),
    vectorAt(layer, part, pageTable, position, kvHead) {
      const page = pageTable[Math.floor(position / KV_PAGE)];
      const token = (part * KV_PAGE + (position % KV_PAGE)) * shape.kvHeads;
      return page * pageElements + layer * layerElements + (token + kvHead) * shape.headSize;
    },
  };
}
