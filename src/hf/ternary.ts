// Owns matrices as Transformers' quantisation `bitnet` packs them: a byte holds four ternary weights, of four rows a quarter of the matrix apart. Must not know
// folders. Source: Transformers' integrations/bitnet.py: code − 1 in bits 2i of row r is the weight of row i · rows / 4 + r.
import { floatToHalf, halfToFloat } from '../core/half.ts';
import { OnebitError } from '../errors.ts';
import { type FormatName, formatByName } from '../quant/formats.ts';
import type { SafeTensor } from './safetensors.ts';
import type { VirtualTensor } from './virtual-tensor.ts';

/** Rows that one row of bytes holds. */
export const ROWS_A_BYTE = 4;

interface Packed {
  readonly tensor: SafeTensor;
  /** On all weights. */
  readonly factor: number;
  /** Which row of the folder each row of GGUF is; absent: the same. */
  readonly order?: Int32Array;
}

/**
 * The tensors of GGUF: the matrix, in two bits where its factor can be kept, beside it (`scales`) or as fp16 in its blocks; else as float32.
 * @param ours GGUF's name without `.weight`
 * @throws OnebitError `bad-file` for factors and shapes that cannot be
 */
export function ternaryTensors(ours: string, { tensor, factor, order }: Packed, scales: boolean): VirtualTensor[] {
  const [packedRows, cols] = tensor.shape;
  if (tensor.shape.length !== 2 || !Number.isFinite(factor) || factor <= 0) {
    throw new OnebitError(
      'bad-file',
      `load: '${tensor.name.slice(0, 80)}' [${tensor.shape}] must be a matrix with a factor above 0, got ${factor}. Get the model again.`,
    );
  }
  const blocks: FormatName = cols % 128 === 0 ? 'q2_0-128' : 'q2_0';
  const inBlocks = cols % 64 === 0 && (scales || halfToFloat(floatToHalf(factor)) === factor);
  const format = formatByName(inBlocks ? blocks : 'f32');
  const scale = scales && inBlocks ? 1 : factor;
  const matrix: VirtualTensor = {
    name: `${ours}.weight`,
    shape: [cols, ROWS_A_BYTE * packedRows],
    format: format.name,
    async rows(from, to, signal) {
      const values = new Float32Array((to - from) * cols);
      let bytes = new Uint8Array(0);
      let read = { from: 0, to: 0 };
      for (let row = from; row < to; row++) {
        const wanted = order ? order[row] : row;
        const at = wanted % packedRows;
        if (at < read.from || at >= read.to) {
          // Rows follow each other up to the end of a quarter, or within a head.
          read = { from: at, to: order ? at + 1 : Math.min(packedRows, at + to - row) };
          bytes = new Uint8Array((read.to - read.from) * cols);
          await tensor.source.readInto(bytes, tensor.offsetBytes + read.from * cols, signal);
        }
        const shift = 2 * Math.floor(wanted / packedRows);
        const start = (at - read.from) * cols;
        const target = values.subarray((row - from) * cols, (row - from + 1) * cols);
        for (let col = 0; col < cols; col++) {
          const code = (bytes[start + col] >> shift) & 3;
          if (code === 3) throw badCode(tensor.name, row, col);
          target[col] = (code - 1) * scale;
        }
      }
      const out = new Uint8Array((values.length / format.blockSize) * format.blockBytes);
      format.encode(values, out);
      return out;
    },
  };
  if (!scales || !inBlocks) return [matrix];
  const value = new Uint8Array(4);
  new DataView(value.buffer).setFloat32(0, factor, true);
  return [matrix, { name: `${ours}.scale`, shape: [1], format: 'f32', rows: async () => value.slice() }];
}

function badCode(name: string, row: number, col: number): OnebitError {
  return new OnebitError(
    'bad-file',
    `load: '${name.slice(0, 80)}' must have codes 0 to 2, got 3 in row ${row}, column ${col}. Get the model again.`,
  );
}
