import { expect, test } from 'vitest';
import { Random } from '../core/random.ts';
import type { TensorInfo } from '../gguf/types.ts';
import type { ModelConfig } from './config.ts';
import { Inspector } from './weights.ts';

const config = { architecture: { name: 'qwen3' }, name: 'x', rope: { frequencies: [1] } } as unknown as ModelConfig;
const tensor = { name: 'a', format: 'f32', shape: [64, 1024] } as unknown as TensorInfo;
const random = new Random(4);
const bytes = new Uint8Array(Float32Array.from({ length: 64 * 1024 }, () => random.uniform()).buffer);

function digestOf(data: Uint8Array, cuts: readonly number[], wholeBytes: number): string {
  const inspector = new Inspector(data.length, wholeBytes);
  inspector.begin(tensor);
  const ends = [...cuts, data.length];
  for (const [i, end] of ends.entries()) {
    const from = i === 0 ? 0 : ends[i - 1];
    inspector.take(tensor, from, data.subarray(from, end));
  }
  return inspector.finish(config);
}

test.each([1e9, 100_000, 30_000])('the digest does not depend on how bytes are cut (%i bytes whole)', (wholeBytes) => {
  const whole = digestOf(bytes, [], wholeBytes);
  for (let round = 0; round < 20; round++) {
    const cuts = Array.from({ length: 5 }, () => 4 * random.below(bytes.length / 4)).sort((a, b) => a - b);
    expect(digestOf(bytes, cuts, wholeBytes)).toBe(whole);
  }
  const stride = 4096 * Math.ceil(bytes.length / wholeBytes);
  for (const [at, counts] of [
    [0, true],
    [4095, true],
    [stride + 5, true],
    [4096, stride === 4096],
  ] as const) {
    const changed = bytes.slice();
    changed[at] ^= 1;
    expect(digestOf(changed, [], wholeBytes) !== whole, `byte ${at}`).toBe(counts);
  }
});
