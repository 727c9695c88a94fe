// The page in real Chromium, as static files under some path: chat, train, look inside, measure, other models, offline use. Screenshots of each part are
// kept in artifacts/site/. Needs dist/ (`npm run build`).
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { load } from '../src/index.ts';
import { chromiumReason, type FileServer, hasChromium, launchChromium, serveFiles } from './chromium.ts';
import { tinyModel } from './tiny-model.ts';

/** A machine that other tests share may take its time; nothing here is timed. */
const SLOW = 240_000;
const root = fileURLToPath(new URL('..', import.meta.url));
const shots = join(root, 'artifacts/site');

let browser: Browser;
let server: FileServer;
let page: Page;
const problems: string[] = [];

beforeAll(async () => {
  if (!hasChromium) return;
  mkdirSync(shots, { recursive: true });
  server = await serveFiles({
    folders: { '/some/where/': join(root, 'dist/site') },
    files: { '/models/tiny.gguf': await tinyModel() },
  });
  browser = await launchChromium();
}, SLOW);
afterAll(async () => {
  await browser?.close();
  server?.close();
});

async function open(
  options: Parameters<Browser['newPage']>[0] = {},
  part = '',
  base = `${server.origin}/some/where/`,
): Promise<void> {
  page = await browser.newPage({ viewport: { width: 1280, height: 860 }, ...options });
  page.setDefaultTimeout(SLOW);
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  await page.goto(base + part);
}

async function say(text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** The text of the last answer, once it has ended. */
async function answer(): Promise<string> {
  await page.locator('.message:last-child.answer.ended').waitFor();
  return ((await page.locator('.message:last-child .text').textContent()) ?? '').trim();
}

async function setting(name: string, value: string): Promise<void> {
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel(name).fill(value);
  await page.getByRole('button', { name: 'Done' }).click();
}

describe.skipIf(!hasChromium)(`the page${chromiumReason}`, () => {
  beforeEach(() => {
    problems.length = 0;
  });

  test(
    'chats: the embedded model answers as in Node, with nothing but the page’s own files',
    async () => {
      server.asked.length = 0;
      await open();
      await setting('Temperature', '0');
      const question = 'I would like to book a table for two.';
      await say(question);
      const said = await answer();
      const model = await load(undefined, { backend: 'wasm' });
      const options = { temperature: 0 } as const;
      const { text } = await model.chat([{ role: 'user', content: question }], options).result();
      await model.dispose();
      expect(said).toBe(text.trim());
      expect(await page.getByRole('log').textContent()).toContain(question);
      expect(await page.locator('.stats').textContent()).toMatch(/tokens\/s · first after/);
      expect(server.asked.filter((path) => !path.startsWith('/some/where/'))).toEqual([]);

      // A token's alternatives, by pointer and by keyboard.
      await page.locator('.answer .token').nth(2).hover();
      const rows = page.locator('.alternatives li');
      expect(await rows.count()).toBeGreaterThanOrEqual(5);
      expect(await rows.first().textContent()).toMatch(/%/);
      await page.screenshot({ path: join(shots, 'chat.png') });
      await page.mouse.move(5, 400);
      await page.locator('.answer .text').focus();
      await page.keyboard.press('ArrowRight');
      expect(await page.locator('.token.selected').count()).toBe(1);
      expect(await rows.count()).toBeGreaterThanOrEqual(5);

      // Asked again, the greedy answer is the same; edited, the question is another one.
      await page.getByRole('button', { name: 'Retry' }).click();
      expect(await answer()).toBe(said);
      await page.locator('.message.user').hover();
      await page.getByRole('button', { name: 'Edit' }).click();
      await page.getByLabel('Edit your message').fill('I need a hotel in London.');
      await page.getByRole('button', { name: 'Ask again' }).click();
      await answer();
      expect(await page.locator('.message').count()).toBe(2);
      expect(await page.locator('.message.user .text').textContent()).toBe('I need a hotel in London.');
      expect(problems).toEqual([]);
      await page.close();
    },
    SLOW,
  );

  test(
    'stops an answer and says what can be done about errors',
    async () => {
      await open();
      // Greedily, random weights go round in circles and never end.
      const slow = Buffer.from(await tinyModel({ layers: 12, contextLength: 8192 }));
      await page.locator('#model-button').click();
      await page.setInputFiles('#model-file', { name: 'slow.gguf', mimeType: '', buffer: slow });
      await page.getByRole('button', { name: 'Use it' }).click();
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      await setting('Longest answer', '4000');
      await setting('Temperature', '0');
      // Pressed by the page itself at the fourth token: an answer could be over before a test notices its beginning.
      await page.evaluate(`new MutationObserver((_, watching) => {
        const stop = document.querySelector('.composer .stop');
        if (stop.hidden || document.querySelectorAll('.answer .token').length < 4) return;
        watching.disconnect();
        stop.click();
      }).observe(document.querySelector('.log'), { childList: true, subtree: true })`);
      await say('Hello');
      await page.locator('.answer.ended').waitFor();
      expect(await page.locator('.stats').textContent()).toBe('stopped');
      expect(await page.getByRole('button', { name: 'Send' }).isEnabled()).toBe(true);
      await page.locator('#model-button').click();
      await page.getByLabel('From the Hugging Face hub').fill(`${server.origin}/models/none.gguf`);
      await page.getByRole('button', { name: 'Look it up' }).click();
      expect(await page.getByRole('alert').textContent()).toMatch(/404\. There is no such file/);
      await page.close();
    },
    SLOW,
  );

  test(
    'takes other models: tells what they need, downloads, keeps, lists and removes them; and files',
    async () => {
      await open();
      await page.locator('#model-button').click();
      await page.getByLabel('From the Hugging Face hub').fill(`${server.origin}/models/tiny.gguf`);
      await page.getByRole('button', { name: 'Look it up' }).click();
      expect(await page.locator('.facts').textContent()).toMatch(/Download[\s\S]*kB[\s\S]*Memory[\s\S]*context/);
      await page.screenshot({ path: join(shots, 'model.png') });
      await page.getByRole('button', { name: 'Download and use' }).click();
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      expect(await page.locator('#model-label').textContent()).toBe('tiny');
      await page.reload();
      await page.locator('#model-button').click();
      await page.getByRole('button', { name: /tiny.*kept in this browser/ }).waitFor();
      await page.getByRole('button', { name: 'Remove tiny' }).click();
      await page.getByRole('button', { name: /kept in this browser/ }).waitFor({ state: 'hidden' });
      await page.setInputFiles('#model-file', {
        name: 'own.gguf',
        mimeType: '',
        buffer: Buffer.from(await tinyModel()),
      });
      await page.getByRole('button', { name: 'Use it' }).click();
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      expect(await page.locator('#model-label').textContent()).toBe('own');
      expect(problems).toEqual([]);
      await page.close();
    },
    SLOW,
  );

  test(
    'trains: pauses, resumes, shows loss and samples, and the model can be talked to and taken away',
    async () => {
      await open({}, '#train');
      await page
        .locator('#train')
        .getByText(/694 documents/)
        .waitFor(); // the example is there
      await page.getByText('Time, size, seed').click();
      await page.getByLabel('Size').selectOption('small');
      await page.getByLabel('Minutes').fill('0.2');
      await page.getByRole('button', { name: 'Train', exact: true }).click();
      await page.locator('.run[data-loss]').waitFor();
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.getByText('The clock stands still').waitFor();
      await page.getByRole('button', { name: 'Resume' }).click();
      await page.getByRole('button', { name: 'Talk to it' }).waitFor();
      expect(await page.locator('.uplot canvas').count()).toBe(1);
      expect(await page.locator('.score-line').textContent()).toMatch(/^\d+ of 7\d questions of the text right/);
      expect(await page.locator('.answers li').count()).toBeGreaterThan(0);
      await page.locator('.samples li').first().waitFor();
      await page.screenshot({ path: join(shots, 'train.png'), fullPage: true });
      const downloading = page.waitForEvent('download');
      await page.getByRole('button', { name: /Download GGUF/ }).click();
      const file = readFileSync(await (await downloading).path());
      const model = await load(new Uint8Array(file), { backend: 'wasm', threads: 1 });
      expect(model.config.architecture.name).toBe('qwen3');
      await model.dispose();
      // A link to it opens the page talking.
      const share = page.getByRole('button', { name: 'Copy a link to it' });
      await share.click();
      const link = page.locator('button[data-link], input[aria-label="Link to the model"]');
      await link.waitFor();
      const address = (await link.getAttribute('data-link')) ?? (await link.inputValue());
      await page.getByRole('button', { name: 'Talk to it' }).click();
      await page.locator('#chat:not([hidden])').waitFor();
      await say('What colour is the sky?');
      expect((await answer()).length).toBeGreaterThan(0);
      await page.close();
      await open({}, address.slice(address.indexOf('#')));
      await page.locator('#model-button[data-state=ready]').waitFor();
      expect(await page.locator('#model-label').textContent()).not.toBe('seedling');
      expect(page.url().length).toBeLessThan(200);
      await page.locator('.suggestions button').first().click();
      expect((await answer()).length).toBeGreaterThan(0);
      expect(problems).toEqual([]);
      await page.close();
    },
    SLOW,
  );

  test(
    'offers a training that a reload interrupted, and goes on with it',
    async () => {
      // From a server that does not isolate pages: behind the reload the service worker does.
      const plain = await serveFiles({ folders: { '/': join(root, 'dist/site') }, isolated: false });
      await open({}, '#train', `${plain.origin}/`);
      page.setDefaultTimeout(60_000);
      page.on('dialog', (dialog) => void dialog.accept()); // the page asks before it is left
      await page
        .locator('#train')
        .getByText(/694 documents/)
        .waitFor(); // the example is there
      await page.getByText('Time, size, seed').click();
      await page.getByLabel('Size').selectOption('small');
      await page.getByLabel('Minutes').fill('0.6');
      await page.getByRole('button', { name: 'Train', exact: true }).click();
      const kept = `(async () => {
        const root = await navigator.storage.getDirectory();
        const runs = await root.getDirectoryHandle('onebit-training', { create: true });
        for await (const run of runs.values()) for await (const file of run.keys()) if (file.endsWith('.ckpt')) return true;
        return false;
      })()`;
      await expect.poll(() => page.evaluate(kept), { timeout: 120_000, interval: 500 }).toBe(true);
      await page.reload();
      const offer = page.getByRole('region', { name: 'A training to go on with' });
      expect(await offer.getByText(/was interrupted at \d+ %, after \d+ updates/).textContent()).toBeTruthy();
      await page.screenshot({ path: join(shots, 'train-interrupted.png'), fullPage: true });
      await offer.getByRole('button', { name: 'Go on with it' }).click();
      await page.getByRole('button', { name: 'Talk to it' }).waitFor();
      expect(await page.locator('.run .status').textContent()).toMatch(/Done after \d+ updates/);
      await page.reload();
      await offer.getByText(/is done: \d+ updates/).waitFor();
      await offer.getByRole('button', { name: 'Discard it' }).click();
      await offer.waitFor({ state: 'hidden' });
      expect(problems).toEqual([]);
      await page.close();
      plain.close();
    },
    SLOW,
  );

  test(
    'looks inside: bits, scales, sizes, attention',
    async () => {
      await open({ colorScheme: 'dark' }, '#look');
      await page.locator('.heads button').nth(6).waitFor();
      expect(await page.locator('.bits-canvas').getAttribute('aria-label')).toMatch(/256 rows of 384 weights/);
      await page.locator('.bits-canvas').hover();
      expect(await page.locator('.under').textContent()).toMatch(/output \d+, input \d+: [+−]0\.\d+/);
      expect(await page.locator('.histogram rect').count()).toBe(40);
      expect(await page.locator('.sizes .all').textContent()).toMatch(/928 kB\s*13 MB\s*14 ×/);
      await page.locator('.heads button').nth(2).click();
      await page.locator('.tokens button').nth(5).click();
      expect(await page.locator('.attention [role=status]').textContent()).toMatch(/book looks at .* %/);
      await page.getByLabel('Matrix').selectOption({ index: 4 });
      await page.waitForFunction(() =>
        /weights/.test(document.querySelector('.bits-canvas')!.getAttribute('aria-label')!),
      );
      await page.screenshot({ path: join(shots, 'look.png'), fullPage: true });
      expect(problems).toEqual([]);
      await page.close();
    },
    SLOW,
  );

  test(
    'measures, and the row can be taken away',
    async () => {
      await open({}, '#measure');
      await page.getByLabel('Runs').fill('1');
      await page.getByLabel('Prompt, tokens').fill('32');
      await page.getByLabel('Answer, tokens').fill('8');
      await page.getByRole('button', { name: 'Measure', exact: true }).click();
      await page.locator('#measure tbody tr').waitFor();
      await page.screenshot({ path: join(shots, 'measure.png'), fullPage: true });
      const downloading = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Download JSON' }).click();
      const [row] = JSON.parse(readFileSync(await (await downloading).path(), 'utf8'));
      expect(row).toMatchObject({ model: 'seedling', backend: 'wasm', promptTokens: 32, genTokens: 8, isolated: true });
      expect(row.prefill).toBeGreaterThan(0);
      expect(row.decode).toBeGreaterThan(0);
      expect(problems).toEqual([]);
      await page.close();
    },
    SLOW,
  );

  test(
    'works without a network once it was opened, at phone width',
    async () => {
      const own = await serveFiles({ folders: { '/': join(root, 'dist/site') } });
      const phone = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true } as const;
      await open({ ...phone, colorScheme: 'dark' }, '', `${own.origin}/`);
      await page.evaluate('navigator.serviceWorker.ready');
      await page.waitForFunction(
        `caches.keys().then(async ([name]) => name && (await (await caches.open(name)).keys()).length > 10)`,
      );
      own.close();
      await page.reload();
      await say('I would like to book a table for two.');
      expect((await answer()).length).toBeGreaterThan(0);
      const width = await page.evaluate('document.documentElement.scrollWidth');
      expect(width).toBeLessThanOrEqual(390);
      await page.locator('.answer .token').first().tap();
      await page.locator('.alternatives').waitFor();
      await page.screenshot({ path: join(shots, 'phone.png') });
      await page.close();
    },
    SLOW,
  );
});
