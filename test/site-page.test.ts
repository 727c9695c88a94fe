// The page as strangers and their machines meet it: what its head says, what axe finds, answers with Markdown and thoughts, what survives a reload, models in
// links, parts that fail to load. Needs dist/ (`npm run build`).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumReason, type FileServer, hasChromium, launchChromium, serveFiles } from './chromium.ts';
import { tinyModel } from './tiny-model.ts';

const SLOW = 240_000;
const root = fileURLToPath(new URL('..', import.meta.url));
const site = join(root, 'dist/site');

let browser: Browser;
let server: FileServer;
/** What the server's model says next, as OpenAI's stream; and what the page may not load. */
let said: readonly object[] = [];
let refused: RegExp | undefined;
let house = 'house-model';

beforeAll(async () => {
  if (!hasChromium) return;
  server = await serveFiles({
    folders: { '/': site },
    files: { '/models/tiny.gguf': await tinyModel() },
    handle: (_request, response, path) => {
      if (refused?.test(path)) {
        response.writeHead(503).end();
        return true;
      }
      if (path === '/served/') {
        const html = readFileSync(join(site, 'index.html'), 'utf8');
        response.setHeader('content-type', 'text/html');
        response.end(html.replace('<head>', '<head><base href="/" /><meta name="onebit-server" content="./v1" />'));
        return true;
      }
      if (path === '/v1/models') {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ data: [{ id: house }] }));
        return true;
      }
      if (path !== '/v1/chat/completions') return false;
      response.setHeader('content-type', 'text/event-stream');
      for (const delta of said) response.write(`data: ${JSON.stringify({ choices: [{ delta }] })}\n\n`);
      response.end('data: [DONE]\n\n');
      return true;
    },
  });
  browser = await launchChromium();
}, SLOW);
afterAll(async () => {
  await browser?.close();
  server?.close();
});

async function open(path = '/', options: Parameters<Browser['newPage']>[0] = {}, script?: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 }, serviceWorkers: 'block', ...options });
  page.setDefaultTimeout(SLOW);
  if (script !== undefined) await page.addInitScript(script);
  await page.goto(server.origin + path);
  return page;
}

/**
 * What draws the strip above the chat is fetched three seconds after the page, or a tenth of one after the first word: on a busy machine a test is slower than
 * that, so it waits here.
 */
const PATIENT =
  'const later = setTimeout; window.setTimeout = (call, ms, ...more) => later(call, ms === 3000 || ms === 100 ? 3e5 : ms, ...more);';

const isReady = (page: Page) => page.locator('#model-button[data-state=ready]').waitFor();

/** What axe finds, as lines that name the rule and the element. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as {
    violations: { id: string; nodes: { target: string[] }[] }[];
  };
  return found.violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('.message:last-child.answer.ended').waitFor();
}

describe.skipIf(!hasChromium)(`the page for strangers${chromiumReason}`, () => {
  test(
    'its head says what it is: title, description, picture, manifest, icons, and nothing is missing or complained about',
    async () => {
      const problems: string[] = [];
      const page = await open('/');
      page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
      page.on('response', (response) => response.status() >= 400 && problems.push(response.url()));
      await page.reload();
      await isReady(page);
      const head = (selector: string, attribute: string) =>
        page.locator(`head ${selector}`).first().getAttribute(attribute);
      expect((await page.title()).length).toBeGreaterThan(20);
      expect((await head('meta[name=description]', 'content'))!.length).toBeGreaterThan(50);
      expect(await page.locator('html').getAttribute('lang')).toBe('en');
      expect(await head('meta[name=viewport]', 'content')).toContain('width=device-width');
      const bytesOf = async (href: string) =>
        Buffer.from(await (await page.request.get(new URL(href, page.url()).href)).body());
      const picture = (await head('meta[property="og:image"]', 'content'))!;
      const preview = await bytesOf(`/${picture.split('/').at(-1)}`);
      expect([preview.readUInt32BE(16), preview.readUInt32BE(20)]).toEqual([1200, 630]);
      expect(preview.length).toBeLessThan(200_000);
      const manifest = JSON.parse((await bytesOf((await head('link[rel=manifest]', 'href'))!)).toString());
      for (const { src, sizes } of manifest.icons) {
        const icon = await bytesOf(`/${src}`);
        expect(`${icon.readUInt32BE(16)}x${icon.readUInt32BE(20)}`).toBe(sizes);
      }
      expect(await head('link[rel=icon]', 'href')).toBeTruthy();
      expect(await page.locator('#source').getAttribute('href')).toMatch(/^https:/);
      expect(await page.getByText('npm install onebit').count()).toBe(1);
      expect(problems).toEqual([]);
      await page.close();
    },
    SLOW,
  );

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 360],
  ] as const)(
    'axe finds nothing, in %s colours, %i pixels wide',
    async (colorScheme, width) => {
      const page = await open('/', { colorScheme, viewport: { width, height: 860 } });
      await isReady(page);
      const found: string[] = await violations(page);
      await say(page, 'I would like to book a table for two.');
      found.push(...(await violations(page)));
      await page.locator('#model-button').click();
      await page.getByRole('dialog').waitFor();
      found.push(...(await violations(page)));
      await page.keyboard.press('Escape');
      for (const [part, there] of [
        ['train', page.getByRole('button', { name: 'Train', exact: true })],
        ['look', page.locator('.heads button').nth(3)],
        ['measure', page.getByRole('button', { name: 'Measure', exact: true })],
      ] as const) {
        await page.evaluate(`location.hash = '#${part}'`);
        await there.waitFor();
        found.push(...(await violations(page)));
      }
      expect(found).toEqual([]);
      await page.close();
    },
    SLOW,
  );

  test(
    'an answer’s Markdown is shown as tables and code, nothing in it runs or is fetched, and thoughts are folded away',
    async () => {
      said = [
        { reasoning_content: 'They want a table.' },
        { content: '**Prices**\n\n| what | euros |\n|---|--:|\n| chain | 35 |\n\n```js\nalert(1)\n```\n' },
        { content: '[fine](https://example.org) [bad](javascript:alert(2)) <img src=x onerror="window.ran=1">' },
        { content: '<script>window.ran = 1</script><iframe src="/never"></iframe>\n' },
      ];
      const page = await open('/served/');
      await page.getByText('runs on the server').waitFor();
      expect(await page.locator('.suggestions button').count()).toBeGreaterThan(1);
      server.asked.length = 0;
      await say(page, 'Prices?');
      const formatted = page.locator('.formatted');
      await formatted.waitFor(); // the part that formats is loaded when the answer has ended
      expect(await formatted.locator('td').allTextContents()).toEqual(['chain', '35']);
      expect(await formatted.getByText('35').evaluate((cell) => getComputedStyle(cell).textAlign)).toBe('right');
      expect(await formatted.locator('pre code').textContent()).toBe('alert(1)\n');
      expect(await formatted.locator('a[href]').count()).toBe(1);
      expect(await formatted.locator('a[href]').getAttribute('rel')).toContain('noopener');
      expect(await formatted.locator('img, script, iframe').count()).toBe(0);
      expect(await page.evaluate('window.ran')).toBeUndefined();
      expect(server.asked.filter((path) => path === '/x' || path === '/never')).toEqual([]);
      const thought = page.locator('.thinking');
      expect(await thought.getAttribute('open')).toBeNull();
      expect(await thought.textContent()).toContain('They want a table.');
      expect(await violations(page)).toEqual([]);
      await page.getByRole('button', { name: 'Tokens' }).click();
      expect(await page.locator('.answer .text:not(.formatted)').isVisible()).toBe(true);
      await page.close();
    },
    SLOW,
  );

  test(
    'thoughts in the text itself are folded too, and right-to-left text runs from the right',
    async () => {
      said = [{ content: 'I should greet.' }, { content: '</think>' }, { content: 'שלום, איך אפשר לעזור?' }];
      const page = await open('/served/');
      await page.getByText('runs on the server').waitFor();
      await say(page, 'Hi');
      expect(await page.locator('.thoughts').textContent()).toBe('I should greet.');
      expect(await page.locator('.answer > .text').textContent()).toBe('שלום, איך אפשר לעזור?');
      const direction = `getComputedStyle(document.querySelector('.answer > .text .line')).direction`;
      expect(await page.evaluate(direction)).toBe('rtl');
      const facts = await page.locator('.answer .actions').textContent(); // a server's answer in one packet says nothing about speed
      expect([/3 tokens/.test(facts!), /tokens\/s/.test(facts!)]).toEqual([true, false]);
      await page.close();
    },
    SLOW,
  );

  test(
    'a line of 2,000 tokens is shown whole, in lines that a browser lays out anew quickly as they grow',
    async () => {
      const words = Array.from({ length: 2000 }, (_, i) => ` w${i}`);
      said = words.map((content) => ({ content }));
      const page = await open('/served/');
      await page.getByText('runs on the server').waitFor();
      await say(page, 'Go on.');
      expect((await page.locator('.answer .text').first().textContent())!.match(/w\d+/g)).toHaveLength(2000);
      const lengths = `[...document.querySelectorAll('.answer .line')].map((line) => line.childNodes.length)`;
      expect(Math.max(...((await page.evaluate(lengths)) as number[]))).toBeLessThanOrEqual(1000);
      await page.close();
    },
    SLOW,
  );

  test(
    'conversation and model survive a reload until they are forgotten',
    async () => {
      const page = await open('/');
      await isReady(page);
      await page.locator('#model-button').click();
      const buffer = Buffer.from(await tinyModel());
      await page.setInputFiles('#model-file', { name: 'mine.gguf', mimeType: '', buffer });
      await page.getByRole('button', { name: 'Use it' }).click();
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      await say(page, 'Hello there');
      await page.reload();
      await page.locator('.message.user').getByText('Hello there').waitFor();
      await page.locator('#model-label').getByText('mine').waitFor();
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('button', { name: 'Forget all' }).click();
      await page.locator('#model-label').getByText('seedling').waitFor();
      expect(await page.locator('.message').count()).toBe(0);
      await page.close();
    },
    SLOW,
  );

  test(
    'a link opens the model whose address it names, a damaged one says so and leaves the page’s own',
    async () => {
      const page = await open(`/?model=${encodeURIComponent('/models/tiny.gguf')}`);
      await page.locator('#model-label').getByText('tiny').waitFor();
      await isReady(page);
      await page.close();
      const served = await open(`/served/?model=${encodeURIComponent('/models/tiny.gguf')}`);
      await served.locator('#model-label').getByText('tiny').waitFor();
      expect(await served.getByText('runs on the server').count()).toBe(0);
      await served.close();
      house = 'house-model';
      const again = await open(`/served/?model=${encodeURIComponent('/models/tiny.gguf')}`);
      await isReady(again);
      await again.goto(`${server.origin}/served/`); // as a reload of the page of a link, which has left the address
      await again.locator('#model-label').getByText('tiny').waitFor();
      await isReady(again);
      await again.locator('#model-button').click();
      await again.getByRole('button', { name: 'house-model' }).click();
      await again.reload();
      await again.getByText('runs on the server').waitFor();
      await again.close();
      house = 'seedling'; // the embedded one, served: what it is for is known
      const own = await open('/served/');
      await own.getByText('runs on the server').waitFor();
      expect(await own.locator('.suggestions button').first().textContent()).toMatch(/table/);
      await own.close();
      house = 'house-model';
      const damaged = await open('/#model=AAAA');
      await damaged.locator('.notice').getByText(/link/).waitFor();
      await isReady(damaged);
      await damaged.close();
    },
    SLOW,
  );

  test(
    'a text that is written while an example comes stays',
    async () => {
      const page = await open('/');
      await isReady(page);
      let letGo = () => {};
      const late = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      await page.route(/example-text/, async (route) => {
        await late;
        await route.continue();
      });
      await page.evaluate(`location.hash = '#train'`);
      const text = page.getByLabel('Text to learn from');
      await text.fill('mine');
      const came = page.waitForResponse(/example-text/);
      letGo();
      await came;
      await page.waitForTimeout(300);
      expect(await text.inputValue()).toBe('mine');
      await page.getByRole('button', { name: 'A bicycle workshop' }).click(); // asked for later than it was written
      await expect.poll(() => text.inputValue()).toMatch(/bicycle|bike/);
      await page.close();
    },
    SLOW,
  );

  test(
    'a part that cannot be fetched says so and can be tried again',
    async () => {
      const page = await open('/');
      await isReady(page);
      refused = /train-page/;
      await page.evaluate(`location.hash = '#train'`);
      await page.locator('#train [role=alert]').waitFor();
      refused = undefined;
      // A browser remembers the module that failed; the page is fetched anew where that is so.
      await page.locator('#train').getByRole('button', { name: 'Try again' }).click();
      await page.getByRole('button', { name: 'Train', exact: true }).waitFor();
      await page.close();
    },
    SLOW,
  );

  test(
    'JavaScript to chat is at most 100 kB compressed: all that a browser asks for until the first word of an answer',
    async () => {
      server.asked.length = 0;
      const page = await open('/', {}, PATIENT);
      await page.getByRole('textbox', { name: 'Message' }).fill('I would like to book a table for two.');
      await page.getByRole('button', { name: 'Send' }).click();
      await page.locator('.answer .token').first().waitFor();
      const scripts = [...new Set(server.asked)].filter((path) => path.endsWith('.js'));
      expect(scripts.length).toBeGreaterThan(10);
      const sum = scripts.reduce((all, path) => all + brotliCompressSync(readFileSync(join(site, path))).length, 0);
      expect(sum).toBeLessThan(100_000);
      await page.close();
    },
    SLOW,
  );
});
