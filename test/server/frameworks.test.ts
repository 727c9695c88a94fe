// The model through the AI SDK (`ai`) and LangChain, in process and over HTTP.
import { createOpenAI, type OpenAIProvider } from '@ai-sdk/openai';
import { HumanMessage } from '@langchain/core/messages';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { embed, embedMany, generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createOnebit, type OnebitProvider } from '../../src/ai-sdk/index.ts';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';
import { type StartedServer, startServer } from './started-server.ts';

let scripted: ScriptedModel;
let started: StartedServer;
const providers: Record<string, OnebitProvider> = {};
beforeAll(async () => {
  scripted = await scriptedModel();
  started = await startServer({ model: scripted.model });
  providers['in process'] = createOnebit({ model: scripted.model });
  providers['over HTTP'] = createOnebit({ baseURL: `${started.url}/v1` });
});
afterAll(() => started.stop());

const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Riga"}}\n</tool_call>';
const weather = tool({
  description: 'Tells the weather.',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `sun in ${city}`,
});

describe.each(['in process', 'over HTTP'])('the AI SDK %s', (way) => {
  test('generates text with thoughts and usage', async () => {
    scripted.say('<think>hm</think>Fine.');
    const { text, reasoningText, usage, finishReason } = await generateText({
      model: providers[way]('tiny'),
      prompt: 'How is it?',
    });
    expect({ text, reasoningText, finishReason }).toEqual({ text: 'Fine.', reasoningText: 'hm', finishReason: 'stop' });
    expect(usage.outputTokens).toBe('<think>hm</think>Fine.'.length);
  });

  test('streams text and runs tools until the answer', async () => {
    scripted.say(`Let me see.\n${CALL}`, 'It is sunny.');
    const stream = streamText({
      model: providers[way]('tiny'),
      prompt: 'Riga?',
      tools: { weather },
      stopWhen: stepCountIs(3),
    });
    let text = '';
    for await (const part of stream.textStream) text += part;
    expect(text).toBe('Let me see.It is sunny.');
    const [first] = await stream.steps;
    expect(first.toolResults).toMatchObject([{ toolName: 'weather', input: { city: 'Riga' }, output: 'sun in Riga' }]);
    expect(scripted.prompts.at(-1)).toContain('sun in Riga');
    expect((await stream.totalUsage).outputTokens).toBeGreaterThan(0);
  });

  test('embeds texts', async () => {
    const model = providers[way].embeddingModel('tiny');
    const { embedding } = await embed({ model, value: 'Hello' });
    const { embeddings } = await embedMany({ model, values: ['Hello', 'World'] });
    expect(embeddings[0]).toEqual(embedding);
    expect(embeddings[1]).not.toEqual(embedding);
    expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
  });
});

describe('the AI SDK’s own provider of OpenAI, which speaks responses', () => {
  let openai: OpenAIProvider;
  beforeAll(() => {
    openai = createOpenAI({ baseURL: `${started.url}/v1`, apiKey: 'none' });
  });

  test('generates, with usage', async () => {
    scripted.say('Fine.');
    const { text, usage, finishReason } = await generateText({ model: openai('tiny'), prompt: 'How is it?' });
    expect({ text, finishReason, outputTokens: usage.outputTokens }).toEqual({
      text: 'Fine.',
      finishReason: 'stop',
      outputTokens: 5,
    });
  });

  test.each([true, false])('runs tools until the answer, store %s', async (store) => {
    scripted.say(`Let me see.\n${CALL}`, 'It is sunny.');
    const stream = streamText({
      model: openai('tiny'),
      prompt: 'Riga?',
      tools: { weather },
      stopWhen: stepCountIs(3),
      providerOptions: { openai: { store, logprobs: 2 } },
    });
    let text = '';
    for await (const part of stream.textStream) text += part;
    expect(text).toBe('Let me see.It is sunny.');
    expect(scripted.prompts.at(-1)).toMatch(/Riga\?.*Let me see\..*<tool_call>.*sun in Riga/s);
  });

  test('gives objects of a schema', async () => {
    scripted.say('{"city":"Riga"}');
    const { object } = await generateObject({
      model: openai('tiny'),
      prompt: 'x',
      schema: z.object({ city: z.string() }),
    });
    expect(object).toEqual({ city: 'Riga' });
  });

  test('speaks chat completions, completions and embeddings too', async () => {
    scripted.say('Fine.');
    expect((await generateText({ model: openai.chat('tiny'), prompt: 'x' })).text).toBe('Fine.');
    expect((await generateText({ model: openai.completion('tiny'), prompt: 'x' })).text).toBe('Fine.');
    const { embedding } = await embed({ model: openai.embedding('tiny'), value: 'Hello' });
    expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
  });
});

describe('LangChain', () => {
  const configuration = () => ({ baseURL: `${started.url}/v1` });

  test('answers, streams and calls tools', async () => {
    const chat = new ChatOpenAI({ model: 'tiny', apiKey: 'none', configuration: configuration(), maxRetries: 0 });
    scripted.say('Fine.');
    expect((await chat.invoke([new HumanMessage('How is it?')])).content).toBe('Fine.');
    let text = '';
    for await (const chunk of await chat.stream('How is it?')) text += chunk.content;
    expect(text).toBe('Fine.');
    scripted.say(CALL);
    const schema = z.object({ city: z.string() });
    const answer = await chat.bindTools([{ name: 'weather', description: 'd', schema }]).invoke('Riga?');
    expect(answer.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'Riga' } }]);
  });

  test('gives objects of a schema, and reports usage of streams', async () => {
    const chat = new ChatOpenAI({ model: 'tiny', apiKey: 'none', configuration: configuration(), maxRetries: 0 });
    const schema = z.object({ city: z.string() });
    for (const method of ['jsonSchema', 'functionCalling', 'jsonMode'] as const) {
      scripted.say(method === 'functionCalling' ? CALL.replace('weather', 'extract') : '{"city":"Riga"}');
      const structured = chat.withStructuredOutput(schema, { name: 'extract', method });
      expect(await structured.invoke('Riga?')).toEqual({ city: 'Riga' });
    }
    scripted.say('Fine.');
    let total = 0;
    for await (const chunk of await chat.stream('x')) total += chunk.usage_metadata?.output_tokens ?? 0;
    expect(total).toBe(5);
  });

  test('speaks responses too, and continues them', async () => {
    const fields = { model: 'tiny', apiKey: 'none', configuration: configuration(), maxRetries: 0 };
    const chat = new ChatOpenAI({ ...fields, useResponsesApi: true });
    scripted.say('Fine.', CALL);
    const first = await chat.invoke('How is it?');
    expect(first.text).toBe('Fine.');
    const bound = chat.bindTools([{ name: 'weather', description: 'd', schema: z.object({ city: z.string() }) }]);
    const answer = await bound.invoke([new HumanMessage('How is it?'), first, new HumanMessage('Riga?')]);
    expect(answer.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'Riga' } }]);
    scripted.say('Streamed.');
    let text = '';
    for await (const chunk of await chat.stream('x')) text += chunk.text;
    expect(text).toBe('Streamed.');
  });

  test('embeds texts', async () => {
    const embeddings = new OpenAIEmbeddings({ model: 'tiny', apiKey: 'none', configuration: configuration() });
    const [a, b] = await embeddings.embedDocuments(['Hello', 'World']);
    expect(Math.hypot(...a)).toBeCloseTo(1, 5);
    expect(a).not.toEqual(b);
  });
});
