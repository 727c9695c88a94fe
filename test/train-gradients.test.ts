// The gradient of every operation against central differences, on the reference and in WebAssembly.
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../src/core/random.ts';
import type { GateActivation } from '../src/kernels/backend.ts';
import { randomValues } from '../src/kernels/cases.ts';
import { referenceTrainingBackend } from '../src/kernels/reference/training-backend.ts';
import type { TrainingBackend, TrainingTensor } from '../src/kernels/training.ts';
import { attentionShapes, tensorOf } from '../src/kernels/training-cases.ts';
import { wasmTrainingBackend } from '../src/kernels/wasm/wasm-training.ts';

/** An operation with its gradient. `forward` gives the output; `backward` the gradients of all inputs, given that of the output. */
interface Differentiable {
  readonly name: string;
  readonly inputs: readonly Float32Array[];
  readonly outputLength: number;
  forward(backend: TrainingBackend, out: TrainingTensor, inputs: TrainingTensor[]): void;
  backward(backend: TrainingBackend, dOut: TrainingTensor, inputs: TrainingTensor[]): TrainingTensor[];
}

const STEP = 4e-3;
/** Elements of each input that are moved. */
const SAMPLES = 40;

/** Largest difference between the gradient and central differences, as a share of the gradient's largest element. */
async function gradientError(backend: TrainingBackend, subject: Differentiable): Promise<number> {
  const random = new Random(11);
  const direction = randomValues(subject.outputLength, 99);
  const value = async (inputs: readonly Float32Array[]) => {
    const out = backend.tensor(subject.outputLength);
    const tensors = inputs.map((input) => tensorOf(backend, input));
    subject.forward(backend, out, tensors);
    const result = (await backend.read(out, 0, out.length)).reduce((sum, y, i) => sum + y * direction[i], 0);
    for (const tensor of [out, ...tensors]) backend.free(tensor);
    return result;
  };
  const tensors = subject.inputs.map((input) => tensorOf(backend, input));
  const gradients = subject.backward(backend, tensorOf(backend, direction), tensors);
  let worst = 0;
  for (const [i, input] of subject.inputs.entries()) {
    const gradient = await backend.read(gradients[i], 0, input.length);
    // One token attends only to itself: gradients of its query and key are zero, and the share is of something else.
    const largest = gradient.reduce((max, g) => Math.max(max, Math.abs(g)), 1e-2);
    for (let s = 0; s < Math.min(SAMPLES, input.length); s++) {
      const at = input.length <= SAMPLES ? s : random.below(input.length);
      const moved = async (by: number) => {
        const copy = input.slice();
        copy[at] += by;
        const distance = copy[at] - input[at];
        return { distance, value: await value(subject.inputs.with(i, copy)) };
      };
      const [up, down] = [await moved(STEP), await moved(-STEP)];
      const numeric = (up.value - down.value) / (up.distance - down.distance);
      worst = Math.max(worst, Math.abs(numeric - gradient[at]) / largest);
    }
  }
  return worst;
}

function subjects(): Differentiable[] {
  return [
    linear(),
    norm(),
    rotation(),
    gated('silu'),
    gated('relu2'),
    gated('gelu'),
    embedding(),
    loss(),
    ...attentionShapes.map(attention),
  ];
}

function linear(): Differentiable {
  const [m, n, k] = [7, 10, 13];
  return {
    name: 'product',
    inputs: [randomValues(m * k, 1), randomValues(n * k, 2)],
    outputLength: m * n,
    forward: (backend, out, [x, w]) => backend.product(out, x, w, { layout: 'nt', m, n, k }),
    backward(backend, dOut, [x, w]) {
      const [dX, dW] = [backend.tensor(m * k), backend.tensor(n * k)];
      backend.product(dX, dOut, w, { layout: 'nn', m, n: k, k: n });
      backend.product(dW, dOut, x, { layout: 'tn', m: n, n: k, k: m }, dW);
      return [dX, dW];
    },
  };
}

function norm(): Differentiable {
  const [rows, cols] = [5, 24];
  return {
    name: 'rmsNorm',
    inputs: [randomValues(rows * cols, 1), randomValues(cols, 2)],
    outputLength: rows * cols,
    forward: (backend, out, [x, scale]) => backend.rmsNorm(out, x, scale, rows, cols, 1e-5),
    backward(backend, dOut, [x, scale]) {
      const [dX, dScale] = [backend.tensor(rows * cols), backend.tensor(cols)];
      backend.rmsNormBackward(dX, dScale, dOut, x, scale, rows, cols, 1e-5, false);
      return [dX, dScale];
    },
  };
}

function rotation(): Differentiable {
  const [rows, length, heads, size] = [6, 3, 2, 8];
  const angles = (backend: TrainingBackend) => {
    const angle = (i: number) => Math.floor(i / size) * (1 + (i % (size / 2)));
    return tensorOf(
      backend,
      Float32Array.from({ length: length * size }, (_, i) =>
        i % size < size / 2 ? Math.cos(angle(i)) : Math.sin(angle(i)),
      ),
    );
  };
  const rotate = (backend: TrainingBackend, out: TrainingTensor, x: TrainingTensor, inverse: boolean) => {
    backend.copy(out, x);
    backend.rotate(out, angles(backend), rows, length, heads, size, inverse);
  };
  return {
    name: 'rotate',
    inputs: [randomValues(rows * heads * size, 1)],
    outputLength: rows * heads * size,
    forward: (backend, out, [x]) => rotate(backend, out, x, false),
    backward(backend, dOut) {
      const dX = backend.tensor(dOut.length);
      rotate(backend, dX, dOut, true);
      return [dX];
    },
  };
}

function gated(activation: GateActivation): Differentiable {
  const length = 48;
  return {
    name: activation,
    inputs: [randomValues(length, 1, 2), randomValues(length, 2)],
    outputLength: length,
    forward: (backend, out, [gate, up]) => backend.gated(out, gate, up, length, activation),
    backward(backend, dOut, [gate, up]) {
      const [dGate, dUp] = [backend.tensor(length), backend.tensor(length)];
      backend.gatedBackward(dGate, dUp, dOut, gate, up, length, activation);
      return [dGate, dUp];
    },
  };
}

function embedding(): Differentiable {
  const [rows, vocabulary, cols] = [9, 5, 8];
  const tokens = Int32Array.from({ length: rows }, (_, i) => (i * 3) % vocabulary);
  return {
    name: 'embed',
    inputs: [randomValues(vocabulary * cols, 1)],
    outputLength: rows * cols,
    forward: (backend, out, [table]) => backend.embed(out, table, tensorOf(backend, tokens), rows, cols),
    backward(backend, dOut) {
      const dTable = backend.tensor(vocabulary * cols);
      backend.embedBackward(dTable, dOut, tensorOf(backend, tokens), rows, cols);
      return [dTable];
    },
  };
}

/** The losses' gradient with respect to logits, where each row's loss has its own weight. */
function loss(): Differentiable {
  const [rows, vocabulary] = [6, 19];
  const targets = Int32Array.from({ length: rows }, (_, i) => (i * 7) % vocabulary);
  const ones = new Float32Array(rows).fill(1);
  return {
    name: 'crossEntropy',
    inputs: [randomValues(rows * vocabulary, 1, 2)],
    outputLength: rows,
    forward(backend, out, [logits]) {
      const [ids, weights] = [tensorOf(backend, targets), tensorOf(backend, ones)];
      backend.crossEntropy(out, logits, ids, weights, rows, vocabulary, 1, 1);
    },
    backward(backend, dOut, [logits]) {
      backend.crossEntropy(backend.tensor(rows), logits, tensorOf(backend, targets), dOut, rows, vocabulary, 1, 1);
      return [logits];
    },
  };
}

function attention(shape: (typeof attentionShapes)[number]): Differentiable {
  const { sequences, length, heads, kvHeads, headSize } = shape;
  const wide = sequences * length * heads * headSize;
  const narrow = sequences * length * kvHeads * headSize;
  const logSums = (backend: TrainingBackend) => backend.tensor(sequences * length * heads);
  return {
    name: `attention ${sequences}x${length}, ${heads}/${kvHeads} heads of ${headSize}`,
    inputs: [randomValues(wide, 1), randomValues(narrow, 2), randomValues(narrow, 3)],
    outputLength: wide,
    forward: (backend, out, [q, k, v]) => backend.attention(out, logSums(backend), q, k, v, shape),
    backward(backend, dOut, [q, k, v]) {
      const saved = { out: backend.tensor(wide), logSums: logSums(backend), q, k, v };
      backend.attention(saved.out, saved.logSums, q, k, v, shape);
      const gradients = { dQ: backend.tensor(wide), dK: backend.tensor(narrow), dV: backend.tensor(narrow) };
      backend.attentionBackward(gradients, dOut, saved, shape);
      return [gradients.dQ, gradients.dK, gradients.dV];
    },
  };
}

for (const name of ['reference', 'wasm']) {
  describe(`gradients, ${name}`, async () => {
    const backend = name === 'wasm' ? await wasmTrainingBackend({ threads: 1 }) : referenceTrainingBackend();
    afterAll(() => backend.dispose());
    for (const subject of subjects()) {
      it(`of ${subject.name} agree with central differences`, async () => {
        expect(await gradientError(backend, subject)).toBeLessThan(2e-3);
      });
    }
  });
}
