// Every architecture against a plain forward pass in numpy (test/golden/architectures.json), two random models each.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type WritableTensor, type WritableValue, writeGguf } from '../src/gguf/write.ts';
import { load } from '../src/index.ts';
import { tensorOf as tensorHolding } from '../src/kernels/cases.ts';
import { referenceBackend } from '../src/kernels/reference/reference-backend.ts';
import { loadWeight } from '../src/kernels/weight-loading.ts';
import { architectures } from '../src/model/arch/index.ts';
import { formatByName } from '../src/quant/formats.ts';

interface GoldenModel {
  readonly architecture: string;
  readonly activation: string | null;
  readonly seed: number;
  /** Other keys of the file, below the architecture's prefix. */
  readonly keys?: Readonly<Record<string, number>>;
  readonly tensors: readonly [name: string, shape: number[]][];
  readonly logprobs: readonly number[];
  /** Of the whole text, where the file says how it is made. */
  readonly vector?: readonly number[];
}
const golden: {
  readonly tokens: number[];
  readonly sizes: Record<string, number>;
  readonly models: readonly GoldenModel[];
} = JSON.parse(readFileSync(new URL('golden/architectures.json', import.meta.url), 'utf8'));

/** As bench/golden/architectures-golden.py makes them. */
function numbers(seed: number, count: number): Float64Array {
  let state = seed;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

function numberOf(name: string, value: number, inputs: number): number {
  if (name.includes('norm')) return 1 + 0.4 * value;
  if (name.includes('freqs')) return 2 + 2 * value;
  return name.endsWith('bias') ? 2 * value : (value * 3.46) / Math.sqrt(inputs);
}

function tensorOf(name: string, shape: number[], seed: number): WritableTensor {
  const raw = numbers(
    seed,
    shape.reduce((product, size) => product * size, 1),
  );
  const values = Float32Array.from(raw, (value) => numberOf(name, value, shape[0]));
  return { name, shape, format: 'f32', bytes: () => new Uint8Array(values.buffer) };
}

async function fileOf(
  { architecture, activation, seed, tensors, keys = {} }: GoldenModel,
  more: Record<string, WritableValue> = {},
  factors?: (name: string) => WritableTensor,
): Promise<Uint8Array> {
  const { width, feedForward, heads, kvHeads, headSize, layers, epsilon, base } = golden.sizes;
  const vocabulary = tensors[0][1][1];
  const texts = Array.from({ length: vocabulary }, (_, i) => String.fromCharCode(0x100 + i));
  const u32 = (value: number): WritableValue => ({ type: 'u32', value });
  const own = (key: string) => `${architecture}.${key}`;
  const metadata = new Map<string, WritableValue>([
    ['general.architecture', architecture],
    [own('block_count'), u32(layers)],
    [own('context_length'), u32(64)],
    [own('embedding_length'), u32(width)],
    [own('feed_forward_length'), u32(feedForward)],
    [own('attention.head_count'), u32(heads)],
    [own('attention.head_count_kv'), u32(kvHeads)],
    [own('attention.key_length'), u32(headSize)],
    [own('attention.layer_norm_rms_epsilon'), { type: 'f32', value: epsilon }],
    [own('rope.freq_base'), { type: 'f32', value: base }],
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.tokens', texts],
    ['tokenizer.ggml.token_type', new Int32Array(vocabulary).fill(1)],
    ['tokenizer.ggml.merges', []],
    ['tokenizer.ggml.eos_token_id', u32(0)],
  ]);
  if (activation) metadata.set(own('hidden_activation'), activation);
  for (const [key, value] of Object.entries(keys)) {
    metadata.set(own(key), { type: Number.isInteger(value) ? 'u32' : 'f32', value });
  }
  for (const [key, value] of Object.entries(more)) metadata.set(key, value);
  const parts: Uint8Array[] = [];
  const writable = tensors.map(([name, shape], i) =>
    factors && name.includes('freqs') ? factors(name) : tensorOf(name, shape, seed * 1000 + i),
  );
  await writeGguf({ metadata, tensors: writable }, (bytes) => void parts.push(bytes.slice()));
  return new Uint8Array(Buffer.concat(parts));
}

test('every architecture has golden data', () => {
  const known = new Set(golden.models.map(({ architecture }) => architecture));
  expect(architectures.map(({ name }) => name).filter((name) => !known.has(name))).toEqual([]);
});

test.each(golden.models)('$architecture, activation $activation, keys $keys, seed $seed', async (model) => {
  const file = await fileOf(model);
  for (const backend of ['reference', 'wasm'] as const) {
    const loaded = await load(file, { backend, threads: 1, kvFormat: 'f32' });
    const { logprobs } = await loaded.score(golden.tokens);
    const vector = model.vector ? await loaded.embed(golden.tokens) : undefined;
    await loaded.dispose();
    const own = Array.from(logprobs, Number);
    expect(own.length).toBe(model.logprobs.length);
    const worst = Math.max(...own.map((value, i) => Math.abs(value - model.logprobs[i])));
    expect(worst, backend).toBeLessThan(2e-4);
    const far = model.vector?.map((value, i) => Math.abs(value - vector![i])) ?? [];
    expect(Math.max(0, ...far), backend).toBeLessThan(1e-5);
  }
});

test('an activation that the engine does not have is refused, and so are tensors that are not of the architecture', async () => {
  const bitnet = golden.models.find(({ architecture }) => architecture === 'bitnet')!;
  await expect(load(await fileOf({ ...bitnet, activation: 'gelu' }))).rejects.toThrow(
    /must be silu or relu2, got 'gelu'/,
  );
  const biased = { ...bitnet, tensors: [...bitnet.tensors, ['blk.0.attn_q.bias', [64]] as [string, number[]]] };
  await expect(load(await fileOf(biased))).rejects.toThrow(/'blk.0.attn_q.bias' is not part of a bitnet model/);
});

test('a file may say that it makes no vectors, or how in a way that is not known', async () => {
  const last = golden.models.find(({ keys }) => keys?.pooling_type === 3)!;
  const pooled = (type: number) => fileOf({ ...last, keys: { pooling_type: type } });
  const none = await load(await pooled(0), { backend: 'reference' });
  await expect(none.embed([1])).rejects.toThrow(/pooling_type of mean, cls or last, its file says none/);
  await none.dispose();
  await expect(load(await pooled(4))).rejects.toThrow(
    /pooling_type' must be 0 to 3 \(none, mean, cls, last\), got rank/,
  );
  await expect(load(await pooled(9))).rejects.toThrow(/got 9/);
});

test('factors of frequencies must be positive, and local layers must be said for each layer', async () => {
  const factors = golden.models.find(({ tensors }) => tensors.some(([name]) => name === 'rope_freqs.weight'))!;
  const negative = (name: string): WritableTensor => ({
    ...{ name, shape: [8], format: 'f32' },
    bytes: () => new Uint8Array(new Float32Array(8).fill(-1).buffer),
  });
  await expect(load(await fileOf(factors, {}, negative))).rejects.toThrow(
    /'rope_freqs.weight' must be above 0, got -1 at 0/,
  );
  const gemma = golden.models.find(({ architecture }) => architecture === 'gemma3')!;
  const pattern = { 'gemma3.attention.sliding_window_pattern': [true] };
  await expect(load(await fileOf(gemma, pattern))).rejects.toThrow(/a value for each of 2 layers, got 1 values/);
  await expect(load(await fileOf({ ...gemma, keys: { final_logit_softcapping: 30 } }))).rejects.toThrow(
    /is not honoured/,
  );
});

test('a factor beside a ternary matrix multiplies it', async () => {
  const format = formatByName('q2_0');
  const codes = numbers(7, 64 * 64);
  const load = (d: number, factor?: number) => {
    const bytes = new Uint8Array((codes.length / format.blockSize) * format.blockBytes);
    format.encode(Float32Array.from(codes, (value) => Math.round(3 * value) * d), bytes); // biome-ignore format: short
    const read = async (target: Uint8Array, at: number) => target.set(bytes.subarray(at, at + target.length));
    return loadWeight(backend, 'q2_0', 64, 64, read, undefined, factor);
  };
  const backend = referenceBackend();
  const x = tensorHolding(backend, Float32Array.from(numbers(3, 64)));
  const [plain, halved] = [backend.tensor(64), backend.tensor(64)];
  backend.matmul(plain, x, await load(0.25), 1);
  backend.matmul(halved, x, await load(0.5, 0.5), 1);
  expect(await backend.read(halved, 0, 64)).toEqual(await backend.read(plain, 0, 64));
});
