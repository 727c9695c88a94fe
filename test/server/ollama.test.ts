// /api/… through the real client `ollama`, with a model that says what it is told to.
import { Ollama } from 'ollama';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';
import { type StartedServer, startServer, until } from './started-server.ts';

let scripted: ScriptedModel;
let started: StartedServer;
let client: Ollama;
beforeAll(async () => {
  scripted = await scriptedModel();
  started = await startServer({ model: scripted.model, version: '1.2.3' });
  client = new Ollama({ host: started.url });
});
afterAll(() => started.stop());

const model = 'tiny';
const messages = [{ role: 'user', content: 'Riga?' }];
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Riga"}}\n</tool_call>';
const tools = [
  {
    type: 'function',
    function: { name: 'weather', description: 'd', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
]; // biome-ignore format: short

describe('chat', () => {
  test('answers with thoughts and what it cost, whole and line by line', async () => {
    scripted.say('<think>\nhm\n</think>\n\nFine.');
    const whole = await client.chat({ model: 'tiny:latest', messages, think: true });
    expect(whole.message).toMatchObject({ role: 'assistant', content: 'Fine.', thinking: 'hm' });
    expect(whole).toMatchObject({ done: true, done_reason: 'stop', eval_count: 26 });
    for (const field of ['total_duration', 'prompt_eval_count', 'eval_duration'] as const)
      expect(whole[field]).toBeGreaterThan(0);
    const parts = [];
    for await (const part of await client.chat({ model, messages, stream: true })) parts.push(part);
    expect(parts.map((part) => part.message.content).join('')).toBe('Fine.');
    expect(parts.map((part) => part.message.thinking ?? '').join('')).toBe('hm');
    expect(parts.map((part) => part.done)).toEqual([...parts.slice(1).map(() => false), true]);
  });

  test('calls tools and takes their results', async () => {
    scripted.say(CALL, 'Sunny.');
    const { message } = await client.chat({ model, messages, tools });
    expect(message.tool_calls).toEqual([{ function: { name: 'weather', arguments: { city: 'Riga' } } }]);
    const results = [message, { role: 'tool', content: 'sun', tool_name: 'weather' }];
    expect((await client.chat({ model, messages: [...messages, ...results], tools })).message.content).toBe('Sunny.');
    expect(scripted.prompts.at(-1)).toContain('<tool_response>\nsun\n</tool_response>');
  });

  test('takes options, and ends for the reason it says', async () => {
    scripted.say('A long story');
    const short = await client.chat({ model, messages, options: { num_predict: 3, temperature: 0, num_ctx: 99 } });
    expect(short).toMatchObject({ done_reason: 'length', eval_count: 3, message: { content: 'A l' } });
    const stopped = await client.chat({ model, messages, options: { stop: ['ong'] }, logprobs: true, top_logprobs: 2 });
    expect(stopped.message.content).toBe('A l');
    expect(stopped.logprobs?.[0]).toMatchObject({ token: 'A', top_logprobs: [{}, {}] });
  });

  test('num_ctx bounds the prompt and the answer', async () => {
    scripted.say('A long story that does not end');
    const long = [
      { role: 'user', content: 'Once upon a time. '.repeat(5) },
      { role: 'assistant', content: 'Yes.' },
    ];
    const ask = (num_ctx: number, more: object = {}) =>
      client.chat({ model, messages: [...long, ...messages], options: { num_ctx }, ...more });
    const last = (await client.chat({ model, messages })).prompt_eval_count;
    const cut = await ask(last + 5);
    expect(cut).toMatchObject({ done_reason: 'length', eval_count: 6, prompt_eval_count: last });
    expect(scripted.prompts.at(-1)).not.toContain('Once upon');
    expect((await ask(100_000)).done_reason).toBe('stop');
    await expect(ask(last + 5, { truncate: false })).rejects.toThrow(`the context of this model ${last + 5}`);
  });

  test.each([{ mirostat: 2 }, { typical_p: 0.4 }, { tfs_z: 0.5 }, { dry_multiplier: 1 }])(
    'what would change the answer and is not done is refused by name: %o',
    async (options) => {
      const [name] = Object.keys(options);
      await expect(client.chat({ model, messages, options: options as object })).rejects.toThrow(name);
      await expect(client.generate({ model, prompt: 'a', options: options as object })).rejects.toThrow(name);
    },
  );

  test('options about how models run change nothing', async () => {
    scripted.say('Fine.');
    const options = { num_gpu: 1, num_thread: 4, use_mmap: true, num_batch: 8, num_keep: 4, mirostat: 0, typical_p: 1 };
    expect((await client.chat({ model, messages, options })).message.content).toBe('Fine.');
  });

  test('a client that aborts ends the generation', async () => {
    const stream = await client.chat({ model, messages, stream: true });
    stream.abort();
    await until(() => started.model.stats().running === 0);
  });
});

test('generate answers prompts, with a system’s word, continues raw ones, and loads without one', async () => {
  scripted.say('Fine.');
  const answer = await client.generate({ model, prompt: 'How is it?', system: 'Be brief.' });
  expect(answer).toMatchObject({ response: 'Fine.', done: true });
  expect(scripted.prompts.at(-1)).toMatch(/system\nBe brief\..*user\nHow is it\?/s);
  let text = '';
  for await (const part of await client.generate({ model, prompt: 'Once', raw: true, stream: true }))
    text += part.response;
  expect(text).toBe('Fine.');
  expect(scripted.prompts.at(-1)).toBe('Once');
  expect(await client.generate({ model, prompt: '' })).toMatchObject({ response: '', done_reason: 'load' });
});

test('a stream is the rule where the client does not say', async () => {
  const answer = await started.post('/api/chat', { model, messages });
  expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
  const lines = (await answer.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.at(-1).done).toBe(true);
});

test('embed, list, show, ps and version', async () => {
  const { embeddings } = await client.embed({ model, input: ['Hello', 'World'], dimensions: 8 });
  expect(embeddings.map((vector) => vector.length)).toEqual([8, 8]);
  expect((await client.list()).models).toMatchObject([{ name: 'tiny', details: { format: 'gguf' } }]);
  const [loaded] = (await client.ps()).models;
  expect(loaded.size).toBeGreaterThan(1000);
  // The file's own date is not known here: it is as old as the server, and stays.
  expect(new Date(loaded.expires_at).getFullYear()).toBeGreaterThan(2300);
  const dated = [...(await client.list()).models, await client.show({ model })];
  for (const { modified_at } of dated)
    expect(Math.abs(new Date(modified_at).getTime() - Date.now())).toBeLessThan(3_600_000);
  const [listed] = (await (await fetch(`${started.url}/v1/models`)).json()).data;
  expect(Math.abs(listed.created - Date.now() / 1000)).toBeLessThan(3600);
  const shown = await client.show({ model });
  expect(shown.capabilities).toContain('tools');
  expect(Object.keys(shown.model_info)).toContain('general.architecture');
  expect(await client.version()).toEqual({ version: '1.2.3' });
});

test('show takes the name under `name`, as older clients say it, and wants one', async () => {
  expect((await started.post('/api/show', { name: model })).status).toBe(200);
  expect((await started.post('/api/show', { name: 'another' })).status).toBe(404);
  const without = await started.post('/api/show', {});
  expect(without.status).toBe(400);
  expect(await without.text()).toContain('model');
});

test('embeddings take the beginning of a text that num_ctx holds, or refuse it', async () => {
  const [short, long] = ['a b c d', 'a b c d e f g h'];
  const embed = (input: string, more: object = {}) => client.embed({ model, input, ...more });
  const [cut, whole] = [await embed(long, { options: { num_ctx: 4 } }), await embed(long)];
  expect(cut.prompt_eval_count).toBeLessThan(whole.prompt_eval_count);
  expect((await embed(short, { options: { num_ctx: 100_000 } })).embeddings).toEqual((await embed(short)).embeddings);
  await expect(embed(long, { options: { num_ctx: 4 }, truncate: false })).rejects.toThrow(
    'the context of this model 4',
  );
  const older = await client.embeddings({ model, prompt: long, options: { num_ctx: 4 } });
  expect(older.embedding).toEqual(cut.embeddings[0]);
});

test('errors are texts, as the client reads them', async () => {
  await expect(client.chat({ model: 'other', messages })).rejects.toMatchObject({
    status_code: 404,
    message: /no model of this name/,
  });
  await expect(client.chat({ model, messages, options: { temperature: 9 } })).rejects.toThrow(
    /^options\.temperature: /,
  );
  await expect(client.pull({ model })).rejects.toThrow(/no such route/);
});

test('format holds the answer to a schema', async () => {
  const plain = await startServer({ contextLength: 2048 });
  const schema = { type: 'object', properties: { size: { enum: ['small', 'large'] } }, required: ['size'] };
  const { message } = await new Ollama({ host: plain.url }).chat({ model, messages, format: schema });
  expect(['small', 'large']).toContain(JSON.parse(message.content).size);
  await plain.stop();
});
