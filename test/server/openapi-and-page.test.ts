// The OpenAPI document is valid and true: every route in it exists, real answers have the forms it promises. And the page at `/` works.
import { existsSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv2020 from 'ajv/dist/2020.js';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';
import { type StartedServer, startServer } from './started-server.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const hasChromium = existsSync(CHROMIUM);
const reason = hasChromium ? '' : ` (skipped: no browser at ${CHROMIUM}; set CHROMIUM)`;

let scripted: ScriptedModel;
let started: StartedServer;
let document: {
  paths: Record<string, Record<string, { responses: Record<string, { content: Record<string, { schema: object }> }> }>>;
};
beforeAll(async () => {
  scripted = await scriptedModel();
  started = await startServer({ model: scripted.model });
  document = await (await fetch(`${started.url}/openapi.json`)).json();
});
afterAll(() => started.stop());

describe('the OpenAPI document', () => {
  test('is valid', async () => {
    const result = await new Validator().validate(structuredClone(document));
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
  });

  test('names all fields that requests may have, and only routes that exist', async () => {
    const chat = JSON.stringify(document.paths['/v1/chat/completions'].post);
    for (const field of ['messages', 'logit_bias', 'min_p', 'tool_choice', 'max_completion_tokens', 'stream_options']) {
      expect(chat).toContain(`"${field}"`);
    }
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const method of Object.keys(methods)) {
        const answer = await fetch(started.url + path, { method: method.toUpperCase() });
        const body = answer.status === 404 ? (await answer.json()).error.code : undefined;
        expect(body, `${method} ${path}`).not.toBe('not_found');
        expect(answer.status, `${method} ${path}`).not.toBe(405);
      }
    }
  });

  test.each<[string, string, object?]>([
    ['post', '/v1/chat/completions', { messages: [{ role: 'user', content: 'x' }], logprobs: true, top_logprobs: 2 }],
    ['post', '/v1/completions', { prompt: 'x', logprobs: 2 }],
    ['post', '/v1/responses', { input: 'x' }],
    ['post', '/v1/embeddings', { input: 'x' }],
    ['post', '/v1/tokenize', { content: 'x', with_pieces: true }],
    ['post', '/v1/detokenize', { tokens: [120] }],
    ['get', '/v1/models'],
    ['get', '/v1/models/tiny'],
    ['get', '/health'],
    ['get', '/ready'],
  ])('promises what is answered: %s %s', async (method, path, body) => {
    scripted.say('Fine.');
    const answer = body ? await started.post(path, body) : await fetch(started.url + path);
    expect(answer.status).toBe(200);
    const operation = document.paths[path.replace(/\/models\/.*/, '/models/{id}')][method];
    const { schema } = operation.responses['200'].content['application/json'];
    const validate = new Ajv2020({ strict: false }).compile(schema);
    validate(await answer.json());
    expect(validate.errors).toBe(null);
  });
});

describe.skipIf(!hasChromium)(`the page${reason}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    const args = ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--no-first-run'];
    browser = await chromium.launch({ executablePath: CHROMIUM, args });
  }, 60_000);
  afterAll(() => browser.close());

  test('holds a conversation, and shows markup as text', async () => {
    scripted.say('<think>hm</think>Hello <b>you</b>', 'Bye.');
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('favicon')) problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(String(error)));
    await page.goto(started.url);
    for (const [said, answered] of [
      ['Hi', 'hmHello <b>you</b>'],
      ['So long', 'Bye.'],
    ]) {
      await page.fill('#text', said);
      await page.click('#send');
      await page.waitForFunction(
        (text) => document.querySelector('#talk article:last-child')?.textContent === text,
        answered,
      );
      await page.waitForFunction(() => document.querySelector('#send')?.textContent === 'Send');
    }
    expect(await page.locator('#talk article').count()).toBe(4);
    expect(await page.locator('#talk b').count()).toBe(0);
    expect(scripted.prompts.at(-1)).toContain('Hello <b>you</b>');
    expect(problems.filter((text) => !text.includes('404'))).toEqual([]);
  });
});
