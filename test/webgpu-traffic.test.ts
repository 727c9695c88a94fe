// What a decode step of the 1.7B shape moves and dispatches on WebGPU, counted: the real forward pass and backend on a device that only notes what it is
// asked for, so that neither a GPU nor the model's memory is needed. What kernels compute is webgpu.test.ts.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Sampling } from '../src/kernels/backend.ts';
import { plainRope } from '../src/kernels/cases.ts';
import { WebGpuBackend } from '../src/kernels/webgpu/webgpu-backend.ts';
import { qwen3 } from '../src/model/arch/qwen3.ts';
import type { ModelConfig } from '../src/model/config.ts';
import { Forward } from '../src/model/forward.ts';
import { kvBytesPerToken } from '../src/model/memory.ts';
import type { LayerWeights, ModelWeights } from '../src/model/weights.ts';

/** Bonsai 1.7B (Qwen3-1.7B in Q1_0). */
const shape: ModelConfig = {
  architecture: qwen3,
  name: '1.7B shape',
  layers: 28,
  width: 2048,
  feedForwardWidth: 6144,
  heads: 16,
  kvHeads: 8,
  headSize: 128,
  vocabulary: 151_669,
  contextLength: 32_768,
  normEpsilon: 1e-6,
  rope: plainRope(128, 'half', 1e6),
  tiedHead: true,
};
const CONTEXT = 8192;
const greedy: Sampling = { temperature: 0, topK: 1, topP: 1, minP: 0, uniform: 0 };
/** The defaults of `generate`, and sampling among the whole vocabulary. */
const few: Sampling = { temperature: 0.5, topK: 20, topP: 0.85, minP: 0, uniform: 0.5 };
const all: Sampling = { temperature: 1, topK: 0, topP: 0.95, minP: 0, uniform: 0.5 };

/** A device that computes nothing, and for each dispatch the labels and sizes of what is bound. */
function planDevice() {
  const dispatches: { label: string; size: number }[][] = [];
  let bound: { label: string; size: number }[] = [];
  const noted = <Value>(value: Value) => ({ ...value, destroy: () => {} });
  const pass = {
    setPipeline: () => {},
    setBindGroup: (_: number, group: typeof bound) => {
      bound = group;
    },
    dispatchWorkgroups: () => dispatches.push(bound),
    end: () => {},
  };
  const device = {
    limits: { minUniformBufferOffsetAlignment: 64, maxBufferSize: 2 ** 32, maxStorageBufferBindingSize: 2 ** 32 },
    lost: new Promise(() => {}),
    queue: { writeBuffer: () => {}, submit: () => {}, onSubmittedWorkDone: async () => {} },
    addEventListener: () => {},
    createBuffer: ({ label, size }: { label: string; size: number }) => ({
      ...noted({ label, size }),
      mapAsync: async () => {},
      getMappedRange: (_: number, bytes: number) => new ArrayBuffer(bytes),
      unmap: () => {},
    }),
    createCommandEncoder: () => ({ beginComputePass: () => pass, copyBufferToBuffer: () => {}, finish: () => ({}) }),
    createShaderModule: () => ({}),
    createComputePipeline: () => ({}),
    createPipelineLayout: () => ({}),
    createBindGroupLayout: () => ({}),
    createBindGroup: ({ entries }: { entries: { resource: { buffer: (typeof bound)[number] } }[] }) =>
      entries.map(({ resource }) => resource.buffer),
    destroy: () => {},
  };
  return { device: device as unknown as GPUDevice, dispatches };
}

async function planWeights(backend: WebGpuBackend): Promise<ModelWeights> {
  const { width, feedForwardWidth, headSize, vocabulary } = shape;
  const [queries, keys] = [shape.heads * headSize, shape.kvHeads * headSize];
  const matrix = (rows: number, cols: number) => backend.weight('q1_0', rows, cols, async () => {});
  const layers: LayerWeights[] = [];
  for (let i = 0; i < shape.layers; i++) {
    layers.push({
      attn_norm: backend.tensor(width),
      attn_q: await matrix(queries, width),
      attn_k: await matrix(keys, width),
      attn_v: await matrix(keys, width),
      attn_q_norm: backend.tensor(headSize),
      attn_k_norm: backend.tensor(headSize),
      attn_output: await matrix(width, queries),
      ffn_norm: backend.tensor(width),
      ffn_gate: await matrix(feedForwardWidth, width),
      ffn_up: await matrix(feedForwardWidth, width),
      ffn_down: await matrix(width, feedForwardWidth),
    });
  }
  const token_embd = await matrix(vocabulary, width);
  return { token_embd, layers, output_norm: backend.tensor(width), output: token_embd, digest: '' };
}

describe('a decode step of the 1.7B shape on webgpu', () => {
  const { device, dispatches } = planDevice();
  const opened = {
    device,
    gpu: {} as GPU,
    adapter: 'plan',
    bindingBytes: 2 ** 32,
    features: { subgroups: true, int8Dots: true },
  };
  type Step = (
    position: number,
    sampling: Sampling,
  ) => Promise<ReturnType<WebGpuBackend['traffic']> & { boundWeightBytes: number }>;

  /** A model's step on a backend that takes activations so. */
  const prepare = async (activations: 'f32' | 'q8') => {
    const backend = new WebGpuBackend(opened, activations);
    const forward = new Forward(shape, await planWeights(backend), backend, 1, 1);
    const { layers, kvHeads, headSize } = shape;
    const pool = backend.kvPool({ layers, kvHeads, headSize, pages: CONTEXT / 32, format: 'f16' });
    const pageTables = [Int32Array.from({ length: CONTEXT / 32 }, (_, i) => i)];
    const step: Step = async (position, sampling) => {
      const before = backend.traffic();
      dispatches.length = 0;
      const one = (value: number) => Int32Array.of(value);
      const rows = { count: 1, tokens: one(7), positions: one(position), sequence: one(0), pageTables };
      const logits = forward.step(rows, pool, one(0));
      await backend.sample(logits, 0, shape.vocabulary, sampling);
      const after = Object.entries(backend.traffic());
      const moved = Object.fromEntries(after.map(([name, value]) => [name, value - before[name as 'dispatches']]));
      // The first dispatch is the embedding, which reads a row.
      const weights = dispatches.slice(1).flatMap((buffers) => buffers.filter(({ label }) => /^weight /.test(label)));
      return { ...(moved as typeof before), boundWeightBytes: weights.reduce((sum, { size }) => sum + size, 0) };
    };
    return step;
  };
  let steps: Record<'f32' | 'q8', Step>;
  beforeAll(async () => {
    steps = { f32: await prepare('f32'), q8: await prepare('q8') };
  });

  for (const [context, choosing, activations, others] of [
    [1, greedy, 'f32', 2],
    [256, greedy, 'f32', 2],
    [2048, few, 'f32', 4],
    [CONTEXT, all, 'f32', 2],
    // Queries, keys and values share rounded activations, gate and up too.
    [256, greedy, 'q8', 2 + 4 * shape.layers + 1],
  ] as const) {
    it(`moves at most 1.05 times weights and cache at a context of ${context}, ${activations}, top-k ${choosing.topK}`, async () => {
      const step = steps[activations];
      await step(context - 1, choosing); // grows memory for candidates and partial results
      const moved = await step(context - 1, choosing);
      const rowBytes = (shape.width / 128) * 18;
      const matrices = 2 * shape.heads * 128 * shape.width + 2 * 1024 * shape.width + 3 * 6144 * shape.width;
      const weightBytes = ((shape.layers * matrices) / 128) * 18 + shape.vocabulary * rowBytes;
      expect(moved.weightBytes).toBe(weightBytes + rowBytes);
      expect(moved.boundWeightBytes - weightBytes).toBeLessThan(16 * 7 * shape.layers); // buffers are multiples of 16
      // All positions read, the token's own written.
      expect(moved.kvBytes).toBe(kvBytesPerToken(shape, 'f16') * (context + 1));
      const all = moved.weightBytes + moved.kvBytes + moved.otherBytes;
      const share = all / (weightBytes + kvBytesPerToken(shape, 'f16') * context);
      console.log(
        `1.7B shape, ${activations}, context ${context}: ${(all / 1e6).toFixed(1)} MB a token = ${share.toFixed(4)} x weights and cache, ` +
          `${(moved.cachedBytes / 1e6).toFixed(0)} MB again from caches, ${moved.dispatches} dispatches`,
      );
      expect(share).toBeLessThanOrEqual(1.05);
      // 16 operations per layer, one more where attention is split; embedding, gathering, norm, head.
      expect(moved.dispatches).toBe(shape.layers * (context > 128 ? 17 : 16) + 4 + others);
      expect(moved).toMatchObject({ submissions: 1, readBackBytes: 4 });
    });
  }
});
