// Owns the student that a distillation starts from: the teacher's weights in a shape whose rows are whole blocks of the student's format. Where the student is
// wider, it holds the teacher's dimensions several times, so that the roundings of the copies add up to finer weights. Before rounding it computes what the
// teacher computes. Must not know training.
import { OnebitError } from '../errors.ts';
import { roundWeights } from '../kernels/reference/training-rounding.ts';
import { exportTensor, shapeMetadata } from './export.ts';
import { exportedFile } from './exported.ts';
import { roundings } from './parameters.ts';
import type { Recipe } from './recipe.ts';
import { checkShape, type ModelShape, rowGroup, shapeTensors, type TensorRole, type WeightKind } from './shape.ts';
import type { StartModel } from './start-model.ts';

/** Sizes of the student in place of the smallest that its format allows. */
export interface StudentSize {
  /** At least the teacher's; a multiple of the format's block. */
  readonly width?: number;
  readonly feedForwardWidth?: number;
}

/**
 * How far the copies of a weight are moved apart before they are rounded, in means of the row's sizes. Copies that are alike would be rounded alike;
 * moved apart, two ±d make −2d, 0 and 2d.
 */
const SPREAD: Readonly<Record<WeightKind, number>> = { binary: 1.1, ternary: 0.5, float: 0 };

/** Those whose norms are of the residual vector or of a head: others would not bear copies. */
const TEACHERS: readonly string[] = ['llama', 'qwen2', 'qwen3'];

/** Which dimension of the teacher each of the student's is; −1: none. */
type Places = Int32Array;

/**
 * The student's shape: as many copies of the teacher's width as fit, heads and feed-forward width likewise, the smallest that fill whole blocks.
 * @throws OnebitError `bad-argument` for sizes that do not hold the teacher
 */
export function studentShape(teacher: ModelShape, weights: WeightKind, size: StudentSize = {}): ModelShape {
  const { architecture = 'qwen3' } = teacher;
  if (!TEACHERS.includes(architecture)) {
    throw new OnebitError(
      'unsupported',
      `distil: the teacher's architecture must be one of ${TEACHERS.join(', ')}, got ${architecture}.`,
    );
  }
  const group = rowGroup(weights);
  const whole = (length: number) => Math.ceil(length / group) * group;
  const width = size.width ?? whole(teacher.width);
  const copies = Math.floor(width / teacher.width);
  const feedForwardWidth = size.feedForwardWidth ?? whole(teacher.feedForwardWidth * copies);
  if (copies < 1 || feedForwardWidth < teacher.feedForwardWidth) {
    throw new OnebitError(
      'bad-argument',
      `distil: the student must be as wide as its teacher (${teacher.width}, feed-forward ${teacher.feedForwardWidth}), got ${width} and ${feedForwardWidth}. Leave the sizes out, or give larger ones.`,
    );
  }
  const shape = { ...teacher, ...studentHeads(teacher, copies, group), width, feedForwardWidth, weights };
  const { normEpsilon } = teacher;
  const student = { ...shape, normEpsilon: normEpsilon * ((copies * teacher.width) / width) };
  checkShape(student);
  return student;
}

/** The fewest heads, a whole number for each key/value head, that fill blocks and hold the teacher's so many times. */
function studentHeads({ heads, kvHeads, headSize }: ModelShape, copies: number, group: number) {
  const each = heads / kvHeads;
  let best = { heads: Number.POSITIVE_INFINITY, kvHeads };
  for (let times = copies; times < copies + group; times++) {
    for (let grouped = each; grouped < each + group; grouped++) {
      const found = kvHeads * times * grouped;
      if ((found * headSize) % group === 0 && found < best.heads) best = { heads: found, kvHeads: kvHeads * times };
    }
  }
  return best;
}

/** The student before training. */
export function studentOf(teacher: StartModel, shape: ModelShape): StartModel {
  const from = teacher.shape;
  const places = placesOf(from, shape);
  const copies = Math.floor(shape.width / from.width);
  // Of each vector's mean square this share is the teacher's, and what reads it reads each number so many times.
  const normFactor = Math.sqrt((copies * from.width) / shape.width) / copies;
  const teacherTensors = new Map(shapeTensors(from).map((tensor) => [tensor.name, tensor]));
  const weights = new Map<string, Float32Array>();
  for (const { name, role, rows, cols } of shapeTensors(shape)) {
    const values = teacher.weights.get(name)!;
    if (role === 'bias') {
      weights.set(
        name,
        Float32Array.from(/attn_q\./.test(name) ? places.queries : places.keys, (place) => values[place]),
      );
      continue;
    }
    if (role === 'norm') {
      const isOfHead = /_[qk]_norm\./.test(name);
      weights.set(name, isOfHead ? values : expandNorm(values, places.residual, normFactor));
      continue;
    }
    const { cols: teacherCols } = teacherTensors.get(name)!;
    const [outputs, inputs] = ends(name, places);
    const matrix = { values, cols: teacherCols, outputs: outputs ?? identity(rows), inputs };
    // Copies of an input count once together; those of the residual vector are seen to by its norm.
    const share = inputs !== places.residual;
    weights.set(name, expandMatrix(matrix, rows, cols, { share, spread: SPREAD[shape.weights], fill: fillOf(role) }));
  }
  return { ...teacher, shape, weights };
}

interface AllPlaces {
  readonly residual: Places;
  readonly queries: Places;
  readonly keys: Places;
  readonly feedForward: Places;
}

function placesOf(from: ModelShape, to: ModelShape): AllPlaces {
  const { headSize } = from;
  const copied = Math.floor(to.width / from.width) * from.width;
  const [each, grouped] = [from.heads / from.kvHeads, to.heads / to.kvHeads];
  const headOf = (head: number) => (Math.floor(head / grouped) % from.kvHeads) * each + ((head % grouped) % each);
  const ofHeads = (heads: number, teacherHead: (head: number) => number) =>
    Int32Array.from(
      { length: heads * headSize },
      (_, i) => teacherHead(Math.floor(i / headSize)) * headSize + (i % headSize),
    );
  return {
    residual: Int32Array.from({ length: to.width }, (_, i) => (i < copied ? i % from.width : -1)),
    queries: ofHeads(to.heads, headOf),
    keys: ofHeads(to.kvHeads, (head) => head % from.kvHeads),
    feedForward: Int32Array.from({ length: to.feedForwardWidth }, (_, i) => i % from.feedForwardWidth),
  };
}

/** What a matrix writes and what it reads; embedding and head write tokens, which are what they are. */
function ends(name: string, { residual, queries, keys, feedForward }: AllPlaces): [Places | undefined, Places] {
  if (/attn_q\./.test(name)) return [queries, residual];
  if (/attn_[kv]\./.test(name)) return [keys, residual];
  if (/attn_output\./.test(name)) return [residual, queries];
  if (/ffn_(gate|up)\./.test(name)) return [feedForward, residual];
  if (/ffn_down\./.test(name)) return [residual, feedForward];
  return [undefined, residual];
}

function identity(length: number): Places {
  return Int32Array.from({ length }, (_, i) => i);
}

function expandNorm(values: Float32Array, residual: Places, factor: number): Float32Array {
  return Float32Array.from(residual, (place) => (place < 0 ? factor : factor * values[place]));
}

/** Of what the teacher has no dimension for: matrices read nothing there, but what the embedding has there is read. */
function fillOf(role: TensorRole): number {
  return role === 'embedding' ? 1e-3 : 1;
}

interface TeacherMatrix {
  readonly values: Float32Array;
  readonly cols: number;
  readonly outputs: Places;
  readonly inputs: Places;
}

/** The matrix between copies. Outputs that the teacher has not stay zero; inputs it has not, which are zero, get weights of the row's size. */
function expandMatrix(
  { values, cols: teacherCols, outputs, inputs }: TeacherMatrix,
  rows: number,
  cols: number,
  { share, spread, fill }: { readonly share: boolean; readonly spread: number; readonly fill: number },
): Float32Array {
  const out = new Float32Array(rows * cols);
  const [outputCopies, inputCopies] = [numbered(outputs), numbered(inputs)];
  for (let row = 0; row < rows; row++) {
    const from = outputs[row];
    if (from < 0) continue;
    const teacherRow = values.subarray(from * teacherCols, (from + 1) * teacherCols);
    const target = out.subarray(row * cols, (row + 1) * cols);
    let sum = 0;
    for (let col = 0; col < cols; col++) {
      const { count } = inputCopies;
      if (inputs[col] >= 0) target[col] = teacherRow[inputs[col]] / (share ? count[inputs[col]] : 1);
      sum += Math.abs(target[col]);
    }
    const size = sum / cols;
    for (let col = 0; col < cols; col++) {
      const noise = hash(from, inputs[col] < 0 ? cols + col : inputs[col]);
      if (inputs[col] < 0) target[col] = noise & 1 ? fill * size : -fill * size;
      else {
        const input = stratum(inputCopies, inputs, col, noise & 0xffff);
        const output = stratum(outputCopies, outputs, row, noise >>> 16);
        target[col] += spread * size * input * (1 + output);
      }
    }
  }
  return out;
}

/** How many copies each place has, and which of them each dimension is. */
function numbered(places: Places): { count: Int32Array; copy: Int32Array } {
  const count = new Int32Array(1 + places.reduce((most, place) => Math.max(most, place), 0));
  const copy = places.map((place) => (place < 0 ? 0 : count[place]++));
  return { count, copy };
}

/** Where in (−1, 1) this copy lies: copies are spaced evenly around 0, in an order that `turn` decides. */
function stratum({ count, copy }: ReturnType<typeof numbered>, places: Places, at: number, turn: number): number {
  const copies = count[places[at]];
  return (2 * ((copy[at] + turn) % copies) + 1 - copies) / copies;
}

/** 32 bits that look random. */
function hash(a: number, b: number): number {
  let x = Math.imul(a + 1, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
  return (x ^ (x >>> 15)) >>> 0;
}

/**
 * How a student is trained unless told otherwise. It starts from weights that are good already, so none of the run is spent on exact ones. Rates that fall all
 * the time let the signs settle: stories260K to ternary, 200 updates, lost 0.28 bits per byte so, and 0.5 where the rate was constant to the end.
 */
export const DISTIL_RECIPE: Partial<Recipe> = {
  optimizer: 'muon',
  learningRate: 0.01,
  adamLearningRate: 0.004,
  schedule: 'cosine',
  fullPrecisionShare: 0,
};

/** The file of a student whose weights are rounded and not trained. */
export async function naiveModel({ shape, weights, tokenizer }: StartModel): Promise<Uint8Array> {
  const tensors = shapeTensors(shape).map((tensor) => {
    const values = weights.get(tensor.name)!;
    const rounded = new Float32Array(values.length);
    roundWeights(rounded, values, roundings[shape.weights]);
    return exportTensor(tensor, shape, tensor.role === 'norm' ? values : rounded);
  });
  return exportedFile({ metadata: new Map([...shapeMetadata(shape), ...tokenizer]), tensors });
}
