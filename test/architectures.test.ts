// Every architecture against a plain forward pass in numpy (test/golden/architectures.json), two random models each, and against llama.cpp where it knows them.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { modelFile, numbers } from '../bench/golden/architecture-files.mjs';
import { memorySource } from '../src/bytes/memory-source.ts';
import { planConversion } from '../src/gguf/convert.ts';
import { readGguf } from '../src/gguf/read.ts';
import { type WritableValue, writeGguf } from '../src/gguf/write.ts';
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
  readonly keys?: Readonly<Record<string, number | string>>;
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

/** What llama.cpp finds of the same models, and of longer texts. */
const judged: {
  readonly program: string;
  readonly models: readonly {
    readonly model: number;
    readonly keys?: GoldenModel['keys'];
    readonly tokens: readonly number[];
    readonly logprobs: number[];
  }[];
} = JSON.parse(readFileSync(new URL('golden/llama-architectures.json', import.meta.url), 'utf8'));

const fileOf = (model: GoldenModel, more?: Record<string, WritableValue>): Promise<Uint8Array> =>
  modelFile(writeGguf, model, golden.sizes, more);

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

/**
 * Mean difference in nats per token that is allowed where everything is float32 (docs/accuracy.md); llama.cpp looks gelu up in a table of half floats,
 * and takes what it makes of it for an error of its own.
 */
const allowedOf = (architecture: string) => (architecture === 'gemma3' ? 2e-3 : 1e-5);

test.each(judged.models)(
  `model $model with keys $keys, as ${judged.program} has it`,
  async ({ model, keys, tokens, logprobs }) => {
    const own = golden.models[model];
    const one = { ...own, keys: { ...own.keys, ...keys } };
    for (const backend of ['reference', 'wasm'] as const) {
      const loaded = await load(await fileOf(one), { backend, threads: 1, kvFormat: 'f32' });
      const { logprobs: found } = await loaded.score([...tokens]);
      await loaded.dispose();
      const differences = Array.from(found, (value, i) => Math.abs(Number(value) - logprobs[i]));
      const mean = differences.reduce((sum, value) => sum + value, 0) / logprobs.length;
      expect(mean, `${one.architecture} ${JSON.stringify(one.keys)} ${backend}`).toBeLessThan(
        allowedOf(one.architecture),
      );
    }
  },
);

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
  const file = await fileOf(factors);
  const { offsetBytes } = (await readGguf(memorySource(file))).tensors.get('rope_freqs.weight')!;
  new DataView(file.buffer, file.byteOffset).setFloat32(offsetBytes, -1, true);
  await expect(load(file)).rejects.toThrow(/'rope_freqs.weight' must be above 0, got -1 at 0/);
  const gemma = golden.models.find(({ architecture }) => architecture === 'gemma3')!;
  const pattern = { 'gemma3.attention.sliding_window_pattern': [true] };
  await expect(load(await fileOf(gemma, pattern))).rejects.toThrow(/a value for each of 2 layers, got 1 values/);
  await expect(load(await fileOf({ ...gemma, keys: { final_logit_softcapping: 30 } }))).rejects.toThrow(
    /is not honoured/,
  );
});

test('a context that slides turns the keys of each layer by its own angles', async () => {
  const gemma = golden.models.find(({ keys }) => keys?.['rope.freq_base_swa'])!;
  const texts: string[] = [];
  for (const backend of ['reference', 'wasm'] as const) {
    const model = await load(await fileOf(gemma), { backend, threads: 1, kvFormat: 'f32', contextTokens: 128 });
    const options = { temperature: 0, maxTokens: 200, overflow: 'slide', ignoreEndOfText: true } as const;
    texts.push((await model.generate(golden.tokens, options).result()).tokens.join());
    await model.dispose();
  }
  expect(texts[0].split(',')).toHaveLength(200);
  expect(texts[1]).toBe(texts[0]);
});

test.each(['f16', 'q8_0'] as const)('factors beside matrices of %s multiply them', async (type) => {
  const scaled = golden.models.find(({ tensors }) => tensors.some(([name]) => name.endsWith('.scale')))!;
  const source = memorySource(await fileOf(scaled));
  const parts: Uint8Array[] = [];
  const conversion = await planConversion(source, await readGguf(source), { type, force: true });
  await conversion.write((bytes) => void parts.push(bytes.slice()));
  for (const backend of ['reference', 'wasm'] as const) {
    const loaded = await load(new Uint8Array(Buffer.concat(parts)), { backend, threads: 1, kvFormat: 'f32' });
    const { logprobs } = await loaded.score(golden.tokens);
    await loaded.dispose();
    const differences = Array.from(logprobs, (value, i) => Math.abs(Number(value) - scaled.logprobs[i]));
    // What rounding of weights and activations costs; without the factors it is 0.5 and more.
    const allowed = { f16: 2e-3, q8_0: 0.03 }[type];
    expect(differences.reduce((sum, value) => sum + value, 0) / differences.length).toBeLessThan(allowed);
  }
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
