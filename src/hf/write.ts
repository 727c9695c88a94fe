// Owns writing a model as the folder that Transformers loads: config.json, model.safetensors, tokenizer.json and the small files beside them.
// Must not know where folders lie; weights are written exactly, a piece at a time.
import type { ByteSource } from '../bytes/source.ts';
import { writeBehind } from '../bytes/write-behind.ts';
import { OnebitError } from '../errors.ts';
import { refuseNotFinite } from '../gguf/convert.ts';
import { scaleOf } from '../gguf/matrix-scale.ts';
import { readNumbers } from '../gguf/read-numbers.ts';
import type { Gguf, GgufValue, TensorInfo } from '../gguf/types.ts';
import { directly } from '../quant/direct.ts';
import { formatByName } from '../quant/formats.ts';
import { type Family, familyOf, writeConfig } from './config.ts';
import { writtenScaling } from './rope.ts';
import { type SafeTensorToWrite, writeSafetensors } from './safetensors.ts';
import { writeSampling } from './sampling.ts';
import { FORMATS, renamed, rotationOrder } from './tensors.ts';
import { mlxForm, mlxTensors } from './write-mlx.ts';
import { writeTokenizer } from './write-tokenizer.ts';

/** Writes a file that appears whole or not at all. */
export type WriteFile = (
  name: string,
  produce: (append: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
) => Promise<void>;

/** Types that hold the weights of a format exactly; the others, of which no fp16 is exact, become float32. */
const KEPT: Readonly<Record<string, 'F16' | 'BF16'>> = {
  f16: 'F16',
  bf16: 'BF16',
  q1_0: 'F16',
  q2_0: 'F16',
  'q2_0-128': 'F16',
};
const ROPE_FACTORS = 'rope_freqs.weight';
/** Weights decoded at once. */
const PIECE_WEIGHTS = 1 << 19;

/**
 * Writes the folder of the model in `source`. No weight changes: ±d and ternary ones fit fp16, as their scales do.
 * @returns names of the files written
 * @throws OnebitError `unsupported` for an architecture or a tokenizer that has no form there, and what writing throws
 */
export async function writeFolder(
  gguf: Gguf,
  source: ByteSource,
  write: WriteFile,
  options: {
    readonly signal?: AbortSignal;
    readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
    /** Told, before anything is written, how many bytes the weights will take. */
    readonly onSize?: (bytes: number) => void | Promise<void>;
    /** `mlx`: matrices of 1 and 2 bits in MLX's quantisation, the same numbers. Default `hf`: as fp16, bf16 or float32. */
    readonly to?: 'hf' | 'mlx';
  } = {},
): Promise<string[]> {
  const architecture = String(gguf.metadata.get('general.architecture'));
  const family = familyOf(architecture);
  const value = (key: string) => gguf.metadata.get(`${architecture}.${key}`);
  const embedding = gguf.tensors.get('token_embd.weight');
  if (embedding?.shape.length !== 2) {
    throw new OnebitError(
      'bad-file',
      "convert: 'token_embd.weight' must be a matrix. The file is damaged; get it again.",
    );
  }
  const factors = gguf.tensors.get(ROPE_FACTORS);
  const config = writeConfig(family, {
    ...{ architecture, value, vocabulary: embedding.shape[1], tiedHead: !gguf.tensors.has('output.weight') },
    frequencyFactors: factors && (await readNumbers(factors, source, options.signal)),
    scaling: writtenScaling(gguf.metadata),
  });
  const form = options.to === 'mlx' ? mlxForm(gguf) : undefined;
  if (form) config.quantization = { group_size: form.groupSize, bits: form.bits };
  const { tokenizer, tokenizerConfig, template } = writeTokenizer(gguf.metadata);
  const tokenId = (key: string) => gguf.metadata.get(`tokenizer.ggml.${key}_token_id`) as number | undefined;
  const ends = [tokenId('eos'), tokenId('eot')].filter((id) => id !== undefined);
  const special = {
    bos_token_id: tokenId('bos'),
    eos_token_id: ends.length > 1 ? ends : ends[0],
    pad_token_id: tokenId('padding'),
  };
  const texts = new Map<string, string>([
    ['config.json', json({ ...config, ...special })],
    ['generation_config.json', json({ ...special, ...writeSampling(gguf.metadata) })],
    ['tokenizer.json', JSON.stringify(tokenizer)],
    ['tokenizer_config.json', json(tokenizerConfig)],
  ]);
  if (template !== undefined) texts.set('chat_template.jinja', template);
  const scales = new Map<string, number>();
  for (const { name } of family.scales ? gguf.tensors.values() : []) {
    const scale = await scaleOf(gguf, source, name, options.signal);
    if (scale !== 1) scales.set(name, scale);
  }
  if (form && scales.size > 0) {
    throw new OnebitError(
      'unsupported',
      'convert: MLX has no place for the factors beside the matrices of this model. Write the folder --to hf instead.',
    );
  }
  const tensors = [...gguf.tensors.values()].flatMap((tensor) => {
    if (tensor === factors || (family.scales && tensor.name.endsWith('.scale'))) return [];
    const { name, order } = placeOf(tensor, family, value);
    return form && tensor.shape.length > 1
      ? mlxTensors(tensor, name.replace(/\.weight$/, ''), form, source, order, options.signal)
      : [toWrite(tensor, { name, order, scale: scales.get(tensor.name), family }, source, options.signal)];
  });
  const total = tensors.reduce(
    (sum, { shape, type }) => sum + shape.reduce((a, b) => a * b, 1) * (type === 'F32' || type === 'U32' ? 4 : 2),
    0,
  );
  await options.onSize?.(total);
  let done = 0;
  await write('model.safetensors', async (append) => {
    const behind = writeBehind(append);
    await writeSafetensors(tensors, async (bytes) => {
      await behind.append(bytes);
      done += bytes.length;
      options.onProgress?.(Math.min(done, total), total);
    });
    await behind.finish();
  });
  for (const [file, text] of texts) await write(file, (append) => append(new TextEncoder().encode(text)));
  return ['model.safetensors', ...texts.keys()];
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** A tensor's name there, and which of our rows each of its rows is; undefined: the same. */
function placeOf(
  tensor: TensorInfo,
  family: Family,
  value: (key: string) => GgufValue | undefined,
): { name: string; order: Int32Array | undefined } {
  const [, ours = tensor.name, kind = 'weight'] = /^(.+)\.(weight|bias)$/.exec(tensor.name) ?? [];
  const base = kind === 'weight' || family.biases ? renamed(ours, 'hf', family.names) : undefined;
  if (!base) {
    throw new OnebitError(
      'unsupported',
      `convert: tensor '${tensor.name.slice(0, 80)}' has no name in ${family.hf}. Convert to GGUF instead.`,
    );
  }
  const part = /\.attn_([qk])\.weight$/.exec(tensor.name)?.[1];
  const heads =
    part === 'q' ? value('attention.head_count') : (value('attention.head_count_kv') ?? value('attention.head_count'));
  const order = part && family.permuted ? inverse(rotationOrder(tensor.shape[1], Number(heads))) : undefined;
  return { name: `${base}.${kind}`, order };
}

interface Written {
  readonly name: string;
  readonly order?: Int32Array;
  /** The factor beside the matrix. */
  readonly scale?: number;
  readonly family: Family;
}

function toWrite(
  tensor: TensorInfo,
  { name, order, scale, family }: Written,
  source: ByteSource,
  signal: AbortSignal | undefined,
): SafeTensorToWrite {
  const [cols, rows = 1] = tensor.shape;
  const isVector = tensor.shape.length === 1;
  const from = formatByName(tensor.format);
  const type = isVector || scale !== undefined ? 'F32' : (KEPT[tensor.format] ?? 'F32');
  const to = formatByName(FORMATS[type]);
  const rowBytes = (cols / from.blockSize) * from.blockBytes;
  const tail = from.tailBytes ?? 0;
  const shift = isVector && tensor.name.endsWith('.weight') ? (family.normShift ?? 0) : 0;
  const direct = scale === undefined && shift === 0 ? directly(from, to) : undefined;
  return {
    name,
    type,
    shape: [...tensor.shape].reverse(),
    async produce(append) {
      const step = order ? 1 : Math.min(rows, Math.max(1, Math.floor(PIECE_WEIGHTS / cols)));
      const outs = [0, 1].map(() => new Uint8Array(step * cols * to.blockBytes)); // in turn: one is written, one is made
      let turn = 0;
      for (let row = 0; row < rows; row += step) {
        const count = Math.min(step, rows - row);
        const bytes = new Uint8Array(count * rowBytes + tail);
        const at = tensor.offsetBytes + (order?.[row] ?? row) * rowBytes;
        await source.readInto(bytes.subarray(0, count * rowBytes), at, signal);
        // A scale for the whole tensor stands behind its last row.
        await source.readInto(bytes.subarray(count * rowBytes), tensor.offsetBytes + tensor.sizeBytes - tail, signal);
        refuseNotFinite(tensor, bytes.subarray(0, count * rowBytes), bytes.subarray(count * rowBytes));
        const out = outs[turn].subarray(0, count * cols * to.blockBytes);
        turn ^= 1;
        if (direct?.(bytes, out)) {
          await append(out);
          continue;
        }
        const values = new Float32Array(count * cols);
        from.decode(bytes, values);
        if (scale !== undefined) for (let i = 0; i < values.length; i++) values[i] *= scale;
        if (shift !== 0) for (let i = 0; i < values.length; i++) values[i] -= shift;
        to.encode(values, out);
        await append(out);
      }
    },
  };
}

/** Where each number of a permutation stands in it. */
function inverse(order: Int32Array): Int32Array {
  const result = new Int32Array(order.length);
  for (const [at, value] of order.entries()) result[value] = at;
  return result;
}
