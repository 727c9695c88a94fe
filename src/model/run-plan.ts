// Owns carrying out a layer's plan over a backend: each register is a buffer, overwritten from instruction to instruction. Must not know a concrete backend.
import type { Backend, KvPool, Tensor, Weight } from '../kernels/backend.ts';
import type { ModelConfig } from './architecture.ts';
import { ropeOf, windowOf } from './local-layers.ts';
import { type Block, colsOf, type Instruction, type Register } from './plan.ts';

/** A layer's tensors in a backend, by their names in the layer without `.weight`: `attn_q`, `attn_q.bias`. */
export type LayerWeights = Readonly<Record<string, Tensor | Weight | undefined>>;

/** The registers that the plan uses as buffers, all [maxRows, …] float32. */
export type Registers = Readonly<Record<Exclude<Register, 'input'>, Tensor>> & { readonly input?: Tensor };

/** What a layer works on: `count` rows of one step. */
export interface Step {
  readonly backend: Backend;
  readonly config: ModelConfig;
  readonly registers: Registers;
  readonly count: number;
  readonly layer: number;
  readonly pool: KvPool;
  /** `count` zeros: indices that repeat a vector for each row. */
  readonly zeros: Int32Array;
  readonly watch?: WatchAttention;
}

/**
 * Told each layer's queries [rows, heads, headSize] and keys [rows, kvHeads, headSize], rotated, right before they attend. It may dispatch, for instance
 * copies: the tensors are overwritten by the next layer.
 */
export type WatchAttention = (layer: number, queries: Tensor, keys: Tensor) => void;

/** Dispatches a layer. */
export function runLayer(blocks: readonly Block[], step: Step, weights: LayerWeights): void {
  for (const block of blocks) for (const instruction of block) run(instruction, step, weights);
}

function run(instruction: Instruction, step: Step, weights: LayerWeights): void {
  const { backend, config, registers, count } = step;
  const { heads, headSize, normEpsilon } = config;
  const held = (register: Register) => registers[register] as Tensor; // plans name only registers that there are
  switch (instruction.op) {
    case 'norm': {
      const { x, out, weight, each } = instruction;
      const [rows, cols] = each ? [count * config[each], headSize] : [count, colsOf(x, config)];
      backend.rmsNorm(held(out), held(x), weights[weight] as Tensor, rows, cols, normEpsilon);
      break;
    }
    case 'linear': {
      const x = held(instruction.x);
      for (const { weight: name, out } of instruction.to) {
        const weight = weights[name] as Weight;
        // The bias is repeated for each row, then added to.
        const { biases = false, add = false } = instruction;
        if (biases) backend.gatherRows(held(out), weights[`${name}.bias`] as Tensor, step.zeros, weight.rows);
        backend.matmul(held(out), x, weight, count, add || biases);
      }
      break;
    }
    case 'rotate':
      backend.rope(held(instruction.x), config[instruction.each], headSize, ropeOf(config, step.layer));
      break;
    case 'attend': {
      const { layer, pool } = step;
      const { queries, keys, values, attended } = registers;
      step.watch?.(layer, queries, keys);
      backend.storeKv(pool, layer, keys, values);
      const scale = config.attentionScale ?? 1 / Math.sqrt(headSize);
      backend.attention(attended, queries, pool, layer, heads, scale, windowOf(config, layer));
      break;
    }
    case 'gate': {
      const { gate, up } = registers;
      backend.gated(gate, gate, up, count * config.feedForwardWidth, config.activation);
      break;
    }
    case 'add':
      backend.scale(registers.hidden, held(instruction.x), count * config.width, 1, true);
      break;
  }
}
