// interop/pytorch/onebit.py trains what `onebit train --export-tokens` writes: the same losses, alone and as two processes, and the way there and back.
// Needs a Python with torch 1.13 or later (Debian: python3-torch).
import { execFile, execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeFileAtomically } from '../src/bytes/file-write.ts';
import { load } from '../src/load.ts';
import { exportRun } from '../src/train/export-run.ts';
import { train } from '../src/train/train.ts';
import type { TrainOptions } from '../src/train/train-options.ts';

const twin = fileURLToPath(new URL('../interop/pytorch/onebit.py', import.meta.url));
const python = ['python3', '/usr/bin/python3'].find((program) => {
  try {
    execFileSync(program, ['-c', 'import torch, torch.distributed'], { stdio: 'ignore', timeout: 120_000 });
    return true;
  } catch {
    return false;
  }
});
const SLOW = 480_000;
const env = { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };

const documents = Array.from({ length: 60 }, (_, i) => ({
  messages: [
    { role: 'user' as const, content: `Is shop ${i} open on day ${(7 * i) % 31}?` },
    { role: 'assistant' as const, content: i % 3 === 0 ? 'Yes, from nine to five.' : `No, but shop ${i + 1} is.` },
  ],
}));
const options: TrainOptions = {
  documents,
  preset: 'tiny',
  shape: { vocabulary: 300, layers: 2, width: 128, contextLength: 64 },
  recipe: { steps: 6, fullPrecisionShare: 0.5 },
  batchTokens: 256,
  sampleEvery: 0,
  seed: 4,
  threads: 1,
  exact: true,
};

describe.skipIf(!python)(`the PyTorch twin${python ? '' : ' (skipped: no Python with torch)'}`, () => {
  let root: string;
  let ours: number[];
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'onebit-twin-'));
    await mkdir(join(root, 'run'));
    await exportRun(options, (name, produce) => writeFileAtomically(join(root, 'run', name), produce));
    ours = [];
    for await (const event of train(options)) if (event.type === 'step') ours.push(event.loss);
  }, SLOW);
  afterAll(() => rm(root, { recursive: true, force: true }));

  const run = (...args: string[]) =>
    execFileSync(python!, args, { env, encoding: 'utf8', timeout: SLOW, stdio: ['ignore', 'pipe', 'pipe'] });
  const lossesOf = async (folder: string) =>
    (await readFile(join(root, folder, 'log.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).loss as number);

  test(
    'has our losses, before and after weights are rounded, and its folder runs here',
    async () => {
      run(twin, 'train', join(root, 'run'), '-o', join(root, 'one'), '--cpu');
      const losses = await lossesOf('one');
      expect(losses).toHaveLength(ours.length);
      for (const [i, loss] of losses.entries()) expect(Math.abs(loss - ours[i]), `update ${i}`).toBeLessThan(1e-3);
      expect(losses.at(-1)).toBeLessThan(losses[0]);
      const model = await load(join(root, 'one'), { threads: 1 });
      const { logprobs } = await model.score('Is shop 5 open?');
      expect([...logprobs].every(Number.isFinite)).toBe(true);
      await model.dispose();
    },
    SLOW,
  );

  test(
    'has the same losses as two processes (gloo)',
    async () => {
      // As torchrun starts them; Debian's torchrun of 1.13 fails under Python 3.11.
      const where = { MASTER_ADDR: '127.0.0.1', MASTER_PORT: String(20_000 + (process.pid % 20_000)), WORLD_SIZE: '2' };
      const args = [twin, 'train', join(root, 'run'), '-o', join(root, 'two'), '--cpu'];
      const start = (rank: string) =>
        promisify(execFile)(python!, args, { env: { ...env, ...where, RANK: rank }, timeout: SLOW });
      await Promise.all([start('0'), start('1')]);
      const [one, both] = [await lossesOf('one'), await lossesOf('two')];
      for (const [i, loss] of both.entries()) expect(Math.abs(loss - one[i]), `update ${i}`).toBeLessThan(1e-3);
    },
    SLOW,
  );

  test(
    'goes on after an interruption as if there had been none',
    async () => {
      run(twin, 'train', join(root, 'run'), '-o', join(root, 'three'), '--cpu', '--steps', '3');
      run(twin, 'train', join(root, 'run'), '-o', join(root, 'three'), '--cpu', '--resume');
      expect(await lossesOf('three')).toEqual(await lossesOf('one'));
      expect(await readdir(join(root, 'three'))).toContain('model.safetensors');
      // Nothing of one run and all of another is the other.
      const mean = [
        'mean',
        join(root, 'run'),
        '-o',
        join(root, 'mean'),
        '--of',
        join(root, 'start'),
        join(root, 'three'),
      ];
      run(twin, 'train', join(root, 'run'), '-o', join(root, 'start'), '--cpu', '--steps', '1');
      run(twin, ...mean, '--shares', '0', '2');
      const [whole, all] = await Promise.all(
        ['three', 'mean'].map((folder) => readFile(join(root, folder, 'model.safetensors'))),
      );
      expect(all.equals(whole)).toBe(true);
    },
    SLOW,
  );

  test(
    'spreads the sizes of weights before rounding, and the rounded model stays the same',
    async () => {
      const spread = join(root, 'spread');
      await cp(join(root, 'run'), spread, { recursive: true });
      const rounded = async (folder: string) => {
        run(twin, 'train', spread, '-o', join(root, folder), '--cpu', '--steps', '0');
        return readFile(join(root, folder, 'model.safetensors'));
      };
      const before = await rounded('whole');
      run(twin, 'spread', spread, '--updates', '2');
      const after = await rounded('spread-out');
      const [old, now] = await Promise.all(['run', 'spread'].map((f) => readFile(join(root, f, 'start.safetensors'))));
      expect(now.equals(old)).toBe(false);
      // A scale may fall on the other side of a rounding, a sign never.
      expect(after.length).toBe(before.length);
      expect(after.filter((byte, i) => byte !== before[i]).length / after.length).toBeLessThan(0.001);
    },
    SLOW,
  );
});
