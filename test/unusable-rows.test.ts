// Weights that are no numbers are refused at load, in every format; rows of the vocabulary that have no token are never chosen, whatever they score.
import { describe, expect, test } from 'vitest';
import { memorySource } from '../src/bytes/memory-source.ts';
import { load } from '../src/index.ts';
import { type FormatName, formatByName, formats } from '../src/quant/formats.ts';
import type { Matcher } from '../src/structured/constraint.ts';
import { readStartModel } from '../src/train/start-model.ts';
import { tinyModel } from './tiny-model.ts';

const names = formats.map(({ name }) => name).filter((name) => name !== 'q2_0-128');

/** Bytes that are no number, and where a block of the format has one; I2_S has its one scale behind all blocks. */
function unusable(format: FormatName, block: number, sizeBytes: number): { bad: number[]; at: number } {
  const { blockBytes, tailBytes, halvesAt = [0] } = formatByName(format);
  if (tailBytes) return { bad: [0, 0, 0xc0, 0x7f], at: sizeBytes - tailBytes };
  const bad = { f32: [0, 0, 0xc0, 0xff], bf16: [0x80, 0x7f], f16: [0, 0xfc] }[format as string] ?? [0, 0x7e];
  return { bad, at: block * blockBytes + halvesAt[halvesAt.length - 1] };
}

describe.each(['reference', 'wasm'] as const)('on %s', (backend) => {
  test.each(names)('%s weights with an infinite or missing number are refused with their tensor', async (format) => {
    for (const [name, block] of [
      ['token_embd.weight', 17],
      ['blk.1.ffn_down.weight', 3],
    ] as const) {
      const bytes = await tinyModel({
        format,
        tensors: (tensors) =>
          tensors.map((tensor) => {
            if (tensor.name !== name) return tensor;
            const stored = () => {
              const all = (tensor.bytes as () => Uint8Array)().slice();
              const { bad, at } = unusable(format, block, all.length);
              all.set(bad, at);
              return all;
            };
            return { ...tensor, bytes: stored };
          }),
      });
      const loading = load(bytes, { backend, threads: 1 });
      await expect(loading).rejects.toMatchObject({ code: 'bad-file' });
      await expect(loading).rejects.toThrow(new RegExp(`^load: tensor '${name}' of .*: .*must be finite`));
    }
  });

  test('norms that are no numbers are refused too', async () => {
    const bytes = await tinyModel({
      tensors: (tensors) =>
        tensors.map((tensor) =>
          tensor.name === 'output_norm.weight'
            ? {
                ...tensor,
                bytes: () => new Uint8Array(Float32Array.from({ length: 128 }, (_, i) => 1 / (i - 5)).buffer),
              }
            : tensor,
        ),
    });
    await expect(load(bytes, { backend, threads: 1 })).rejects.toThrow(
      /^load: tensor 'output_norm.weight' of .*: .*place 5\./,
    );
  });

  test.runIf(backend === 'reference')('training does not go on from numbers that are none', async () => {
    const bytes = await tinyModel({
      tensors: (tensors) =>
        tensors.map((tensor) =>
          tensor.name === 'blk.0.attn_norm.weight'
            ? { ...tensor, bytes: () => new Uint8Array(new Float32Array(128).fill(Number.NaN).buffer) }
            : tensor,
        ),
    });
    await expect(readStartModel(memorySource(bytes, 'x.gguf'))).rejects.toThrow(
      /^init: tensor 'blk.0.attn_norm.weight' of x.gguf must have finite numbers/,
    );
  });

  test('finite weights that are far too large end in an error, not in text', async () => {
    const bytes = await tinyModel({
      format: 'f32',
      tensors: (tensors) =>
        tensors.map((tensor) =>
          tensor.name.includes('.ffn_')
            ? {
                ...tensor,
                bytes: () => new Uint8Array(new Float32Array(tensor.shape.reduce((a, b) => a * b)).fill(1e30).buffer),
              }
            : tensor,
        ),
    });
    const model = await load(bytes, { backend, threads: 1 });
    for (const options of [{ temperature: 0 }, { temperature: 1 }, { temperature: 0, logprobs: 2 }]) {
      await expect(model.generate('hi', { maxTokens: 4, ...options }).result()).rejects.toThrow(
        /must be a finite number/,
      );
    }
    await expect(model.score('Hello')).rejects.toThrow(/must be finite/);
    await expect(model.embed('Hello')).rejects.toThrow(/must be finite/);
    await model.dispose();
  });

  test('rows without a token are never chosen: greedily, by chance, in log-probabilities, under a mask', async () => {
    // 259 tokens and padding; of the tokens some are unused or have no text. The favourites of the model are all among those.
    const unused = [65, 66, 97, 200];
    const types = Int32Array.from({ length: 259 }, (_, i) => (unused.includes(i) ? 5 : i < 256 ? 1 : 3));
    const bytes = await tinyModel({
      format: 'f32',
      metadata: { 'tokenizer.ggml.token_type': types },
      tensors: (tensors) =>
        tensors.map((tensor) => {
          if (tensor.name !== 'token_embd.weight') return tensor;
          const [width] = tensor.shape;
          const rows = new Float32Array(width * 288);
          const known = new Float32Array((tensor.bytes as () => Uint8Array)().slice().buffer);
          rows.set(known);
          for (let row = 0; row < 288; row++) {
            // Without a token: a multiple of what everybody likes, so that some are always ahead.
            if (row < 259 && !unused.includes(row)) continue;
            for (let i = 0; i < width; i++) rows[row * width + i] = 40 * known[((row * 7) % 250) * width + i];
          }
          return { ...tensor, shape: [width, 288], bytes: () => new Uint8Array(rows.buffer) };
        }),
    });
    const model = await load(bytes, { backend, threads: 1 });
    const usable = (token: number) => token < 259 && !unused.includes(token);
    const everything: Matcher = {
      mask: () => new Uint32Array(9).fill(0xffffffff),
      accept: () => {},
      isComplete: false,
      isFinished: false,
    };
    const common = { maxTokens: 24, ignoreEndOfText: true, seed: 3 };
    for (const options of [
      { temperature: 0 },
      { temperature: 0, lookupTokens: 4 },
      { temperature: 2, topK: 40, topP: 1 },
      { temperature: 2, topK: 0, topP: 1 },
      { temperature: 0, logprobs: 20 },
      { temperature: 1, topK: 0, logprobs: 300 },
      { temperature: 0, repeatPenalty: 1.3 },
      { temperature: 0, logitBias: new Map(unused.map((token) => [token, 100])) },
      { temperature: 1, ignoreEndOfText: false, constraint: { matcher: () => everything } },
    ]) {
      const result = await model.generate('Hello there', { ...common, ...options }).result();
      expect(
        result.tokens.filter((token) => !usable(token)),
        JSON.stringify(options),
      ).toEqual([]);
      for (const { logprob, top } of result.logprobs ?? []) {
        expect(logprob).toBeLessThanOrEqual(1e-6);
        expect(top!.filter(({ token }) => !usable(token))).toEqual([]);
        const sum = top!.reduce((total, entry) => total + Math.exp(entry.logprob), 0);
        expect(sum).toBeLessThan(1.001);
        if (top!.length === 255) expect(sum).toBeGreaterThan(0.999);
      }
    }
    const { logprobs, tokens } = await model.score('Hello there');
    const scored = await model
      .generate([...tokens.slice(0, 1)], { ...common, maxTokens: 1, temperature: 0, logprobs: 300 })
      .result();
    const same = scored.logprobs![0].top!.find(({ token }) => token === tokens[1]);
    expect(logprobs[0]).toBeCloseTo(same!.logprob, 3);
    await model.dispose();
  });
});
