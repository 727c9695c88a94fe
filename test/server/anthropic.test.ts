// /v1/messages through the real client `@anthropic-ai/sdk`, with a model that says what it is told to.
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashKey } from '../../src/server/keys.ts';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';
import { type StartedServer, startServer } from './started-server.ts';

let scripted: ScriptedModel;
let started: StartedServer;
let client: Anthropic;
beforeAll(async () => {
  scripted = await scriptedModel();
  started = await startServer({ model: scripted.model, keys: [{ name: 'a', sha256: await hashKey('secret') }] });
  client = new Anthropic({ baseURL: started.url, apiKey: 'secret', maxRetries: 0 });
});
afterAll(() => started.stop());

const base = { model: 'tiny', max_tokens: 200, messages: [{ role: 'user' as const, content: 'Riga?' }] };
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Riga"}}\n</tool_call>';
const input_schema = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] };
const tools = [
  { name: 'weather', description: 'Tells the weather.', input_schema },
  { type: 'web_search_20250305' as const, name: 'web_search' as const },
];

describe('messages', () => {
  test('are answered with blocks and usage', async () => {
    scripted.say('<think>\nhm\n</think>\n\nFine.');
    const answer = await client.messages.create({ ...base, system: [{ type: 'text', text: 'Be brief.' }] });
    expect(answer).toMatchObject({ type: 'message', role: 'assistant', stop_reason: 'end_turn', stop_sequence: null });
    expect(answer.content).toMatchObject([
      { type: 'thinking', thinking: 'hm' },
      { type: 'text', text: 'Fine.' },
    ]);
    expect(answer.usage.output_tokens).toBe(26);
    expect(scripted.prompts.at(-1)).toContain('<|im_start|>system\nBe brief.<|im_end|>');
    const again = await client.messages.create({ ...base, system: 'Be brief.' });
    expect(again.usage.cache_read_input_tokens).toBeGreaterThan(0);
    const { input_tokens } = await client.messages.countTokens({ ...base, system: 'Be brief.' });
    expect(again.usage.input_tokens + again.usage.cache_read_input_tokens!).toBe(input_tokens);
  });

  test('are streamed so that the client’s helper builds the same answer, with calls', async () => {
    scripted.say(`<think>\nhm\n</think>\n\nLet me see.\n${CALL}\n${CALL.replace('Riga', 'Oslo')}`);
    const stream = client.messages.stream({ ...base, tools });
    const types: string[] = [];
    for await (const event of stream) types.push(event.type);
    const answer = await stream.finalMessage();
    expect(answer.content).toMatchObject([
      { type: 'thinking', thinking: 'hm' },
      { type: 'text', text: 'Let me see.' },
      { type: 'tool_use', name: 'weather', input: { city: 'Riga' } },
      { type: 'tool_use', name: 'weather', input: { city: 'Oslo' } },
    ]);
    expect(answer.stop_reason).toBe('tool_use');
    expect(answer.usage.output_tokens).toBeGreaterThan(100);
    expect([types[0], ...types.slice(-2)]).toEqual(['message_start', 'message_delta', 'message_stop']);
    expect(types.filter((type) => type === 'content_block_start')).toHaveLength(4);
    expect(types.filter((type) => type === 'content_block_stop')).toHaveLength(4);
  });

  test('continue with results of calls', async () => {
    scripted.say(CALL, 'Sunny.');
    const first = await client.messages.create({ ...base, tools });
    const call = first.content.find((block) => block.type === 'tool_use')!;
    const result = {
      type: 'tool_result' as const,
      tool_use_id: call.id,
      content: [{ type: 'text' as const, text: 'sun' }],
    };
    const second = await client.messages.create({
      ...{ ...base, tools },
      messages: [...base.messages, { role: 'assistant', content: first.content }, { role: 'user', content: [result, { type: 'text', text: 'So?' }] }], // biome-ignore format: short
    });
    expect(second.content).toMatchObject([{ type: 'text', text: 'Sunny.' }]);
    const prompt = scripted.prompts.at(-1)!;
    expect(prompt).toContain('<tool_call>\n{"name": "weather", "arguments": {"city": "Riga"}}');
    expect(prompt).toMatch(/<tool_response>\nsun\n<\/tool_response>.*user\nSo\?/s);
    expect(prompt).not.toContain('web_search');
  });

  test('end at stop sequences, and when the tokens run out', async () => {
    scripted.say('A long story');
    expect(await client.messages.create({ ...base, stop_sequences: ['ong'] })).toMatchObject({
      stop_reason: 'stop_sequence',
      stop_sequence: 'ong',
      content: [{ text: 'A l' }],
    });
    expect((await client.messages.create({ ...base, max_tokens: 2 })).stop_reason).toBe('max_tokens');
  });

  test('errors have the form that the client reads', async () => {
    const { max_tokens: _, ...without } = base;
    await expect(client.messages.create(without as typeof base)).rejects.toMatchObject({
      ...{ status: 400, error: { type: 'error', error: { type: 'invalid_request_error', param: 'max_tokens' } } },
    });
    await expect(client.messages.create({ ...base, ...{ min_tokens: 5 } })).rejects.toThrow(
      /min_tokens: Not supported/,
    );
    const image = { type: 'image' as const, source: { type: 'url' as const, url: 'http://x' } };
    await expect(client.messages.create({ ...base, messages: [{ role: 'user', content: [image] }] })).rejects.toThrow(
      /only text is understood/,
    );
    await expect(client.messages.create({ ...base, model: 'other' })).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    const stranger = new Anthropic({ baseURL: started.url, apiKey: 'wrong', maxRetries: 0 });
    await expect(stranger.messages.create(base)).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
  });
});

test('tool_choice forces a call whose input is of the schema', async () => {
  const plain = await startServer({ contextLength: 2048 });
  const free = new Anthropic({ baseURL: plain.url, apiKey: 'none', maxRetries: 0 });
  const size = { type: 'object' as const, properties: { size: { enum: ['small', 'large'] } }, required: ['size'] };
  const answer = await free.messages.create({
    ...{ ...base, max_tokens: 300 },
    tools: [{ name: 'book', input_schema: size }],
    tool_choice: { type: 'tool', name: 'book' },
  });
  const [call] = answer.content as Anthropic.ToolUseBlock[];
  expect(call).toMatchObject({ type: 'tool_use', name: 'book' });
  expect(['small', 'large']).toContain((call.input as { size: string }).size);
  await plain.stop();
});
