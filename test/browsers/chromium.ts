// Owns Debian's Chromium as one browser of several.
import { hasChromium, launchChromium } from '../chromium.ts';
import { asText, type BrowserKind, fromText } from './tab.ts';

export const chromium: BrowserKind = {
  name: 'Chromium',
  missing: hasChromium ? '' : ' (skipped: no chromium here; set CHROMIUM)',
  async start() {
    const browser = await launchChromium();
    return {
      version: browser.version(),
      async open() {
        const context = await browser.newContext();
        const page = await context.newPage();
        return {
          goto: async (url) => void (await page.goto(url)),
          run: async (body) => fromText(await page.evaluate<string>(asText(body))),
          close: () => context.close(),
        };
      },
      close: () => browser.close(),
    };
  },
};
