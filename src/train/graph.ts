// Owns the decoder's forward pass over whole sequences and its gradient, block by block, forward and backward side by side. The same graph as
// model/forward.ts runs, operation for operation. Must not know optimisers, data or a concrete backend.
import { writeRotations } from '../kernels/rotations.ts';
import type { AttentionShape, TrainingBackend, TrainingTensor } from '../kernels/training.ts';
import { ropeFrequencies } from '../model/rope-scaling.ts';
import { linear, linearBackward } from './linear.ts';
import { isFrozen, type Parameters } from './parameters.ts';
import type { ModelShape } from './shape.ts';

/** What a layer's forward pass leaves for its backward pass; all [rows, …]. */
interface LayerActivations {
  /** The residual vectors that enter the layer, and those between its two blocks. */
  readonly input: TrainingTensor;
  readonly middle: TrainingTensor;
  readonly attentionNormed: TrainingTensor;
  readonly queries: TrainingTensor;
  readonly keys: TrainingTensor;
  readonly values: TrainingTensor;
  /** Queries and keys normalised and rotated. */
  readonly rotatedQueries: TrainingTensor;
  readonly rotatedKeys: TrainingTensor;
  readonly attended: TrainingTensor;
  readonly logSums: TrainingTensor;
  readonly feedNormed: TrainingTensor;
  readonly gate: TrainingTensor;
  readonly up: TrainingTensor;
  readonly activated: TrainingTensor;
}

/** The decoder for sequences of one shape. */
export class Graph {
  readonly rows: number;
  /** [rows, width] what leaves the last layer, normalised; the head's input. */
  readonly normed: TrainingTensor;
  /** [rows, width] the loss's gradient with respect to `normed`, to be set before `backward`. */
  readonly dNormed: TrainingTensor;
  readonly #shape: ModelShape;
  readonly #attention: AttentionShape;
  readonly #backend: TrainingBackend;
  readonly #parameters: Parameters;
  readonly #tokens: TrainingTensor;
  readonly #rotations: TrainingTensor;
  readonly #layers: LayerActivations[];
  readonly #output: TrainingTensor;
  readonly #gradients: Record<'hidden' | 'queries' | 'keys' | 'values' | 'attended' | 'activated', TrainingTensor>;
  readonly #owned: TrainingTensor[] = [];

  constructor(shape: ModelShape, parameters: Parameters, backend: TrainingBackend, sequences: number, length: number) {
    this.#shape = shape;
    this.#parameters = parameters;
    this.#backend = backend;
    const { width, heads, kvHeads, headSize, feedForwardWidth } = shape;
    this.#attention = { sequences, length, heads, kvHeads, headSize };
    const rows = sequences * length;
    this.rows = rows;
    this.#tokens = this.#own(rows);
    this.#rotations = this.#own(length * headSize);
    backend.write(this.#rotations, rotations(length, headSize, shape.ropeBase));
    this.#layers = Array.from({ length: shape.layers }, () => this.#layerActivations(rows));
    this.#output = this.#own(rows * width);
    this.normed = this.#own(rows * width);
    this.dNormed = this.#own(rows * width);
    this.#gradients = {
      hidden: this.#own(rows * width),
      queries: this.#own(rows * heads * headSize),
      keys: this.#own(rows * kvHeads * headSize),
      values: this.#own(rows * kvHeads * headSize),
      attended: this.#own(rows * heads * headSize),
      activated: this.#own(rows * feedForwardWidth),
    };
  }

  /** Computes `normed` of `tokens` [rows]. */
  forward(tokens: Int32Array): void {
    const { width } = this.#shape;
    const embedding = this.#parameters.get('token_embd');
    this.#backend.write(this.#tokens, tokens);
    this.#backend.embed(this.#layers[0].input, this.#parameters.value(embedding), this.#tokens, this.rows, width);
    for (const [layer, activations] of this.#layers.entries()) {
      this.#attentionForward(layer, activations);
      this.#feedForward(layer, activations, this.#layers[layer + 1]?.input ?? this.#output);
    }
    this.#norm(this.normed, this.#output, 'output_norm', this.rows, width);
  }

  /** Adds to every gradient but the head's what follows from `dNormed`. */
  backward(): void {
    const { width } = this.#shape;
    const { hidden } = this.#gradients;
    this.#normBackward(hidden, this.dNormed, this.#output, 'output_norm', this.rows, width, false);
    for (let layer = this.#layers.length - 1; layer >= 0; layer--) {
      this.#feedForwardBackward(layer, this.#layers[layer]);
      this.#attentionBackward(layer, this.#layers[layer]);
    }
    const embedding = this.#parameters.get('token_embd');
    if (!isFrozen(embedding)) {
      this.#backend.embedBackward(embedding.gradient, hidden, this.#tokens, this.rows, width);
    }
  }

  /** Gives back all memory. */
  free(): void {
    for (const tensor of this.#owned) this.#backend.free(tensor);
  }

  #attentionForward(layer: number, a: LayerActivations): void {
    const backend = this.#backend;
    const { width, heads, kvHeads, headSize } = this.#shape;
    const { length } = this.#attention;
    const { rows } = this;
    const name = `blk.${layer}`;
    this.#norm(a.attentionNormed, a.input, `${name}.attn_norm`, rows, width);
    const projections = [`${name}.attn_q`, `${name}.attn_k`, `${name}.attn_v`];
    this.#linear([a.queries, a.keys, a.values], a.attentionNormed, projections);
    if (this.#shape.qkNorm !== false) {
      this.#norm(a.rotatedQueries, a.queries, `${name}.attn_q_norm`, rows * heads, headSize);
      this.#norm(a.rotatedKeys, a.keys, `${name}.attn_k_norm`, rows * kvHeads, headSize);
    }
    backend.rotate(a.rotatedQueries, this.#rotations, rows, length, heads, headSize, false);
    backend.rotate(a.rotatedKeys, this.#rotations, rows, length, kvHeads, headSize, false);
    backend.attention(a.attended, a.logSums, a.rotatedQueries, a.rotatedKeys, a.values, this.#attention);
    this.#linear([a.middle], a.attended, [`${name}.attn_output`], a.input);
  }

  #attentionBackward(layer: number, a: LayerActivations): void {
    const backend = this.#backend;
    const { width, heads, kvHeads, headSize } = this.#shape;
    const { length } = this.#attention;
    const { rows } = this;
    const { hidden, queries: dQ, keys: dK, values: dV, attended: dAttended } = this.#gradients;
    const name = `blk.${layer}`;
    this.#linearBackward(dAttended, hidden, a.attended, `${name}.attn_output`, false);
    const saved = { out: a.attended, logSums: a.logSums, q: a.rotatedQueries, k: a.rotatedKeys, v: a.values };
    backend.attentionBackward({ dQ, dK, dV }, dAttended, saved, this.#attention);
    backend.rotate(dQ, this.#rotations, rows, length, heads, headSize, true);
    backend.rotate(dK, this.#rotations, rows, length, kvHeads, headSize, true);
    if (this.#shape.qkNorm !== false) {
      this.#normBackward(dQ, dQ, a.queries, `${name}.attn_q_norm`, rows * heads, headSize, false);
      this.#normBackward(dK, dK, a.keys, `${name}.attn_k_norm`, rows * kvHeads, headSize, false);
    }
    this.#linearBackward(this.dNormed, dQ, a.attentionNormed, `${name}.attn_q`, false);
    this.#linearBackward(this.dNormed, dK, a.attentionNormed, `${name}.attn_k`, true);
    this.#linearBackward(this.dNormed, dV, a.attentionNormed, `${name}.attn_v`, true);
    this.#normBackward(hidden, this.dNormed, a.input, `${name}.attn_norm`, rows, width, true);
  }

  #feedForward(layer: number, a: LayerActivations, out: TrainingTensor): void {
    const { width, feedForwardWidth } = this.#shape;
    const name = `blk.${layer}`;
    this.#norm(a.feedNormed, a.middle, `${name}.ffn_norm`, this.rows, width);
    this.#linear([a.gate, a.up], a.feedNormed, [`${name}.ffn_gate`, `${name}.ffn_up`]);
    this.#backend.swiglu(a.activated, a.gate, a.up, this.rows * feedForwardWidth);
    this.#linear([out], a.activated, [`${name}.ffn_down`], a.middle);
  }

  #feedForwardBackward(layer: number, a: LayerActivations): void {
    const { width, feedForwardWidth } = this.#shape;
    const { hidden, activated: dActivated } = this.#gradients;
    const name = `blk.${layer}`;
    this.#linearBackward(dActivated, hidden, a.activated, `${name}.ffn_down`, false);
    // Gate and up are not needed again: their gradients take their place.
    this.#backend.swigluBackward(a.gate, a.up, dActivated, a.gate, a.up, this.rows * feedForwardWidth);
    this.#linearBackward(this.dNormed, a.gate, a.feedNormed, `${name}.ffn_gate`, false);
    this.#linearBackward(this.dNormed, a.up, a.feedNormed, `${name}.ffn_up`, true);
    this.#normBackward(hidden, this.dNormed, a.middle, `${name}.ffn_norm`, this.rows, width, true);
  }

  /** outs = (base +) x · weightsᵀ. */
  #linear(outs: TrainingTensor[], x: TrainingTensor, names: string[], base?: TrainingTensor): void {
    const parameters = names.map((name) => this.#parameters.get(name));
    linear(this.#backend, this.#parameters, outs, x, parameters, this.rows, base);
  }

  /** The gradients of `#linear`: dX = (or, with `accumulate`, +=) dOut · weight; the weight's += dOutᵀ · x. */
  #linearBackward(
    dX: TrainingTensor,
    dOut: TrainingTensor,
    x: TrainingTensor,
    name: string,
    accumulate: boolean,
  ): void {
    const parameter = this.#parameters.get(name);
    linearBackward(this.#backend, this.#parameters, dX, dOut, x, parameter, this.rows, accumulate);
  }

  #norm(out: TrainingTensor, x: TrainingTensor, name: string, rows: number, cols: number): void {
    const { latent } = this.#parameters.get(name);
    this.#backend.rmsNorm(out, x, latent, rows, cols, this.#shape.normEpsilon);
  }

  #normBackward(
    dX: TrainingTensor,
    dOut: TrainingTensor,
    x: TrainingTensor,
    name: string,
    rows: number,
    cols: number,
    accumulate: boolean,
  ): void {
    const { latent, gradient } = this.#parameters.get(name);
    const { normEpsilon } = this.#shape;
    this.#backend.rmsNormBackward(dX, gradient, dOut, x, latent, rows, cols, normEpsilon, accumulate);
  }

  #layerActivations(rows: number): LayerActivations {
    const { width, heads, kvHeads, headSize, feedForwardWidth } = this.#shape;
    const rowsOf = (cols: number) => this.#own(rows * cols);
    const queries = rowsOf(heads * headSize);
    const keys = rowsOf(kvHeads * headSize);
    // Without norms they are rotated where they are: no gradient needs them as they were.
    const inPlace = this.#shape.qkNorm === false;
    return {
      input: rowsOf(width),
      middle: rowsOf(width),
      attentionNormed: rowsOf(width),
      queries,
      keys,
      values: rowsOf(kvHeads * headSize),
      rotatedQueries: inPlace ? queries : rowsOf(heads * headSize),
      rotatedKeys: inPlace ? keys : rowsOf(kvHeads * headSize),
      attended: rowsOf(heads * headSize),
      logSums: rowsOf(heads),
      feedNormed: rowsOf(width),
      gate: rowsOf(feedForwardWidth),
      up: rowsOf(feedForwardWidth),
      activated: rowsOf(feedForwardWidth),
    };
  }

  #own(length: number): TrainingTensor {
    const tensor = this.#backend.tensor(length);
    this.#owned.push(tensor);
    return tensor;
  }
}

/** Cosines and sines [length][cos, sin], as the forward pass of inference computes them. */
function rotations(length: number, headSize: number, base: number): Float32Array {
  const frequencies = Float32Array.from(ropeFrequencies(headSize, base));
  const table = new Float32Array(length * headSize);
  writeRotations(table, 0, [...Array(length).keys()], { dims: headSize, frequencies }, 1);
  return table;
}
