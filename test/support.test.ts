// Support models as a whole: small real trainings, what they say of unseen queries, their files, also broken ones, updates.
import { beforeAll, describe, expect, test } from 'vitest';
import { memorySource } from '../src/bytes/memory-source.ts';
import { readGguf } from '../src/gguf/read.ts';
import {
  evaluateSupport,
  judgeRows,
  loadSupport,
  routeQuery,
  type SupportModel,
  saveSupport,
  supportReport,
  trainSupport,
  updateSupport,
} from '../src/tasks/support/index.ts';
import { outsideRows, trainingRows, unseenRows } from './support-rows.ts';

const quick = { epochs: 5, networks: 1 };
let model: SupportModel;
let bytes: Uint8Array;
beforeAll(async () => {
  const rows = [...trainingRows, { text: 'where is my stuff', intent: 'parcel_status', answer: 'It comes tomorrow.' }];
  model = await trainSupport(rows, { ...quick, name: 'shop' });
  bytes = await saveSupport(model);
}, 300_000);

describe('a trained model', () => {
  test('knows what unseen queries are about, and that others are about nothing', async () => {
    const result = await evaluateSupport(model, [...unseenRows, ...outsideRows]);
    expect(result.accuracy).toBeGreaterThan(0.9);
    expect(result.macroF1).toBeGreaterThan(0.9);
    expect(result.outOfScopeAuroc).toBeGreaterThan(0.9);
    expect(Object.keys(result)).toEqual([
      ...['accuracy', 'inScopeAccuracy', 'macroF1', 'coverage', 'precisionAtThreshold', 'outOfScopeRecall'],
      ...['outOfScopeAuroc', 'perIntent', 'confusion', 'queriesPerSecond'],
    ]);
  });

  test('gives the canned answer, asks back between close intents, hands over what it does not understand', () => {
    expect(routeQuery(model, 'where is my parcel')).toMatchObject({ action: 'answer', text: 'It comes tomorrow.' });
    expect(routeQuery(model, 'zzz qqq')).toMatchObject({ action: 'handover' });
    expect(routeQuery(model, '')).toMatchObject({ action: 'handover', prediction: { outOfScope: 1, confidence: 0 } });
    const mixed = trainingRows.flatMap(
      ({ text }, i) => `${text} ${trainingRows[(7 * i + 40) % trainingRows.length].text}`,
    );
    const unsure = mixed.find((text) => {
      const [first, second] = model.predict(text).intents;
      return second.probability > first.probability / 4;
    });
    if (unsure === undefined) throw new Error('no query of the test is between two intents');
    const { confidence } = model.predict(unsure);
    const close = routeQuery(model, unsure, { threshold: 1.1 * confidence });
    expect(close).toMatchObject({ action: 'clarify', text: expect.stringMatching(/^Do you mean .* or .*\?$/) });
    expect(close.options.length).toBeGreaterThan(1);
  });

  test('probabilities are probabilities, and very long queries are no trouble', () => {
    const { intents, probability } = model.predict(`${'where is my parcel '.repeat(20_000)}`, { top: 8 });
    expect(intents).toHaveLength(8);
    expect(intents[0]).toEqual({ intent: 'parcel_status', probability });
    expect(intents.reduce((sum, { probability: p }) => sum + p, 0)).toBeCloseTo(1, 4);
  });

  test('is the same bit for bit from the same seed, and another from another', async () => {
    const rows = trainingRows.filter((_, i) => i % 6 === 0);
    const train = async (seed: number) => saveSupport(await trainSupport(rows, { epochs: 2, networks: 1, seed }));
    const [first, again, other] = [await train(3), await train(3), await train(4)];
    expect(Buffer.compare(again, first)).toBe(0);
    expect(Buffer.compare(other, first)).not.toBe(0);
  });

  test('its report names what a manager asks for, and escapes what customers wrote', async () => {
    const rows = [...unseenRows, { text: '<script>alert(1)</script>', intent: 'refund' }];
    const { judged } = await judgeRows(model, rows);
    const html = supportReport(model, judged, { source: 'newer.csv', costPerQuery: 5, queriesPerMonth: 2000 });
    for (const heading of ['What it takes for something else', 'Labels that are probably wrong', '95 % certainty']) {
      expect(html).toContain(heading);
    }
    expect(html).toContain('€10,000');
    expect(html).not.toContain('<script>');
  });
});

describe('its file', () => {
  test('gives the same model again, with 1-bit weights and within 2 MB', async () => {
    const loaded = await loadSupport(bytes);
    for (const { text } of unseenRows) expect(loaded.predict(text).intent).toBe(model.predict(text).intent);
    expect(loaded.facts.heldOut.accuracy).toBeCloseTo(model.facts.heldOut.accuracy, 6);
    expect(loaded.answers.get('parcel_status')).toBe('It comes tomorrow.');
    expect(bytes.length).toBeLessThan(2_000_000);
    const { tensors } = await readGguf(memorySource(bytes));
    const heavy = [...tensors.values()].filter(({ shape }) => shape.length > 1);
    expect(heavy.map(({ format }) => format)).toEqual(heavy.map(() => 'q1_0'));
  });

  test('without a network that reads, as with very many intents, it works too', async () => {
    const trained = await trainSupport(trainingRows, { ...quick, phraseNetworks: 0 });
    const loaded = await loadSupport(await saveSupport(trained));
    expect(loaded.parts.networks).toMatchObject({ bags: { length: 1 }, phrases: { length: 0 } });
    for (const { text } of unseenRows) expect(loaded.predict(text).intent).toBe(trained.predict(text).intent);
    await expect(trainSupport(trainingRows, { phraseNetworks: 1.5 })).rejects.toThrow(/phraseNetworks must be/);
  });

  test('a model trained in full precision has none, and infinite scales are refused with their tensor', async () => {
    const full = await trainSupport(trainingRows, { epochs: 1, networks: 1, binary: false });
    await expect(saveSupport(full)).rejects.toMatchObject({ code: 'bad-argument' });
    const { tensors } = await readGguf(memorySource(bytes));
    for (const { name, offsetBytes, format } of tensors.values()) {
      const broken = bytes.slice();
      broken.set(format === 'f32' ? [0, 0, 0x80, 0x7f] : [0x01, 0x7e], offsetBytes);
      await expect(loadSupport(broken)).rejects.toThrow(new RegExp(`tensor ${name} must be finite`));
    }
  });

  test('cut short or changed anywhere, it is refused or still answers, and never crashes', async () => {
    for (let i = 0; i < 60; i++) {
      const broken = bytes.slice(0, i % 3 === 0 ? Math.floor((bytes.length * i) / 60) : bytes.length);
      if (i % 3 !== 0)
        for (let j = 0; j < 20; j++) broken[(i * 7919 + j * j * 31) % Math.min(broken.length, 60_000)] ^= 1 << (j % 8);
      try {
        const { probability } = (await loadSupport(broken)).predict('where is my parcel');
        expect(probability).toBeGreaterThanOrEqual(0);
      } catch (error) {
        expect(error).toMatchObject({
          name: 'OnebitError',
          code: expect.stringMatching(/bad-file|unsupported|bad-argument/),
        });
      }
    }
  });

  test('a language model is no support model', async () => {
    const { tinyModel } = await import('./tiny-model.ts');
    await expect(loadSupport(await tinyModel())).rejects.toThrow(/must be of architecture onebit-support, got qwen3/);
  });
});

describe('updating', () => {
  test('adds an intent and corrects a row without forgetting the others', async () => {
    const loaded = await loadSupport(bytes);
    const before = (await evaluateSupport(loaded, unseenRows)).accuracy ?? 0;
    const starts = ['I forgot', 'reset', 'how do I change', 'I cannot log in with', 'please send me'];
    const added = starts.map((start) => ({
      text: `${start} my password`,
      intent: 'password',
      answer: 'Press Forgot.',
    }));
    const correction = { text: 'Where is my stuff', intent: 'complaint' };
    const updated = await updateSupport(loaded, [...added, correction], quick);
    expect((await evaluateSupport(updated, unseenRows)).accuracy).toBeGreaterThanOrEqual(before - 0.05);
    expect(routeQuery(updated, 'my password does not work', { threshold: 0.2 })).toMatchObject({
      text: 'Press Forgot.',
    });
    expect(updated.parts.examples.filter(({ text }) => text.toLowerCase() === 'where is my stuff')).toEqual([
      correction,
    ]);
    expect(updated.answers.get('parcel_status')).toBe('It comes tomorrow.');
    expect(updated.facts.name).toBe('shop');
  });

  test('needs the rows', async () => {
    const without = await trainSupport(trainingRows.slice(0, 40), { epochs: 1, networks: 1, keepExamples: false });
    await expect(updateSupport(without, unseenRows)).rejects.toThrow(/made without them/);
  });
});

describe('training on what there is', () => {
  test('rows labelled oos teach what not to answer', async () => {
    const taught = await trainSupport([...trainingRows, ...outsideRows.slice(0, 8)], quick);
    const result = await evaluateSupport(taught, [...unseenRows, ...outsideRows.slice(8)]);
    expect(taught.intents).not.toContain('oos');
    expect(result.outOfScopeAuroc).toBeGreaterThan(0.9);
  });

  test('five examples an intent, unequal numbers, other scripts', async () => {
    const japanese = [
      '荷物はどこですか',
      '荷物が届きません',
      '注文の荷物を追跡したい',
      '荷物はいつ届きますか',
      '荷物の配達状況',
    ];
    const russian = [
      'верните мне деньги',
      'хочу вернуть деньги',
      'как вернуть деньги за заказ',
      'деньги назад',
      'возврат денег',
    ];
    const rows = [
      ...japanese.map((text) => ({ text, intent: '荷物' })),
      ...russian.map((text) => ({ text, intent: 'деньги' })),
      ...trainingRows.filter(({ intent }) => intent === 'opening_hours'),
    ];
    const small = await trainSupport(rows, quick);
    expect(small.predict('荷物がまだ届きません').intent).toBe('荷物');
    expect(small.predict('когда вернут деньги').intent).toBe('деньги');
    expect(small.predict('are you open tomorrow').intent).toBe('opening_hours');
  });

  test('an abort is heard, progress goes to its end', async () => {
    const stop = new AbortController();
    const shares: number[] = [];
    const training = trainSupport(trainingRows, {
      ...quick,
      signal: stop.signal,
      onProgress: (_stage, done, total) => {
        shares.push(done / total);
        if (shares.length === 5) stop.abort(new Error('enough'));
      },
    });
    await expect(training).rejects.toThrow('enough');
    const whole: number[] = [];
    await trainSupport(trainingRows.slice(0, 40), {
      epochs: 1,
      onProgress: (_s, done, total) => whole.push(done / total),
    });
    expect(whole.at(-1)).toBeCloseTo(1, 1);
  });
});
