// Both ends of the channel in one process: what a page asks, a worker does; aborts, errors, pauses; a device that is lost in the middle of an answer.
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { OnebitError } from '../errors.ts';
import type { LanguageModel } from '../language-model.ts';
import { load } from '../load.ts';
import { Caller } from './caller.ts';
import { type Loader, serveCalls } from './host.ts';
import type { Calls, Port } from './protocol.ts';

const seedling = new Uint8Array(readFileSync(new URL('../../models/seedling.gguf', import.meta.url)));
const options = { temperature: 0, maxTokens: 20, ignoreEndOfText: true } as const;
const PROMPT = 'I would like';
const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

function connect(loader?: Loader): Caller {
  const { port1, port2 } = new MessageChannel();
  open.push(() => port1.close());
  serveCalls(port2 as unknown as Port, loader);
  return new Caller(port1 as unknown as Port);
}

const loading = { input: seedling, options: { backend: 'wasm', threads: 1 } } satisfies Calls['load']['args'];

/** A model whose first answer ends after three pieces because its device is lost. */
function fragile(model: LanguageModel): LanguageModel {
  const generate: LanguageModel['generate'] = (prompt, given) => {
    const real = model.generate(prompt, given);
    async function* pieces() {
      let count = 0;
      for await (const piece of real) {
        if (count++ === 3) throw new OnebitError('device-lost', 'generate: the device must live, it was lost.');
        yield piece;
      }
    }
    return { [Symbol.asyncIterator]: pieces, result: () => real.result() } as ReturnType<LanguageModel['generate']>;
  };
  return new Proxy(model, {
    get(target, name) {
      if (name === 'generate') return generate;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test('a generation survives the loss of its device: the model is loaded again and goes on', async () => {
  const model = await load(seedling, { backend: 'wasm', threads: 1 });
  const expected = await model.generate(PROMPT, options).result();
  await model.dispose();
  let loads = 0;
  const caller = connect(async (input, given) => {
    const loaded = await load(input, given);
    return ++loads === 1 ? fragile(loaded) : loaded;
  });
  await caller.call('load', loading).result;
  const pieces: string[] = [];
  const onEvent = ({ text }: { text: string }) => pieces.push(text);
  const result = await caller.call('generate', { prompt: PROMPT, options }, { onEvent }).result;
  expect(loads).toBe(2);
  expect(result.tokens).toEqual(expected.tokens);
  expect(pieces.join('')).toBe(expected.text);
});

test('errors keep their code, aborts their reason, and the model stays of use', async () => {
  const caller = connect();
  const score = { input: 'x' };
  await expect(caller.call('score', score).result).rejects.toMatchObject({ name: 'OnebitError', code: 'bad-argument' });
  await expect(caller.call('load', { ...loading, input: seedling.slice(0, 500_000) }).result).rejects.toMatchObject({
    code: 'bad-file',
  });
  await caller.call('load', loading).result;
  const stop = new AbortController();
  const endless = { prompt: PROMPT, options: { ...options, maxTokens: 500 } };
  const reason = new DOMException('enough', 'AbortError');
  const stopped = caller.call('generate', endless, { signal: stop.signal, onEvent: () => stop.abort(reason) });
  await expect(stopped.result).rejects.toBe(reason);
  const [first] = await caller.call('tokenize', { text: 'Hello' }).result;
  expect(first.text.length).toBeGreaterThan(0);
  const map = await caller.call('attention', { text: 'I would like to book a table' }).result;
  const count = map.tokens.length;
  expect(map.weights.length).toBe(map.layers * map.heads * count * count);
  for (let row = 0; row < map.layers * map.heads * count; row++) {
    const sum = map.weights.slice(row * count, (row + 1) * count).reduce((a, b) => a + b, 0);
    expect(sum).toBeCloseTo(1, 5);
  }
  const speed = await caller.call('speed', { promptTokens: 8, genTokens: 4, runs: 1 }).result;
  expect(speed.decode.median).toBeGreaterThan(0);
});

test('a dead worker fails what runs and what comes after', async () => {
  const caller = connect();
  const running = caller.call('load', loading).result;
  caller.fail(new OnebitError('device-lost', 'worker: it ended.'));
  await expect(running).rejects.toMatchObject({ code: 'device-lost' });
  await expect(caller.call('score', { input: 'x' }).result).rejects.toMatchObject({ code: 'device-lost' });
});

test('of loads at once the one asked for last wins, and the others leave no model behind', async () => {
  const models: { name: string; disposed: boolean }[] = [];
  const caller = connect(async (input, { signal } = {}) => {
    const facts = { config: { architecture: {} }, backend: {}, metadata: new Map(), memoryBytes: 1 };
    const model = { name: String(input), disposed: false, ...facts };
    // The first takes longest and does not look at the signal.
    for (let turn = input === 'first' ? 50 : 5; turn > 0; turn--)
      await new Promise((resolve) => setTimeout(resolve, 1));
    if (input !== 'first') signal?.throwIfAborted();
    models.push(model);
    const dispose = async () => {
      model.disposed = true;
    };
    return Object.assign(model, { dispose }) as unknown as LanguageModel;
  });
  const call = (input: string) => caller.call('load', { input, options: {} }).result.then(() => input, String);
  const outcomes = await Promise.all(['first', 'second', 'third'].map(call));
  expect(outcomes).toEqual([expect.stringMatching(/asked for/), expect.stringMatching(/asked for/), 'third']);
  expect(models.filter(({ disposed }) => !disposed).map(({ name }) => name)).toEqual(['third']);
});
