// Sessions on a small random model: reuse, cutting back, saving, limits, aborting. Runs on the reference and wasm backends.
import { describe, expect, test } from 'vitest';
import { resolveOptions } from '../src/generate/options.ts';
import type { Session } from '../src/generate/session.ts';
import { type LanguageModel, load } from '../src/index.ts';
import { tinyModel } from './tiny-model.ts';

const bytes = await tinyModel({ contextLength: 192 });
const text = 'The quick brown fox jumps over the lazy dog. ';
const greedy = { temperature: 0, maxTokens: 12, ignoreEndOfText: true };

async function take(session: Session, prompt: ArrayLike<number>, count: number): Promise<number[]> {
  const tokens: number[] = [];
  for await (const { token } of session.generate(prompt, resolveOptions({ temperature: 0 }))) {
    tokens.push(token);
    if (tokens.length === count) break;
  }
  return tokens;
}

describe.each(['reference', 'wasm'] as const)('on %s', (backend) => {
  const withModel = async (use: (model: LanguageModel) => Promise<void>, options = {}) => {
    const model = await load(bytes, { backend, ...options });
    try {
      await use(model);
    } finally {
      await model.dispose();
    }
  };

  test('what is ranked from a known beginning on is what is ranked from the start', () =>
    withModel(
      async (model) => {
        const [before, after] = [
          model.tokenize(text.repeat(3)),
          model.tokenize(`${text.repeat(2)}And then it slept. ${text}`),
        ];
        const session = model.session();
        await session.rank(before, 5);
        const known = session.commonPrefix(after);
        expect(known).toBeGreaterThan(20);
        const found = await session.rank(after, 5, undefined, known);
        const whole = await model.session().rank(after, 5);
        expect(found).toEqual(whole.slice(known));
        // What the cache does not hold is read again.
        expect(await session.rank(before, 5, undefined, known + 10)).toEqual(
          (await model.session().rank(before, 5)).slice(known + 10),
        );
      },
      { kvTokens: 1024 },
    ));

  test('a reused prefix, a cut-back cache and a fresh one give the same tokens', () =>
    withModel(async (model) => {
      const prompt = model.tokenize(text.repeat(3));
      const fresh = await model.generate(prompt, greedy).result();
      expect(fresh.cachedTokens).toBe(0);
      const again = await model.generate(prompt, greedy).result();
      expect(again.tokens).toEqual(fresh.tokens);
      expect(again.cachedTokens).toBe(prompt.length - 1);
      const session = model.session();
      await take(session, model.tokenize(text.repeat(4)), 3);
      session.truncate(40);
      expect(session.tokens.length).toBe(40);
      expect(await take(session, prompt, 12)).toEqual(fresh.tokens);
    }));

  test('requests and sessions of one owner do not find what another left', () =>
    withModel(
      async (model) => {
        const prompt = model.tokenize(text.repeat(3));
        const said = await model.generate(prompt, { ...greedy, owner: 'shop' }).result();
        for (const owner of ['rival', undefined, '']) {
          const other = await model.generate(prompt, { ...greedy, owner, maxTokens: 1 }).result();
          expect(other.cachedTokens).toBe(owner === '' ? prompt.length - 1 : 0);
          const messages = [{ role: 'user', content: text }] as const;
          expect((await model.chat(messages, { owner: `chat of ${owner}`, maxTokens: 1 }).result()).cachedTokens).toBe(
            0,
          );
        }
        const own = model.session({ owner: 'shop' });
        const again = await model.generateIn(own, prompt, greedy).result();
        expect(again.cachedTokens).toBe(prompt.length - 1);
        expect(again.tokens).toEqual(said.tokens);
        const fresh = model.session({ owner: 'somebody new' });
        expect((await model.generateIn(fresh, prompt, greedy).result()).cachedTokens).toBe(0);
        expect(() => model.generateIn(fresh, prompt, { owner: 'shop' })).toThrow(
          /owner must be the one of the session/,
        );
        expect(() => model.generate(prompt, { owner: 7 as never })).toThrow(/owner must be a text/);
        for (const session of [own, fresh]) session.dispose();
      },
      { kvTokens: 2048 },
    ));

  test('a prompt in chunks and one token at a time give the same tokens', () =>
    withModel(async (model) => {
      const prompt = model.tokenize(text.repeat(3));
      const whole = await model.generate(prompt, greedy).result();
      const session = model.session();
      for (let length = 1; length < prompt.length; length++) await take(session, prompt.slice(0, length), 1);
      expect(await take(session, prompt, 12)).toEqual(whole.tokens);
    }));

  test('a saved session goes on where it was, also in a model loaded anew', async () => {
    let saved = new Uint8Array();
    let expected: number[] = [];
    let prompt = new Int32Array();
    await withModel(async (model) => {
      prompt = model.tokenize(text.repeat(2));
      const session = model.session();
      await take(session, prompt, 1);
      saved = (await session.save()) as Uint8Array<ArrayBuffer>;
      expected = await take(session, prompt, 12);
    });
    await withModel(async (model) => {
      const session = model.session();
      session.restore(saved);
      expect(session.commonPrefix(prompt)).toBe(prompt.length);
      expect(await take(session, prompt, 12)).toEqual(expected);
    });
  });

  test('damaged or foreign saved sessions are refused', () =>
    withModel(async (model) => {
      const session = model.session();
      await take(session, model.tokenize(text), 1);
      const saved = await session.save();
      const before = [...session.tokens];
      expect(() => session.restore(saved.subarray(0, 5))).toThrow(/must be a saved session/);
      expect(() => session.restore(saved.subarray(0, saved.length - 1))).toThrow(/damaged/);
      for (let at = 0; at < saved.length; at += 1 + (at >> 3)) {
        const damaged = saved.slice();
        damaged[at] ^= 1 << (at & 7);
        expect(() => session.restore(damaged), `byte ${at}`).toThrow(/^restore: /);
      }
      const older = saved.slice();
      older[4] = 2;
      expect(() => session.restore(older)).toThrow(
        /version must be 4, got 2, which does not say which weights and tokens/,
      );
      expect(session.tokens).toEqual(before);
      // The same name and shape, other weights; and the same weights under another name.
      const trained = await load(await tinyModel({ contextLength: 192, seed: 2 }), { backend });
      expect(() => trained.session().restore(saved)).toThrow(/the weights and the adapter must be those/);
      const renamed = await load(await tinyModel({ contextLength: 192, metadata: { 'general.name': 'renamed' } }), {
        backend,
      });
      renamed.session().restore(saved);
      // The same weights, other texts of the tokens.
      const spelled = await load(await tinyModel({ contextLength: 192, firstToken: 'ab' }), { backend });
      expect(() => spelled.session().restore(saved)).toThrow(/texts must be those/);
      for (const model of [trained, renamed, spelled]) await model.dispose();
      const other = await load(await tinyModel({ layers: 1 }), { backend });
      expect(() => other.session().restore(saved)).toThrow(/layers must be 1, got 2/);
      await other.dispose();
    }));

  test('a session saved after an aborted prefill is restored, and keeps no memory that it does not need', () =>
    withModel(
      async (model) => {
        const prompt = model.tokenize(text.repeat(4));
        const session = model.session();
        const expected = await take(model.session(), prompt, 5);
        await take(session, prompt.slice(0, 40), 1);
        const used = model.stats().kvPagesUsed;
        for (const steps of [0, 1]) {
          const abort = new AbortController();
          const options = resolveOptions({ temperature: 0, signal: abort.signal });
          const generation = session.generate(prompt, options, (done) => done >= steps && abort.abort());
          await expect(generation.next()).rejects.toThrow(/abort/i);
        }
        expect(model.stats().kvPagesUsed).toBeLessThanOrEqual(used + 2);
        const saved = await session.save();
        const restored = model.session();
        restored.restore(saved);
        expect(restored.tokens).toEqual(session.tokens);
        expect(await take(restored, prompt, 5)).toEqual(expected);
      },
      { kvTokens: 1024 },
    ));

  test('disposing a session ends what runs in it with an error and gives the memory back', () =>
    withModel(async (model) => {
      const prompt = model.tokenize(text.repeat(4));
      const idle = model.stats().kvPagesUsed;
      const inStep = model.session();
      const first = take(inStep, prompt, 400);
      // Counted, not timed: on a slow machine the whole text can be written before a timer fires.
      while (model.stats().kvPagesUsed === idle) await undefined;
      inStep.dispose();
      expect(model.stats().kvPagesUsed).toBeGreaterThan(idle); // its step still needs them
      await expect(first).rejects.toMatchObject({ code: 'disposed' });
      const scoring = model.session();
      const score = scoring.score(prompt);
      scoring.dispose();
      await expect(score).rejects.toMatchObject({ code: 'disposed' });
      const paused = model.session();
      const tokens = paused.generate(prompt, resolveOptions({ temperature: 0 }));
      await tokens.next();
      paused.dispose();
      expect(model.stats().kvPagesUsed).toBe(idle); // also where nobody asks for the next token
      await expect(tokens.next()).rejects.toMatchObject({ code: 'disposed' });
      expect(model.stats()).toMatchObject({ kvPagesUsed: idle, running: 0, waiting: 0 });
    }));

  test('a session that is being saved is busy, and what is saved is whole although it is disposed meanwhile', () =>
    withModel(async (model) => {
      const prompt = model.tokenize(text.repeat(3));
      const session = model.session();
      await take(session, prompt, 1);
      const whole = await session.save();
      const saving = session.save();
      expect(() => session.truncate(3)).toThrow(/busy/);
      expect(() => session.restore(whole)).toThrow(/busy/);
      await expect(session.generate(prompt, resolveOptions({})).next()).rejects.toThrow(/busy/);
      session.dispose();
      await model.generate(model.tokenize('Something else'), greedy).result();
      expect(await saving).toEqual(whole);
      expect(model.stats().kvPagesUsed).toBe(0);
    }));

  test('abort stops within a step, in prefill and in decode, and leaves the model usable', () =>
    withModel(async (model) => {
      const prompt = model.tokenize(text.repeat(4));
      const fresh = await model.generate(prompt, greedy).result();
      await expect(model.generate(prompt, { signal: AbortSignal.abort() }).result()).rejects.toThrow(/abort/i);
      const abort = new AbortController();
      const generation = model.generate(prompt, { ...greedy, maxTokens: 1000, signal: abort.signal });
      let pieces = 0;
      await expect(
        (async () => {
          for await (const _ of generation) if (++pieces === 3) abort.abort();
        })(),
      ).rejects.toThrow(/abort/i);
      expect(pieces).toBe(3);
      expect((await model.generate(prompt, greedy).result()).tokens).toEqual(fresh.tokens);
    }));

  test('two generations at once give what each gives alone', () =>
    withModel(
      async (model) => {
        const prompts = [model.tokenize(text), model.tokenize(`${text}Again: `)];
        const alone: number[][] = [];
        for (const prompt of prompts) alone.push((await model.generate(prompt, greedy).result()).tokens as number[]);
        const together = await Promise.all(prompts.map((prompt) => model.generate(prompt, greedy).result()));
        expect(together.map((result) => result.tokens)).toEqual(alone);
      },
      { kvTokens: 384 },
    ));

  test('a full context ends the text, or slides and goes on', () =>
    withModel(async (model) => {
      const prompt = model.tokenize(text.repeat(4));
      const room = model.contextTokens - prompt.length + 1;
      const options = { temperature: 0, maxTokens: 400, ignoreEndOfText: true };
      const stopped = await model.generate(prompt, options).result();
      expect(stopped.finishReason).toBe('length');
      expect(stopped.tokens).toHaveLength(room);
      const slid = await model.generate(prompt, { ...options, overflow: 'slide' }).result();
      expect(slid.tokens).toHaveLength(400);
      expect(slid.tokens.slice(0, room)).toEqual(stopped.tokens);
    }));

  test('guessing ahead changes nothing but the number of steps', () =>
    withModel(async (model) => {
      for (const prompt of [text.repeat(2), 'abcabcabcabcabcab', 'x']) {
        const options = { ...greedy, maxTokens: 60, logprobs: 1 };
        const plain = await model.generate(prompt, options).result();
        for (const lookupTokens of [1, 4, 15]) {
          const guessed = await model.generate(prompt, { ...options, lookupTokens }).result();
          expect(guessed.tokens).toEqual(plain.tokens);
          expect(guessed.logprobs).toEqual(plain.logprobs);
        }
      }
      const session = model.session();
      const full = resolveOptions({ temperature: 0, lookupTokens: 15 });
      let count = 0;
      for await (const _ of session.generate(model.tokenize(text.repeat(4)), full)) count++;
      expect(session.tokens.length).toBeLessThanOrEqual(model.contextTokens);
      expect(count).toBeGreaterThan(0);
    }));

  test('prompts that cannot work are refused with what to do', () =>
    withModel(async (model) => {
      const tooLong = model.generate(model.tokenize(text.repeat(9))).result();
      await expect(tooLong).rejects.toThrow(/must fit the context of 192 tokens/);
      await expect(model.generate([]).result()).rejects.toThrow(/at least one token/);
      await expect(model.generate([100_000]).result()).rejects.toThrow(/token 0 must be in 0\.\.258/);
    }));

  test('idle sessions give their cache to whoever needs it; sessions in use do not', () =>
    withModel(async (model) => {
      await model.generate(model.tokenize(text.repeat(4)), greedy).result();
      const session = model.session();
      await take(session, model.tokenize(`B${text.repeat(4)}`), 1); // takes the idle one's pages
      await expect(model.generate(model.tokenize(`C${text.repeat(3)}`)).result()).rejects.toThrow(
        /cache memory are in use/,
      );
      session.dispose();
      const result = await model.generate(model.tokenize(`C${text.repeat(3)}`), greedy).result();
      expect(result.tokens).toHaveLength(12);
    }));

  test('a disposed model and a disposed session say so', async () => {
    const model = await load(bytes, { backend });
    const session = model.session();
    session.dispose();
    await expect(take(session, [1], 1)).rejects.toThrow(/session was disposed/);
    await model.dispose();
    await model.dispose();
    expect(() => model.generate('a')).toThrow(/model was disposed/);
    await expect(model.score('ab')).rejects.toThrow(/model was disposed/);
  });

  test('log-probabilities are of the model itself, whatever penalties and temperature choose', () =>
    withModel(async (model) => {
      const prompt = [...model.tokenize(text)];
      const options = {
        maxTokens: 6,
        seed: 5,
        temperature: 1.3,
        topK: 0,
        repeatPenalty: 1.5,
        logprobs: 2,
        ignoreEndOfText: true,
      };
      const result = await model.generate(prompt, options).result();
      const scored = await model.score([...prompt, ...result.tokens]);
      for (const [i, { logprob, top }] of result.logprobs!.entries()) {
        expect(logprob).toBeCloseTo(scored.logprobs[prompt.length - 1 + i]!, 4);
        expect(top).toHaveLength(2);
        expect(top![0].logprob).toBeGreaterThanOrEqual(logprob! - 1e-6);
      }
      expect((await model.generate(prompt, options).result()).tokens).toEqual(result.tokens);
    }));
});
