// Owns the decoder's forward pass over whole sequences and its gradient: it interprets the plan (model/plan.ts) that inference runs, forward and backward side by
// side. What instructions leave in registers is kept until the backward pass has used it. Must not know optimisers, data, architectures or a concrete backend.
import { writeRotations } from '../kernels/rotations.ts';
import type { AttentionShape, TrainingBackend, TrainingTensor } from '../kernels/training.ts';
import type { Traits } from '../model/architecture.ts';
import { windowOf } from '../model/local-layers.ts';
import { colsOf, type Instruction, type Register } from '../model/plan.ts';
import { type RopeScaling, scaledAngles } from '../model/rope-scaling.ts';
import { Gradients } from './gradients.ts';
import { linear, linearBackward } from './linear.ts';
import { isFrozen, type Parameter, type Parameters } from './parameters.ts';
import { type ModelShape, shapeActivation, shapeArchitecture, shapeTraits } from './shape.ts';

/** An instruction of one layer with the memory that it reads and fills. */
interface Move {
  forward(): void;
  /** From the gradients of what it gave to those of what it took and, added, of its weights. */
  backward(gradients: Gradients): void;
}

/** What each register holds while moves are made. */
type Values = Partial<Record<Register, TrainingTensor>>;

/** Where in the model moves are made. */
interface Layer {
  readonly prefix: string;
  readonly values: Values;
  readonly attention: AttentionShape;
  /** Cosines and sines of the positions [length][cos, sin]. */
  readonly rotations: TrainingTensor;
}

/** The decoder for sequences of one shape. */
export class Graph {
  readonly rows: number;
  /** [rows, width] what leaves the last layer, normalised; the head's input. */
  readonly normed: TrainingTensor;
  /** [rows, width] the loss's gradient with respect to `normed`, to be set before `backward`. */
  readonly dNormed: TrainingTensor;
  readonly #shape: ModelShape;
  readonly #traits: Traits;
  readonly #length: number;
  readonly #backend: TrainingBackend;
  readonly #parameters: Parameters;
  readonly #tokens: TrainingTensor;
  /** [rows] zeros: rows of a table that is one bias. */
  readonly #zeros: TrainingTensor;
  /** [rows, width] embeddings before they are scaled, or their gradients; only where they are. */
  readonly #unscaled: TrainingTensor | undefined;
  readonly #input: TrainingTensor;
  readonly #output: TrainingTensor;
  readonly #moves: readonly Move[];
  readonly #gradients: Gradients;
  readonly #owned: TrainingTensor[] = [];

  constructor(shape: ModelShape, parameters: Parameters, backend: TrainingBackend, sequences: number, length: number) {
    this.#shape = shape;
    this.#parameters = parameters;
    this.#backend = backend;
    const { width, heads, kvHeads, headSize } = shape;
    const attention = { sequences, length, heads, kvHeads, headSize };
    this.#length = length;
    this.#traits = shapeTraits(shape);
    const { embeddingScale, local } = this.#traits;
    const rows = sequences * length;
    this.rows = rows;
    this.#tokens = this.#own(rows);
    this.#zeros = this.#own(rows);
    const global = this.#rotations(shape.ropeBase, shape.ropeScaling);
    const near = local ? this.#rotations(local.ropeBase) : global;
    this.#unscaled = embeddingScale ? this.#own(rows * width) : undefined;
    this.#input = this.#own(rows * width);
    const values: Values = { hidden: this.#input };
    const plan = shapeArchitecture(shape).blocks.flat();
    this.#moves = Array.from({ length: shape.layers }, (_, layer) =>
      plan.map((instruction) =>
        this.#move(instruction, {
          prefix: `blk.${layer}.`,
          values,
          attention: { ...attention, window: windowOf(this.#traits, layer) },
          rotations: local?.layers[layer] ? near : global,
        }),
      ),
    ).flat();
    this.#output = held(values, 'hidden');
    this.normed = this.#own(rows * width);
    this.dNormed = this.#own(rows * width);
    this.#gradients = new Gradients(this.dNormed, (register) => this.#own(rows * colsOf(register, shape)));
  }

  /** Computes `normed` of `tokens` [rows]. */
  forward(tokens: Int32Array): void {
    const { width, normEpsilon } = this.#shape;
    const embedding = this.#parameters.get('token_embd');
    this.#backend.write(this.#tokens, tokens);
    const embedded = this.#unscaled ?? this.#input;
    this.#backend.embed(embedded, this.#parameters.value(embedding), this.#tokens, this.rows, width);
    if (this.#unscaled) this.#scaleEmbedding(this.#input, this.#unscaled);
    for (const move of this.#moves) move.forward();
    const { latent } = this.#parameters.get('output_norm');
    this.#backend.rmsNorm(this.normed, this.#output, latent, this.rows, width, normEpsilon);
  }

  /** Adds to every gradient but the head's what follows from `dNormed`. */
  backward(): void {
    const { width, normEpsilon } = this.#shape;
    const gradients = this.#gradients;
    gradients.clear();
    const hidden = gradients.overwrite('hidden');
    const { latent, gradient } = this.#parameters.get('output_norm');
    const from = this.#output;
    this.#backend.rmsNormBackward(hidden, gradient, this.dNormed, from, latent, this.rows, width, normEpsilon, false);
    for (const move of this.#moves.toReversed()) move.backward(gradients);
    const embedding = this.#parameters.get('token_embd');
    if (isFrozen(embedding)) return;
    if (this.#unscaled) this.#scaleEmbedding(this.#unscaled, hidden);
    const { gradient: dEmbedding } = embedding;
    this.#backend.embedBackward(dEmbedding, this.#unscaled ?? hidden, this.#tokens, this.rows, width);
  }

  /** Gives back all memory. */
  free(): void {
    for (const tensor of this.#owned) this.#backend.free(tensor);
  }

  /** out = the factor on embeddings times x. */
  #scaleEmbedding(out: TrainingTensor, x: TrainingTensor): void {
    this.#backend.zero(out);
    this.#backend.addScaled(out, x, this.#traits.embeddingScale ?? 1);
  }

  #move(instruction: Instruction, layer: Layer): Move {
    const { prefix, values } = layer;
    switch (instruction.op) {
      case 'norm':
        return this.#norm(instruction, prefix, values);
      case 'linear':
        return instruction.add ? this.#add(instruction, prefix, values) : this.#linear(instruction, prefix, values);
      case 'rotate':
        return this.#rotate(instruction, layer);
      case 'attend':
        return this.#attend(layer);
      case 'gate':
        return this.#gate(values);
      case 'add':
        return this.#addTo(instruction, values);
    }
  }

  #norm({ x, out, weight, each }: Instruction & { op: 'norm' }, prefix: string, values: Values): Move {
    const backend = this.#backend;
    const { headSize, normEpsilon } = this.#shape;
    const { latent, gradient } = this.#parameters.get(prefix + weight);
    const from = held(values, x);
    const [rows, cols] = each ? [this.rows * this.#shape[each], headSize] : [this.rows, colsOf(x, this.#shape)];
    const to = this.#fill(values, out);
    return {
      forward: () => backend.rmsNorm(to, from, latent, rows, cols, normEpsilon),
      backward(gradients) {
        const dOut = gradients.take(out);
        const { dX, accumulate } = gradients.give(x, x === out ? dOut : undefined);
        backend.rmsNormBackward(dX, gradient, dOut, from, latent, rows, cols, normEpsilon, accumulate);
      },
    };
  }

  #linear({ x, to, biases }: Instruction & { op: 'linear' }, prefix: string, values: Values): Move {
    const from = held(values, x);
    const parameters = to.map(({ weight }) => this.#parameters.get(prefix + weight));
    const outs = to.map(({ out }) => this.#fill(values, out));
    const added = biases ? to.map(({ weight }) => this.#parameters.get(prefix + weight, 'bias')) : undefined;
    return {
      forward: () => {
        if (!added) return linear(this.#backend, this.#parameters, outs, from, parameters, this.rows);
        for (const [i, out] of outs.entries()) {
          this.#backend.embed(out, added[i].latent, this.#zeros, this.rows, added[i].cols);
          linear(this.#backend, this.#parameters, [out], from, [parameters[i]], this.rows, out);
        }
      },
      backward: (gradients) => {
        for (const [i, { out }] of to.entries()) {
          const dOut = gradients.take(out);
          if (added) this.#backend.embedBackward(added[i].gradient, dOut, this.#zeros, this.rows, added[i].cols);
          this.#linearBackward(gradients, x, dOut, from, parameters[i]);
        }
      },
    };
  }

  /** A product that is added to what a register holds, whose gradient stays as it is. */
  #add({ x, to }: Instruction & { op: 'linear' }, prefix: string, values: Values): Move {
    const from = held(values, x);
    const [{ weight, out }] = to;
    const parameter = this.#parameters.get(prefix + weight);
    const base = held(values, out);
    const sum = this.#fill(values, out);
    return {
      forward: () => linear(this.#backend, this.#parameters, [sum], from, [parameter], this.rows, base),
      backward: (gradients) => this.#linearBackward(gradients, x, gradients.of(out), from, parameter),
    };
  }

  /** The gradient of x [rows, inputs] and, added, that of the matrix. */
  #linearBackward(
    gradients: Gradients,
    x: Register,
    dOut: TrainingTensor,
    from: TrainingTensor,
    parameter: Parameter,
  ): void {
    const { dX, accumulate } = gradients.give(x);
    linearBackward(this.#backend, this.#parameters, dX, dOut, from, parameter, this.rows, accumulate);
  }

  /** Where it is: no gradient needs the register as it was before. */
  #rotate({ x, each }: Instruction & { op: 'rotate' }, { values, rotations }: Layer): Move {
    const { headSize } = this.#shape;
    const heads = this.#shape[each];
    const value = held(values, x);
    const rotate = (tensor: TrainingTensor, inverse: boolean) =>
      this.#backend.rotate(tensor, rotations, this.rows, this.#length, heads, headSize, inverse);
    return { forward: () => rotate(value, false), backward: (gradients) => rotate(gradients.of(x), true) };
  }

  #attend({ values, attention: shape }: Layer): Move {
    const backend = this.#backend;
    const [q, k, v] = [held(values, 'queries'), held(values, 'keys'), held(values, 'values')];
    const logSums = this.#own(this.rows * shape.heads);
    const out = this.#fill(values, 'attended');
    return {
      forward: () => backend.attention(out, logSums, q, k, v, shape),
      backward(gradients) {
        const dOut = gradients.take('attended');
        const [dQ, dK, dV] = (['queries', 'keys', 'values'] as const).map((name) => gradients.overwrite(name));
        backend.attentionBackward({ dQ, dK, dV }, dOut, { out, logSums, q, k, v }, shape);
      },
    };
  }

  #gate(values: Values): Move {
    const backend = this.#backend;
    const [gate, up] = [held(values, 'gate'), held(values, 'up')];
    const out = this.#fill(values, 'gate');
    const activation = shapeActivation(this.#shape);
    return {
      forward: () => backend.gated(out, gate, up, out.length, activation),
      backward(gradients) {
        // Gate and up are not needed again: their gradients take their place.
        backend.gatedBackward(gate, up, gradients.take('gate'), gate, up, out.length, activation);
        gradients.overwrite('gate', gate);
        gradients.overwrite('up', up);
      },
    };
  }

  /** A register that is added to the residual, whose gradient stays as it is. */
  #addTo({ x }: Instruction & { op: 'add' }, values: Values): Move {
    const backend = this.#backend;
    const [from, base] = [held(values, x), held(values, 'hidden')];
    const sum = this.#fill(values, 'hidden');
    return {
      forward() {
        backend.copy(sum, base);
        backend.addScaled(sum, from, 1);
      },
      backward: (gradients) => backend.copy(gradients.overwrite(x), gradients.of('hidden')),
    };
  }

  /** Cosines and sines [length][cos, sin] for angles of this base, as the forward pass of inference computes them. */
  #rotations(base: number, scaling?: RopeScaling): TrainingTensor {
    const dims = this.#shape.headSize;
    const { frequencies, magnitude } = scaledAngles(dims, base, scaling);
    const values = new Float32Array(this.#length * dims);
    writeRotations(values, 0, [...Array(this.#length).keys()], { dims, frequencies }, magnitude);
    const table = this.#own(values.length);
    this.#backend.write(table, values);
    return table;
  }

  /** New memory for a register, which holds it from now on. */
  #fill(values: Values, register: Register): TrainingTensor {
    const tensor = this.#own(this.rows * colsOf(register, this.#shape));
    values[register] = tensor;
    return tensor;
  }

  #own(length: number): TrainingTensor {
    const tensor = this.#backend.tensor(length);
    this.#owned.push(tensor);
    return tensor;
  }
}

function held(values: Values, register: Register): TrainingTensor {
  return values[register] as TrainingTensor; // plans fill registers before they read them
}
