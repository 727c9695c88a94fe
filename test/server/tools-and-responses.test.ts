// Thoughts, tools and /v1/responses through the official client `openai`, with a model that says what it is told to.
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';
import { type StartedServer, startServer } from './started-server.ts';

let scripted: ScriptedModel;
let started: StartedServer;
let client: OpenAI;
beforeAll(async () => {
  scripted = await scriptedModel();
  started = await startServer({ model: scripted.model });
  client = new OpenAI({ baseURL: `${started.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(() => started.stop());

const THOUGHT = '<think>\nRiga, then.\n</think>\n\n';
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Riga"}}\n</tool_call>';
const SECOND = CALL.replaceAll('Riga', 'Oslo');
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = [{ type: 'function' as const, function: { name: 'weather', parameters } }];
const messages = [{ role: 'user' as const, content: 'How is it in Riga?' }];
const model = 'tiny';

describe('chat completions', () => {
  test('give thoughts apart from the answer', async () => {
    scripted.say(`${THOUGHT}Fine.`);
    const { choices } = await client.chat.completions.create({ model, messages, reasoning_effort: 'high' });
    expect(choices[0].message).toMatchObject({ content: 'Fine.', reasoning_content: 'Riga, then.' });
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    const deltas = [];
    for await (const chunk of stream)
      deltas.push(chunk.choices[0].delta as { content?: string; reasoning_content?: string });
    expect(deltas.map((delta) => delta.reasoning_content ?? '').join('')).toBe('Riga, then.');
    expect(deltas.map((delta) => delta.content ?? '').join('')).toBe('Fine.');
  });

  test('give calls, and take their results', async () => {
    scripted.say(`Let me see.\n${CALL}\n${SECOND}`);
    const first = await client.chat.completions.create({ model, messages, tools });
    const [choice] = first.choices;
    expect(choice).toMatchObject({ finish_reason: 'tool_calls', message: { content: 'Let me see.' } });
    expect(choice.message.tool_calls).toMatchObject([
      { type: 'function', function: { name: 'weather', arguments: '{"city":"Riga"}' } },
      { type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } },
    ]);
    expect(scripted.prompts.at(-1)).toContain(JSON.stringify(parameters.required).slice(1, -1));
    scripted.say('Sunny.');
    const results = choice.message.tool_calls!.map(({ id }) => ({
      role: 'tool' as const,
      tool_call_id: id,
      content: 'sun',
    }));
    const conversation = [...messages, choice.message, ...results];
    const second = await client.chat.completions.create({ model, messages: conversation, tools });
    expect(second.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'Sunny.' } });
    expect(scripted.prompts.at(-1)).toContain(`Let me see.\n<tool_call>\n{"name": "weather"`);
    expect(scripted.prompts.at(-1)).toContain('<tool_response>\nsun\n</tool_response>');
  });

  test('stream calls so that the client’s helper puts them together and runs the tool', async () => {
    scripted.say(CALL, 'It is sunny.');
    const cities: string[] = [];
    const weather = {
      type: 'function' as const,
      function: {
        name: 'weather',
        description: 'Tells the weather.',
        parameters,
        parse: JSON.parse,
        function: ({ city }: { city: string }) => {
          cities.push(city);
          return 'sun';
        },
      },
    };
    const runner = client.chat.completions.runTools({ model, messages, tools: [weather], stream: true });
    expect(await runner.finalContent()).toBe('It is sunny.');
    expect(cities).toEqual(['Riga']);
  });

  test('one call where only one is wanted, and none without tools', async () => {
    scripted.say(`${CALL}\n${SECOND}`);
    const one = await client.chat.completions.create({ model, messages, tools, parallel_tool_calls: false });
    expect(one.choices[0].message.tool_calls).toHaveLength(1);
    const none = await client.chat.completions.create({ model, messages, tools, tool_choice: 'none' });
    expect(none.choices[0].message.content).toBe(`${CALL}\n${SECOND}`);
    expect(scripted.prompts.at(-1)).not.toContain('<tools>');
  });
});

describe('responses', () => {
  test('answer with items and usage', async () => {
    scripted.say(`${THOUGHT}Fine.`);
    const answer = await client.responses.create({ model, instructions: 'Be brief.', input: 'How is it?' });
    expect(answer.output_text).toBe('Fine.');
    expect(answer.output.map((item) => item.type)).toEqual(['reasoning', 'message']);
    expect(answer).toMatchObject({ object: 'response', status: 'completed', error: null });
    expect(answer.usage?.output_tokens).toBe(`${THOUGHT}Fine.`.length);
    expect(scripted.prompts.at(-1)).toContain('<|im_start|>system\nBe brief.<|im_end|>');
  });

  test('stream events from which the client’s helper builds the same answer', async () => {
    scripted.say(`${THOUGHT}Well.\n${CALL}`);
    const tool = { type: 'function' as const, name: 'weather', parameters, strict: false };
    const other = { type: 'web_search' as const };
    const stream = client.responses.stream({ model, input: 'How is it?', tools: [other, tool] });
    const types: string[] = [];
    const numbers: number[] = [];
    for await (const event of stream) {
      types.push(event.type);
      numbers.push(event.sequence_number);
    }
    const answer = await stream.finalResponse();
    expect(answer.output).toMatchObject([
      { type: 'reasoning', content: [{ type: 'reasoning_text', text: 'Riga, then.' }] },
      { type: 'message', content: [{ type: 'output_text', text: 'Well.' }] },
      { type: 'function_call', name: 'weather', arguments: '{"city":"Riga"}', status: 'completed' },
    ]);
    expect(types[0]).toBe('response.created');
    expect(types.at(-1)).toBe('response.completed');
    expect(numbers).toEqual(numbers.map((_, i) => i));
    expect(types.filter((type) => type === 'response.output_item.done')).toHaveLength(3);
  });

  test('continue a conversation that the server keeps, with results of calls', async () => {
    scripted.say(CALL, 'Sunny.', 'Bye.');
    const tool = { type: 'function' as const, name: 'weather', parameters, strict: false };
    const first = await client.responses.create({ model, input: 'Riga?', tools: [tool] });
    const call = first.output.find((item) => item.type === 'function_call')!;
    const second = await client.responses.create({
      model,
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: call.call_id, output: 'sun' }],
      tools: [tool],
    });
    expect(second.output_text).toBe('Sunny.');
    await client.responses.create({ model, previous_response_id: second.id, input: 'Thanks' });
    const prompt = scripted.prompts.at(-1)!;
    for (const text of ['Riga?', CALL.slice(12, 40), 'sun', 'Sunny.', 'Thanks']) expect(prompt).toContain(text);
    expect((await client.responses.retrieve(second.id)).output_text ?? second.output_text).toBe('Sunny.');
    await client.responses.delete(second.id);
    await expect(client.responses.retrieve(second.id)).rejects.toMatchObject({ status: 404 });
    await expect(client.responses.create({ model, previous_response_id: second.id, input: 'x' })).rejects.toMatchObject(
      { status: 404, param: 'previous_response_id' },
    );
  });

  test('give log-probabilities of the answer where they are included, and count thoughts', async () => {
    scripted.say(`${THOUGHT}Fine.`);
    const body = { model, input: 'x', include: ['message.output_text.logprobs' as const], top_logprobs: 2 };
    const answer = await client.responses.create(body);
    const part = (answer.output[1] as OpenAI.Responses.ResponseOutputMessage)
      .content[0] as OpenAI.Responses.ResponseOutputText;
    expect(part.logprobs?.map(({ token }) => token).join('')).toBe('Fine.');
    expect(part.logprobs?.[0].top_logprobs).toHaveLength(2);
    const reasoning = answer.usage?.output_tokens_details.reasoning_tokens ?? 0;
    expect(reasoning).toBeGreaterThan('Riga, then.'.length);
    expect(reasoning).toBeLessThanOrEqual(THOUGHT.length);
    const streamed: string[] = [];
    for await (const event of client.responses.stream(body)) {
      if (event.type === 'response.output_text.delta') streamed.push(...event.logprobs.map(({ token }) => token));
    }
    expect(streamed.join('')).toBe('Fine.');
    const chat = await client.chat.completions.create({ model, messages });
    expect(chat.usage?.completion_tokens_details?.reasoning_tokens).toBe(reasoning);
  });

  test('refer to items that the server keeps, list what went in, count tokens', async () => {
    scripted.say('Sunny.', 'Bye.');
    const first = await client.responses.create({ model, input: 'Riga?' });
    const reference = { type: 'item_reference' as const, id: first.output[0].id! };
    const second = await client.responses.create({ model, input: [reference, { role: 'user', content: 'Thanks' }] });
    expect(scripted.prompts.at(-1)).toContain('assistant\nSunny.<|im_end|>');
    const listed = await client.responses.inputItems.list(second.id);
    expect(listed.data).toMatchObject([
      { type: 'message', role: 'assistant', id: reference.id },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Thanks' }] },
    ]);
    const count = await client.responses.inputTokens.count({ model, input: 'Riga?' });
    expect(count).toMatchObject({ object: 'response.input_tokens', input_tokens: first.usage?.input_tokens });
    await client.responses.delete(first.id);
    await client.responses.delete(second.id);
    await expect(client.responses.create({ model, input: [reference] })).rejects.toMatchObject({ status: 404 });
  });

  test('leave the oldest messages out where that is asked for and the context is full', async () => {
    scripted.say('Fine.');
    const turns = Array.from({ length: 40 }, (_, i) => ({
      role: 'user' as const,
      content: `turn ${i} ${'x'.repeat(60)}`,
    }));
    const body = { model, instructions: 'Be brief.', input: turns, max_output_tokens: 8 };
    await expect(client.responses.create(body)).rejects.toMatchObject({ status: 400, code: 'context_length_exceeded' });
    expect((await client.responses.create({ ...body, truncation: 'auto' })).output_text).toBe('Fine.');
    expect(scripted.prompts.at(-1)).toMatch(/Be brief\..*turn 39/s);
    expect(scripted.prompts.at(-1)).not.toContain('turn 5 ');
  });

  test('are incomplete when the tokens run out', async () => {
    scripted.say('A long story');
    const answer = await client.responses.create({ model, input: 'x', max_output_tokens: 3 });
    expect(answer).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output_text: 'A l',
    });
  });

  test('end at a text to stop at, as chats do', async () => {
    scripted.say('A long story');
    const stopped = await started.post('/v1/responses', { input: 'x', stop: ['ong'] });
    expect((await stopped.json()).output[0].content[0].text).toBe('A l');
  });

  test.each([
    ['an unknown item', { input: [{ type: 'computer_call' }] }, 'input.0.type'],
    ['an image', { input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, 'input.0.content.0'],
    ['no input', {}, 'input'],
    ['a wrong tool', { input: 'x', tools: [{ type: 'function', name: '' }] }, 'tools.0.name'],
    ['a conversation kept elsewhere', { input: 'x', conversation: 'conv_1' }, 'conversation'],
  ])('refuse %s by name, whole or streamed', async (_, body, param) => {
    for (const stream of [false, true]) {
      const answer = await started.post('/v1/responses', { ...body, stream });
      expect(answer.status).toBe(400);
      expect((await answer.json()).error.param).toBe(param);
    }
  });
});

describe('responses in the background', () => {
  const ended = async (id: string) => {
    for (;;) {
      const found = await client.responses.retrieve(id);
      if (found.status !== 'queued' && found.status !== 'in_progress') return found;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };

  test('are queued at once and completed later; they can be continued then', async () => {
    scripted.say('Sunny.');
    const first = await client.responses.create({ model, input: 'Riga?', background: true });
    expect(first).toMatchObject({ status: 'queued', background: true, output: [], usage: null });
    const answer = await ended(first.id);
    expect(answer).toMatchObject({ id: first.id, status: 'completed', created_at: first.created_at });
    expect(answer.output).toMatchObject([{ type: 'message', content: [{ text: 'Sunny.' }] }]);
    expect((await client.responses.inputItems.list(first.id)).data).toHaveLength(1);
    expect(await client.responses.cancel(first.id)).toMatchObject({ status: 'completed' });
    scripted.say('Bye.');
    const next = await client.responses.create({ model, input: 'Thanks', previous_response_id: first.id });
    expect(scripted.prompts.at(-1)).toContain('Sunny.');
    await expect(client.responses.cancel(next.id)).rejects.toMatchObject({ status: 400 });
  });

  test('are cancelled and deleted while they wait or run, and stay so', async () => {
    const input = 'Write on.';
    scripted.say('word '.repeat(2000));
    const first = await client.responses.create({ model, input, background: true });
    expect(await client.responses.cancel(first.id)).toMatchObject({ status: 'cancelled', error: null });
    expect(await client.responses.retrieve(first.id)).toMatchObject({ status: 'cancelled' });
    const continued = client.responses.create({ model, input, previous_response_id: first.id });
    await expect(continued).rejects.toMatchObject({ status: 400, param: 'previous_response_id' });
    const second = await client.responses.create({ model, input, background: true });
    await client.responses.delete(second.id);
    await expect(client.responses.retrieve(second.id)).rejects.toMatchObject({ status: 404 });
    await expect(client.responses.cancel(second.id)).rejects.toMatchObject({ status: 404 });
  });

  test('say what went wrong, and are refused where nobody could find them, as streams and beyond a bound', async () => {
    const lost = await client.responses.create({ model, input: 'x', previous_response_id: 'none', background: true });
    expect(await ended(lost.id)).toMatchObject({ status: 'failed', error: { code: 'server_error' }, output: [] });
    const refused = [{ store: false }, { stream: true }] as const;
    for (const more of refused) {
      const asked = client.responses.create({ model, input: 'x', background: true, ...more });
      await expect(asked).rejects.toMatchObject({ status: 400, param: Object.keys(more)[0] });
    }
    scripted.say('word '.repeat(2000));
    const asked = Array.from({ length: 18 }, () => client.responses.create({ model, input: 'x', background: true }));
    const all = await Promise.allSettled(asked);
    const status = all.map((one) => (one.status === 'fulfilled' ? one.value.status : one.reason.status));
    expect(status.filter((one) => one === 429).length).toBeGreaterThan(0);
    for (const one of all) if (one.status === 'fulfilled') await client.responses.cancel(one.value.id);
  });
});
