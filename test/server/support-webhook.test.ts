// Hand-overs told to another system, the facts and reasons that the owner's page and the widget ask for, and both in a real browser. One small training; the
// browser needs dist/widget (`npm run build`).
import { createHmac } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { siteIn } from '../../src/cli/serve-site.ts';
import { saveSupport, trainSupport } from '../../src/tasks/support/index.ts';
import { chromiumReason, hasChromium, launchChromium } from '../chromium.ts';
import { trainingRows } from '../support-rows.ts';
import { type StartedServer, startServer, until } from './started-server.ts';

const secret = 'whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ=';
const built = new URL('../../dist/widget/', import.meta.url);
/** Both cores may be busy with other things. */
const SLOW = 120_000;
const hasWidget = existsSync(new URL('widget.js', built));
let started: StartedServer;
let bytes: Uint8Array;
const told: { headers: IncomingHttpHeaders; body: string }[] = [];
let failures = 1;
const receiver = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', () => {
    if (failures-- > 0) return response.writeHead(503).end();
    told.push({ headers: request.headers, body });
    return response.end();
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const answer = { text: 'where is it', intent: 'parcel_status', answer: 'It comes tomorrow.' };
  const support = await trainSupport([...trainingRows, answer], {
    ...{ epochs: 5, networks: 1, phraseNetworks: 0, precision: 0.8, name: 'shop' },
    texts: { texts: { en: { greeting: 'Welcome!' } }, names: { refund: 'money back' } },
  });
  bytes = await saveSupport(support);
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  started = await startServer({ support, webhook: { url, secret, retryMs: [5, 5] }, site: siteIn(built) });
}, 600_000);
afterAll(async () => {
  await started?.stop();
  receiver.close();
});

test('a hand-over is told, signed, again where that failed; answers, trials and lists are not', async () => {
  for (const input of ['where is my parcel', ['zzz qqq']]) await started.post('/v1/route', { input });
  await started.post('/v1/route', { input: 'zzz qqq', trial: true });
  const asked = { input: 'zzz qqq', conversation: 'c1' };
  expect((await (await started.post('/v1/route', asked)).json()).data[0].action).toBe('handover');
  await until(() => told.length > 0);
  await started.post('/v1/route', { ...asked, contact: 'ann@example.com' });
  await until(() => told.length > 1);
  const [first, second] = told.map(({ body }) => JSON.parse(body));
  expect(first).toMatchObject({ type: 'support.handover', data: { ...asked, contact: null, action: 'handover' } });
  expect(second).toMatchObject({ type: 'support.contact', data: { contact: 'ann@example.com' } });
  const { headers, body } = told[0];
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const expected = createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
    .update(signed)
    .digest('base64');
  expect(headers['webhook-signature']).toBe(`v1,${expected}`);
});

test('why: the words that speak for it, and rows that are like it', async () => {
  const input = 'please refund the shoes';
  const { intent, words, like } = await (await started.post('/v1/explain', { input })).json();
  expect(intent).toBe('refund');
  const strongest = [...words].sort((a, b) => b.weight - a.weight)[0];
  expect(input.slice(strongest.start, strongest.end)).toBe('refund');
  expect(like[0]).toMatchObject({ intent: 'refund' });
  const facts = await (await fetch(`${started.url}/v1/support?language=de`)).json();
  expect(facts).toMatchObject({ model: 'shop', language: 'de', takes_contact: true, texts: { send: 'Senden' } });
  expect(facts.intents).toContainEqual({ intent: 'refund', name: 'money back' });
});

test.skipIf(!hasChromium || !hasWidget)(
  `the widget answers over the server and in the page, the owner's page corrects${chromiumReason}`,
  async () => {
    expect(gzipSync(readFileSync(new URL('widget.js', built))).length).toBeLessThan(15_000);
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(SLOW);
      await page.goto(started.url);
      await page.getByText('shop: 8 intents').waitFor();
      await page.getByLabel('A message').fill('please refund the shoes');
      await page.getByRole('button', { name: 'What does it want?' }).click();
      await page.locator('mark', { hasText: 'refund' }).waitFor();
      await page.getByLabel('It is about').selectOption({ label: 'complaint' });
      await page.getByRole('button', { name: 'Keep as a correction' }).click();
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Save as corrections.csv' }).click(),
      ]);
      const saved = readFileSync((await download.path())!, 'utf8');
      expect(saved).toBe('\ufefftext,intent\r\n"please refund the shoes","complaint"\r\n');

      const window = page.locator('onebit-support');
      await window.getByRole('button', { name: 'Help' }).click();
      await window.getByText('Welcome!').waitFor();
      await page.keyboard.type('where is my parcel');
      await page.keyboard.press('Enter');
      await window.getByText('It comes tomorrow.').waitFor();
      const axe = readFileSync(
        fileURLToPath(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url)),
        'utf8',
      );
      const wrong = await page.evaluate<string[]>(
        `${axe}; axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))`,
      );
      expect(wrong).toEqual([]);
      // How the customer can be reached is taken wherever it is written.
      await page.keyboard.type('zzz qqq');
      await page.keyboard.press('Enter');
      const contact = window.locator('form.contact');
      await contact.waitFor();
      await page.keyboard.type('eve@example.com');
      await page.keyboard.press('Enter');
      await contact.waitFor({ state: 'detached' });
      await until(() => told.some(({ body }) => body.includes('"contact":"eve@example.com"')));

      await page.keyboard.press('Escape');
      await window.getByRole('dialog').waitFor({ state: 'hidden' });

      // Wholly in the page: the model as a file, the library beside the widget.
      await page.route('**/shop.gguf', (route) => route.fulfill({ body: Buffer.from(bytes) }));
      await page.evaluate(`document.querySelector('onebit-support').setAttribute('model', '/shop.gguf')`);
      await window.getByRole('button', { name: 'Help' }).click();
      await page.keyboard.type('zzz qqq');
      await page.keyboard.press('Enter');
      await window.getByText('A person will take over').waitFor();
    } finally {
      await browser.close();
    }
  },
  2 * SLOW,
);
