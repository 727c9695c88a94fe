// What `onebit doctor` says about files that are not what they say.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { main } from '../src/cli/main.ts';
import type { WritableTensor } from '../src/gguf/write.ts';
import { randomWeightBytes } from '../src/kernels/cases.ts';
import { formatByName } from '../src/quant/formats.ts';
import { type TinyModelOptions, tinyModel } from './tiny-model.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'doctor-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const CHATML = '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}';
interface Report {
  ok: boolean;
  findings: { severity: string; check: string; what: string; advice?: string }[];
  need?: { totalBytes: number };
}

async function doctor(options: TinyModelOptions | Uint8Array): Promise<Report & { exitCode: number }> {
  const bytes =
    options instanceof Uint8Array ? options : await tinyModel({ layers: 1, chatTemplate: CHATML, ...options });
  const path = join(folder, "a model's $5.gguf");
  writeFileSync(path, bytes);
  let printed = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text;
    return true;
  });
  const before = process.exitCode;
  try {
    const exitCode = await main(['doctor', path, '--json']);
    return { exitCode, ...(JSON.parse(printed) as Report) };
  } finally {
    process.exitCode = before;
    write.mockRestore();
  }
}

/** Carries out a command that is advised, as a shell would read it, and gives what the doctor then says of the file that it wrote. */
async function follow(advice: string): Promise<Report> {
  const words = execFileSync('sh', ['-c', `printf '%s\\0' ${advice}`], { encoding: 'utf8' })
    .split('\0')
    .slice(1, -1);
  const output = words.indexOf('-o') + 1;
  words[output] = join(folder, words[output]);
  rmSync(words[output], { force: true });
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const complain = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    expect(await main(words), advice).toBe(0);
  } finally {
    write.mockRestore();
    complain.mockRestore();
  }
  return doctor(new Uint8Array(readFileSync(words[output])));
}

/** Puts other tensors in the places of some. */
const replace = (pattern: RegExp, change: (tensor: WritableTensor) => WritableTensor) => (list: WritableTensor[]) =>
  list.map((tensor) => (pattern.test(tensor.name) ? change(tensor) : tensor));

test('a sound file is sound', async () => {
  const { exitCode, ok, findings, need } = await doctor({});
  expect(findings).toEqual([]);
  expect([exitCode, ok]).toEqual([0, true]);
  expect(need!.totalBytes).toBeGreaterThan(0);
});

test('what Zephyr writes around roles need not be tokens, where its turns end', async () => {
  const chatTemplate = '{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}';
  expect((await doctor({ chatTemplate })).findings).toEqual([]);
});

test('a file that is cut short is said to be, and what is left of it is looked at', async () => {
  const whole = await tinyModel({ layers: 1, chatTemplate: CHATML });
  const { ok, findings } = await doctor(whole.subarray(0, whole.length - 3000));
  expect(ok).toBe(false);
  expect(findings.map(({ check }) => check)).toEqual(['file']);
});

test('a tensor of a type that nothing reads is named once, and not called missing too', async () => {
  const bytes = await tinyModel({ layers: 1, chatTemplate: CHATML });
  const name = Buffer.from('blk.0.ffn_up.weight');
  // Behind the name: the number of sizes, two sizes, the type.
  bytes[Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(name) + name.length + 4 + 16] = 43;
  const { findings } = await doctor(bytes);
  expect(findings.map(({ what }) => what)).toEqual([expect.stringContaining('STQ1_0')]);
});

const u32 = (value: number) => ({ type: 'u32', value }) as const;
const f32 = (value: number) => ({ type: 'f32', value }) as const;
const sick: [name: string, check: string, options: TinyModelOptions, advice?: RegExp][] = [
  ['the older blocks behind id 42', 'legacy-q2_0', { format: 'q2_0-128' }, /^onebit convert .*--type q2_0$/],
  ['answers that end with no end of a turn', 'end-of-turn', { chatTemplate: CHATML.replaceAll('im_end', 'im_start') }, /--set tokenizer\.ggml\.eot_token_id=u32:257$/],
  ['a template of another model', 'template', { chatTemplate: CHATML.replaceAll('im_end', 'eot_id') }],
  ['a template that cannot be read', 'template', { chatTemplate: '{% for m in messages %}' }],
  ['a template whose turns end with what is no token', 'template', { chatTemplate: CHATML.replaceAll('<|im_end|>', '<end_of_turn>') }],
  ['control tokens that the vocabulary has as ordinary text', 'template', { metadata: { 'tokenizer.ggml.token_type': new Int32Array(259).fill(1) } }],
  ['a template that leaves out what the user said', 'template', { chatTemplate: CHATML.replace('{{ m.content }}', "{{ m.content if m.role == 'assistant' }}") }],
  ['turns that end with a user’s token', 'end-of-turn', { chatTemplate: CHATML.replaceAll('im_end', 'im_start'), metadata: { 'tokenizer.ggml.token_type': Int32Array.from({ length: 259 }, (_, i) => (i < 256 ? 1 : 4)) } }, /--set tokenizer\.ggml\.eot_token_id=u32:257$/],
  ['a tokenizer of another model', 'tokenizer', { metadata: { 'tokenizer.ggml.model': 'bert' } }],
  [
    'a Bonsai without its scaled positions',
    'yarn',
    { metadata: { 'general.name': 'Bonsai 1.7B', 'qwen3.context_length': u32(32768) } },
    /--set qwen3\.rope\.scaling\.type=yarn --set qwen3\.rope\.scaling\.factor=f32:4 --set qwen3\.rope\.scaling\.original_context_length=u32:8192$/,
  ],
  [
    'YaRN without the key that says so',
    'yarn',
    { metadata: { 'qwen3.rope.scaling.factor': f32(2), 'qwen3.rope.scaling.original_context_length': u32(128) } },
    /--set qwen3\.rope\.scaling\.type=yarn$/,
  ],
  [
    'YaRN without its factor',
    'yarn',
    { metadata: { 'qwen3.rope.scaling.type': 'yarn', 'qwen3.rope.scaling.original_context_length': u32(64) } },
    /--set qwen3\.rope\.scaling\.factor=f32:4$/,
  ],
  [
    'a Bonsai by its family’s name',
    'yarn',
    { metadata: { 'general.basename': 'Bonsai', 'qwen3.context_length': u32(65536), 'qwen3.rope.scaling.type': 'none' } },
    /type=yarn .*factor=f32:4 .*original_context_length=u32:16384$/,
  ],
  ['rotated weights', 'file', { metadata: { 'prism.hadamard.version': u32(1) } }],
  ['keys that nothing honours', 'model', { metadata: { 'qwen3.attention.sliding_window': u32(64) } }],
  [
    'weights that are no numbers',
    'not-finite',
    {
      tensors: replace(/ffn_up/, (tensor) => {
        const bytes = randomWeightBytes('q1_0', tensor.shape[1], tensor.shape[0], 1);
        bytes.set([0, 0x7e], 5 * 18);
        return { ...tensor, bytes: () => bytes };
      }),
    },
  ],
  [
    'code 3 in I2_S',
    'i2s-codes',
    {
      format: 'i2_s',
      tensors: replace(/ffn_up/, (tensor) => {
        const bytes = randomWeightBytes('i2_s', tensor.shape[1], tensor.shape[0], 1);
        bytes[40] = 0b11000000;
        return { ...tensor, bytes: () => bytes };
      }),
    },
  ],
]; // biome-ignore format: a table

test.each(sick)('%s', async (_, check, options, advice) => {
  const { exitCode, ok, findings } = await doctor(options);
  const found = findings.filter((finding) => finding.check === check && finding.severity === 'wrong');
  expect(found.length, JSON.stringify(findings)).toBeGreaterThan(0);
  if (advice) expect(found[0].advice).toMatch(advice);
  expect([exitCode, ok]).toEqual([1, false]);
  if (found[0].advice?.startsWith('onebit convert')) {
    const mended = await follow(found[0].advice);
    expect(mended.findings.filter((finding) => finding.check === check && finding.severity === 'wrong')).toEqual([]);
  } else expect(found[0].advice ?? '').not.toContain('onebit ');
});

test('a qwen35 with PrismML’s ternary weights and no rotation keys lost them', async () => {
  const bytes = await tinyModel({ format: 'pq2_0', layers: 1, metadata: { 'general.architecture': 'qwen35' } });
  expect((await doctor(bytes)).findings.map(({ check }) => check)).toContain('dropped-hadamard');
});

test.each(['i2_s', 'i2_s-64'] as const)('the order of %s is found where weights follow the norms before them', async (written) => {
  const WIDTH = 256;
  // Channels that a norm amplifies have more zeros behind them, at random.
  const gains = Float32Array.from({ length: WIDTH }, (_, i) => 0.5 + ((i * 97) % 64) / 64);
  const shape = [WIDTH, 512];
  const make = (format: 'i2_s' | 'i2_s-64', seed: number) => {
    let state = seed;
    const next = () => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return state / 2 ** 31;
    };
    const values = Float32Array.from({ length: WIDTH * 512 }, (_, i) => (next() < gains[i % WIDTH] / 2 ? 0 : next() < 0.5 ? 1 : -1));
    const bytes = new Uint8Array(values.length / 4 + 32);
    formatByName(format).encode(values, bytes);
    return bytes;
  };
  const bytes = await tinyModel({
    ...{ format: 'tq2_0', layers: 1, chatTemplate: CHATML },
    tensors: (list) =>
      list.map((tensor): WritableTensor => {
        if (/(attn|ffn)_norm/.test(tensor.name)) return { ...tensor, bytes: () => new Uint8Array(gains.buffer) };
        if (!/ffn_(up|gate)/.test(tensor.name)) return tensor;
        return { ...tensor, shape, format: written, bytes: () => make(written, tensor.name.length) };
      }),
  });
  const { findings } = await doctor(bytes);
  const order = findings.filter(({ check }) => check === 'i2s-order');
  expect(order.map(({ severity }) => severity)).toEqual([written === 'i2_s' ? 'note' : 'wrong']);
  if (written === 'i2_s-64') expect(order[0].advice).toContain('--i2s-layout 64');
}); // biome-ignore format: a table

test('of a model in several files only that is said, not what the other files have', async () => {
  const report = await doctor({
    metadata: { 'split.count': { type: 'u16', value: 2 }, 'split.no': { type: 'u16', value: 0 } },
    tensors: (list) => list.slice(0, 3),
  });
  expect(report.exitCode).toBe(1);
  expect(report.findings.map(({ check }) => check)).toEqual(['file']);
  expect(report.findings[0].what).toContain('split into 2 files');
});
