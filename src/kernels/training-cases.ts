// Owns the cases that every training backend must pass: for each operation the sizes at which tiles and blocks end badly, with an error bound.
// Must not know a concrete backend. A case runs on any backend and returns what to compare with the reference's result.
import { type ErrorBound, exact, randomValues } from './cases.ts';
import type { AttentionShape, ProductLayout, TrainingBackend, TrainingTensor } from './training.ts';

export interface TrainingCase {
  readonly operation: string;
  readonly name: string;
  readonly bound: ErrorBound;
  /** The outputs, each to be compared by itself. Throws when something behind an output was written. */
  run(backend: TrainingBackend): Promise<Float32Array[]>;
}

const float32: ErrorBound = { rms: 3e-6, max: 5e-5 };
/** Gradients that are differences of larger sums. */
const difference: ErrorBound = { rms: 1e-5, max: 2e-4 };

/** Activations as 8-bit tables. */
const activations8: ErrorBound = { rms: 0.012, max: 0.06 };

/** Factors of 12 bits. */
const factors12: ErrorBound = { rms: 2e-3, max: 2e-2 };

/** Elements behind every output that must stay as they were. */
const GUARD = 29;
const GUARD_VALUE = 4321.5;

/** Every case of every operation. */
export function trainingCases(): TrainingCase[] {
  return [
    ...productCases(),
    ...signCases(),
    ...roundedCases(),
    ...roundCases(),
    ...embedCases(),
    ...normCases(),
    ...rotateCases(),
    ...attentionCases(),
    ...gatedCases(),
    ...lossCases(),
    ...updateCases(),
  ];
}

/** A tensor of `values`. */
export function tensorOf(backend: TrainingBackend, values: Float32Array | Int32Array): TrainingTensor {
  const tensor = backend.tensor(values.length);
  backend.write(tensor, values);
  return tensor;
}

/** Outputs with guard zones: made by `of`, and given together by `read`. */
export class GuardedOutputs {
  readonly #backend: TrainingBackend;
  readonly #whole: TrainingTensor[] = [];

  constructor(backend: TrainingBackend) {
    this.#backend = backend;
  }

  /** An output of `length` elements with these initial values (NaN where there are none, so that nothing may rely on them). */
  of(length: number, initial?: Float32Array): TrainingTensor {
    const values = new Float32Array(length + GUARD).fill(GUARD_VALUE);
    if (initial) values.set(initial);
    else values.fill(Number.NaN, 0, length);
    const tensor = tensorOf(this.#backend, values);
    this.#whole.push(tensor);
    return this.#backend.slice(tensor, 0, length);
  }

  /** All outputs, guard zones checked and cut off. */
  async read(): Promise<Float32Array[]> {
    const outputs: Float32Array[] = [];
    for (const tensor of this.#whole) {
      const values = await this.#backend.read(tensor, 0, tensor.length);
      const end = tensor.length - GUARD;
      if (values.subarray(end).some((value) => value !== GUARD_VALUE)) throw new Error('wrote behind an output');
      outputs.push(values.subarray(0, end));
    }
    return outputs;
  }
}

type Body = (backend: TrainingBackend, outputs: GuardedOutputs) => void;

function trainingCase(operation: string, name: string, bound: ErrorBound, body: Body): TrainingCase {
  return {
    operation,
    name,
    bound,
    async run(backend) {
      const outputs = new GuardedOutputs(backend);
      body(backend, outputs);
      return outputs.read();
    },
  };
}

function productCases(): TrainingCase[] {
  const sizes = [
    [1, 1, 1],
    [5, 7, 3],
    [6, 8, 4],
    [13, 17, 31],
    [96, 64, 256],
    [97, 65, 259],
    [200, 24, 530],
  ];
  const cases: TrainingCase[] = [];
  for (const layout of ['nt', 'nn', 'tn'] as ProductLayout[]) {
    for (const [m, n, k] of sizes) {
      cases.push(
        trainingCase('product', `${layout} ${m}x${n}x${k}`, float32, (backend, outputs) => {
          const a = tensorOf(backend, randomValues(m * k, m + k));
          const b = tensorOf(backend, randomValues(n * k, n + k + 1));
          backend.product(outputs.of(m * n), a, b, { layout, m, n, k });
          const sum = outputs.of(m * n, randomValues(m * n, 3));
          backend.product(sum, a, b, { layout, m, n, k, alpha: 0.5, beta: -2 }, sum);
          const base = tensorOf(backend, randomValues(m * n, 4));
          backend.product(outputs.of(m * n), a, b, { layout, m, n, k }, base);
        }),
      );
    }
  }
  return cases;
}

function signCases(): TrainingCase[] {
  const sizes = [
    [1, 1, 128],
    [3, 40, 128],
    [33, 128, 256],
    [70, 300, 384],
    [40, 1200, 128],
    [9, 96, 2304],
  ];
  return sizes.map(([m, rows, cols]) =>
    trainingCase('signProducts', `and back, ${m}x${rows}x${cols}`, activations8, (backend, outputs) => {
      const weights = backend.tensor(rows * cols);
      backend.round(weights, tensorOf(backend, randomValues(rows * cols, 1, 0.02)), 'binary');
      const signs = backend.signMatrix(rows, cols);
      backend.packSigns(signs, weights);
      const x = tensorOf(backend, randomValues(m * cols, 2));
      backend.signProducts([outputs.of(m * rows), outputs.of(m * rows)], x, [signs, signs], m);
      const sum = outputs.of(m * rows, randomValues(m * rows, 3, 0.1));
      backend.signProducts([sum], x, [signs], m, sum);
      backend.signProducts([outputs.of(m * rows)], x, [signs], m, tensorOf(backend, randomValues(m * rows, 4, 0.1)));
      const dOut = tensorOf(backend, randomValues(m * rows, 5));
      const dX = outputs.of(m * cols);
      backend.signProductBackward(dX, dOut, signs, m, false);
      backend.signProductBackward(dX, dOut, signs, m, true);
    }),
  );
}

function roundedCases(): TrainingCase[] {
  const sizes = [
    [1, 1, 1],
    [5, 9, 3],
    [12, 40, 255],
    [100, 24, 257],
    [98, 131, 1024],
    [130, 17, 391],
  ];
  const layouts: ProductLayout[] = ['nt', 'nn', 'tn'];
  return layouts.flatMap((layout) =>
    sizes.map(([m, n, k]) =>
      trainingCase('roundedProduct', `${layout} ${m}x${n}x${k}`, factors12, (backend, outputs) => {
        const a = randomValues(m * k, 1, 1e-4);
        // Zeros in a line and one large factor: scales are each line's own.
        for (let i = 0; i < k; i++) a[layout === 'tn' ? i * m : i] = 0;
        a[a.length - 1] = 1e-3;
        const [left, right] = [tensorOf(backend, a), tensorOf(backend, randomValues(n * k, 2))];
        backend.roundedProduct(outputs.of(m * n), left, right, { layout, m, n, k });
        const sum = outputs.of(m * n, randomValues(m * n, 3, 1e-4));
        backend.roundedProduct(sum, left, right, { layout, m, n, k }, sum);
        const base = tensorOf(backend, randomValues(m * n, 4, 1e-4));
        backend.roundedProduct(outputs.of(m * n), left, right, { layout, m, n, k, alpha: 0.5, beta: -2 }, base);
      }),
    ),
  );
}

function roundCases(): TrainingCase[] {
  const cases: TrainingCase[] = [];
  for (const rounding of ['binary', 'ternary', 'half'] as const) {
    for (const scale of [1, 1e-6, 0, 1e4]) {
      // Scales are means, whose float32 sums may round to the neighbouring fp16.
      const bound = rounding === 'half' ? exact : { rms: 5e-4, max: 2e-3 };
      cases.push(
        trainingCase('round', `${rounding} of size ${scale}`, bound, (backend, outputs) => {
          const values = randomValues(640, 7, scale);
          values[3] = 0;
          backend.round(outputs.of(640), tensorOf(backend, values), rounding);
        }),
      );
    }
  }
  return cases;
}

function embedCases(): TrainingCase[] {
  return [1, 17, 300].map((rows) =>
    trainingCase('embed', `and its gradient, ${rows} rows`, float32, (backend, outputs) => {
      const [vocabulary, cols] = [50, 24];
      const tokens = tensorOf(
        backend,
        Int32Array.from({ length: rows }, (_, i) => (i * 13) % vocabulary),
      );
      const table = tensorOf(backend, randomValues(vocabulary * cols, 1));
      backend.embed(outputs.of(rows * cols), table, tokens, rows, cols);
      const gradient = outputs.of(vocabulary * cols, randomValues(vocabulary * cols, 2));
      backend.embedBackward(gradient, tensorOf(backend, randomValues(rows * cols, 3)), tokens, rows, cols);
    }),
  );
}

function normCases(): TrainingCase[] {
  const sizes = [
    [1, 8],
    [2, 64],
    [65, 128],
    [300, 40],
  ];
  return sizes.map(([rows, cols]) =>
    trainingCase('rmsNorm', `and its gradient, ${rows}x${cols}`, difference, (backend, outputs) => {
      const x = tensorOf(backend, randomValues(rows * cols, 1, 3));
      const scale = tensorOf(backend, randomValues(cols, 2));
      const dOut = randomValues(rows * cols, 3);
      backend.rmsNorm(outputs.of(rows * cols), x, scale, rows, cols, 1e-5);
      const dScale = outputs.of(cols, randomValues(cols, 4));
      const added = outputs.of(rows * cols, randomValues(rows * cols, 5));
      backend.rmsNormBackward(added, dScale, tensorOf(backend, dOut), x, scale, rows, cols, 1e-5, true);
      const inPlace = outputs.of(rows * cols, dOut);
      backend.rmsNormBackward(inPlace, dScale, inPlace, x, scale, rows, cols, 1e-5, false);
    }),
  );
}

function rotateCases(): TrainingCase[] {
  return [false, true].map((inverse) =>
    trainingCase('rotate', inverse ? 'back' : 'forward', float32, (backend, outputs) => {
      const [rows, length, heads, size] = [34, 17, 3, 16];
      const table = new Float32Array(length * size);
      for (let i = 0; i < table.length; i++) {
        const angle = Math.floor(i / size) / (1 + (i % (size / 2)));
        table[i] = i % size < size / 2 ? Math.cos(angle) : Math.sin(angle);
      }
      const x = outputs.of(rows * heads * size, randomValues(rows * heads * size, 1));
      backend.rotate(x, tensorOf(backend, table), rows, length, heads, size, inverse);
    }),
  );
}

/** Shapes at which blocks of query rows, tiles and heads end. */
export const attentionShapes: readonly AttentionShape[] = [
  { sequences: 1, length: 1, heads: 1, kvHeads: 1, headSize: 8 },
  { sequences: 2, length: 5, heads: 2, kvHeads: 1, headSize: 8 },
  { sequences: 3, length: 17, heads: 4, kvHeads: 2, headSize: 16 },
  { sequences: 1, length: 48, heads: 2, kvHeads: 2, headSize: 64 },
  { sequences: 2, length: 101, heads: 3, kvHeads: 1, headSize: 40 },
  { sequences: 2, length: 70, heads: 2, kvHeads: 1, headSize: 16, window: 9 },
];

function attentionCases(): TrainingCase[] {
  return attentionShapes.map((shape) => {
    const { sequences, length, heads, kvHeads, headSize, window } = shape;
    const name = `and its gradient, ${sequences}x${length}, ${heads}/${kvHeads} heads of ${headSize}, window ${window}`;
    return trainingCase('attention', name, difference, (backend, outputs) => {
      const wide = sequences * length * heads * headSize;
      const narrow = sequences * length * kvHeads * headSize;
      const q = tensorOf(backend, randomValues(wide, 1, 2));
      const k = tensorOf(backend, randomValues(narrow, 2));
      const v = tensorOf(backend, randomValues(narrow, 3));
      const dOut = tensorOf(backend, randomValues(wide, 4));
      const out = outputs.of(wide);
      const logSums = outputs.of(sequences * length * heads);
      backend.attention(out, logSums, q, k, v, shape);
      const gradients = { dQ: outputs.of(wide), dK: outputs.of(narrow), dV: outputs.of(narrow) };
      backend.attentionBackward(gradients, dOut, { out, logSums, q, k, v }, shape);
    });
  });
}

function gatedCases(): TrainingCase[] {
  return (['silu', 'relu2', 'gelu'] as const).flatMap((activation) =>
    [4, 1028, 5000].map((length) =>
      trainingCase('gated', `${activation} and its gradient, ${length}`, float32, (backend, outputs) => {
        const gate = randomValues(length, 1, 4);
        const up = randomValues(length, 2);
        const dOut = tensorOf(backend, randomValues(length, 3));
        const [g, u] = [outputs.of(length, gate), outputs.of(length, up)];
        backend.gated(outputs.of(length), g, u, length, activation);
        backend.gatedBackward(g, u, dOut, g, u, length, activation);
      }),
    ),
  );
}

function lossCases(): TrainingCase[] {
  const sizes = [
    [1, 2],
    [3, 7],
    [40, 130],
    [9, 1001],
  ];
  return sizes.map(([rows, vocabulary]) =>
    trainingCase('crossEntropy', `with a teacher, ${rows}x${vocabulary}`, difference, (backend, outputs) => {
      const logits = outputs.of(rows * vocabulary, randomValues(rows * vocabulary, 1, 5));
      const targets = Int32Array.from({ length: rows }, (_, i) => (i * 31) % vocabulary);
      const weights = tensorOf(
        backend,
        Float32Array.from({ length: rows }, (_, i) => [1, 0, 0.5][i % 3]),
      );
      backend.crossEntropy(outputs.of(rows), logits, tensorOf(backend, targets), weights, rows, vocabulary, 0.25, 0.7);
      const tokens = Int32Array.from({ length: rows * 2 }, (_, i) => (i * 3 + (i % 2)) % vocabulary);
      const probabilities = tensorOf(backend, new Float32Array(rows * 2).fill(0.5));
      backend.subtractTeacher(logits, tensorOf(backend, tokens), probabilities, weights, rows, vocabulary, 2, 0.3);
    }),
  );
}

function updateCases(): TrainingCase[] {
  return [4, 1028, 8192, 20000].map((length) =>
    trainingCase('updates', `of ${length}`, float32, (backend, outputs) => {
      const gradient = tensorOf(backend, randomValues(length, 1, 0.1));
      const second = randomValues(length, 4, 0.01).map((value) => value * value);
      const settings = { learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };
      const momentum = outputs.of(length, randomValues(length, 3, 0.1));
      const latent = outputs.of(length, randomValues(length, 2));
      const step = { ...settings, step: 3, gradientScale: 0.5 };
      backend.adam(latent, gradient, momentum, outputs.of(length, second), step);
      const update = outputs.of(length);
      backend.nesterov(update, momentum, gradient, 0.95, 0.5);
      const sums = outputs.of(Math.ceil(length / 8192));
      backend.sumsOfSquares(sums, update);
      backend.normalize(update, update, sums, 1e-7);
      backend.addScaled(latent, update, -0.02);
      backend.zero(outputs.of(length));
      backend.copy(outputs.of(length), latent);
    }),
  );
}
