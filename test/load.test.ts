// What loading refuses, and what it says. Files are made here, each wrong in its own way.
import { describe, expect, test } from 'vitest';
import { type LoadOptions, load, OnebitError } from '../src/index.ts';
import { tinyModel } from './tiny-model.ts';

const options: LoadOptions = { backend: 'reference' };

async function refusal(bytes: Uint8Array, loadOptions = options): Promise<OnebitError> {
  try {
    await (await load(bytes, loadOptions)).dispose();
  } catch (error) {
    expect(error).toBeInstanceOf(OnebitError);
    return error as OnebitError;
  }
  throw new Error('it was loaded');
}

describe('load', () => {
  test('runs llama and qwen3, tied and untied, in every format', async () => {
    for (const architecture of ['llama', 'qwen3'] as const) {
      for (const format of ['f32', 'f16', 'bf16', 'q8_0', 'q1_0', 'q2_0', 'q2_0-128'] as const) {
        const untied = await tinyModel({
          architecture,
          format,
          tensors: (tensors) => [...tensors, { ...tensors[0], name: 'output.weight' }],
        });
        const answers: number[][] = [];
        for (const bytes of [await tinyModel({ architecture, format }), untied]) {
          const model = await load(bytes, options);
          const result = await model.generate('Hello', { temperature: 0, maxTokens: 5 }).result();
          answers.push([...result.tokens]);
          await model.dispose();
        }
        expect(answers[1]).toEqual(answers[0]);
      }
    }
  });

  test('refuses other architectures and says which it runs', async () => {
    const error = await refusal(await tinyModel({ metadata: { 'general.architecture': 'mamba' } }));
    expect(error.code).toBe('unsupported');
    expect(error.message).toMatch(/one of llama, .*qwen3, .*, got 'mamba'/);
  });

  test('refuses metadata that it does not honour, all of it at once, but not neutral values', async () => {
    const error = await refusal(
      await tinyModel({
        metadata: {
          'qwen3.logit_scale': { type: 'f32', value: 0.5 },
          'qwen3.attention.sliding_window': { type: 'u32', value: 128 },
          'qwen3.expert_count': { type: 'u32', value: 0 },
        },
      }),
    );
    expect(error.code).toBe('unsupported');
    expect(error.problems).toHaveLength(2);
    expect(error.message).toMatch(/qwen3\.logit_scale.*\n.*qwen3\.attention\.sliding_window/);
  });

  test('refuses rope scalings that it does not know', async () => {
    const error = await refusal(
      await tinyModel({
        metadata: { 'qwen3.rope.scaling.type': 'longrope', 'qwen3.rope.scaling.factor': { type: 'f32', value: 4 } },
      }),
    );
    expect(error.message).toMatch(/none, linear or yarn, got 'longrope'/);
  });

  test('names every tensor that is missing, of a wrong shape, or unknown', async () => {
    const error = await refusal(
      await tinyModel({
        tensors: (tensors) => [
          ...tensors
            .filter((tensor) => tensor.name !== 'blk.1.ffn_up.weight')
            .map((tensor) =>
              tensor.name === 'output_norm.weight'
                ? { ...tensor, shape: [64], bytes: () => new Uint8Array(256) }
                : tensor,
            ),
          { name: 'blk.0.attn_q.bias', shape: [128], format: 'f32', bytes: () => new Uint8Array(512) },
        ],
      }),
    );
    expect(error.code).toBe('bad-file');
    expect(error.problems.join('\n')).toMatch(/'blk\.1\.ffn_up\.weight' \[128,256\] is missing/);
    expect(error.problems.join('\n')).toMatch(/'output_norm\.weight' must be \[128\].*got \[64\]/);
    expect(error.problems.join('\n')).toMatch(/'blk\.0\.attn_q\.bias' is not part of a qwen3 model/);
    expect(error.problems).toHaveLength(3);
  });

  test('refuses heads that do not divide, and a context longer than the model has', async () => {
    const heads = await refusal(
      await tinyModel({ metadata: { 'qwen3.attention.head_count_kv': { type: 'u32', value: 3 } } }),
    );
    expect(heads.message).toMatch(/multiple of key\/value heads, got 4 and 3/);
    const context = await refusal(await tinyModel(), { ...options, contextTokens: 10_000 });
    expect(context.message).toMatch(/contextTokens must be .* got 10000/);
  });

  test('a cut file is refused', async () => {
    const bytes = await tinyModel();
    const error = await refusal(bytes.subarray(0, bytes.length - 100));
    expect(error.code).toBe('bad-file');
  });

  test('what can never fit is refused before it is loaded, with the sizes', async () => {
    const bytes = await tinyModel({ contextLength: 1 << 26 });
    const error = await refusal(bytes, { backend: 'wasm', threads: 1, contextTokens: 1 << 26 });
    expect(error.code).toBe('out-of-memory');
    expect(error.message).toMatch(
      /67108864 tokens \(34\.36 GB\).* must fit the 4\.29 GB of the wasm backend.*kvFormat/,
    );
  });

  test('an aborted load throws the reason', async () => {
    await expect(load(await tinyModel(), { ...options, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });

  test('an unknown backend is refused', async () => {
    const error = await refusal(await tinyModel(), { backend: 'cuda' as 'wasm' });
    expect(error.message).toMatch(/backend must be one of auto, wasm, webgpu, reference/);
  });

  test('YaRN changes angles beyond the original context and leaves the fast ones', async () => {
    const yarn = {
      'qwen3.rope.scaling.type': 'yarn',
      'qwen3.rope.scaling.factor': { type: 'f32', value: 4 } as const,
      'qwen3.rope.scaling.original_context_length': { type: 'u32', value: 64 } as const,
    };
    const [plain, scaled] = await Promise.all([
      load(await tinyModel(), options),
      load(await tinyModel({ metadata: yarn }), options),
    ]);
    const { frequencies, magnitude } = scaled.config.rope;
    const last = frequencies.length - 1;
    expect(magnitude).toBeCloseTo(0.1 * Math.log(4) + 1, 6);
    expect(frequencies[0]).toBe(plain.config.rope.frequencies[0]);
    expect(frequencies[last]).toBeCloseTo(plain.config.rope.frequencies[last] / 4, 8);
  });
});
