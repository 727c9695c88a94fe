// Support models over HTTP: classification, routing, and chats through the official client `openai`.
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelShelf, OnebitServer } from '../../src/server/index.ts';
import { type SupportModel, trainSupport } from '../../src/tasks/support/index.ts';
import { outsideRows, trainingRows } from '../support-rows.ts';
import { type StartedServer, startServer } from './started-server.ts';

let started: StartedServer;
let support: SupportModel;
beforeAll(async () => {
  const answer = { text: 'where is it', intent: 'parcel_status', answer: 'It comes tomorrow.' };
  support = await trainSupport([...trainingRows, answer, ...outsideRows], {
    epochs: 8,
    networks: 1,
    precision: 0.9,
    name: 'shop',
  });
  started = await startServer({ support });
}, 300_000);
afterAll(() => started.stop());

const ask = async (path: string, body: object) => {
  const response = await started.post(path, body);
  return { status: response.status, body: await response.json() };
};

describe('support routes', () => {
  test('classify one query and several', async () => {
    const { body } = await ask('/v1/classify', {
      input: ['where is my parcel', 'tell me a joke'],
      top: 2,
    });
    expect(body).toMatchObject({ object: 'list', model: 'shop' });
    expect(body.data[0]).toMatchObject({
      index: 0,
      intent: 'parcel_status',
      answered: true,
      answer: 'It comes tomorrow.',
    });
    expect(body.data[0].intents).toHaveLength(2);
    expect(body.data[1]).toMatchObject({ index: 1, answered: false, answer: null });
    expect(body.data[1].out_of_scope).toBeGreaterThan(body.data[0].out_of_scope);
    expect((await ask('/v1/classify', { input: 'where is my parcel' })).body.data).toHaveLength(1);
  });

  test('route to an answer or to a person', async () => {
    const unlike = [
      'tell me a joke',
      'what is the weather like',
      'who is the president of Spain',
      'is there life on Mars',
    ];
    const actions = async (threshold?: number) => {
      const { body } = await ask('/v1/route', { input: ['where is my parcel', ...unlike], threshold });
      return body.data.map(({ action }: { action: string }) => action);
    };
    const handedOver = unlike.map(() => 'handover');
    expect(await actions()).toEqual(['answer', ...handedOver]);
    expect(await actions(0)).toEqual(['answer', ...unlike.map(() => 'answer')]);
    expect((await actions(1)).slice(1)).toEqual(handedOver);
  });

  test('fields of queries are given where they are asked for', async () => {
    const { body } = await ask('/v1/classify', { input: 'write to eva@shop.example', fields: true });
    expect(body.data[0].fields).toMatchObject([{ label: 'email', start: 9, end: 25, value: 'eva@shop.example' }]);
    expect((await ask('/v1/classify', { input: 'x' })).body.data[0].fields).toBeUndefined();
  });

  test('decisions have the intent of the file, whatever the order of the options', async () => {
    const labels = [...new Set(trainingRows.map(({ intent }) => intent))];
    const input = 'where is my parcel';
    const asked = async (order: readonly string[]) => {
      const criteria = Object.fromEntries(order.map((label) => [label, null]));
      const one = await ask('/v1/systemone', {
        state: { messages: [{ role: 'user', content: input }] },
        questions: { q: { type: 'choice', instructions: 'What is it about?', criteria } },
      });
      const choices = order.map((value) => ({ value }));
      const question = { type: 'choice', name: 'q', instructions: 'What is it about?', choices };
      const list = await ask('/v1/decisions', { input, questions: [question] });
      return [one.body.answers.q, list.body.answers[0]];
    };
    const [one, list] = await asked(labels);
    expect([one.choice, list.choice]).toEqual(['parcel_status', 'parcel_status']);
    expect(list).toMatchObject({ type: 'choice', name: 'q', confidence: one.confidence });
    const [other, otherList] = await asked([...labels].reverse());
    expect(other).toEqual(one);
    expect(otherList.probabilities.reverse()).toEqual(list.probabilities);
  });

  test('a support model that is alone answers under any name', async () => {
    const alone = new OnebitServer(new ModelShelf([], { mayBeEmpty: true }), { support });
    const questions = { q: { type: 'noul', instructions: 'parcel status' } };
    const body = JSON.stringify({ model: 'any', state: 'where is my parcel', questions });
    const headers = { 'content-type': 'application/json' };
    const response = await alone.fetch(new Request('http://shop/v1/systemone', { method: 'POST', headers, body }));
    expect(await response.json()).toMatchObject({ model: 'shop', answers: { q: { type: 'noul' } } });
    await alone.dispose();
    expect((await ask('/v1/systemone', { model: 'any', state: 'x', questions })).status).toBe(404);
  });

  test('predicates and scores', async () => {
    const { body } = await ask('/v1/systemone', {
      state: 'please refund the shoes',
      questions: {
        yes: { type: 'noul', instructions: 'refund' },
        no: { type: 'noul', instructions: 'opening hours' },
        level: { type: 'score', instructions: 'which', criteria: ['opening hours', 'refund'] },
      },
    });
    expect(body.answers.yes.noul).toBeGreaterThan(0.5);
    expect(body.answers.no.noul).toBeLessThan(0.5);
    expect(body.answers.level).toMatchObject({ type: 'score', legend: { 0: 'opening hours', 1: 'refund' } });
    expect(body.answers.level.score).toBeGreaterThan(0.5);
    expect(
      await ask('/v1/systemone', { state: 'x', questions: { a: { type: 'choice', instructions: 'y' } } }),
    ).toMatchObject({
      status: 400,
      body: { error: { param: 'questions.a.criteria' } },
    });
    expect((await ask('/v1/decisions', { input: 'x', questions: [] })).status).toBe(400);
  });

  test('wrong requests are told what is wrong', async () => {
    expect(await ask('/v1/classify', { input: [] })).toMatchObject({
      status: 400,
      body: { error: { param: 'input' } },
    });
    expect(await ask('/v1/route', { input: 'x', threshold: 2 })).toMatchObject({
      status: 400,
      body: { error: { param: 'threshold' } },
    });
    expect((await ask('/v1/route', { input: 'x', model: 'tiny' })).body.error).toMatchObject({
      code: 'model_not_found',
    });
  });
});

test('chats with the model of its name get its answers, whole and streamed; others the language model', async () => {
  const client = new OpenAI({ baseURL: `${started.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const messages = [{ role: 'user' as const, content: 'where is my parcel' }];
  const whole = await client.chat.completions.create({ model: 'shop', messages });
  expect(whole.choices[0].message.content).toBe('It comes tomorrow.');
  expect(whole).toMatchObject({ model: 'shop', support: { action: 'answer', intent: 'parcel_status' } });
  let streamed = '';
  for await (const chunk of await client.chat.completions.create({ model: 'shop', messages, stream: true })) {
    streamed += chunk.choices[0].delta.content ?? '';
  }
  expect(streamed).toBe('It comes tomorrow.');
  const other = await client.chat.completions.create({ model: 'tiny', messages, max_tokens: 2 });
  expect(other.model).toBe('tiny');
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['tiny', 'shop']);
});

test('a long message is read a piece at a time, within the budget of one request', async () => {
  const hurried = await startServer({ support, limits: { prepareMs: 20 } });
  const dates = '3 June 2027, 030 901820, 5 €\n'.repeat(650);
  for (const [path, body] of [
    ['/v1/classify', { input: dates, fields: true }],
    ['/v1/route', { input: dates }],
    ['/v1/explain', { input: 'where is my parcel '.repeat(900) }],
    ['/v1/chat/completions', { model: 'shop', messages: [{ role: 'user', content: dates }] }],
  ] as const) {
    const answer = await hurried.post(path, body);
    expect([path, answer.status, (await answer.json()).error.message]).toEqual([
      path,
      400,
      expect.stringContaining('within the budget'),
    ]);
  }
  await hurried.stop();
  const { body } = await ask('/v1/classify', { input: dates, fields: true });
  expect(body.data[0].fields.filter(({ label }: { label: string }) => label === 'datetime')).toHaveLength(650);
});

test('a server without a support model says so', async () => {
  const plain = await startServer();
  const answer = await plain.post('/v1/classify', { input: 'x' });
  expect(answer.status).toBe(404);
  expect((await answer.json()).error.message).toContain('no support model');
  await plain.stop();
});
