// The OpenAPI document is valid and true: every route in it exists, real answers have the forms it promises. And the page at `/` works.
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv2020 from 'ajv/dist/2020.js';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { siteIn } from '../../src/cli/serve-site.ts';
import { SITE_PATHS } from '../../src/server/page.ts';
import { chromiumReason, hasChromium, launchChromium } from '../chromium.ts';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';
import { type StartedServer, startServer } from './started-server.ts';

let scripted: ScriptedModel;
let started: StartedServer;
let document: {
  paths: Record<string, Record<string, { responses: Record<string, { content: Record<string, { schema: object }> }> }>>;
};
beforeAll(async () => {
  scripted = await scriptedModel();
  started = await startServer({ model: scripted.model, site: siteIn(new URL('../../dist/site/', import.meta.url)) });
  document = await (await fetch(`${started.url}/openapi.json`)).json();
});
afterAll(() => started.stop());

describe('the OpenAPI document', () => {
  test('is valid', async () => {
    const result = await new Validator().validate(structuredClone(document));
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
  });

  test('names every route of the server, but for the files of the page', () => {
    const { routes } = (started.server as unknown as { app: { routes: { method: string; path: string }[] } }).app;
    const answered = routes.filter(({ method, path }) => method !== 'ALL' && !SITE_PATHS.includes(path));
    const named = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const plain = answered.map(({ method, path }) => `${method} ${path.replace(/:(\w+)(\{.+?\})?/g, '{$1}')}`);
    expect([...new Set(plain)].sort()).toEqual(named.sort());
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
    ['post', '/apply-template', { messages: [{ role: 'user', content: 'x' }] }],
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

test('the page and its files have their types and policies, and nothing else is served', async () => {
  const page = await fetch(started.url);
  expect(page.headers.get('content-type')).toContain('text/html');
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(page.headers.get('cross-origin-embedder-policy')).toBe('require-corp');
  const html = await page.text();
  expect(html).toContain('<meta name="onebit-server" content="./v1" />');
  const script = /src="\.\/(assets\/[\w.-]+\.js)"/.exec(html)![1];
  const answer = await fetch(`${started.url}/${script}`);
  expect(answer.headers.get('content-type')).toContain('text/javascript');
  expect(answer.headers.get('cache-control')).toContain('immutable');
  for (const path of ['/assets/..%2f..%2fpackage.json', '/assets/.hidden', '/assets/none.js']) {
    expect((await fetch(started.url + path)).status, path).toBe(404);
  }
});

describe.skipIf(!hasChromium)(`the page${chromiumReason}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
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
    await page.getByRole('button', { name: 'on the server' }).waitFor();
    for (const [said, answered] of [
      ['Hi', 'Hello <b>you</b>'],
      ['So long', 'Bye.'],
    ]) {
      await page.getByRole('textbox', { name: 'Message' }).fill(said);
      await page.getByRole('button', { name: 'Send' }).click();
      await page.locator('[role=log] article:last-child > .text').getByText(answered, { exact: true }).waitFor();
      await page.waitForFunction(() => document.querySelector('.answer:last-child.ended'));
    }
    expect(await page.locator('[role=log] article').count()).toBe(4);
    expect(await page.locator('[role=log] b').count()).toBe(0);
    expect(await page.locator('[role=log] details.thinking').textContent()).toBe('Thoughthm');
    expect(scripted.prompts.at(-1)).toContain('Hello <b>you</b>');
    expect(problems.filter((text) => !text.includes('404'))).toEqual([]);
  });
});
