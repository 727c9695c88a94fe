// Owns the cases that every backend must pass and benchmarks reuse: for each kernel the shapes at which things go wrong, with an error bound.
// Must not know a concrete backend. A case runs on any backend and returns what to compare with the reference's result.
import { Random } from '../core/random.ts';
import { encodedBytes } from '../quant/blocks.ts';
import { type FormatName, formatByName, formats } from '../quant/formats.ts';
import {
  type Backend,
  KV_PAGE,
  type KvFormat,
  type ReadWeight,
  type RopeSpec,
  type Rows,
  type Sampling,
  type Tensor,
} from './backend.ts';
import { rankValues } from './ranking.ts';
import { filterCandidates } from './sampling.ts';
import { loadWeight } from './weight-loading.ts';

/**
 * How far a result may be from the reference, as shares of the reference's root mean square: of the differences' root mean square, and of the
 * largest difference. Zero means equal to the bit.
 */
export interface ErrorBound {
  readonly rms: number;
  readonly max: number;
}

export interface KernelCase {
  readonly kernel: string;
  readonly name: string;
  readonly bound: ErrorBound;
  run(backend: Backend): Promise<Float32Array>;
}

export const exact: ErrorBound = { rms: 0, max: 0 };
const float32: ErrorBound = { rms: 2e-6, max: 2e-5 };
/** Activations as int8 or 8-bit look-up tables: what llama.cpp's own rounding of activations costs, with headroom for short rows. */
const activations8: ErrorBound = { rms: 0.012, max: 0.06 };
/** f16 keys and values may round to the neighbouring value, and 1 in 2,048 is half a step. */
const kvBounds: Record<KvFormat, ErrorBound> = {
  f32: { rms: 5e-6, max: 5e-5 },
  f16: { rms: 2e-4, max: 2e-3 },
  q8: { rms: 4e-3, max: 4e-2 },
};

/** Elements behind every output that must stay as they were. */
const GUARD = 37;
const GUARD_VALUE = 12345.678;

/** Every case of every kernel. */
export function kernelCases(): KernelCase[] {
  return [
    ...matmulCases(),
    ...embedCases(),
    ...normCases(),
    ...ropeCases(),
    ...attentionCases(),
    ...elementwiseCases(),
    ...topKCases(),
    ...sampleCases(),
  ];
}

/** Normally distributed float32 values, the same for the same seed. */
export function randomValues(length: number, seed: number, scale = 1): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length }, () => random.normal() * scale);
}

/** A weight's file bytes: random values through the format's own encoder; for the 1- and 2-bit formats block scales differ as in a trained model. */
export function randomWeightBytes(
  format: FormatName,
  rows: number,
  cols: number,
  seed: number,
  scale = 1,
): Uint8Array<ArrayBuffer> {
  const { blockSize, kind, encode } = formatByName(format);
  const random = new Random(seed);
  const values = new Float32Array(rows * cols);
  const ternary = kind === 'ternary';
  for (let block = 0; block < values.length; block += blockSize) {
    const d = scale * (0.5 + random.uniform());
    for (let i = block; i < Math.min(block + blockSize, values.length); i++) {
      values[i] = ternary ? (random.below(3) - 1) * d : random.normal() * d;
    }
  }
  const bytes = new Uint8Array(encodedBytes(formatByName(format), values.length));
  encode(values, bytes);
  return bytes;
}

/** Loads `bytes` into `backend` as a weight. */
export function weightFromBytes(
  ...[backend, format, rows, cols, bytes, gain]: [Backend, FormatName, number, number, Uint8Array, number?]
) {
  const read: ReadWeight = async (target, at) => target.set(bytes.subarray(at, at + target.length));
  return loadWeight(backend, format, rows, cols, read, undefined, gain);
}

/** A tensor holding `values`. */
export function tensorOf(backend: Backend, values: Float32Array): Tensor {
  const tensor = backend.tensor(values.length);
  backend.write(tensor, values);
  return tensor;
}

/** Rows of one sequence whose pages are `pageTable`. */
export function oneSequence(tokens: ArrayLike<number>, firstPosition: number, pageTable: Int32Array): Rows {
  const count = tokens.length;
  return {
    count,
    tokens: Int32Array.from(tokens),
    positions: Int32Array.from({ length: count }, (_, i) => firstPosition + i),
    sequence: new Int32Array(count),
    pageTables: [pageTable],
  };
}

/** An output with a guard zone behind it. */
function guarded(backend: Backend, length: number): Tensor {
  return tensorOf(backend, new Float32Array(length + GUARD).fill(GUARD_VALUE));
}

function boundOf(format: FormatName): ErrorBound {
  return formatByName(format).kind === 'float' ? float32 : activations8;
}

/** A width that the format has whole blocks for. */
const widthFor = (format: FormatName, cols: number) => {
  const { blockSize } = formatByName(format);
  return Math.ceil(cols / blockSize) * blockSize;
};

/** What was written to a guarded tensor, without its guard zone, which must be untouched. */
async function readGuarded(backend: Backend, tensor: Tensor): Promise<Float32Array> {
  const all = await backend.read(tensor, 0, tensor.length);
  const length = tensor.length - GUARD;
  const damaged = all.subarray(length).findIndex((value) => value !== Math.fround(GUARD_VALUE));
  if (damaged >= 0) throw new Error(`wrote past its output: element ${length + damaged} of ${length}`);
  return all.slice(0, length);
}

function matmulCases(): KernelCase[] {
  const cases: KernelCase[] = [];
  const add = (format: FormatName, rows: number, cols: number, tokens: number, options: MatmulOptions = {}) => {
    const label = `${format} ${rows}x${cols} T=${tokens}${options.label ? ` ${options.label}` : ''}`;
    cases.push({
      kernel: 'matmul',
      name: label,
      bound: options.bound ?? boundOf(format),
      run: (backend) => runMatmul(backend, format, rows, cols, tokens, options),
    });
  };
  for (const { name: format, blockSize, recode, kind } of formats) {
    const block = kind === 'float' ? blockSize : Math.max(blockSize, 128);
    // Of one output the largest difference is the root mean square too.
    const { max } = boundOf(format);
    add(format, 1, block === 1 ? 4 : block, 1, { label: 'smallest', bound: { rms: max, max } });
    add(format, 37, 256, 1, { label: 'odd rows' });
    add(format, 40, 256, 9, { label: 'gain, added', gain: -0.37, accumulate: true });
    if (recode) {
      // The kernel has cases of its own as the format that it reads.
      add(format, 70, widthFor(format, 640), 3, { label: 'accumulate', accumulate: true });
      continue;
    }
    for (const tokens of [1, 2, 3, 4, 5, 17]) add(format, 96, 384, tokens);
    if (format === 'q1_0') for (const tokens of [6, 7, 8, 9, 16, 27]) add(format, 95, 384, tokens);
    add(format, 70, 1024, 33, { label: 'accumulate', accumulate: true });
    add(format, 64, 256, 2, { label: 'tiny weights', weightScale: 1e-4 });
    add(format, 64, 256, 2, { label: 'huge activations', inputScale: 1e6 });
    add(format, 64, 256, 3, { label: 'tiny activations', inputScale: 1e-12 });
    add(format, 40, 256, 2, { label: 'zeros', inputScale: 0, gain: 3e4, bound: exact });
    add(format, 64, 512, 2, { label: 'outliers', outliers: true });
  }
  for (const format of ['f32', 'f16', 'bf16'] as const) {
    add(format, 64, 64, 1, { label: 'narrow' });
    add(format, 13, 172, 3, { label: 'width no multiple of 16' });
    add(format, 7, 5, 2, { label: 'width no multiple of 4' });
  }
  for (const format of ['q8_0', 'q2_0'] as const) add(format, 64, 64, 1, { label: 'narrow' });
  return cases;
}

interface MatmulOptions {
  label?: string;
  accumulate?: boolean;
  weightScale?: number;
  gain?: number;
  inputScale?: number;
  outliers?: boolean;
  bound?: ErrorBound;
}

async function runMatmul(
  backend: Backend,
  format: FormatName,
  rows: number,
  cols: number,
  tokens: number,
  options: MatmulOptions,
): Promise<Float32Array> {
  const bytes = randomWeightBytes(format, rows, cols, rows * 31 + cols, options.weightScale ?? 1);
  const weight = await weightFromBytes(backend, format, rows, cols, bytes, options.gain);
  const input = randomValues(tokens * cols, cols + tokens, options.inputScale ?? 1);
  if (options.outliers) for (let i = 0; i < input.length; i += 97) input[i] *= 20;
  const x = tensorOf(backend, input);
  const out = guarded(backend, tokens * rows);
  if (options.accumulate) backend.write(out, randomValues(tokens * rows, 5));
  backend.matmul(out, x, weight, tokens, options.accumulate);
  return readGuarded(backend, out);
}

function embedCases(): KernelCase[] {
  return formats.flatMap(({ name: format }) =>
    [1, 3].map((count) => ({
      kernel: 'embed',
      name: `${format} 77x256 T=${count}`,
      bound: { rms: 1e-6, max: 1e-6 },
      run: async (backend: Backend) => {
        const bytes = randomWeightBytes(format, 77, 256, 9);
        const table = await weightFromBytes(backend, format, 77, 256, bytes, count === 3 ? 25.5 : 1);
        backend.setRows(oneSequence([76, 0, 33].slice(0, count), 0, Int32Array.of(0)));
        const out = guarded(backend, count * 256);
        backend.embed(out, table);
        return readGuarded(backend, out);
      },
    })),
  );
}

function normCases(): KernelCase[] {
  const shapes: [rows: number, cols: number, scale: number, inPlace: boolean][] = [
    [1, 1, 1, false],
    [1, 64, 1, false],
    [3, 100, 1, true],
    [17, 2048, 1, false],
    [5, 8, 1e3, true],
    [2, 128, 1e-6, false],
    [2, 64, 0, false],
  ];
  return shapes.map(([rows, cols, scale, inPlace]) => ({
    kernel: 'rms-norm',
    name: `${rows}x${cols} scale ${scale}${inPlace ? ' in place' : ''}`,
    bound: scale === 0 ? exact : { rms: 1e-6, max: 5e-6 },
    run: async (backend: Backend) => {
      const x = guarded(backend, rows * cols);
      backend.write(x, randomValues(rows * cols, 3, scale));
      const out = inPlace ? x : guarded(backend, rows * cols);
      backend.rmsNorm(out, x, tensorOf(backend, randomValues(cols, 4)), rows, cols, 1e-6);
      return readGuarded(backend, out);
    },
  }));
}

/** Frequencies base^(−2i/dims). */
export function plainRope(dims: number, pairing: RopeSpec['pairing'], base = 10000): RopeSpec {
  const frequencies = Float32Array.from({ length: dims / 2 }, (_, i) => base ** ((-2 * i) / dims));
  return { dims, pairing, frequencies, magnitude: 1 };
}

function ropeCases(): KernelCase[] {
  const cases: KernelCase[] = [];
  for (const pairing of ['half', 'interleaved'] as const) {
    for (const [heads, headSize, dims, first, count] of [
      [1, 8, 8, 0, 1],
      [4, 64, 64, 5, 17],
      [3, 16, 8, 100, 2],
      [2, 128, 128, 32_000, 3],
    ]) {
      cases.push({
        kernel: 'rope',
        name: `${pairing} ${heads}x${headSize} of which ${dims}, from ${first}, T=${count}`,
        bound: { rms: 2e-6, max: 1e-5 },
        run: async (backend) => {
          const rope = { ...plainRope(dims, pairing, 1e6), magnitude: 1.1386 };
          const x = guarded(backend, count * heads * headSize);
          backend.write(x, randomValues(count * heads * headSize, 8));
          backend.setRows(oneSequence(new Int32Array(count), first, new Int32Array(1024)));
          backend.rope(x, heads, headSize, rope);
          return readGuarded(backend, x);
        },
      });
    }
  }
  return cases;
}

interface AttentionShape {
  heads: number;
  kvHeads: number;
  headSize: number;
  /** Tokens stored and attended by each sequence, in steps of `step` rows. */
  lengths: number[];
  step: number;
  /** From this position on, one row of each sequence a step. */
  decodeFrom?: number;
  /** Rotates the keys of all layers, or of one. */
  shift?: 'all' | number;
  /** Positions that a row sees at most. */
  window?: number;
  /** Copies the first sequence's first page after the first step and goes on in the copy. */
  copy?: boolean;
}

function attentionCases(): KernelCase[] {
  const shapes: AttentionShape[] = [
    { heads: 1, kvHeads: 1, headSize: 8, lengths: [1], step: 1 },
    { heads: 8, kvHeads: 4, headSize: 8, lengths: [70], step: 1 },
    { heads: 4, kvHeads: 2, headSize: 64, lengths: [KV_PAGE + 1], step: 17 },
    { heads: 16, kvHeads: 8, headSize: 128, lengths: [100], step: 100 },
    { heads: 6, kvHeads: 2, headSize: 80, lengths: [33, 5, 64], step: 9 },
    { heads: 6, kvHeads: 2, headSize: 32, lengths: [130, 258, 129], step: 64, decodeFrom: 256 },
    { heads: 2, kvHeads: 1, headSize: 16, lengths: [514], step: 256, decodeFrom: 512 },
    { heads: 5, kvHeads: 5, headSize: 48, lengths: [40], step: 8, shift: 'all' },
    { heads: 2, kvHeads: 2, headSize: 16, lengths: [40], step: 8, shift: 1 },
    { heads: 4, kvHeads: 2, headSize: 16, lengths: [40, 12], step: 8, copy: true },
    { heads: 6, kvHeads: 2, headSize: 32, lengths: [130, 300, 129], step: 64, decodeFrom: 256, window: 40 },
    { heads: 4, kvHeads: 1, headSize: 256, lengths: [70], step: 33, window: 32 },
    { heads: 2, kvHeads: 2, headSize: 16, lengths: [514], step: 257, window: 1 },
  ];
  return (['f32', 'f16', 'q8'] as const).flatMap((format) =>
    shapes.map((shape) => ({
      kernel: 'attention',
      name: `${format} ${shape.heads}/${shape.kvHeads} heads of ${shape.headSize}, lengths ${shape.lengths}, step ${shape.step}${shape.decodeFrom ? `, from ${shape.decodeFrom} on 1` : ''}${shape.shift === undefined ? '' : `, shifted ${shape.shift}`}${shape.window ? `, window ${shape.window}` : ''}${shape.copy ? ', copied' : ''}`,
      bound: kvBounds[format],
      run: (backend: Backend) => runAttention(backend, format, shape),
    })),
  );
}

async function runAttention(backend: Backend, format: KvFormat, shape: AttentionShape): Promise<Float32Array> {
  const { heads, kvHeads, headSize, lengths, step, decodeFrom = Number.POSITIVE_INFINITY } = shape;
  const pagesEach = Math.ceil(Math.max(...lengths) / KV_PAGE);
  const pages = pagesEach * lengths.length + 1;
  const pool = backend.kvPool({ layers: 2, kvHeads, headSize, pages, format });
  // Pages are handed out backwards and interleaved, so that a backend which assumes an order is found out.
  const pageTables = lengths.map((_, s) =>
    Int32Array.from({ length: pagesEach }, (_, i) => pages - 1 - (i * lengths.length + s)),
  );
  const outputs: number[] = [];
  for (let from = 0, to = 0; from < Math.max(...lengths); from = to) {
    to = from >= decodeFrom ? from + 1 : Math.min(from + step, decodeFrom);
    const positions: number[] = [];
    const sequence: number[] = [];
    if (shape.copy && from === step) {
      backend.copyKvPage(pool, pageTables[0][0], 0);
      pageTables[0][0] = 0;
    }
    for (const [s, length] of lengths.entries()) {
      for (let p = from; p < Math.min(to, length); p++) {
        positions.push(p);
        sequence.push(s);
      }
    }
    const count = positions.length;
    backend.setRows({
      ...{ count, tokens: new Int32Array(count), pageTables },
      ...{ positions: Int32Array.from(positions), sequence: Int32Array.from(sequence) },
    });
    const width = kvHeads * headSize;
    for (const layer of [1, 0]) {
      const k = tensorOf(backend, randomValues(count * width, from * 3 + layer));
      const v = tensorOf(backend, randomValues(count * width, from * 5 + layer + 1));
      backend.storeKv(pool, layer, k, v);
    }
    if (shape.shift !== undefined) {
      const layer = shape.shift === 'all' ? undefined : shape.shift;
      backend.shiftKeys(pool, pageTables[0], KV_PAGE, plainRope(headSize, 'half'), layer);
    }
    const q = tensorOf(backend, randomValues(count * heads * headSize, from + 7));
    const out = guarded(backend, count * heads * headSize);
    backend.attention(out, q, pool, 1, heads, 1 / Math.sqrt(headSize), shape.window);
    for (const value of await readGuarded(backend, out)) outputs.push(value); // too many to spread as arguments
  }
  return Float32Array.from(outputs);
}

function elementwiseCases(): KernelCase[] {
  const cases: KernelCase[] = (['silu', 'relu2', 'gelu'] as const).flatMap((activation) =>
    [1, 5, 4096, 10_001].map((length) => ({
      kernel: 'gated',
      name: `${activation} ${length}`,
      bound: { rms: 1e-6, max: 1e-5 },
      run: async (backend: Backend) => {
        const gateValues = randomValues(length, 1, 4);
        gateValues[0] = -120;
        const [gate, up] = [gateValues, randomValues(length, 2)].map((values) => tensorOf(backend, values));
        const out = guarded(backend, length);
        backend.gated(out, gate, up, length, activation);
        return readGuarded(backend, out);
      },
    })),
  );
  for (const [length, accumulate, inPlace] of [
    [1, false, false],
    [37, true, false],
    [10_001, false, true],
  ] as const) {
    cases.push({
      kernel: 'scale',
      name: `${length}${accumulate ? ', added' : ''}${inPlace ? ', in place' : ''}`,
      bound: { rms: 1e-6, max: 1e-5 },
      run: async (backend) => {
        const out = guarded(backend, length);
        backend.write(out, randomValues(length, 1));
        backend.scale(out, inPlace ? out : tensorOf(backend, randomValues(length, 2)), length, 25.5, accumulate);
        return readGuarded(backend, out);
      },
    });
  }
  cases.push({
    kernel: 'gather-rows',
    name: '3 of 5 rows of 19',
    bound: exact,
    run: async (backend) => {
      const out = guarded(backend, 3 * 19);
      backend.gatherRows(out, tensorOf(backend, randomValues(5 * 19, 6)), Int32Array.of(4, 0, 4), 19);
      return readGuarded(backend, out);
    },
  });
  return cases;
}

function topKCases(): KernelCase[] {
  return [
    [1, 1],
    [7, 3],
    [512, 40],
    [151_669, 20],
    [5000, 5000],
  ].map(([length, k]) => ({
    kernel: 'top-k',
    name: `${k} of ${length}`,
    bound: { rms: 1e-6, max: 1e-6 },
    run: async (backend: Backend) => {
      const values = randomValues(length, length, 3);
      for (let i = 0; i < length; i += 11) values[i] = values[0]; // ties
      const result = await backend.topK(tensorOf(backend, values), 0, length, k);
      // Tokens modulo 97, so that a wrong one is an error of at least 1 beside logits of about 3.
      return Float32Array.from([...result.top.flatMap((entry) => [entry.token % 97, entry.logit]), result.logSumExp]);
    },
  }));
}

/** How far from its share of the probability a draw may fall and still choose a token: what sums of float32 cost. */
const DRAW_TOLERANCE = 1e-5;

function sampleCases(): KernelCase[] {
  const draws = [0, 0.2, 0.41, 0.6, 0.83, 0.97, 0.9999999];
  const all = { temperature: 1, topK: 0, topP: 1, minP: 0 };
  const cases: [length: number, Omit<Sampling, 'uniform'>][] = [
    [1, all],
    [7, { ...all, temperature: 0 }],
    [700, { ...all, temperature: 0.5, topK: 20, topP: 0.85 }],
    [700, { ...all, topK: 40, minP: 0.2 }],
    [2500, { ...all, topK: 300, topP: 0.9, temperature: 1.3 }],
    [2500, { ...all, topP: 0.5, temperature: 0.7 }],
    [2500, { ...all, topP: 0 }],
    [2500, { ...all, minP: 0.01, temperature: 2 }],
    [2500, { ...all, topK: 300, topP: 0.99, minP: 0.001 }],
    [151_669, { ...all, topP: 0.95, temperature: 0.9 }],
    [300_000, all],
  ];
  return cases.map(([length, sampling]) => ({
    kernel: 'sample',
    name: `of ${length}, ${Object.entries(sampling).map(([name, value]) => `${name} ${value}`)}`,
    bound: exact,
    run: async (backend: Backend) => {
      const values = randomValues(length, length, 3);
      for (let i = 0; i < length; i += 11) values[i] = values[0]; // ties
      const x = tensorOf(backend, values);
      const share = sharesOf(values, sampling);
      const wrong: number[] = [];
      for (const uniform of length > 10_000 ? draws.slice(3, 5) : draws) {
        const token = await backend.sample(x, 0, length, { ...sampling, uniform });
        const [from, to] = share(token);
        wrong.push(uniform < from - DRAW_TOLERANCE || uniform > to + DRAW_TOLERANCE ? 1 : 0);
      }
      return Float32Array.from(wrong);
    },
  }));
}

/** Which draws choose a token: from where to where its share of the probability lies; nowhere for tokens that are not kept. */
function sharesOf(values: Float32Array, sampling: Omit<Sampling, 'uniform'>): (token: number) => [number, number] {
  const { temperature } = sampling;
  const { top, logSumExp } = rankValues(values, values.length);
  const kept = temperature === 0 ? top.slice(0, 1) : filterCandidates(top, logSumExp, sampling);
  const weights = kept.map(({ logit }) => Math.exp((logit - kept[0].logit) / (temperature || 1)));
  const total = weights.reduce((a, b) => a + b, 0);
  const shares = new Map<number, [number, number]>();
  let from = 0;
  for (const [i, { token }] of kept.entries()) {
    shares.set(token, [from / total, (from + weights[i]) / total]);
    from += weights[i];
  }
  return (token) => shares.get(token) ?? [2, -1];
}
