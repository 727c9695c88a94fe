// The WebGPU backend on SwiftShader, in Chromium and in Node: every case against the reference, real models' tokens and log-probabilities, what it does
// beyond its kernels. There is no GPU here: drivers of real ones are not tested.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load } from '../src/index.ts';
import { kernelCases } from '../src/kernels/cases.ts';
import { webgpuBackend } from '../src/kernels/webgpu/webgpu-backend.ts';
import { hasStories, stories260k, storiesReason } from './shared-files.ts';
import { type CaseReport, type ModelRun, seeded } from './webgpu-cases.ts';
import { type Device, missingIn, openChromium, openNode } from './webgpu-devices.ts';

/** SwiftShader compiles shaders on a processor that other tests share. */
const SLOW = 600_000;
const seedling = fileURLToPath(new URL('../models/seedling.gguf', import.meta.url));
const models = [
  { name: 'stories260K', path: stories260k, prompt: 'Once upon a time', maxTokens: 60, there: hasStories },
  { name: 'seedling', path: seedling, prompt: 'I would like to book a table for two', maxTokens: 24, there: true },
] as const;

async function openFor(platform: 'chromium' | 'node'): Promise<Device> {
  if (platform === 'node') return openNode();
  const files = models.filter(({ there }) => there).map(({ path }) => [path.split('/').at(-1)!, readFileSync(path)]);
  return openChromium(Object.fromEntries(files));
}

const namesOf = (filter: string) =>
  kernelCases()
    .map(({ kernel, name }) => `${kernel} ${name}`)
    .filter((name) => name.includes(filter));

/** Tokens and log-probabilities that the reference gives. */
async function referenceRun({ path, prompt, maxTokens }: (typeof models)[number]) {
  const model = await load(path, { backend: 'reference', contextTokens: 256 });
  const { tokens } = await model.generate(prompt, { temperature: 0, maxTokens, ignoreEndOfText: true }).result();
  const sampled: number[][] = [];
  for (const sampling of seeded) {
    const options = { ...sampling, maxTokens: 12, ignoreEndOfText: true };
    sampled.push([...(await model.generate(prompt, options).result()).tokens]);
  }
  const all = [...model.tokenizer.encode(prompt), ...tokens];
  const { logprobs } = await model.score(all);
  await model.dispose();
  return {
    all,
    tokens: [...tokens],
    sampled,
    logprobs: Array.from(logprobs, Number).slice(1),
    layers: model.config.layers,
  };
}

for (const platform of ['chromium', 'node'] as const) {
  const missing = missingIn[platform];
  describe.skipIf(missing)(`webgpu in ${platform}${missing}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openFor(platform);
    }, SLOW);
    afterAll(() => device?.close());

    // Node and Chromium run the same shaders through the same compiler: once is enough.
    if (platform === 'chromium')
      describe('cases', () => {
        let reports: Record<string, CaseReport> = {};
        beforeAll(async () => {
          reports = await device.call('runCases');
        }, SLOW);
        for (const { kernel, name } of kernelCases()) {
          it(`${kernel} ${name}`, () => expect(reports[`${kernel} ${name}`]).toMatchObject({ passed: true }));
        }
      });

    for (const model of models) {
      const reason = model.there ? '' : storiesReason;
      it.skipIf(!model.there)(
        `gives the reference’s greedy and seeded tokens of ${model.name}${reason}`,
        async () => {
          const expected = await referenceRun(model);
          const found = await device.call<ModelRun>(
            'runModel',
            device.place(model.path),
            model.prompt,
            model.maxTokens,
          );
          expect(found.tokens).toEqual(expected.tokens);
          const worst = Math.max(...found.logprobs.map((value, i) => Math.abs(value - expected.logprobs[i])));
          expect(found.logprobs.length).toBe(expected.logprobs.length);
          expect(worst).toBeLessThan(2e-3);
          // The same seed draws the same tokens. A step is one command buffer, and only the token comes back.
          expect(found.sampled.map(({ tokens }) => tokens)).toEqual(expected.sampled);
          expect(found.sampled.map(({ readBackBytes }) => readBackBytes)).toEqual([4, 4]);
          expect(found.step).toMatchObject({ submissions: 1, readBackBytes: 4 });
          expect(found.step.dispatches).toBeLessThanOrEqual(17 * expected.layers + 8);
        },
        SLOW,
      );
    }

    it(
      'finds subgroups and int8 dot products',
      async () => {
        // What SwiftShader has; without them the cases below would test nothing.
        expect(await device.call('features')).toEqual({ subgroups: true, int8Dots: true });
      },
      SLOW,
    );

    if (platform === 'node')
      describe('cases of other paths', () => {
        for (const [name, filter, options] of [
          ['int8 products', 'matmul q', { activations: 'q8' }],
          ['int8 products without subgroups', 'matmul q', { activations: 'q8', without: ['subgroups'] }],
          ['float products without subgroups', 'matmul q1_0', { without: ['subgroups'] }],
          ['norms without subgroups', 'rms-norm', { without: ['subgroups'] }],
          ['int8 products that do not exist', 'matmul q8_0 64x64', { activations: 'q8', without: ['int8Dots'] }],
        ] as const) {
          it(
            name,
            async () => {
              const reports = await device.call<Record<string, CaseReport>>('runCases', filter, options);
              expect(Object.keys(reports)).toEqual(namesOf(filter));
              expect(Object.entries(reports).filter(([, { passed }]) => !passed)).toEqual([]);
            },
            SLOW,
          );
        }
      });

    if (platform === 'node')
      it(
        'scores almost alike with activations rounded to int8',
        async () => {
          const expected = await referenceRun(models[1]);
          const found = await device.call<number[]>('scoreRounded', seedling, expected.all);
          const differences = found.map((value, i) => Math.abs(value - expected.logprobs[i]));
          const mean = differences.reduce((a, b) => a + b, 0) / differences.length;
          console.log(`int8 activations: mean ${mean.toFixed(4)}, largest ${Math.max(...differences).toFixed(4)} nats`);
          expect(mean).toBeGreaterThan(1e-5);
          expect(mean).toBeLessThan(0.03);
        },
        SLOW,
      );

    it(
      'splits weights that a binding cannot hold',
      async () => {
        const errors = await device.call<Record<string, number>>('splitWeights');
        for (const error of Object.values(errors)) expect(error).toBeLessThan(1e-5);
        expect(Object.keys(errors)).toHaveLength(3);
      },
      SLOW,
    );

    it(
      'keeps the order of writes, frees, refuses damaged scales, aborts and ends',
      async () => {
        expect(await device.call('behaviours')).toEqual({
          ordered: [1, 5],
          grown: 4 << 20,
          freed: 0,
          pages: [true, true, true],
          refused: 'bad-file',
          tooLarge: 'out-of-memory',
          aborted: 'enough',
          still: 5,
          disposed: ['disposed', 'disposed', 0],
        });
      },
      SLOW,
    );

    it(
      'throws device-lost when the device dies, and holds nothing afterwards',
      async () => {
        expect(await device.call('lostDevice')).toEqual({
          reading: 'device-lost',
          later: 'device-lost',
          memoryBytes: 0,
        });
      },
      SLOW,
    );

    it.skipIf(!hasStories)(
      `gives everything back when the device dies in the middle of an answer, and answers when loaded again${hasStories ? '' : storiesReason}`,
      async () => {
        expect(await device.call('lostWhileGenerating', device.place(stories260k))).toEqual({
          codes: ['device-lost', 'device-lost', 'device-lost'],
          held: { bytes: 0, buffers: 0 },
          same: true,
          devices: 2,
        });
      },
      SLOW,
    );
  });
}

it('says what to do where there is no adapter', async () => {
  const gpu = { requestAdapter: async () => null } as unknown as GPU;
  await expect(webgpuBackend({ gpu })).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringMatching(/use backend 'wasm'/),
  });
});
