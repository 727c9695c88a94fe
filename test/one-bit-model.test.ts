import { afterAll, describe, expect, test, vi } from 'vitest';
import { load } from '../src/load.ts';
import { OneBitModel } from '../src/one-bit-model.ts';

/** A machine that other tests share may take its time. */
vi.setConfig({ testTimeout: 240_000 });

const text = `The sun rises in the east. The moon follows the sun. Every morning the baker opens the shop and sells warm bread.
Every evening the baker closes the shop and walks home. The cat sits in the window and watches the moon.`;

describe('the model for a page of text', () => {
  const model = new OneBitModel({ steps: 60 });
  const other = new OneBitModel({ steps: 5 });
  afterAll(async () => {
    await model.dispose();
    await other.dispose();
  });

  test('learns it in seconds, telling how far it is', async () => {
    const losses: number[] = [];
    await model.train(text, { onProgress: ({ loss }) => losses.push(loss) });
    expect(losses).toHaveLength(60);
    expect(losses[59]).toBeLessThan(losses[0] / 4);
  });

  test('predicts what comes next, in words with probabilities', async () => {
    for (const [words, next] of [
      ['warm', 'bread'],
      ['the baker closes the', 'shop'],
      ['in the', 'east'],
      ['The', 'sun'],
    ]) {
      const likely = await model.predict(words);
      expect(
        likely.map(({ word }) => word),
        words,
      ).toContain(next);
      expect(likely[0].probability).toBeGreaterThan(0.1);
      for (const [i, { word, probability }] of likely.entries()) {
        expect(word).toMatch(/^\S+$/);
        expect(probability).toBeLessThanOrEqual(i > 0 ? likely[i - 1].probability : 1.000001);
      }
    }
    expect((await model.predict('warm'))[0].word).toBe('bread');
  });

  test('predicts no bytes that are no letter', async () => {
    const small = new OneBitModel();
    await small.train('The sun rises in the east. The moon follows the sun.');
    for (const words of ['The', 'The sun rises', 'the', 'in the', 'zebra']) {
      expect(JSON.stringify(await small.predict(words)), words).not.toContain('\ufffd');
    }
    await small.dispose();
  });

  test('predicts whole words, not the pieces that the vocabulary has of them', async () => {
    const known = text.match(/\w+|\./g);
    for (const words of ['The', 'Every', 'the baker opens the', 'The cat sits in the', 'The moon']) {
      const likely = await model.predict(words);
      expect(known, words).toContain(likely[0].word);
      expect(new Set(likely.map(({ word }) => word)).size, words).toBe(likely.length);
      expect(likely.reduce((sum, { probability }) => sum + probability, 0)).toBeLessThan(1.000001);
    }
  });

  test('goes on from a prompt', async () => {
    expect(await model.generate('The moon', { temperature: 0, maxTokens: 8 })).toMatch(/^ follows the/);
    expect(await model.generate('The moon', { seed: 1 })).toBe(await model.generate('The moon', { seed: 1 }));
  });

  test('saves a 1-bit GGUF that load reads', async () => {
    const bytes = model.save();
    expect(bytes.length).toBeLessThan(150_000);
    const loaded = await load(bytes, { backend: 'reference' });
    const { text: continued } = await loaded.generate('The moon', { temperature: 0, maxTokens: 8 }).result();
    expect(continued).toMatch(/^ follows the/);
    await loaded.dispose();
  });

  test('the same seed and text give the same model', async () => {
    const again = new OneBitModel({ steps: 5 });
    await other.train(text);
    await again.train(text);
    expect(again.save()).toEqual(other.save());
    await again.dispose();
  });

  test('an aborted training leaves the model what it was', async () => {
    const before = other.save();
    const stop = new AbortController();
    const training = other.train('something else entirely', {
      onProgress: () => stop.abort(new Error('enough')),
      signal: stop.signal,
    });
    await expect(training).rejects.toThrow('enough');
    expect(other.save()).toEqual(before);
  });

  test('says what to do when nothing was learnt or there is nothing to learn', async () => {
    const fresh = new OneBitModel();
    await expect(fresh.predict('a')).rejects.toThrow('Call train');
    await expect(fresh.generate('a')).rejects.toThrow('Call train');
    expect(() => fresh.save()).toThrow('Call train');
    await expect(fresh.train(' \n')).rejects.toThrow('must have words');
  });
});
