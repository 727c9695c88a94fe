// Support models in a page, in real Chromium: trained there, as in Node to the bit, stored, loaded and asked. Needs dist/ (`npm run build`).
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadSupport, type Prediction, saveSupport, trainSupport } from '../src/tasks/support/index.ts';
import { chromiumReason, type FileServer, hasChromium, launchChromium, serveFiles } from './chromium.ts';
import { outsideRows, trainingRows, unseenRows } from './support-rows.ts';

const SLOW = 240_000;
// Examples are compressed by the platform's own deflate, which may differ: without them, files can be compared.
const options = { epochs: 3, networks: 1, width: 128, precision: 0.95, keepExamples: false, name: 'shop' };
const rows = [...trainingRows, ...outsideRows];
const queries = [...unseenRows.map(({ text }) => text), 'is there life on Mars'];

/** What a bundler does: where the libraries lie that read CSV and tell languages apart. */
const importMap = JSON.stringify({
  imports: {
    'csv-parse/browser/esm/sync': '/onebit/node_modules/csv-parse/dist/esm/sync.js',
    'eld/extrasmall': '/onebit/node_modules/eld/src/entries/static.extrasmall.js',
  },
});

let browser: Browser;
let server: FileServer;
beforeAll(async () => {
  if (!hasChromium) return;
  browser = await launchChromium();
  server = await serveFiles({
    folders: { '/onebit/': fileURLToPath(new URL('..', import.meta.url)) },
    files: { '/': `<!doctype html><title>page</title><script type="importmap">${importMap}</script>` },
  });
}, SLOW);
afterAll(async () => {
  await browser?.close();
  server?.close();
});

test.skipIf(!hasChromium)(
  `a page trains the model that Node trains, and answers with it${chromiumReason}`,
  async () => {
    const page = await browser.newPage();
    page.setDefaultTimeout(SLOW);
    await page.goto(server.origin);
    const given = [rows, options, queries].map((value) => JSON.stringify(value)).join(', ');
    const found = await page.evaluate<{ bytes: number[]; predictions: Prediction[]; beats: number; shares: number[] }>(
      `import('/onebit/dist/tasks/support/index.js').then(async (support) => {
        const [rows, options, queries] = [${given}];
        let beats = 0;
        const timer = setInterval(() => beats++, 4);
        const shares = [];
        const onProgress = (stage, done, total) => shares.push(done / total);
        const bytes = await support.saveSupport(await support.trainSupport(rows, { ...options, onProgress }));
        clearInterval(timer);
        const model = await support.loadSupport(bytes);
        return { bytes: [...bytes], predictions: queries.map((text) => model.predict(text)), beats, shares: shares.slice(-1) };
      })`,
    );
    const bytes = await saveSupport(await trainSupport(rows, options));
    expect(Buffer.compare(Buffer.from(found.bytes), bytes)).toBe(0);
    const model = await loadSupport(bytes);
    for (const [i, text] of queries.entries()) {
      const { intent, confidence } = model.predict(text);
      expect(found.predictions[i].intent).toBe(intent);
      expect(found.predictions[i].confidence).toBe(confidence);
    }
    expect(found.beats).toBeGreaterThan(3); // the page stayed awake
    expect(found.shares[0]).toBeCloseTo(1, 1);
    await page.close();
  },
  SLOW,
);
