// Owns the numbers that describe a model to train, their checks, and the list of its tensors. Must not know data, kernels or files.
// The tensors follow from the architecture's plan; names are GGUF's, verbatim.
import { OnebitError } from '../errors.ts';
import type { GateActivation } from '../kernels/backend.ts';
import { architectures } from '../model/arch/index.ts';
import type { Architecture, Traits } from '../model/architecture.ts';
import { WINDOW_KEY } from '../model/local-layers.ts';
import { layerTensors } from '../model/plan.ts';
import type { RopeScaling } from '../model/rope-scaling.ts';

/** What the matrices become: ±a, {−a, 0, a}, or left as they are (f32 in training, f16 in the file). */
export type WeightKind = 'binary' | 'ternary' | 'float';

export interface ModelShape {
  /** GGUF's name of the architecture. Default: `qwen3`. */
  readonly architecture?: string;
  /** Of the feed-forward gate. Default: what is usual for the architecture. */
  readonly activation?: GateActivation;
  /** Rows of the embedding and outputs of the head. */
  readonly vocabulary: number;
  readonly layers: number;
  /** Length of the residual vector. */
  readonly width: number;
  readonly heads: number;
  /** Divides `heads`. */
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForwardWidth: number;
  /** Longest sequence, in tokens, that the model is made for; written into the file. */
  readonly contextLength: number;
  readonly ropeBase: number;
  /** How the angles of positions are scaled. Default: they are not. */
  readonly ropeScaling?: RopeScaling;
  readonly normEpsilon: number;
  /** Tokens that local layers see, where the architecture has such. Default: what is usual for it. 0: all layers see all. */
  readonly window?: number;
  /** The output head is the embedding. */
  readonly tiedHead: boolean;
  /** Of every matrix, embedding and head included; norms and biases stay float32. */
  readonly weights: WeightKind;
}

/** What a tensor is for; decides its initial values and its optimiser. */
export type TensorRole = 'embedding' | 'head' | 'matrix' | 'norm' | 'bias' | 'adapter';

/** One trained tensor. Norms and biases have one row. */
export interface ShapeTensor {
  /** GGUF's name. */
  readonly name: string;
  readonly role: TensorRole;
  /** Outputs. */
  readonly rows: number;
  /** Inputs, contiguous. */
  readonly cols: number;
}

/** Weights that share one scale, by kind: the block sizes of Q1_0 and Q2_0. */
const groupSizes: Readonly<Record<WeightKind, number>> = { binary: 128, ternary: 64, float: 1 };

/** Of how many numbers, or a multiple, a row must be in training. */
export function rowGroup(weights: WeightKind): number {
  return Math.max(8, groupSizes[weights]);
}

/** A shape from the few numbers people choose; the rest follows. Head size 64 (or the width, where smaller), feed-forward 3 × width, tied head. */
export function modelShape(
  given: Pick<ModelShape, 'vocabulary' | 'layers' | 'width'> & Partial<ModelShape>,
): ModelShape {
  const headSize = given.headSize ?? Math.min(64, given.width);
  const heads = given.heads ?? Math.max(1, Math.floor(given.width / headSize));
  return {
    headSize,
    heads,
    kvHeads: heads,
    feedForwardWidth: 3 * given.width,
    contextLength: 512,
    ropeBase: 10000,
    normEpsilon: 1e-6,
    tiedHead: true,
    weights: 'binary',
    ...given,
  };
}

/**
 * Checks that a model of this shape can be trained and exported.
 * @throws OnebitError `bad-argument` with every problem in `problems`.
 */
export function checkShape(shape: ModelShape): void {
  const problems: string[] = [];
  const sizes = ['vocabulary', 'layers', 'width', 'heads', 'kvHeads', 'headSize', 'feedForwardWidth', 'contextLength'];
  for (const name of sizes) {
    const value = shape[name as keyof ModelShape] as number;
    if (!Number.isInteger(value) || value < 1)
      problems.push(`shape: ${name} must be a whole number from 1, got ${value}.`);
  }
  if (!(shape.ropeBase >= 1)) problems.push(`shape: ropeBase must be at least 1, got ${shape.ropeBase}.`);
  for (const [name, value] of Object.entries(shape.ropeScaling ?? {})) {
    if (name !== 'type' && !(Number.isFinite(value) && Number(value) > 0))
      problems.push(`shape: ropeScaling.${name} must be a number above 0, got ${value}.`);
  }
  if (!(shape.normEpsilon >= 0 && shape.normEpsilon < 1)) {
    problems.push(`shape: normEpsilon must be from 0 to below 1, got ${shape.normEpsilon}.`);
  }
  if (shape.heads % shape.kvHeads !== 0) {
    problems.push(`shape: heads must be a multiple of kvHeads, got ${shape.heads} and ${shape.kvHeads}.`);
  }
  if (shape.headSize % 8 !== 0) problems.push(`shape: headSize must be a multiple of 8, got ${shape.headSize}.`);
  problems.push(...architectureProblems(shape));
  const group = rowGroup(shape.weights);
  const rowLengths = {
    width: shape.width,
    'heads × headSize': shape.heads * shape.headSize,
    feedForwardWidth: shape.feedForwardWidth,
  };
  for (const [name, length] of Object.entries(rowLengths)) {
    if (length % group !== 0) {
      problems.push(
        `shape: ${name} must be a multiple of ${group} with ${shape.weights} weights, got ${length}. Round it up.`,
      );
    }
  }
  if (problems.length > 0) throw new OnebitError('bad-argument', problems.join('\n'), { problems });
}

function architectureProblems(shape: ModelShape): string[] {
  const known = architectures.map(({ name }) => name);
  const { architecture = 'qwen3', activation } = shape;
  if (!known.includes(architecture))
    return [`shape: architecture must be one of ${known.join(', ')}, got '${architecture}'.`];
  const { activations: choices = [], usualWindow } = shapeArchitecture(shape);
  if (shape.window !== undefined && usualWindow === undefined)
    return [`shape: window must be left out with architecture ${architecture}, got ${shape.window}.`];
  const { window = 0 } = shape;
  if (!Number.isInteger(window) || window < 0) return [`shape: window must be a whole number from 0, got ${window}.`];
  if (shapeTraits(shape).attentionScale !== undefined)
    return [
      `shape: a model of ${shape.layers} layers with architecture ${architecture} cannot be trained. Use others.`,
    ];
  if (activation === undefined) return [];
  if (choices.includes(activation)) return [];
  const wanted = choices.length > 0 ? choices.join(' or ') : 'left out';
  return [`shape: activation must be ${wanted} with architecture ${architecture}, got ${activation}.`];
}

/** The architecture of a shape. @throws OnebitError `bad-argument` for a name that is none */
export function shapeArchitecture({ architecture = 'qwen3' }: Pick<ModelShape, 'architecture'>): Architecture {
  const found = architectures.find(({ name }) => name === architecture);
  if (found) return found;
  throw new OnebitError(
    'bad-argument',
    `shape: architecture must be one of ${architectures.map(({ name }) => name).join(', ')}, got '${architecture}'.`,
  );
}

/** The activation of the feed-forward gate: the shape's, else what is usual for the architecture. */
export function shapeActivation(shape: Pick<ModelShape, 'architecture' | 'activation'>): GateActivation {
  return shape.activation ?? shapeArchitecture(shape).activation?.({ metadata: new Map() }) ?? 'silu';
}

/** Tokens that the local layers of a shape see; undefined where its architecture has none. */
export function shapeWindow(shape: ModelShape): number | undefined {
  return shape.window ?? shapeArchitecture(shape).usualWindow;
}

/** What a model of this shape computes beside its blocks, as its file will say. */
export function shapeTraits(shape: ModelShape): Traits {
  const keys = (key: string) => (key === WINDOW_KEY ? shapeWindow(shape) : undefined);
  return shapeArchitecture(shape).traits?.(shape, keys) ?? {};
}

/** Every tensor of the model, in the order of the file. */
export function shapeTensors(shape: ModelShape): ShapeTensor[] {
  const { width, vocabulary, tiedHead } = shape;
  const layer = layerTensors(shapeArchitecture(shape).blocks, shape).filter(({ optional }) => !optional);
  const layers = Array.from({ length: shape.layers }, (_, i) =>
    layer.map(({ name, shape: [cols, rows = 1] }): ShapeTensor => {
      const role = rows > 1 ? 'matrix' : name.endsWith('.bias') ? 'bias' : 'norm';
      return { name: `blk.${i}.${name}`, role, rows, cols };
    }),
  );
  const outside = (name: string, role: TensorRole, rows: number): ShapeTensor => ({ name, role, rows, cols: width });
  return [
    outside('token_embd.weight', 'embedding', vocabulary),
    ...layers.flat(),
    outside('output_norm.weight', 'norm', 1),
    ...(tiedHead ? [] : [outside('output.weight', 'head', vocabulary)]),
  ];
}

/** Norms and biases, which stay float32. */
export function isVector({ role }: ShapeTensor): boolean {
  return role === 'norm' || role === 'bias';
}

/** Number of trained numbers. */
export function parameterCount(shape: ModelShape): number {
  return shapeTensors(shape).reduce((sum, { rows, cols }) => sum + rows * cols, 0);
}

/** Bytes of the tensors in the exported file (without metadata and tokenizer). */
export function exportedBytes(shape: ModelShape): number {
  const bitsPerWeight = { binary: 1.125, ternary: 2.25, float: 16 }[shape.weights];
  return shapeTensors(shape).reduce(
    (sum, tensor) => sum + (tensor.rows * tensor.cols * (isVector(tensor) ? 32 : bitsPerWeight)) / 8,
    0,
  );
}
