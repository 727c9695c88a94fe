// Low-rank adapters: beside the weights, merged into them, in one batch, as files of llama.cpp and PEFT.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { writeFileAtomically } from '../src/bytes/file-write.ts';
import { memorySource } from '../src/bytes/memory-source.ts';
import { Random } from '../src/core/random.ts';
import { readGguf } from '../src/gguf/read.ts';
import { writeGguf } from '../src/gguf/write.ts';
import { type AdapterMatrix, ggufAdapter, writePeftAdapter } from '../src/hf/adapter.ts';
import { adaptedModelOf, mergedSource } from '../src/hf/merge.ts';
import { load } from '../src/load.ts';
import { openAdapter, readAdapter } from '../src/load-adapter.ts';
import { modelFile } from '../src/train/model-file.ts';
import { defaultRecipe } from '../src/train/recipe.ts';
import { readStartModel } from '../src/train/start-model.ts';
import { createTrainer } from '../src/train/trainer.ts';
import { tinyModel } from './tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'onebit-adapters-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Of the tiny model: rows and columns of some matrices. */
const sizes: Record<string, [rows: number, cols: number]> = {
  'blk.0.attn_q.weight': [128, 128],
  'blk.0.attn_k.weight': [64, 128],
  'blk.1.attn_output.weight': [128, 128],
  'blk.1.ffn_down.weight': [128, 256],
};

function randomAdapter(seed: number, rank = 3, factor = 2): AdapterMatrix[] {
  const random = new Random(seed);
  const values = (length: number, size: number) => Float32Array.from({ length }, () => size * random.normal());
  return Object.entries(sizes).map(([name, [rows, cols]]) => ({
    ...{ name, rank, factor },
    a: values(rank * cols, 0.1),
    b: values(rows * rank, 0.1),
  }));
}

async function ggufBytes(matrices: readonly AdapterMatrix[], architecture = 'qwen3'): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const model = { architecture, heads: 4, kvHeads: 2 };
  await writeGguf(ggufAdapter(matrices, model, 'adapter'), (bytes) => {
    parts.push(bytes.slice());
  });
  return new Uint8Array(Buffer.concat(parts));
}

const prompt = [72, 105, 32, 116, 104, 101, 114, 101];
const greedy = { maxTokens: 6, temperature: 0, logprobs: 0, ignoreEndOfText: true } as const;

test('a request with an adapter gets what the model with the adapter merged gives', async () => {
  const bytes = await tinyModel();
  const matrices = randomAdapter(1);
  const merged = mergedSource(await readGguf(memorySource(bytes)), memorySource(bytes), matrices);
  const model = await load(bytes, { backend: 'reference', kvFormat: 'f32' });
  const whole = await load(merged, { backend: 'reference', kvFormat: 'f32' });
  await model.addAdapter('mine', memorySource(await ggufBytes(matrices)));
  const [base, mine, oracle] = await Promise.all([
    model.generate(prompt, greedy).result(),
    model.generate(prompt, { ...greedy, adapter: 'mine' }).result(),
    whole.generate(prompt, greedy).result(),
  ]);
  expect(mine.tokens).toEqual(oracle.tokens);
  for (const [i, { logprob }] of oracle.logprobs!.entries()) {
    expect(mine.logprobs![i].logprob).toBeCloseTo(logprob!, 4);
  }
  expect(Math.abs(base.logprobs![0].logprob! - mine.logprobs![0].logprob!)).toBeGreaterThan(1e-3);
  model.defaultAdapter = 'mine';
  expect((await model.generate(prompt, greedy).result()).logprobs).toEqual(mine.logprobs);
  expect((await model.generate(prompt, { ...greedy, adapter: '' }).result()).logprobs).toEqual(base.logprobs);
});

test('requests with different adapters share steps and have the bits of each alone; no cache is shared', async () => {
  const bytes = await tinyModel();
  const adapters = new Map(['a', 'b', 'c'].map((name, i) => [name, randomAdapter(i + 2)]));
  const loaded = async () => {
    const model = await load(bytes, { threads: 2, parallel: 12, kvTokens: 4096 });
    for (const [name, matrices] of adapters) await model.addAdapter(name, memorySource(await ggufBytes(matrices)));
    return model;
  };
  const requests = Array.from({ length: 8 }, (_, i) => ({
    tokens: [...prompt, ...Array.from({ length: 40 }, (_, j) => (7 * j + i) % 200)],
    adapter: ['', 'a', 'b', 'c'][i % 4],
  }));
  const model = await loaded();
  const ask = ({ tokens, adapter }: (typeof requests)[number]) =>
    model.generate(tokens, { ...greedy, adapter }).result();
  const together = await Promise.all(requests.map(ask));
  for (const [i, request] of requests.entries()) {
    const alone = await ask(request);
    expect(alone.tokens).toEqual(together[i].tokens);
    expect(alone.logprobs).toEqual(together[i].logprobs);
  }
  // The same text with another adapter finds nothing of what the others left, with the same one all of it.
  const { tokens } = requests[1];
  const found = async (adapter: string) => (await model.generate(tokens, { ...greedy, adapter }).result()).cachedTokens;
  expect(await found('a')).toBeGreaterThan(32);
  expect(await found('')).toBeLessThan(32);
  const [saved, other] = [model.session({ adapter: 'a' }), model.session({ adapter: 'b' })];
  for await (const _ of saved.generate(tokens, { ...greedy, maxTokens: 1 })) break;
  const state = await saved.save();
  expect(() => other.restore(state)).toThrow(/adapter must be those/);
  await model.dispose();
});

test.each(['llama', 'qwen3'])(
  'an adapter of a %s is the same as GGUF and as a folder of PEFT',
  async (architecture) => {
    const model = { architecture, heads: 4, kvHeads: 2 };
    const matrices = randomAdapter(9, 4, 1.5);
    const path = join(folder, architecture);
    const { mkdirSync } = await import('node:fs');
    mkdirSync(path);
    await writePeftAdapter(matrices, model, async (name, produce) => {
      const parts: Uint8Array[] = [];
      await produce(async (bytes) => void parts.push(bytes.slice()));
      writeFileSync(join(path, name), Buffer.concat(parts));
    });
    const { config } = await load(await tinyModel({ architecture: architecture as 'llama' }), { backend: 'reference' });
    const fromFolder = await openAdapter(path, config);
    expect(fromFolder).toEqual(await openAdapter(memorySource(await ggufBytes(matrices, architecture)), config));
    expect(fromFolder[0].b[1]).toBeCloseTo(1.5 * matrices[0].b[1], 6);
  },
);

test.each([
  [{ r: 8 }, /must have the rank r = 8 of adapter_config.json, got 4/],
  [{ r: 'x' }, /r is no whole number/],
  [{ init_lora_weights: 'pissa' }, /it has init_lora_weights "pissa"/],
  [{ alora_invocation_tokens: [1, 2] }, /it has alora_invocation_tokens/],
])('a folder of PEFT that is no plain adapter of one rank is refused: %j', async (change, message) => {
  const model = { architecture: 'qwen3', heads: 4, kvHeads: 2 };
  const path = mkdtempSync(join(folder, 'peft-'));
  await writePeftAdapter(randomAdapter(9, 4), model, async (name, produce) => {
    const parts: Uint8Array[] = [];
    await produce(async (bytes) => void parts.push(bytes.slice()));
    const bytes = Buffer.concat(parts);
    const isConfig = name === 'adapter_config.json';
    writeFileSync(join(path, name), isConfig ? JSON.stringify({ ...JSON.parse(`${bytes}`), ...change }) : bytes);
  });
  await expect(readAdapter(path, model)).rejects.toThrow(message);
});

test('an adapter where a model should be says what it is, as a file and as a folder', async () => {
  await expect(load(await ggufBytes(randomAdapter(3)))).rejects.toThrow(/must be a model, it is an adapter.*--lora/);
  const path = mkdtempSync(join(folder, 'alone-'));
  const model = { architecture: 'qwen3', heads: 4, kvHeads: 2 };
  await writePeftAdapter(randomAdapter(3), model, (name, produce) => writeFileAtomically(join(path, name), produce));
  await expect(load(path)).rejects.toThrow(/must hold a model, it holds an adapter of PEFT.*--lora/);
});

test('a factor beside a matrix counts for its weights and not for the adapter, merged too', async () => {
  const architecture = 'bitnet-b1.58';
  const vector = (name: string, values: Float32Array) => ({
    ...{ name, shape: [values.length], format: 'f32' as const },
    bytes: () => new Uint8Array(values.buffer),
  });
  const bytes = await tinyModel({
    ...{ architecture: architecture as 'llama', format: 'q2_0' },
    tensors: (tensors) => [
      ...tensors,
      ...[0, 1].map((layer) => vector(`blk.${layer}.attn_sub_norm.weight`, new Float32Array(128).fill(1))),
      ...[0, 1].map((layer) => vector(`blk.${layer}.ffn_sub_norm.weight`, new Float32Array(256).fill(1))),
      ...Object.keys(sizes).map((name) => vector(name.replace('.weight', '.scale'), Float32Array.of(0.25))),
    ],
  });
  const matrices = randomAdapter(4);
  const gguf = await readGguf(memorySource(bytes));
  const merged = mergedSource(gguf, memorySource(bytes), matrices);
  const model = await load(bytes, { backend: 'reference', kvFormat: 'f32' });
  const whole = await load(merged, { backend: 'reference', kvFormat: 'f32' });
  await model.addAdapter('mine', memorySource(await ggufBytes(matrices, architecture)));
  const mine = await model.generate(prompt, { ...greedy, adapter: 'mine' }).result();
  const oracle = await whole.generate(prompt, greedy).result();
  expect(mine.tokens).toEqual(oracle.tokens);
  for (const [i, { logprob }] of oracle.logprobs!.entries()) {
    expect(mine.logprobs![i].logprob).toBeCloseTo(logprob!, 4);
  }
});

test.each(['llama', 'qwen3'])(
  'an adapter of a %s is written as PEFT saves it by the program, and comes back',
  async (architecture) => {
    const path = (name: string) => join(folder, `${architecture}-${name}`);
    const convert = (...args: string[]) =>
      execFileSync(
        process.execPath,
        [fileURLToPath(new URL('../bin/onebit.js', import.meta.url)), 'convert', ...args],
        {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
    const matrices = randomAdapter(5);
    writeFileSync(path('a.gguf'), await ggufBytes(matrices, architecture));
    convert(path('a.gguf'), '-o', path('peft'), '--to', 'peft');
    const model = { architecture, heads: 4, kvHeads: 2 };
    expect(await readAdapter(path('peft'), model)).toEqual(await readAdapter(path('a.gguf'), model));
    const damaged = await ggufBytes(matrices, architecture);
    damaged.set([0, 0, 0xc0, 0x7f], damaged.length - 4); // a NaN, the last number of the last matrix
    writeFileSync(path('nan.gguf'), damaged);
    expect(() => convert(path('nan.gguf'), '-o', path('none'), '--to', 'peft')).toThrow(
      /'blk.1.ffn_down.weight' must have finite/,
    );
  },
);

test('what does not fit is refused by name', async () => {
  const bytes = await tinyModel();
  const model = await load(bytes, { backend: 'reference' });
  const add = async (matrices: AdapterMatrix[], architecture?: string) =>
    model.addAdapter('x', memorySource(await ggufBytes(matrices, architecture)));
  const [first] = randomAdapter(1);
  await expect(add([first], 'llama')).rejects.toThrow(/lora for qwen3, got 'adapter', 'lora', 'llama'/);
  await expect(add([{ ...first, name: 'blk.7.attn_q.weight' }])).rejects.toThrow(
    /'blk.7.attn_q.weight' must be a matrix/,
  );
  await expect(add([{ ...first, name: 'token_embd.weight' }])).rejects.toThrow(/can only be merged/);
  await expect(add([{ ...first, a: first.a.subarray(0, 3 * 64) }])).rejects.toThrow(/is \[128, 128\] in the model/);
  await expect(add([{ ...first, b: first.b.map(() => Number.NaN) }])).rejects.toThrow(/finite/);
  expect(() => model.generate('a', { adapter: 'none' })).toThrow(/one of those loaded \(none\), got 'none'/);
  const own = memorySource(await ggufBytes([first]));
  const twice = await Promise.allSettled([model.addAdapter('y', own), model.addAdapter('y', own)]);
  expect(twice.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  await expect(model.addAdapter('y', own)).rejects.toThrow(/the name must be a new one, got 'y'/);
  const gguf = await readGguf(memorySource(bytes));
  expect(adaptedModelOf(gguf)).toEqual({ architecture: 'qwen3', heads: 4, kvHeads: 2 });
  const wrong = { ...first, name: 'blk.0.attn_k.weight' };
  expect(() => mergedSource(gguf, memorySource(bytes), [wrong])).toThrow(/one of \[128,64\]/);
  for (const damaged of [
    { ...first, a: first.a.map(() => Number.NaN) },
    { ...first, factor: 3e38, b: first.b.map(() => 3e38) },
  ]) {
    const merged = mergedSource(gguf, memorySource(bytes), [damaged]);
    await expect(merged.readInto(new Uint8Array(merged.size), 0)).rejects.toThrow(/must be finite/);
  }
});

test.each(['llama', 'qwen3'] as const)(
  'an adapter trained over a frozen %s makes its text likelier; the file is what was trained',
  async (architecture) => {
    const bytes = await tinyModel({ architecture, layers: 1, contextLength: 64 });
    const init = await readStartModel(memorySource(bytes));
    const adapter = { rank: 4, alpha: 8 };
    const recipe = { ...defaultRecipe, optimizer: 'adamw', adamLearningRate: 0.02, fullPrecisionShare: 0 } as const;
    const trainer = await createTrainer(
      init.shape,
      { ...recipe, steps: 12, warmupSteps: 0 },
      { seed: 1, threads: 1, adapter },
    );
    await trainer.initFrom(init.weights);
    const tokens = Int32Array.from({ length: 24 }, (_, i) => (i * i * 5) % 200);
    const batch = { sequences: 1, length: 16, tokens: tokens.subarray(0, 16), targets: tokens.subarray(1, 17) };
    const before = await trainer.evaluate(batch);
    for (let step = 0; step < 12; step++) await trainer.step(batch);
    const after = await trainer.evaluate(batch);
    expect(after.lossSum).toBeLessThan(0.8 * before.lossSum);
    // The graph of training and the engine with the file's adapter compute the same.
    const [current, exported] = [await trainer.logits(batch, { weights: 'current' }), await trainer.logits(batch)];
    const worst = current.reduce((most, value, i) => Math.max(most, Math.abs(value - exported[i])), 0);
    expect(worst).toBeLessThan(0.3);
    const file = await modelFile(trainer, 'mine', init.tokenizer, {});
    await trainer.dispose();
    const model = await load(bytes, { threads: 1 });
    await model.addAdapter('mine', memorySource(file));
    const likelihood = async (adapter: string) => {
      const ranked = await model.tokenLogprobs(tokens.subarray(0, 17), { adapter });
      return ranked.reduce((sum, { logprob }) => sum - (logprob ?? 0), 0);
    };
    expect(await likelihood('')).toBeCloseTo(before.lossSum, 1);
    expect(await likelihood('mine')).toBeCloseTo(after.lossSum, 1);
    await model.dispose();
  },
  120_000,
);
