// Makes docs/page.webp, the moving picture in README: the built page in Chromium, somebody types, the model answers, a token's alternatives, the bits.
// node scripts/page-picture.mjs   (needs dist/, Chromium, and img2webp of Debian's package webp)
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { serveFolder } from './compat/page.mjs';

const out = fileURLToPath(new URL('../docs/page.webp', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-picture-'));
/** Files and the milliseconds that each is shown. */
const frames = [];
const { url, stop } = await serveFolder(fileURLToPath(new URL('../dist/site', import.meta.url)));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--hide-scrollbars'],
});
try {
  const page = await browser.newPage({ viewport: { width: 720, height: 460 }, colorScheme: 'dark' });
  const shoot = async (milliseconds) => {
    const path = join(folder, `${String(frames.length).padStart(3, '0')}.png`);
    writeFileSync(path, await page.screenshot());
    frames.push({ path, milliseconds });
  };
  await page.goto(url);
  const box = page.getByRole('textbox', { name: 'Message' });
  await box.waitFor();
  await page.waitForTimeout(4000); // the model is there
  await shoot(1200);
  const question = 'I would like to book a table for two.';
  for (let length = 3; length < question.length + 3; length += 3) {
    await box.fill(question.slice(0, length));
    await shoot(70);
  }
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('.message:last-child.answer.ended').waitFor();
  const tokens = await page.locator('.message:last-child .token').count();
  // The answer takes a tenth of a second; shown a token at a time it can be seen.
  const show = (count) =>
    page.evaluate(
      `document.querySelectorAll('.message:last-child .token').forEach((token, i) => { token.style.visibility = i < ${count} ? '' : 'hidden'; })`,
    );
  for (let count = 1; count <= tokens; count++) {
    await show(count);
    await shoot(90);
  }
  await shoot(1200);
  await page
    .locator('.message:last-child .token')
    .nth(Math.min(3, tokens - 1))
    .hover();
  await shoot(2200);
  await page.goto(`${url}#look`);
  await page.locator('.bits-canvas').waitFor();
  await page.waitForTimeout(3000);
  await page.locator('.bits-canvas').evaluate((canvas) => canvas.scrollIntoView({ block: 'center' }));
  await shoot(2500);
  const args = frames.flatMap(({ path, milliseconds }) => [
    '-d',
    String(milliseconds),
    '-lossy',
    '-q',
    '55',
    '-m',
    '6',
    path,
  ]);
  execFileSync('img2webp', ['-loop', '0', '-kmax', '30', ...args, '-o', out], { stdio: 'inherit' });
  console.log(`${out}: ${frames.length} frames, ${statSync(out).size} bytes`);
} finally {
  await browser.close();
  stop();
  rmSync(folder, { recursive: true });
}
