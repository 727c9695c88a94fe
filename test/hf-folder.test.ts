// Folders as Transformers and MLX write them: written from a GGUF and read back, and read as another program's. Transformers itself judges them by
// bench/golden/judge_folders.py (docs/huggingface.md has its figures).
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findCachedFolder, listCache, removeCached } from '../src/bytes/cache.ts';
import { writeFileAtomically } from '../src/bytes/file-write.ts';
import { resolveHubFile } from '../src/bytes/hub.ts';
import { memorySource } from '../src/bytes/memory-source.ts';
import { pullModel } from '../src/bytes/pull.ts';
import { floatToHalf } from '../src/core/half.ts';
import { Random } from '../src/core/random.ts';
import { readGguf } from '../src/gguf/read.ts';
import type { GgufValue } from '../src/gguf/types.ts';
import { readSafetensors, type SafeTensorToWrite, writeSafetensors } from '../src/hf/safetensors.ts';
import { writeFolder } from '../src/hf/write.ts';
import { load, openSource } from '../src/load.ts';
import { formatByName } from '../src/quant/formats.ts';
import { createTokenizer } from '../src/tokenizer/tokenizer.ts';
import { HubServer } from './hub-server.ts';
import { type TinyModelOptions, tinyModel } from './tiny-model.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onebit-hf-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const CHATML =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** The folder of a small random model. */
async function folderOf(name: string, options: TinyModelOptions): Promise<{ folder: string; bytes: Uint8Array }> {
  const bytes = await tinyModel({ chatTemplate: CHATML, ...options });
  const source = memorySource(bytes);
  const folder = join(root, name);
  await mkdir(folder, { recursive: true });
  await writeFolder(await readGguf(source), source, (file, produce) =>
    writeFileAtomically(join(folder, file), produce),
  );
  return { folder, bytes };
}

/** What every tensor of a model holds, as numbers. */
async function numbersOf(input: string | Uint8Array): Promise<Map<string, Float32Array>> {
  const source = await openSource(input);
  const gguf = await readGguf(source);
  const result = new Map<string, Float32Array>();
  for (const [name, { format, shape, offsetBytes, sizeBytes }] of gguf.tensors) {
    const bytes = new Uint8Array(sizeBytes);
    await source.readInto(bytes, offsetBytes);
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    formatByName(format).decode(bytes, values);
    result.set(name, values);
  }
  await source.close();
  return result;
}

describe.each(['qwen3', 'llama'] as const)('a %s model', (architecture) => {
  test.each(['f32', 'f16', 'bf16', 'q1_0', 'q2_0'] as const)('of %s: every weight comes back', async (format) => {
    const { folder, bytes } = await folderOf(`${architecture}-${format}`, { architecture, format });
    const [was, is] = [await numbersOf(bytes), await numbersOf(folder)];
    expect([...is.keys()].sort()).toEqual([...was.keys()].sort());
    for (const [name, values] of was) expect(is.get(name), name).toEqual(values);
  });

  test('gives the same text and log-probabilities as its GGUF, and the same prompt', async () => {
    const { folder, bytes } = await folderOf(`${architecture}-same`, { architecture, format: 'f16' });
    const [a, b] = [await load(bytes, { threads: 1 }), await load(folder, { threads: 1 })];
    const text = 'Hello, 123 wörld!';
    expect([...b.tokenize(text)]).toEqual([...a.tokenize(text)]);
    expect((await b.score(text)).logprobs).toEqual((await a.score(text)).logprobs);
    const turns = [{ role: 'user', content: 'Hi' }] as const;
    expect([...b.chatPrompt(turns)]).toEqual([...a.chatPrompt(turns)]);
    const options = { temperature: 0, maxTokens: 12 };
    expect((await b.chat(turns, options).result()).tokens).toEqual((await a.chat(turns, options).result()).tokens);
    await Promise.all([a.dispose(), b.dispose()]);
  });
});

test('the size of the weights is told before anything is written', async () => {
  const bytes = await tinyModel({ chatTemplate: CHATML });
  const source = memorySource(bytes);
  const sizes: number[] = [];
  const onSize = (size: number) => {
    sizes.push(size);
    throw new Error('no room');
  };
  const write = () => Promise.reject(new Error('written'));
  await expect(writeFolder(await readGguf(source), source, write, { onSize })).rejects.toThrow('no room');
  const { folder } = await folderOf('sized', {});
  const written = (await stat(join(folder, 'model.safetensors'))).size;
  expect(sizes[0]).toBeLessThan(written);
  expect(sizes[0]).toBeGreaterThan(written - 10_000); // the header
});

test("every token has its number in the model's own list: the tokenizers library numbers added ones anew that are not there", async () => {
  const { folder } = await folderOf('numbers', {});
  const { model, added_tokens: added } = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8'));
  expect(new Set(Object.values(model.vocab))).toEqual(new Set(Array.from({ length: 259 }, (_, id) => id)));
  for (const { id, content } of added) expect(model.vocab[content]).toBe(id);
});

test('rows of the vocabulary without a token have none in the folder either, and are never chosen there', async () => {
  const types = Int32Array.from({ length: 259 }, (_, id) => (id >= 256 ? 3 : id >= 200 && id < 250 ? 5 : 1));
  const { folder, bytes } = await folderOf('unused', {
    format: 'f16',
    metadata: { 'tokenizer.ggml.token_type': types },
  });
  const { model } = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8'));
  expect(Object.keys(model.vocab)).toHaveLength(209);
  const [a, b] = [await load(bytes, { threads: 1 }), await load(folder, { threads: 1 })];
  expect((await b.score('Hello')).logprobs).toEqual((await a.score('Hello')).logprobs);
  await Promise.all([a.dispose(), b.dispose()]);
});

test.each([
  [{ vocab_size: 100 }, /vocab_size of 100, the embedding 259 rows/],
  [{ vocab_size: 1e10 }, /vocab_size of 10000000000, the embedding 259 rows/],
  [{ tie_word_embeddings: false }, /'lm_head.weight' is missing, and tie_word_embeddings is false/],
])('a config.json that the weights do not bear out is refused: %j', async (change, message) => {
  const { folder } = await folderOf('unborne', { format: 'f16' });
  const path = join(folder, 'config.json');
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...change }));
  await expect(openSource(folder)).rejects.toThrow(message);
});

test.each(['q1_0', 'q2_0', 'q2_0-128'] as const)(
  'blocks of %s whose scale is zero or negative come back from MLX as they are',
  async (format) => {
    const { blockBytes } = formatByName(format);
    const bytes = await tinyModel({
      format,
      tensors: (tensors) =>
        tensors.map((tensor) => ({
          ...tensor,
          bytes: () => {
            const data = (tensor.bytes() as Uint8Array).slice();
            const scales = [0, 0x8000, 0xac00, 0x2c00];
            for (let at = 0; tensor.format === format && at < data.length; at += blockBytes)
              new DataView(data.buffer).setUint16(at, scales[(at / blockBytes) % 4], true);
            return data;
          },
        })),
    });
    const source = memorySource(bytes);
    const gguf = await readGguf(source);
    const folder = join(root, `signs-${format}`);
    await mkdir(folder);
    await writeFolder(gguf, source, (file, produce) => writeFileAtomically(join(folder, file), produce), { to: 'mlx' });
    const back = await openSource(folder);
    const again = await readGguf(back);
    for (const { name, offsetBytes, sizeBytes } of gguf.tensors.values()) {
      const is = again.tensors.get(name)!;
      expect([name, is.format]).toEqual([name, gguf.tensors.get(name)!.format]);
      const found = new Uint8Array(sizeBytes);
      await back.readInto(found, is.offsetBytes);
      expect(Buffer.compare(found, bytes.subarray(offsetBytes, offsetBytes + sizeBytes)), name).toBe(0);
    }
    await back.close();
  },
);

test('how it is sampled where nobody says is in generation_config.json, and comes back from there', async () => {
  const asked = {
    'general.sampling.temp': { type: 'f32', value: 0.6 },
    'general.sampling.top_k': { type: 'i32', value: 7 },
  } as const;
  const { folder } = await folderOf('sampling', { metadata: asked });
  const file = join(folder, 'generation_config.json');
  const written = JSON.parse(await readFile(file, 'utf8'));
  expect(written).toMatchObject({ do_sample: true, temperature: 0.6, top_k: 7 });
  const samplingOf = async () => {
    const model = await load(folder, { backend: 'reference' });
    await model.dispose();
    return model.sampling;
  };
  expect(await samplingOf()).toEqual({ temperature: 0.6, topK: 7, topP: 0.85, minP: 0 });
  await writeFile(file, JSON.stringify({ ...written, do_sample: false, min_p: 0.05 }));
  expect(await samplingOf()).toEqual({ temperature: 0, topK: 7, topP: 0.85, minP: 0.05 });
});

test('a token of the beginning that GGUF readers put first stands in the template of the folder, and is not doubled', async () => {
  const { folder, bytes } = await folderOf('bos', { metadata: { 'tokenizer.ggml.add_bos_token': true } });
  expect(await readFile(join(folder, 'chat_template.jinja'), 'utf8')).toMatch(/^\{\{- bos_token -\}\}/);
  const [a, b] = [await load(bytes, { threads: 1 }), await load(folder, { threads: 1 })];
  const turns = [{ role: 'user', content: 'Hi' }] as const;
  expect([...b.chatPrompt(turns)]).toEqual([...a.chatPrompt(turns)]);
  expect(b.chatPrompt(turns)[0]).toBe(256);
  await Promise.all([a.dispose(), b.dispose()]);
});

test('convert writes the folder and, from it, the same GGUF weights again; never into a folder that has files', async () => {
  const bytes = await tinyModel({ chatTemplate: CHATML, format: 'q1_0' });
  const [first, folder, again] = ['first.gguf', 'converted', 'again.gguf'].map((name) => join(root, name));
  await writeFile(first, bytes);
  const run = (...args: string[]) =>
    execFileSync(process.execPath, [fileURLToPath(new URL('../bin/onebit.js', import.meta.url)), 'convert', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  expect(JSON.parse(run(first, '-o', folder, '--to', 'hf', '--json'))).toMatchObject({ lossless: true });
  expect(JSON.parse(run(folder, '-o', again, '--type', 'q1_0', '--json'))).toMatchObject({ lossless: true });
  const [was, is] = [await readGguf(memorySource(bytes)), await readGguf(memorySource(await readFile(again)))];
  for (const [name, { format }] of was.tensors) expect(is.tensors.get(name)?.format, name).toBe(format);
  expect(await numbersOf(again)).toEqual(await numbersOf(bytes));
  expect(() => run(first, '-o', folder, '--to', 'hf')).toThrow(/new or an empty folder/);
  expect(() => run(first, '-o', join(root, 'no'))).toThrow(/--type/);
});

test('weights in several files are found by their index', async () => {
  const { folder, bytes } = await folderOf('parts', { format: 'f16' });
  const source = memorySource(await readFile(join(folder, 'model.safetensors')));
  const tensors = await readSafetensors(source);
  const weightMap: Record<string, string> = {};
  for (const part of [0, 1, 2]) {
    const file = `model-0000${part + 1}-of-00003.safetensors`;
    const mine = tensors.filter((_, i) => i % 3 === part);
    for (const { name } of mine) weightMap[name] = file;
    await writeTensors(join(folder, file), await Promise.all(mine.map(toWrite)));
  }
  await rm(join(folder, 'model.safetensors'));
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
  expect(await numbersOf(folder)).toEqual(await numbersOf(bytes));
});

test('a header whose length begins as a pickle does is none', async () => {
  const path = join(root, 'lengths.safetensors');
  const produce: SafeTensorToWrite['produce'] = (append) => append(new Uint8Array(4));
  const lengths = new Set<number>();
  for (let size = 1; size <= 256; size += 8) {
    const name = 'n'.repeat(size);
    await writeTensors(path, [{ name, type: 'F32', shape: [1], produce }]);
    const bytes = await readFile(path);
    lengths.add(bytes[0]);
    expect((await readSafetensors(memorySource(bytes))).map((tensor) => tensor.name)).toEqual([name]);
  }
  expect(lengths).toContain(0x80);
});

async function toWrite({
  name,
  type,
  shape,
  source,
  offsetBytes,
  sizeBytes,
}: Awaited<ReturnType<typeof readSafetensors>>[number]) {
  const bytes = new Uint8Array(sizeBytes);
  await source.readInto(bytes, offsetBytes);
  return { name, type: type as 'F16', shape, produce: (append) => append(bytes) } satisfies SafeTensorToWrite;
}

function writeTensors(path: string, tensors: readonly SafeTensorToWrite[]): Promise<void> {
  return writeFileAtomically(path, (append) => writeSafetensors(tensors, append));
}

test('a repository without a GGUF is read from the hub by ranges', async () => {
  const { folder, bytes } = await folderOf('on-the-hub', { architecture: 'llama', format: 'f16' });
  const hub = await HubServer.start();
  try {
    for (const file of await readdir(folder)) hub.add('someone/model', file, await readFile(join(folder, file)));
    const source = await openSource('someone/model', { endpoint: hub.url, folder: join(root, 'no-cache') });
    const gguf = await readGguf(source);
    const { offsetBytes, sizeBytes, name } = gguf.tensors.get('blk.1.attn_q.weight')!;
    const read = new Uint8Array(sizeBytes);
    await source.readInto(read, offsetBytes);
    const own = await readGguf(memorySource(bytes));
    const at = own.tensors.get(name)!.offsetBytes;
    expect(read).toEqual(bytes.slice(at, at + sizeBytes));
    await source.close();
    const whole = hub.fileRequests.filter(({ headers }) => !headers.range).length;
    expect(whole).toBe(0);
    await expect(resolveHubFile({ repo: 'someone/model', revision: 'main' }, { endpoint: hub.url })).rejects.toThrow(
      /onebit convert someone\/model -o model.gguf/,
    );
  } finally {
    await hub.stop();
  }
});

describe('a repository without a GGUF that is pulled', () => {
  const NAME = 'someone/parts';
  let hub: HubServer;
  let options: { endpoint: string; folder: string; retryDelayMs: number };
  let whole: string;
  let bytes: Uint8Array;
  const pulled = () => findCachedFolder(NAME, options.folder);
  const numbersOfCache = async () => {
    const source = await openSource(NAME, { ...options, endpoint: 'http://127.0.0.1:9' });
    expect((await readGguf(source)).metadata.get('general.name')).toBe('parts');
    await source.close();
    return numbersOf((await pulled())!.path);
  };

  beforeEach(async () => {
    hub = await HubServer.start();
    ({ folder: whole, bytes } = await folderOf('pulled', { format: 'f16' }));
    options = { endpoint: hub.url, folder: await mkdtemp(join(root, 'cache-')), retryDelayMs: 10 };
    for (const file of await readdir(whole)) hub.add(NAME, file, await readFile(join(whole, file)));
    for (const other of ['pytorch_model.bin', 'README.md', 'onnx/model.onnx', '../evil.json', '.hidden'])
      hub.add(NAME, other, new Uint8Array(9));
  });
  afterEach(() => hub.stop());

  test('has the files that are read of it, is found without the hub, listed as one, and removed', async () => {
    const { entry, how } = await pullModel(NAME, options);
    expect(how).toBe('downloaded');
    const files = await readdir(whole);
    expect((await readdir(entry.path)).sort()).toEqual([...files, ...files.map((file) => `${file}.json`)].sort());
    expect(await numbersOfCache()).toEqual(await numbersOf(bytes));
    const requests = hub.fileRequests.length;
    expect((await pullModel(NAME, options)).how).toBe('present');
    expect(hub.fileRequests.length).toBe(requests);
    expect(await listCache(options.folder)).toMatchObject([{ name: NAME, path: entry.path, complete: true }]);
    await expect(pullModel(NAME, { ...options, sha256: '0'.repeat(64) })).rejects.toThrow(/is a folder/);
    expect(await removeCached(NAME, options.folder)).toHaveLength(1);
    expect(await readdir(options.folder)).toEqual([]);
  });

  test('goes on after a cut, and is not there until all of it is', async () => {
    hub.cuts = [2000];
    const stop = new AbortController();
    const onProgress = ({ doneBytes }: { doneBytes: number }) => doneBytes >= 2000 && stop.abort(new Error('enough'));
    await expect(pullModel(NAME, { ...options, onProgress, signal: stop.signal })).rejects.toThrow('enough');
    expect(await pulled()).toBe(undefined);
    expect(await listCache(options.folder)).toMatchObject([{ name: NAME, complete: false }]);
    await pullModel(NAME, options);
    expect(hub.fileRequests.some(({ headers }) => /^bytes=[1-9]/.test(headers.range ?? ''))).toBe(true);
    expect(await numbersOfCache()).toEqual(await numbersOf(bytes));
  });

  test('of another version has the files of that one, and no template of an earlier one', async () => {
    await pullModel(NAME, options);
    const other = await folderOf('pulled-later', { format: 'f16', seed: 2, chatTemplate: undefined });
    hub.repos.delete(NAME);
    for (const file of await readdir(other.folder)) hub.add(NAME, file, await readFile(join(other.folder, file)));
    hub.add(NAME, 'model.safetensors', await readFile(join(other.folder, 'model.safetensors')), { listedSize: 7 });
    await expect(pullModel(NAME, options)).rejects.toThrow(/need 7 bytes as listed/);
    expect(await pulled()).toBe(undefined); // half of each would be neither
    hub.add(NAME, 'model.safetensors', await readFile(join(other.folder, 'model.safetensors')));
    const { entry } = await pullModel(NAME, options);
    expect(await numbersOfCache()).toEqual(await numbersOf(other.bytes));
    expect(await readdir(entry.path)).not.toContain('chat_template.jinja');
  });

  test('must be a model: pickles alone, and indices that name what is not there, are refused before anything is fetched', async () => {
    hub.repos.get(NAME)!.delete('model.safetensors');
    await expect(pullModel(NAME, options)).rejects.toThrow(/pickle.*torch\.load\('pytorch_model\.bin'/);
    for (const file of ['../evil.json', 'config.json', 'nowhere.safetensors', 7]) {
      const index = JSON.stringify({ weight_map: { a: file } });
      hub.add(NAME, 'model.safetensors.index.json', new TextEncoder().encode(index));
      await expect(pullModel(NAME, options)).rejects.toThrow(/index\.json names .* which is not there/);
    }
    expect(await readdir(options.folder)).toEqual([]);
  });
});

/** Puts other values into a folder's config.json. */
async function configure(folder: string, change: (config: Record<string, unknown>) => object): Promise<void> {
  const path = join(folder, 'config.json');
  await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')))));
}

describe('positions that are scaled', () => {
  const llama3 = {
    ...{ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
    original_max_position_embeddings: 64,
  };

  test('as those of Llama 3 have the factors that Transformers 5.18 computes', async () => {
    const { folder } = await folderOf('llama3', { architecture: 'llama', format: 'f16' });
    await configure(folder, (config) => ({ ...config, rope_theta: 10000, rope_scaling: llama3 }));
    const factors = [...(await numbersOf(folder)).get('rope_freqs.weight')!];
    expect(factors.map((factor) => Number(factor.toFixed(4)))).toEqual([
      ...[1, 1, 1.294, 2.7652, 7.6674],
      ...new Array(11).fill(8),
    ]);
    const model = await load(folder, { threads: 1 });
    expect(model.config.rope.frequencies[15] / 10000 ** (-30 / 32)).toBeCloseTo(1 / 8, 6);
    await model.dispose();
    const { high_freq_factor: _, ...without } = llama3;
    await configure(folder, (config) => ({ ...config, rope_scaling: without }));
    await expect(load(folder)).rejects.toThrow(/rope scaling's high_freq_factor = undefined/);
  });

  test('without a type are linear, and say so in the folder; what has no form there is refused', async () => {
    const factor = { 'llama.rope.scaling.factor': { type: 'f32', value: 4 } } as const;
    const { folder } = await folderOf('linear', { architecture: 'llama', format: 'f16', metadata: factor });
    expect(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')).rope_scaling).toEqual({
      rope_type: 'linear',
      factor: 4,
    });
    const attention = { ...factor, 'llama.rope.scaling.attn_factor': { type: 'f32', value: 1.5 } } as const;
    await expect(folderOf('attention', { architecture: 'llama', metadata: attention })).rejects.toThrow(
      /no form for rope.scaling.attn_factor, got 1.5/,
    );
  });
});

test('Gemma 3 counts the weights of its norms from 0, names them otherwise, and says which layers see a window', async () => {
  const { folder } = await folderOf('gemma3', { format: 'f16', layers: 7 });
  const was = await numbersOf(folder);
  const written = await readSafetensors(memorySource(await readFile(join(folder, 'model.safetensors'))));
  const tensors = await Promise.all(written.map(toWrite));
  const renamed = tensors.flatMap((tensor) => {
    if (!tensor.name.includes('post_attention')) return [tensor];
    const called = (name: string) => ({ ...tensor, name: tensor.name.replace('post_attention', name) });
    return [tensor, called('pre_feedforward'), called('post_feedforward')];
  });
  await writeTensors(join(folder, 'model.safetensors'), renamed);
  const gemma = {
    ...{ architectures: ['Gemma3ForCausalLM'], model_type: 'gemma3_text', hidden_activation: 'gelu_pytorch_tanh' },
    ...{ hidden_act: undefined, sliding_window: 16, query_pre_attn_scalar: 32, tie_word_embeddings: undefined },
    ...{ rope_theta: 1e6, rope_local_base_freq: 10000, sliding_window_pattern: 3 },
  };
  await configure(folder, (config) => ({ ...config, ...gemma }));
  const is = await numbersOf(folder);
  const one = (name: string) => was.get(name)!.map((value) => value + 1);
  expect(is.get('blk.6.attn_norm.weight')).toEqual(one('blk.6.attn_norm.weight'));
  expect(is.get('blk.6.attn_q_norm.weight')).toEqual(one('blk.6.attn_q_norm.weight'));
  for (const name of ['post_attention_norm', 'ffn_norm', 'post_ffw_norm'])
    expect(is.get(`blk.6.${name}.weight`)).toEqual(one('blk.6.ffn_norm.weight'));
  const model = await load(folder, { threads: 1 });
  expect(model.config.tiedHead).toBe(true);
  expect(model.config.local).toMatchObject({ window: 16, layers: [true, true, false, true, true, false, true] });
  expect((await model.score('a text of more bytes than sixteen')).logprobs.slice(1).every(Number.isFinite)).toBe(true);
  await model.dispose();
  const refused = async (change: object, message: RegExp) => {
    await configure(folder, (config) => ({ ...config, ...change }));
    await expect(load(folder)).rejects.toThrow(message);
  };
  await refused({ final_logit_softcapping: 30 }, /final_logit_softcapping = 30/);
  await refused({ final_logit_softcapping: null, hidden_activation: 'silu' }, /hidden_activation = "silu"/);
  // Queries that are scaled otherwise than by the size of a head have it in their norm.
  const scaled = { hidden_activation: 'gelu_pytorch_tanh', query_pre_attn_scalar: 128 };
  await configure(folder, (config) => ({ ...config, ...scaled }));
  const halved = one('blk.6.attn_q_norm.weight').map((value) => value / 2);
  expect((await numbersOf(folder)).get('blk.6.attn_q_norm.weight')).toEqual(halved);
});

test('a Qwen2 has its biases, and comes back as a folder; a llama may have none', async () => {
  const { folder } = await folderOf('qwen2', { architecture: 'llama', format: 'f16' });
  const written = await readSafetensors(memorySource(await readFile(join(folder, 'model.safetensors'))));
  const tensors = await Promise.all(written.map(toWrite));
  const biases = tensors.flatMap(({ name, shape }): SafeTensorToWrite[] => {
    if (!/[qkv]_proj/.test(name)) return [];
    const values = Float32Array.from({ length: shape[0] }, (_, i) => Math.sin(i + shape[0]));
    const produce: SafeTensorToWrite['produce'] = (append) => append(new Uint8Array(values.buffer));
    return [{ name: name.replace('weight', 'bias'), type: 'F32', shape: [shape[0]], produce }];
  });
  await writeTensors(join(folder, 'model.safetensors'), [...tensors, ...biases]);
  await expect(load(folder)).rejects.toThrow(/q_proj.bias' is not known/);
  await configure(folder, (config) => ({ ...config, architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' }));
  const was = await numbersOf(folder);
  expect(was.get('blk.1.attn_k.bias')?.[3]).toBe(Math.fround(Math.sin(3 + 64)));
  const source = await openSource(folder);
  const again = join(root, 'qwen2-again');
  await mkdir(again);
  await writeFolder(await readGguf(source), source, (file, produce) => writeFileAtomically(join(again, file), produce));
  await source.close();
  expect(await numbersOf(again)).toEqual(was);
});

test('the scaling of Llama 3 and all of YaRN stand in a folder that is written from a GGUF', async () => {
  const scalings = [
    { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 2, original_max_position_embeddings: 64 },
    { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64, beta_fast: 16, attention_factor: 1.5 },
  ];
  for (const [i, scaling] of scalings.entries()) {
    const { folder } = await folderOf(`scaled-${i}`, { architecture: 'llama', format: 'f16' });
    await configure(folder, (config) => ({ ...config, rope_scaling: scaling }));
    const source = await openSource(folder);
    const again = join(root, `scaled-again-${i}`);
    await mkdir(again);
    await writeFolder(await readGguf(source), source, (file, produce) =>
      writeFileAtomically(join(again, file), produce),
    );
    await source.close();
    const { rope_scaling: is } = JSON.parse(await readFile(join(again, 'config.json'), 'utf8'));
    expect({ ...is, attention_factor: undefined }).toEqual({ ...scaling, attention_factor: undefined });
    if (scaling.attention_factor) expect(is.attention_factor).toBeCloseTo(scaling.attention_factor, 6);
    expect(await numbersOf(again)).toEqual(await numbersOf(folder));
  }
});

describe('how a tokenizer.json prepares a text', () => {
  /** Ids of texts by a folder whose tokenizer.json is changed. */
  async function idsOf(name: string, change: (tokenizer: Record<string, unknown>) => object, texts: string[]) {
    const { folder } = await folderOf(name, {});
    const file = join(folder, 'tokenizer.json');
    const tokenizer = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...tokenizer, ...change(tokenizer) }));
    const source = await openSource(folder);
    const made = createTokenizer((await readGguf(source)).metadata);
    await source.close();
    return texts.map((text) => [...made.encode(text, { special: true })]);
  }
  const decomposed = 'e\u0301';

  test('NFC composes, whatever marks a text has', async () => {
    const [one, two] = await idsOf('nfc', () => ({ normalizer: { type: 'NFC' } }), [
      decomposed,
      `x${'\u0315'.repeat(5e4)}${'\u0316'.repeat(5e4)}`,
    ]);
    expect(one).toEqual([0xc3, 0xa9]);
    expect(two).toHaveLength(1 + 2e5);
  });

  test.each([
    ['Lowercase', { normalizer: { type: 'Lowercase' } }, /changes texts/],
    [
      'StripAccents',
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'StripAccents' }] } },
      /changes texts/,
    ],
  ])('%s is refused', async (name, change, message) => {
    await expect(idsOf(name, () => change, ['a'])).rejects.toThrow(message);
  });

  test('SmolLM cuts every number apart', async () => {
    const metadata = new Map<string, GgufValue>([
      ['tokenizer.ggml.model', 'gpt2'],
      ['tokenizer.ggml.pre', 'smollm'],
      ['tokenizer.ggml.tokens', ['1', '2', '12', ' ', 'a', '\u0120']],
      ['tokenizer.ggml.merges', ['1 2']],
    ]);
    expect([...createTokenizer(metadata).encode('a 12a')]).toEqual([4, 5, 0, 1, 4]);
  });

  test('Metaspace puts a space before the text, but not before one, nor behind an added token', async () => {
    const metadata = new Map<string, GgufValue>([
      ['tokenizer.ggml.model', 'llama'],
      ['tokenizer.ggml.tokens', ['<unk>', '<s>', '</s>', '\u2581', 'a']],
      ['tokenizer.ggml.token_type', Int32Array.of(2, 3, 3, 1, 1)],
      ['tokenizer.ggml.scores', new Float32Array(5)],
    ]);
    const ids = (where: string | undefined, text: string) => [
      ...createTokenizer(
        where === undefined ? metadata : new Map([...metadata, ['onebit.tokenizer.space_prefix', where]]),
      ).encode(text, { special: true }),
    ];
    expect(ids('first', 'a</s>a')).toEqual([3, 4, 2, 4]);
    expect(ids('first', ' a')).toEqual([3, 4]);
    expect(ids('each', 'a</s>a</s> a')).toEqual([3, 4, 2, 3, 4, 2, 3, 4]);
    expect(ids(undefined, ' a</s>a')).toEqual([3, 3, 4, 2, 3, 4]);
    expect(() => ids('never', 'a')).toThrow(/space_prefix/);
  });
});

describe('four ternary weights a byte, as Transformers packs BitNet', () => {
  /** A folder of the tiny llama whose matrices in layers are packed; for BitNet with the norms and the activation that it has in addition. */
  async function packed(name: string, bitnet: boolean, scaleOf: (at: number) => number) {
    const { folder } = await folderOf(name, { architecture: 'llama', format: 'f16' });
    const random = new Random(5);
    const expected = new Map<string, { values: Int8Array; cols: number; factor: number }>();
    const tensors: SafeTensorToWrite[] = [];
    for (const tensor of await readSafetensors(memorySource(await readFile(join(folder, 'model.safetensors'))))) {
      if (tensor.shape.length === 1 || !tensor.name.includes('.layers.')) {
        tensors.push(await toWrite(tensor));
        continue;
      }
      const [rows, cols] = tensor.shape;
      const values = Int8Array.from({ length: rows * cols }, () => random.below(3) - 1);
      const bytes = new Uint8Array((rows / 4) * cols);
      for (const [i, value] of values.entries()) {
        const row = Math.floor(i / cols);
        bytes[(row % (rows / 4)) * cols + (i % cols)] |= (value + 1) << (2 * Math.floor(row / (rows / 4)));
      }
      const scale = Float32Array.of(scaleOf(expected.size));
      expected.set(tensor.name, { values, cols, factor: scale[0] });
      const u8 = { name: tensor.name, type: 'U8', shape: [rows / 4, cols] } as unknown as SafeTensorToWrite;
      tensors.push(
        { ...u8, produce: (append) => append(bytes) },
        {
          name: `${tensor.name}_scale`,
          type: 'F32',
          shape: [1],
          produce: (append) => append(new Uint8Array(scale.buffer)),
        },
      );
    }
    for (const layer of bitnet ? [0, 1] : []) {
      for (const [module, length] of [
        ['self_attn.attn', 128],
        ['mlp.ffn', 256],
      ] as const) {
        const ones = new Float32Array(length).fill(1);
        const produce: SafeTensorToWrite['produce'] = (append) => append(new Uint8Array(ones.buffer));
        tensors.push({
          name: `model.layers.${layer}.${module}_sub_norm.weight`,
          type: 'F32',
          shape: [length],
          produce,
        });
      }
    }
    await writeTensors(join(folder, 'model.safetensors'), tensors);
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
    const own = bitnet ? { architectures: ['BitNetForCausalLM'], model_type: 'bitnet', hidden_act: 'relu2' } : {};
    const linear = bitnet ? { linear_class: 'autobitlinear', quantization_mode: 'offline' } : {};
    const text = { ...config, ...own, quantization_config: { quant_method: 'bitnet', ...linear } };
    await writeFile(join(folder, 'config.json'), JSON.stringify(text));
    return { folder, expected };
  }

  test('a BitNet has its factors beside the codes, and runs', async () => {
    const { folder, expected } = await packed('bitnet', true, (at) => 0.013 + at / 1000);
    const numbers = await numbersOf(folder);
    const { values, factor } = expected.get('model.layers.1.mlp.down_proj.weight')!;
    expect(numbers.get('blk.1.ffn_down.weight')).toEqual(Float32Array.from(values));
    expect(numbers.get('blk.1.ffn_down.scale')).toEqual(Float32Array.of(factor));
    const queries = expected.get('model.layers.0.self_attn.q_proj.weight')!;
    expect(numbers.get('blk.0.attn_q.weight')).toEqual(Float32Array.from(queries.values));
    const model = await load(folder, { threads: 1 });
    expect(model.config.architecture.name).toBe('bitnet-b1.58');
    // Other programs take another one where the key is missing: doctor would ask for it.
    expect(model.metadata.get('bitnet-b1.58.hidden_activation')).toBe('relu2');
    expect((await model.generate('Hi', { maxTokens: 2, temperature: 0 }).result()).tokens.length).toBeGreaterThan(0);
    await model.dispose();
  });

  test('a llama of them divides by its factors, and has rows in the order of GGUF', async () => {
    const { folder, expected } = await packed('bit-llama', false, (at) => (at % 2 ? 8 : 7));
    const numbers = await numbersOf(folder);
    const { values, cols, factor } = expected.get('model.layers.0.self_attn.k_proj.weight')!;
    const read = numbers.get('blk.0.attn_k.weight')!;
    // Rows 0 and 1 of GGUF's head are rows 0 and half a head of Transformers'.
    for (let i = 0; i < cols; i++) {
      expect(read[i]).toBeCloseTo(values[i] / factor, 6);
      expect(read[cols + i]).toBeCloseTo(values[16 * cols + i] / factor, 6);
    }
  });
});

describe("MLX's words", () => {
  test.each([
    ['qwen3', 'q1_0', 1, 128],
    ['llama', 'q1_0', 1, 128],
    ['llama', 'q2_0', 2, 64],
    ['qwen3', 'q2_0-128', 2, 128],
  ] as const)(
    'a %s of %s as MLX holds it comes back, every weight and its format',
    async (architecture, format, bits, size) => {
      const bytes = await tinyModel({ architecture, format });
      const source = memorySource(bytes);
      const gguf = await readGguf(source);
      const folder = join(root, `to-mlx-${architecture}-${format}`);
      await mkdir(folder);
      const write = (file: string, produce: Parameters<typeof writeFileAtomically>[1]) =>
        writeFileAtomically(join(folder, file), produce);
      await writeFolder(gguf, source, write, { to: 'mlx' });
      const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
      expect(config.quantization).toEqual({ group_size: size, bits });
      const [was, is] = [await numbersOf(bytes), await numbersOf(folder)];
      for (const [name, values] of was) expect(is.get(name), name).toEqual(values);
      const again = await openSource(folder);
      expect((await readGguf(again)).tensors.get('blk.0.attn_q.weight')!.format).toBe(format);
      await again.close();
      const other = await tinyModel({ architecture, format: 'q8_0' });
      const wrong = writeFolder(await readGguf(memorySource(other)), memorySource(other), write, { to: 'mlx' });
      await expect(wrong).rejects.toThrow(/'token_embd.weight' is q8_0/);
    },
  );

  /** A folder whose matrices are codes of `bits` with a scale and a bias for each group. */
  async function quantized(bits: 1 | 2, groupSize: 64 | 128, exact: boolean): Promise<string> {
    const { folder } = await folderOf(`mlx-${bits}-${groupSize}-${exact}`, { format: 'f16' });
    const source = memorySource(await readFile(join(folder, 'model.safetensors')));
    const random = new Random(bits * groupSize);
    const tensors: SafeTensorToWrite[] = [];
    for (const tensor of await readSafetensors(source)) {
      if (tensor.shape.length === 1) {
        tensors.push(await toWrite(tensor));
        continue;
      }
      const [rows, cols] = tensor.shape;
      const words = Int32Array.from(
        { length: (rows * cols * bits) / 32 },
        () => random.below(2 ** 16) * 65536 + random.below(65536),
      );
      const groups = (rows * cols) / groupSize;
      const scales = new Uint16Array(groups);
      const biases = new Uint16Array(groups);
      for (let g = 0; g < groups; g++) {
        // Neighbouring groups of 64 share a scale, as weights of Q1_0 do.
        if (groupSize === 64 && bits === 1 && exact && g % 2 === 1) {
          scales[g] = scales[g - 1];
          biases[g] = biases[g - 1];
          continue;
        }
        const d = (1 + random.below(1000)) / 4096;
        scales[g] = floatToHalf(bits === 1 ? 2 * d : d);
        biases[g] = floatToHalf(exact ? -d : -0.7 * d);
      }
      const base = tensor.name.replace(/\.weight$/, '');
      const bytesOf = (array: Uint16Array | Int32Array) => new Uint8Array(array.buffer);
      tensors.push(
        {
          name: `${base}.weight`,
          type: 'U32',
          shape: [rows, (cols * bits) / 32],
          produce: (append) => append(bytesOf(words)),
        },
        {
          name: `${base}.scales`,
          type: 'F16',
          shape: [rows, cols / groupSize],
          produce: (append) => append(bytesOf(scales)),
        },
        {
          name: `${base}.biases`,
          type: 'F16',
          shape: [rows, cols / groupSize],
          produce: (append) => append(bytesOf(biases)),
        },
      );
    }
    await writeTensors(join(folder, 'model.safetensors'), tensors);
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
    await writeFile(
      join(folder, 'config.json'),
      JSON.stringify({ ...config, quantization: { group_size: groupSize, bits } }),
    );
    return folder;
  }

  test.each([
    [1, 128, true, 'q1_0'],
    [1, 64, true, 'q1_0'],
    [1, 128, false, 'f32'],
    [2, 64, true, 'q2_0'],
    [2, 128, true, 'q2_0-128'],
    [2, 64, false, 'f32'],
  ] as const)(
    'of %i bits in groups of %i, exact %s, become %s with the same numbers',
    async (bits, groupSize, exact, format) => {
      const folder = await quantized(bits, groupSize, exact);
      const source = await openSource(folder);
      const gguf = await readGguf(source);
      const name = 'blk.1.ffn_down.weight';
      expect(gguf.tensors.get(name)?.format).toBe(format);
      await source.close();
      const values = (await numbersOf(folder)).get(name)!;
      // The plain way: weight = scale · code + bias.
      const raw = new Map(
        (await readSafetensors(memorySource(await readFile(join(folder, 'model.safetensors'))))).map((t) => [
          t.name,
          t,
        ]),
      );
      const part = async (suffix: string) => {
        const tensor = raw.get(`model.layers.1.mlp.down_proj.${suffix}`)!;
        const bytes = new Uint8Array(tensor.sizeBytes);
        await tensor.source.readInto(bytes, tensor.offsetBytes);
        return bytes;
      };
      const codes = new Uint32Array((await part('weight')).buffer);
      const halves = async (suffix: string) => {
        const bytes = await part(suffix);
        const out = new Float32Array(bytes.length / 2);
        formatByName('f16').decode(bytes, out);
        return out;
      };
      const [scales, biases] = [await halves('scales'), await halves('biases')];
      for (let i = 0; i < values.length; i++) {
        const code = (codes[Math.floor((i * bits) / 32)] >>> ((i * bits) % 32)) & (2 ** bits - 1);
        const group = Math.floor(i / groupSize);
        if (values[i] !== Math.fround(scales[group] * code + biases[group]))
          throw new Error(`weight ${i} is ${values[i]}`);
      }
      const model = await load(folder, { threads: 1 });
      expect((await model.score('Hi there')).logprobs.every(Number.isFinite)).toBe(true);
      await model.dispose();
    },
  );
});

describe('folders that are not to be trusted', () => {
  const header = (value: unknown, data = 0, claimed?: number) => {
    const json = new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
    const bytes = new Uint8Array(8 + json.length + data);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(claimed ?? json.length), true);
    bytes.set(json, 8);
    return bytes;
  };
  const tensor = (dtype: unknown, shape: unknown, range: unknown) => ({ a: { dtype, shape, data_offsets: range } });
  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(3)],
    ['a header longer than the file', header({}, 0, 1000)],
    ['a header of a terabyte', header({}, 0, 2 ** 40)],
    ['no JSON', header('{"a":')],
    ['a list', header([])],
    ['an unknown type', header(tensor('F5', [1], [0, 1]), 1)],
    ['a type of the prototype', header(tensor('constructor', [1], [0, 1]), 1)],
    ['a shape that is none', header(tensor('F32', [-1], [0, 4]), 4)],
    ['a shape of absurd size', header(tensor('F32', [2 ** 40, 2 ** 40], [0, 4]), 4)],
    ['too many dimensions', header(tensor('F32', Array(99).fill(1), [0, 4]), 4)],
    ['a range past the end', header(tensor('F32', [2], [0, 8]), 4)],
    ['a range that does not fit', header(tensor('F32', [1], [0, 8]), 8)],
    ['a gap', header(tensor('F32', [1], [4, 8]), 8)],
    ['bytes after the last tensor', header(tensor('F32', [1], [0, 4]), 8)],
    [
      'overlapping tensors',
      header(
        {
          a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
          b: { dtype: 'F32', shape: [2], data_offsets: [4, 12] },
        },
        12,
      ),
    ],
  ])('safetensors with %s are refused', async (_, bytes) => {
    await expect(readSafetensors(memorySource(bytes))).rejects.toMatchObject({ code: 'bad-file' });
  });

  test('pickles are refused with the command that makes safetensors', async () => {
    const folder = join(root, 'pickle');
    await mkdir(folder, { recursive: true });
    for (const file of ['config.json', 'tokenizer.json'])
      await writeFile(join(folder, file), await readFile(join((await folderOf('donor', {})).folder, file)));
    await writeFile(join(folder, 'pytorch_model.bin'), Uint8Array.of(0x80, 2));
    await expect(load(folder)).rejects.toThrow(/pickle.*safetensors/);
  });

  test.each<[string, (config: Record<string, unknown>) => void, RegExp]>([
    [
      'another architecture',
      (c) => Object.assign(c, { architectures: ['MambaForCausalLM'], model_type: 'mamba' }),
      /must name one of/,
    ],
    ['a bias', (c) => Object.assign(c, { attention_bias: true }), /attention_bias = true/],
    ['another activation', (c) => Object.assign(c, { hidden_act: 'gelu' }), /hidden_act = "gelu"/],
    ['scaling that is no object', (c) => Object.assign(c, { rope_scaling: [2] }), /rope_scaling = \[2\]/],
    [
      'two scalings',
      (c) => Object.assign(c, { rope_parameters: { rope_theta: 1e4 }, rope_scaling: { type: 'linear', factor: 2 } }),
      /rope_scaling that differs/,
    ],
    ['a tie that is none', (c) => Object.assign(c, { tie_word_embeddings: 'no' }), /tie_word_embeddings = "no"/],
    [
      'scaling that is not known',
      (c) => Object.assign(c, { rope_scaling: { rope_type: 'llama3', factor: 8 } }),
      /rope scaling/,
    ],
    ['a number that is none', (c) => Object.assign(c, { hidden_size: '128' }), /'hidden_size'/],
    ['another width', (c) => Object.assign(c, { hidden_size: 256 }), /must be \[/],
  ])('config.json with %s is refused by name', async (what, change, message) => {
    const { folder } = await folderOf(`config-${what.replaceAll(' ', '-')}`, {});
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
    change(config);
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    await expect(load(folder)).rejects.toThrow(message);
  });

  test('a tensor of nothing, however many rows it claims, is refused', async () => {
    const { folder } = await folderOf('empty', { architecture: 'llama' });
    const bytes = header({
      'model.layers.0.self_attn.q_proj.weight': { dtype: 'F32', shape: [2 ** 40, 0], data_offsets: [0, 0] },
    });
    await writeFile(join(folder, 'model.safetensors'), bytes);
    await expect(load(folder)).rejects.toMatchObject({ code: 'bad-file', message: /must have rows and columns/ });
  });

  test.each([1e15, 128.5, -1, '4'])('a size of %s in config.json is refused by its name', async (size) => {
    const { folder } = await folderOf('sizes', {});
    await configure(folder, (config) => ({ ...config, hidden_size: size }));
    await expect(load(folder)).rejects.toMatchObject({ code: 'bad-file', message: /'hidden_size' of config.json/ });
  });

  test('words cut by an expression that is not known are refused, never guessed', async () => {
    const { folder } = await folderOf('split', {});
    const file = join(folder, 'tokenizer.json');
    const tokenizer = JSON.parse(await readFile(file, 'utf8'));
    tokenizer.pre_tokenizer.pretokenizers[0].pattern.Regex = '\\w+';
    await writeFile(file, JSON.stringify(tokenizer));
    await expect(load(folder)).rejects.toThrow(/expression that is not known/);
  });

  test.each<[string, (tokenizer: { model: { vocab: object }; added_tokens: unknown }) => void, RegExp]>([
    ['added tokens that are no list', (t) => Object.assign(t, { added_tokens: { a: 1 } }), /a list of added_tokens/],
    ['an added token that is none', (t) => Object.assign(t, { added_tokens: [null] }), /a list of added_tokens/],
    ['two texts with one id', (t) => Object.assign(t.model.vocab, { zz: 7 }), /the id 7 to ".*" and to "zz"/],
    [
      'an added token with the id of another',
      (t) => Object.assign(t, { added_tokens: [{ id: 9, content: 'yy' }] }),
      /the id 9 to ".*" and to "yy"/,
    ],
  ])('tokenizer.json with %s is refused', async (label, change, message) => {
    const { folder } = await folderOf(`tokens ${label}`, {});
    const file = join(folder, 'tokenizer.json');
    const tokenizer = JSON.parse(await readFile(file, 'utf8'));
    change(tokenizer);
    await writeFile(file, JSON.stringify(tokenizer));
    await expect(load(folder)).rejects.toMatchObject({ code: 'bad-file', message: expect.stringMatching(message) });
  });

  test('numbers that are none do not come into a folder', async () => {
    for (const [format, to] of [
      ['f32', 'hf'],
      ['f16', 'hf'],
      ['bf16', 'hf'],
      ['q1_0', 'hf'],
      ['q1_0', 'mlx'],
    ] as const) {
      const bytes = await tinyModel({ format });
      const gguf = await readGguf(memorySource(bytes));
      const { offsetBytes, sizeBytes } = gguf.tensors.get('blk.1.attn_k.weight')!;
      bytes.fill(0xff, offsetBytes, offsetBytes + sizeBytes);
      const writing = writeFolder(gguf, memorySource(bytes), async (_, produce) => produce(async () => {}), { to });
      await expect(writing).rejects.toThrow(/infinity or NaN in tensor 'blk\.1\.attn_k\.weight'/);
    }
  });
});
