// The operator's page in a browser: what others chose (names, models) is text on it and nothing else, and its buttons do what they say, once.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { operatorPage } from '../../src/server/operator-page.ts';
import { chromiumReason, hasChromium, launchChromium } from '../chromium.ts';

const EVIL = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>';
const now = Math.floor(Date.now() / 1000);
const jobs = {
  ...{ waiting: 2, running: 0, oldest_seconds: 9, done: 7, failed: { [EVIL]: 3 } },
  workers: [
    { id: EVIL, models: [EVIL], leaves: ['unknown_key', 'policy'], running: 0, done: 3, started_at: now, seen_at: now },
  ],
  batches: [{ id: 'batch_open', status: 'in_progress', created_at: now, total: 2, completed: 0, failed: 0 }],
  failures: ['batch_a', 'batch_a', 'batch_b'].map((batch, i) => ({ batch, line: i + 1, reason: EVIL, at: now })),
};

describe.skipIf(!hasChromium)(`the operator's page${chromiumReason}`, () => {
  let browser: Browser;
  let page: Page;
  const asked: string[] = [];
  beforeAll(async () => {
    browser = await launchChromium();
    page = await browser.newPage();
    await page.route('**/*', async (route) => {
      const { pathname } = new URL(route.request().url());
      if (pathname === '/operator') {
        const answer = operatorPage();
        return route.fulfill({ headers: Object.fromEntries(answer.headers), body: await answer.text() });
      }
      if (pathname === '/v1/operator/jobs') return route.fulfill({ json: jobs });
      asked.push(`${route.request().method()} ${pathname}`);
      if (pathname.includes('batch_b'))
        return route.fulfill({ status: 409, json: { error: { message: `no: ${EVIL}` } } });
      return route.fulfill({
        json: { id: pathname.includes('cancel') ? 'batch_open' : 'batch_new', status: 'cancelling' },
      });
    });
    await page.goto('http://onebit.test/operator');
    await page.getByText('batch_open').waitFor();
  }, 60_000);
  afterAll(() => browser?.close());

  test('shows texts of others as texts, and why workers leave rows', async () => {
    expect(await page.locator('#workers').textContent()).toContain(EVIL);
    expect(await page.locator('#workers').textContent()).toMatch(/does not know their key.*another --policy/);
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.evaluate('window.ran')).toBeUndefined();
  });

  test('one button for each batch with errors; what came of it stays when the numbers are new', async () => {
    const buttons = page.getByText('Try the failed rows again');
    expect(await buttons.count()).toBe(2);
    await buttons.first().click();
    await page.getByText('batch_a: batch_new').waitFor();
    expect(await buttons.count()).toBe(1);
    await buttons.first().click();
    await page.getByText(`batch_b: no: ${EVIL}`).waitFor();
    await page.getByText('Cancel', { exact: true }).click();
    await page.getByText('batch_open: cancelling').waitFor();
    await page.getByText('Show').click();
    await page.waitForTimeout(200);
    expect(await page.locator('#failures').textContent()).toContain('batch_new');
    expect(await page.locator('#said').textContent()).toBe('batch_open: cancelling');
    expect(await page.locator('img').count()).toBe(0);
    const path = 'POST /v1/operator/batches';
    expect(asked).toEqual([`${path}/batch_a/retry`, `${path}/batch_b/retry`, `${path}/batch_open/cancel`]);
  });
});
