// Owns a matrix of ±d, or of −d, 0, d, 2d, as MLX's quantisation holds it: words of codes, a scale and a bias for each group. Nothing is rounded. Must not know
// where files lie. Source: https://ml-explore.github.io/mlx: words of 32 bits, the first code in the lowest bits, weight = scale · code + bias.
import type { ByteSource } from '../bytes/source.ts';
import { floatToHalf, halfTable } from '../core/half.ts';
import { OnebitError } from '../errors.ts';
import { refuseNotFinite } from '../gguf/convert.ts';
import type { Gguf, TensorInfo } from '../gguf/types.ts';
import type { SafeTensorToWrite } from './safetensors.ts';

/** MLX's way to hold a format of ours: its codes are the same bits. */
interface MlxForm {
  readonly bits: 1 | 2;
  readonly groupSize: 64 | 128;
  readonly blockBytes: number;
}

const FORMS: Readonly<Record<string, MlxForm>> = {
  q1_0: { bits: 1, groupSize: 128, blockBytes: 18 },
  q2_0: { bits: 2, groupSize: 64, blockBytes: 18 },
  'q2_0-128': { bits: 2, groupSize: 128, blockBytes: 34 },
  pq2_0: { bits: 2, groupSize: 128, blockBytes: 34 },
};
/** Rows written at once. */
const PIECE_BYTES = 1 << 20;

/** The one form that all matrices of a model have. @throws OnebitError `unsupported` where they have others */
export function mlxForm(gguf: Gguf): MlxForm {
  const matrices = [...gguf.tensors.values()].filter(({ shape }) => shape.length > 1);
  const form = FORMS[matrices[0]?.format];
  const odd = matrices.find(
    ({ format }) => !form || FORMS[format]?.bits !== form.bits || FORMS[format].groupSize !== form.groupSize,
  );
  if (form && !odd) return form;
  const { name, format } = odd ?? { name: 'none', format: 'none' };
  throw new OnebitError(
    'unsupported',
    `convert: MLX holds matrices of q1_0, or all of q2_0, q2_0-128 or pq2_0; '${name}' is ${format}. Convert to one of these first: --type q1_0.`,
  );
}

/** The three tensors that MLX holds a matrix as. @param order which row of ours each of its rows is; absent: the same */
export function mlxTensors(
  tensor: TensorInfo,
  base: string,
  form: MlxForm,
  source: ByteSource,
  order?: Int32Array,
  signal?: AbortSignal,
): SafeTensorToWrite[] {
  const [cols, rows] = tensor.shape;
  const groups = cols / form.groupSize;
  const rowBytes = groups * form.blockBytes;
  const codeBytes = form.blockBytes - 2;
  /** The scales of all rows, from when the codes are written until the biases are. */
  let scales = new Uint16Array(0);
  const produceCodes = async (append: (bytes: Uint8Array) => Promise<void>) => {
    scales = new Uint16Array(rows * groups);
    const step = order ? 1 : Math.min(rows, Math.max(1, Math.floor(PIECE_BYTES / rowBytes)));
    // Two in turn: one piece may still be written while the next is made.
    const rooms = [0, 1].map(() => ({
      blocks: new Uint16Array((step * rowBytes) / 2),
      codes: new Uint16Array((step * groups * codeBytes) / 2),
    }));
    for (let row = 0, turn = 0; row < rows; row += step, turn ^= 1) {
      const count = Math.min(step, rows - row);
      const { blocks, codes } = rooms[turn];
      const bytes = new Uint8Array(blocks.buffer, 0, count * rowBytes);
      await source.readInto(bytes, tensor.offsetBytes + (order?.[row] ?? row) * rowBytes, signal);
      refuseNotFinite(tensor, bytes);
      let [at, to] = [0, 0];
      for (let block = row * groups; block < (row + count) * groups; block++) {
        scales[block] = blocks[at++];
        for (let i = 0; i < codeBytes; i += 2) codes[to++] = blocks[at++];
      }
      await append(new Uint8Array(codes.buffer, 0, count * groups * codeBytes));
    }
  };
  const times = (factor: number) => async (append: (bytes: Uint8Array) => Promise<void>) => {
    const table = timesInHalves(factor);
    const out = new Uint16Array(scales.length);
    let largest = 0;
    for (let i = 0; i < out.length; i++) {
      out[i] = table[scales[i]];
      largest = Math.max(largest, out[i] & 0x7fff);
    }
    if (largest === 0x7c00) {
      throw new OnebitError('unsupported', `convert: '${tensor.name}' has a scale that is too large for MLX's fp16.`);
    }
    if (factor < 0) scales = new Uint16Array(0);
    await append(new Uint8Array(out.buffer));
  };
  return [
    {
      name: `${base}.weight`,
      type: 'U32',
      shape: [rows, (cols * form.bits) / 32],
      produce: produceCodes,
    },
    // Codes 0 and 1 are −d and d; codes 0 to 3 are −d to 2d.
    { name: `${base}.scales`, type: 'F16', shape: [rows, groups], produce: times(form.bits === 1 ? 2 : 1) },
    { name: `${base}.biases`, type: 'F16', shape: [rows, groups], produce: times(-1) },
  ];
}

/** Of every fp16 the one that is `factor` times as large. */
function timesInHalves(factor: number): Uint16Array {
  let result = products.get(factor);
  if (!result) {
    const values = halfTable();
    result = Uint16Array.from({ length: values.length }, (_, bits) => floatToHalf(factor * values[bits]));
    products.set(factor, result);
  }
  return result;
}
const products = new Map<number, Uint16Array>();
