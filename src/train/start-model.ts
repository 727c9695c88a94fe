// Owns what training takes over from an existing model file: its tokenizer, and for --init its shape and weights. Must not know training.
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import { scaleOf } from '../gguf/matrix-scale.ts';
import { readGguf } from '../gguf/read.ts';
import { readNumbers } from '../gguf/read-numbers.ts';
import type { Gguf } from '../gguf/types.ts';
import { type WritableValue, writableMetadata } from '../gguf/write.ts';
import { FREQUENCY_FACTORS } from '../model/architecture.ts';
import { readModelConfig } from '../model/config.ts';
import { readRopeScaling } from '../model/rope-keys.ts';
import { areFinite } from '../quant/finite.ts';
import { formatByName } from '../quant/formats.ts';
import { rotatedRows } from './export.ts';
import { type ModelShape, rowGroup, shapeActivation, shapeTensors, type WeightKind } from './shape.ts';

/** The tokenizer of a file, ready to be written into another, with the chat template. */
export type TokenizerMetadata = ReadonlyMap<string, WritableValue>;

/** A model to go on from. */
export interface StartModel {
  readonly name: string;
  readonly shape: ModelShape;
  readonly tokenizer: TokenizerMetadata;
  /** Row-major weights by tensor name. */
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** All `tokenizer.*` metadata of a file. */
export function tokenizerMetadataOf(gguf: Gguf): TokenizerMetadata {
  return new Map([...writableMetadata(gguf)].filter(([key]) => key.startsWith('tokenizer.')));
}

/**
 * Reads a model to go on from. What its matrices become is decided by how the file holds them (Q1_0 binary; Q2_0, TQ1_0 and their kin ternary; else float) unless told.
 * @throws OnebitError `unsupported` for models whose graph cannot be trained, and what `readGguf` and `readModelConfig` throw
 */
export async function readStartModel(source: ByteSource, weights?: WeightKind): Promise<StartModel> {
  const gguf = await readGguf(source);
  const config = readModelConfig(gguf);
  const problems: string[] = [];
  const { architecture, rope } = config;
  if (rope.dims !== config.headSize)
    problems.push(`positions must rotate all ${config.headSize} numbers of a head, got ${rope.dims}`);
  const attention = gguf.metadata.get(`${architecture.name}.rope.scaling.attn_factor`) ?? 1;
  if (attention !== 1) problems.push(`its rope.scaling.attn_factor must be 1, got ${String(attention).slice(0, 20)}`);
  if (gguf.tensors.has(FREQUENCY_FACTORS))
    problems.push(`its positions must not be scaled one by one, got ${FREQUENCY_FACTORS}`);
  if (config.inputNorms) problems.push('its projections must not have norms in front');
  const window = architecture.usualWindow === undefined ? undefined : (config.local?.window ?? 0);
  const unusual = ['attention.sliding_window_pattern', 'rope.freq_base_swa'].find((key) =>
    gguf.metadata.has(`${architecture.name}.${key}`),
  );
  if (unusual) problems.push(`its local layers must be the usual ones, got ${unusual}`);
  if (problems.length > 0) {
    throw new OnebitError('unsupported', `init: ${source.name} cannot be trained further: ${problems.join('; ')}.`, {
      problems,
    });
  }
  const ropeScaling = readRopeScaling(gguf, architecture.name);
  const ropeBase = gguf.metadata.get(`${architecture.name}.rope.freq_base`);
  const format = gguf.tensors.get('blk.0.attn_q.weight')?.format ?? 'f32';
  const { kind } = formatByName(format);
  const { activation = 'silu' } = config;
  const shape: ModelShape = {
    // Left out where they are the usual ones: checkpoints and runs are recognised by their shape.
    ...(architecture.name === 'qwen3' ? {} : { architecture: architecture.name }),
    ...(activation === shapeActivation({ architecture: architecture.name }) ? {} : { activation }),
    ...(window === architecture.usualWindow ? {} : { window }),
    vocabulary: config.vocabulary,
    layers: config.layers,
    width: config.width,
    heads: config.heads,
    kvHeads: config.kvHeads,
    headSize: config.headSize,
    feedForwardWidth: config.feedForwardWidth,
    contextLength: config.contextLength,
    ropeBase: typeof ropeBase === 'number' ? ropeBase : 10000,
    ...(ropeScaling ? { ropeScaling } : {}),
    normEpsilon: config.normEpsilon,
    tiedHead: config.tiedHead,
    weights: weights ?? (kind === 'binary' || kind === 'ternary' ? kind : 'float'),
  };
  return {
    name: config.name,
    shape,
    tokenizer: tokenizerMetadataOf(gguf),
    weights: await decodeTensors(gguf, source, shape),
  };
}

/**
 * The model with as many units that do nothing in its feed-forward parts as make their rows whole for training: it computes the same, before and after,
 * for what reads and what writes such a unit is zero and stays so. Where a norm reads the units it stays as it is.
 */
export function withWholeRows(model: StartModel): StartModel {
  const { feedForwardWidth, weights: kind } = model.shape;
  const whole = Math.ceil(feedForwardWidth / rowGroup(kind)) * rowGroup(kind);
  const tensors = shapeTensors(model.shape);
  if (kind !== 'float' || whole === feedForwardWidth || tensors.some(({ name }) => /ffn_sub_norm/.test(name)))
    return model;
  const shape = { ...model.shape, feedForwardWidth: whole };
  const old = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const weights = new Map<string, Float32Array>();
  for (const { name, rows, cols } of shapeTensors(shape)) {
    const [values, from] = [model.weights.get(name)!, old.get(name)!];
    const grown = rows * cols === values.length ? values : new Float32Array(rows * cols);
    if (grown !== values) {
      for (let row = 0; row < from.rows; row++)
        grown.set(values.subarray(row * from.cols, (row + 1) * from.cols), row * cols);
    }
    weights.set(name, grown);
  }
  return { ...model, shape, weights };
}

async function decodeTensors(gguf: Gguf, source: ByteSource, shape: ModelShape): Promise<Map<string, Float32Array>> {
  const weights = new Map<string, Float32Array>();
  for (const { name, rows, cols } of shapeTensors(shape)) {
    const tensor = gguf.tensors.get(name);
    if (!tensor || tensor.shape.reduce((product, size) => product * size, 1) !== rows * cols) {
      throw new OnebitError(
        'bad-file',
        `init: tensor '${name}' must have ${rows * cols} values, ${source.name} has ${tensor ? tensor.shape.join(' × ') : 'none'}.`,
      );
    }
    const values = await readNumbers(tensor, source);
    const scale = await scaleOf(gguf, source, name);
    if (scale !== 1) for (let i = 0; i < values.length; i++) values[i] *= scale;
    if (!areFinite(values)) {
      throw new OnebitError(
        'bad-file',
        `init: tensor '${name}' of ${source.name} must have finite numbers, got infinity or NaN. The file is damaged, or a training went wrong: get it again.`,
      );
    }
    weights.set(name, rotatedRows(name, shape, values, 'graph'));
  }
  return weights;
}
