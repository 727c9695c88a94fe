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
  switch (instruction.op) {
    case 'norm': {
      const { x, out, weight, each } = instruction;
      const rows = each ? count * config[each] : count;
      const cols = each ? headSize : colsOf(x, config);
      const scale = weights[weight] as Tensor;
      backend.rmsNorm(held(registers, out), held(registers, x), scale, rows, cols, normEpsilon);
      break;
    }
    case 'linear': {
      const x = held(registers, instruction.x);
      const { biases = false, add = false } = instruction;
      for (const { weight: name, out: register } of instruction.to) {
        const weight = weights[name] as Weight;
        const out = held(registers, register);
        // The bias is repeated for each row, then added to.
        if (biases) backend.gatherRows(out, weights[`${name}.bias`] as Tensor, step.zeros, weight.rows);
        backend.matmul(out, x, weight, count, add || biases);
      }
      break;
    }
    case 'rotate':
      backend.rope(held(registers, instruction.x), config[instruction.each], headSize, ropeOf(config, step.layer));
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
      backend.scale(registers.hidden, held(registers, instruction.x), count * config.width, 1, true);
      break;
  }
}

/** A register's buffer: plans name only registers that there are. */
function held(registers: Registers, register: Register): Tensor {
  return registers[register] as Tensor;
}
