// Owns what a small model is asked while its allocations and abort points fail, and what must be true afterwards.
import { CountingSignal, failInTurn, failing } from './failures.mjs';

const greedy = { temperature: 0, maxTokens: 5, ignoreEndOfText: true };
const TEXT = 'The quick brown fox jumps over the lazy dog. ';

/** Everything that is asked, each with a signal: the result must be plain data. */
const asked = {
  generate: async (model, signal) =>
    (await model.generate(TEXT.repeat(2), { ...greedy, signal, owner: 'a' }).result()).tokens,
  sampled: async (model, signal) =>
    (
      await model
        .generate(TEXT, { maxTokens: 4, seed: 5, logprobs: 2, repeatPenalty: 1.2, ignoreEndOfText: true, signal })
        .result()
    ).tokens,
  guessing: async (model, signal) =>
    (await model.generate(TEXT.repeat(3), { ...greedy, lookupTokens: 3, signal }).result()).tokens,
  batch: async (model, signal) => {
    const one = (i) => model.generate(`${i}${TEXT}`, { ...greedy, signal }).result();
    const results = await Promise.allSettled([0, 1, 2].map(one));
    const failed = results.find(({ status }) => status === 'rejected');
    if (failed) throw failed.reason;
    return results.map(({ value }) => value.tokens);
  },
  score: async (model, signal) => [...(await model.score(TEXT, { signal })).logprobs],
  embed: async (model, signal) => [...(await model.embed(TEXT, { signal }))],
  session: async (model, signal) => {
    const [session, other] = [model.session(), model.session()];
    try {
      const first = await model.generateIn(session, TEXT, { ...greedy, signal }).result();
      other.restore(await session.save());
      const second = await model
        .generateIn(other, [...first.promptTokens, ...first.tokens], { ...greedy, signal })
        .result();
      return [first.tokens, second.tokens];
    } finally {
      session.dispose();
      other.dispose();
    }
  },
  sliding: async (model, signal) =>
    (await model.generate(TEXT.repeat(4), { ...greedy, maxTokens: 24, overflow: 'slide', signal }).result()).tokens,
};

/**
 * @param {object} library Heap, KvPages, OnebitError, load
 * @param {{ bytes: Uint8Array, threads?: number, step?: number, first?: number, names?: string[] }} options `step` > 1 leaves failures out
 */
export async function modelFailures(
  { Heap, KvPages, OnebitError, load },
  { bytes, threads = 1, step = 1, first = 1, names },
) {
  const outOfMemory = () => new OnebitError('out-of-memory', 'test: this allocation fails.');
  const places = { memory: [Heap.prototype, 'allocate'], pages: [KvPages.prototype, 'take'] };
  const loadIt = (signal) => load(bytes, { backend: 'wasm', threads, kvTokens: 512, signal });
  const findings = [];
  let failures = 0;
  const model = await loadIt();
  const run = async (name, attempt, isExpected, expected, after) => {
    const result = await failInTurn({ attempt, isExpected, expected, after, step, first });
    failures += result.failures;
    for (const finding of result.findings) findings.push(`${name}: ${finding}`);
  };
  const settled = async (work) => {
    try {
      return { result: await work() };
    } catch (error) {
      return { error: error ?? new Error('threw nothing') };
    }
  };
  try {
    for (const [name, ask] of Object.entries(asked)) {
      if (names && !names.includes(name)) continue;
      const expected = JSON.stringify(await ask(model));
      await ask(model);
      // Lists of commands that late workers look through stay in use: a few of 64 kB.
      const bound = model.memoryBytes + (threads + 2) * 65536;
      const after = async () => {
        const { running, waiting, kvPagesUsed } = model.stats();
        if (running + waiting + kvPagesUsed > 0) return `left ${JSON.stringify({ running, waiting, kvPagesUsed })}`;
        const again = await settled(() => ask(model));
        if (again.error) return `does not work any more: ${again.error.stack}`;
        if (JSON.stringify(again.result) !== expected)
          return `gives other results: ${JSON.stringify(again.result).slice(0, 200)}`;
        return model.memoryBytes > bound ? `holds ${model.memoryBytes} bytes, more than ${bound}` : undefined;
      };
      for (const [what, [prototype, method]] of Object.entries(places)) {
        const place = failing(prototype, method, outOfMemory);
        const attempt = async (limit) => {
          place.arm(limit);
          const outcome = await settled(() => ask(model));
          return { ...outcome, happened: place.disarm() };
        };
        const isExpected = (error) => error instanceof OnebitError && error.code === 'out-of-memory';
        await run(`${name}, ${what}`, attempt, isExpected, expected, after);
        place.restore();
      }
      const attempt = async (limit) => {
        const signal = new CountingSignal(limit);
        const outcome = await settled(() => ask(model, signal));
        return { ...outcome, happened: signal.reason !== undefined };
      };
      await run(`${name}, aborts`, attempt, (error) => /^aborted at look/.test(error.message), expected, after);
    }
  } finally {
    await model.dispose();
  }
  if (names) return { failures, findings };
  // Loading: nothing may stay, which a new load shows by its result.
  const ask = async (signal) => {
    const loaded = await loadIt(signal);
    try {
      return await asked.generate(loaded);
    } finally {
      await loaded.dispose();
    }
  };
  const expected = JSON.stringify(await ask());
  const place = failing(...places.memory, outOfMemory);
  const memory = async (limit) => {
    place.arm(limit);
    const outcome = await settled(() => ask());
    return { ...outcome, happened: place.disarm() };
  };
  const isMemory = (error) => error instanceof OnebitError && error.code === 'out-of-memory';
  const nothing = async () => undefined;
  await run('load, memory', memory, isMemory, expected, nothing);
  place.restore();
  const aborts = async (limit) => {
    const signal = new CountingSignal(limit);
    const outcome = await settled(() => ask(signal));
    return { ...outcome, happened: signal.reason !== undefined };
  };
  await run('load, aborts', aborts, (error) => /^aborted at look/.test(error.message), expected, nothing);
  return { failures, findings };
}
