// Owns which tensor of a model's folder becomes which of GGUF, in which format, and how its rows are read. Must not know where files lie.
// MLX's quantisation: https://ml-explore.github.io/mlx: words of 32 bits, the first code in the lowest bits, weight = scale · code + bias for each group.
import { floatToHalf } from '../core/half.ts';
import { OnebitError } from '../errors.ts';
import { type Format, type FormatName, formatByName } from '../quant/formats.ts';
import type { Family, ReadConfig } from './config.ts';
import type { SafeTensor } from './safetensors.ts';
import { ROWS_A_BYTE, ternaryTensors } from './ternary.ts';
import type { VirtualTensor } from './virtual-tensor.ts';

/** Names of the tensors of a layer, and outside of layers. */
const NAMES: readonly (readonly [hf: string, gguf: string])[] = [
  ['model.embed_tokens', 'token_embd'],
  ['model.norm', 'output_norm'],
  ['lm_head', 'output'],
  ['model.layers.#.input_layernorm', 'blk.#.attn_norm'],
  ['model.layers.#.self_attn.q_proj', 'blk.#.attn_q'],
  ['model.layers.#.self_attn.k_proj', 'blk.#.attn_k'],
  ['model.layers.#.self_attn.v_proj', 'blk.#.attn_v'],
  ['model.layers.#.self_attn.q_norm', 'blk.#.attn_q_norm'],
  ['model.layers.#.self_attn.k_norm', 'blk.#.attn_k_norm'],
  ['model.layers.#.self_attn.o_proj', 'blk.#.attn_output'],
  ['model.layers.#.self_attn.attn_sub_norm', 'blk.#.attn_sub_norm'],
  ['model.layers.#.mlp.ffn_sub_norm', 'blk.#.ffn_sub_norm'],
  ['model.layers.#.post_attention_layernorm', 'blk.#.ffn_norm'],
  ['model.layers.#.mlp.gate_proj', 'blk.#.ffn_gate'],
  ['model.layers.#.mlp.up_proj', 'blk.#.ffn_up'],
  ['model.layers.#.mlp.down_proj', 'blk.#.ffn_down'],
];
/** Our names of the types that are numbers. */
export const FORMATS: Readonly<Record<string, FormatName>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };
/** Tables that are computed anew. */
const IGNORED = /\.rotary_emb\.inv_freq$/;

/** GGUF's name, without '.weight', of a tensor of a folder, and the other way round; undefined where there is none. */
export function renamed(name: string, to: 'gguf' | 'hf', own: Family['names'] = []): string | undefined {
  const layer = /(?<=\.)\d+(?=\.)/.exec(name)?.[0] ?? '#';
  const pattern = name.replace(/(?<=\.)\d+(?=\.)/, '#');
  const row = [...own, ...NAMES].find(([hf, gguf]) => (to === 'gguf' ? hf : gguf) === pattern);
  return row?.[to === 'gguf' ? 1 : 0].replace('#', layer);
}

/**
 * The tensors of GGUF that a folder's tensors are.
 * @throws OnebitError `unsupported` with every tensor that is none, `bad-file` for shapes that cannot be
 */
export async function virtualTensors(
  tensors: readonly SafeTensor[],
  config: ReadConfig,
  name: string,
  signal?: AbortSignal,
): Promise<VirtualTensor[]> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const problems: string[] = [];
  const result: VirtualTensor[] = [];
  for (const tensor of tensors) {
    if (IGNORED.test(tensor.name) || /\.(scales|biases|weight_scale)$/.test(tensor.name)) continue;
    if (tensor.sizeBytes === 0 || tensor.shape.length === 0) {
      throw new OnebitError(
        'bad-file',
        `load ${name}: tensor '${tensor.name.slice(0, 80)}' must have rows and columns, got [${tensor.shape}]. Get the model again.`,
      );
    }
    const [, base = '', part] = /^(.+)\.(weight|bias)$/.exec(tensor.name) ?? [];
    const ours = renamed(base, 'gguf', config.family.names);
    // A tied head is sometimes stored a second time.
    if (ours === 'output' && config.tiedHead) continue;
    const isBias = part === 'bias';
    if (!ours || (isBias && !(config.family.biases && /\.attn_[qkv]$/.test(ours) && tensor.shape.length === 1))) {
      problems.push(`'${tensor.name.slice(0, 80)}' is not known`);
      continue;
    }
    const heads = ours.endsWith('.attn_q') ? config.heads : ours.endsWith('.attn_k') ? config.kvHeads : 0;
    const rows = tensor.shape[0] * (tensor.type === 'U8' ? ROWS_A_BYTE : 1);
    const order = config.family.permuted && heads > 0 ? rotationOrder(rows, heads) : undefined;
    const format = FORMATS[tensor.type];
    const { normShift: shift = 0 } = config.family;
    if (format && tensor.shape.length === 1) {
      const factor = ours.endsWith('.attn_q_norm') ? config.queryFactor : 1;
      result.push(numbered(`${ours}.${part}`, tensor, isBias ? { shift: 0, factor: 1 } : { shift, factor }));
    } else if (format) result.push(plain(`${ours}.weight`, tensor, format, order));
    else if (tensor.type === 'U32' && config.quantization) {
      const scales = byName.get(`${base}.scales`);
      const biases = byName.get(`${base}.biases`);
      if (!scales || !biases) problems.push(`'${tensor.name.slice(0, 80)}' has no scales and biases`);
      else
        result.push(
          await quantized(`${ours}.weight`, { tensor, scales, biases }, config.quantization, order, name, signal),
        );
    } else if (tensor.type === 'U8' && config.ternary) {
      const scale = byName.get(`${base}.weight_scale`);
      if (scale) {
        const [value] = await numbers(scale, signal);
        const factor = Math.fround(config.ternary.divides ? 1 / value : value);
        result.push(...ternaryTensors(ours, { tensor, factor, order }, config.family.scales === true));
      } else problems.push(`'${tensor.name.slice(0, 80)}' has no weight_scale`);
    } else problems.push(`'${tensor.name.slice(0, 80)}' holds ${tensor.type}, F32, F16, BF16 or MLX's words are read`);
  }
  if (config.needsHead && !result.some((tensor) => tensor.name === 'output.weight'))
    problems.push("'lm_head.weight' is missing, and tie_word_embeddings is false");
  if (problems.length > 0) {
    throw new OnebitError(
      'unsupported',
      `load ${name}: tensors must be those of ${config.family.hf}: ${problems.slice(0, 8).join('; ')}. Ignoring them could give wrong text.`,
      { problems },
    );
  }
  if (config.frequencyFactors) result.push(vector('rope_freqs.weight', config.frequencyFactors));
  return result;
}

/** A tensor of numbers that are there. */
function vector(name: string, values: Float32Array): VirtualTensor {
  const bytes = new Uint8Array(values.length * 4);
  formatByName('f32').encode(values, bytes);
  return { name, shape: [values.length], format: 'f32', rows: async () => bytes };
}

/** A vector as float32, as GGUF has vectors: (value + shift) · factor. */
function numbered(
  name: string,
  tensor: SafeTensor,
  { shift, factor }: { readonly shift: number; readonly factor: number },
): VirtualTensor {
  return {
    ...{ name, shape: tensor.shape, format: 'f32' },
    rows: async (from, to, signal) =>
      vector(
        name,
        (await numbers(tensor, signal)).map((value) => Math.fround(value + shift) * factor),
      ).rows(from, to, signal),
  };
}

/**
 * Which row of the folder is row i of GGUF: Transformers rotates the two halves of a head, llama's GGUF neighbours.
 * @param rows of all heads
 */
export function rotationOrder(rows: number, heads: number): Int32Array {
  const size = rows / heads;
  return Int32Array.from({ length: rows }, (_, row) => {
    const within = row % size;
    return row - within + (within % 2) * (size / 2) + (within >> 1);
  });
}

/** Rows of queries or keys for neighbours rotated (`gguf`, of a llama) from those for halves, or the other way (`hf`). @param rows of all heads */
export function rotatedRows(values: Float32Array, rows: number, heads: number, to: 'gguf' | 'hf'): Float32Array {
  const cols = values.length / rows;
  const out = new Float32Array(values.length);
  for (const [gguf, hf] of rotationOrder(rows, heads).entries()) {
    const [from, into] = to === 'gguf' ? [hf, gguf] : [gguf, hf];
    out.set(values.subarray(from * cols, (from + 1) * cols), into * cols);
  }
  return out;
}

function plain(name: string, tensor: SafeTensor, format: FormatName, order: Int32Array | undefined): VirtualTensor {
  const { shape, source, offsetBytes } = tensor;
  const rows = shape.length === 1 ? 1 : shape[0];
  const rowBytes = tensor.sizeBytes / rows;
  return {
    name,
    shape: [...shape].reverse(),
    format,
    async rows(from, to, signal) {
      const bytes = new Uint8Array((to - from) * rowBytes);
      if (!order) await source.readInto(bytes, offsetBytes + from * rowBytes, signal);
      else {
        // Rows change places within a head only: what they span is read at once.
        const wanted = order.subarray(from, to);
        const first = wanted.reduce((least, row) => Math.min(least, row), rows);
        const last = wanted.reduce((most, row) => Math.max(most, row), 0);
        const span = new Uint8Array((last + 1 - first) * rowBytes);
        await source.readInto(span, offsetBytes + first * rowBytes, signal);
        for (const [i, row] of wanted.entries()) {
          bytes.set(span.subarray((row - first) * rowBytes, (row - first + 1) * rowBytes), i * rowBytes);
        }
      }
      return bytes;
    },
  };
}

interface Quantized {
  readonly tensor: SafeTensor;
  readonly scales: SafeTensor;
  readonly biases: SafeTensor;
}

/** A matrix of codes: bit for bit the same weights in a format of ours where scale and bias fit it, else the numbers as float32. */
async function quantized(
  name: string,
  { tensor, scales, biases }: Quantized,
  { bits, groupSize }: NonNullable<ReadConfig['quantization']>,
  order: Int32Array | undefined,
  model: string,
  signal: AbortSignal | undefined,
): Promise<VirtualTensor> {
  const [rows, words] = tensor.shape;
  const cols = (words * 32) / bits;
  const groups = cols / groupSize;
  const fits = (part: SafeTensor) =>
    part.shape.length === 2 && part.shape[0] === rows && part.shape[1] === groups && FORMATS[part.type] !== undefined;
  if (tensor.shape.length !== 2 || !Number.isInteger(groups) || !fits(scales) || !fits(biases)) {
    throw new OnebitError(
      'bad-file',
      `load ${model}: '${tensor.name.slice(0, 80)}' [${tensor.shape}] must have scales and biases for each ${groupSize} weights, got [${scales.shape}] and [${biases.shape}]. Get the model again.`,
    );
  }
  const scale = await numbers(scales, signal);
  const bias = await numbers(biases, signal);
  const format = formatOf(scale, bias, bits, groupSize, cols);
  const encode = formatByName(format);
  const rowBytes = (cols / encode.blockSize) * encode.blockBytes;
  return {
    name,
    shape: [cols, rows],
    format,
    async rows(from, to, signal) {
      const out = new Uint8Array((to - from) * rowBytes);
      const bytes = new Uint8Array(4 * words);
      for (let row = from; row < to; row++) {
        const at = order ? order[row] : row;
        await tensor.source.readInto(bytes, tensor.offsetBytes + at * words * 4, signal);
        const target = out.subarray((row - from) * rowBytes, (row - from + 1) * rowBytes);
        const groupsOfRow = { scale: scale.subarray(at * groups), bias: bias.subarray(at * groups) };
        if (encode.blockSize > 1) packRow(target, bytes, groupsOfRow.bias, encode, bits, groupSize);
        else encode.encode(unpackRow(bytes, groupsOfRow, bits, groupSize), target);
      }
      return out;
    },
  };
}

/** Words in their order, lowest bits first, are the codes of our blocks; a block has its scale before them. */
function packRow(
  out: Uint8Array,
  words: Uint8Array,
  bias: Float32Array,
  { blockSize, blockBytes }: Format,
  bits: number,
  groupSize: number,
): void {
  const codeBytes = (blockSize * bits) / 8;
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  for (let block = 0; block * blockBytes < out.length; block++) {
    view.setUint16(block * blockBytes, floatToHalf(-bias[(block * blockSize) / groupSize]), true);
    out.set(words.subarray(block * codeBytes, (block + 1) * codeBytes), block * blockBytes + blockBytes - codeBytes);
  }
}

function unpackRow(
  words: Uint8Array,
  { scale, bias }: { readonly scale: Float32Array; readonly bias: Float32Array },
  bits: number,
  groupSize: number,
): Float32Array {
  const values = new Float32Array((8 * words.length) / bits);
  for (let i = 0; i < values.length; i++) {
    const code = (words[(i * bits) >> 3] >> ((i * bits) & 7)) & ((1 << bits) - 1);
    const group = Math.floor(i / groupSize);
    values[i] = scale[group] * code + bias[group];
  }
  return values;
}

/** Codes 0, 1 are −d, +d where scale = 2d and bias = −d; codes 0 to 3 are −d to 2d where scale = d and bias = −d. */
function formatOf(scale: Float32Array, bias: Float32Array, bits: number, groupSize: number, cols: number): FormatName {
  const half = bits === 1 ? 2 : 1;
  // Of either sign, and zero where a group has only zeros.
  const exact = scale.every((value, i) => value === -half * bias[i]);
  if (!exact || !halves(bias)) return 'f32';
  if (bits === 2) return groupSize === 64 ? 'q2_0' : 'q2_0-128';
  const inPairs = groupSize === 128 || (cols % 128 === 0 && bias.every((value, i) => value === bias[i & ~1]));
  return inPairs ? 'q1_0' : 'f32';
}

/** Whether all numbers are fp16. */
function halves(values: Float32Array): boolean {
  const { encode, decode } = formatByName('f16');
  try {
    const bytes = new Uint8Array(2 * values.length);
    const again = new Float32Array(values.length);
    encode(values, bytes);
    decode(bytes, again);
    return again.every((value, i) => value === values[i]);
  } catch {
    return false; // too large
  }
}

async function numbers(tensor: SafeTensor, signal: AbortSignal | undefined): Promise<Float32Array> {
  const bytes = new Uint8Array(tensor.sizeBytes);
  await tensor.source.readInto(bytes, tensor.offsetBytes, signal);
  const format = formatByName(FORMATS[tensor.type]);
  const values = new Float32Array(tensor.sizeBytes / format.blockBytes);
  format.decode(bytes, values);
  return values;
}
