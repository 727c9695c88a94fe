// Owns what happens in the browser: built files served as any static server does, the page opened in Chromium, its answer waited for.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { chromium } from 'playwright-core';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css' };
const MOST_MS = 240_000;

/** The program of a page: the embedded model asked in a worker and in the page itself; the answers go into the title. */
export const PAGE = `import { load } from 'onebit';
import { loadInWorker } from 'onebit/browser';

async function ask(model) {
  const question = { role: 'user', content: 'I need a taxi.' };
  const { text } = await model.chat([question], { temperature: 0, maxTokens: 24 }).result();
  await model.dispose();
  return text;
}

async function main() {
  return { worker: await ask(await loadInWorker()), page: await ask(await load()) };
}

main().then(
  (answers) => { document.title = 'answers: ' + JSON.stringify(answers); },
  (error) => { document.title = 'answers: ' + JSON.stringify({ error: String(error.stack) }); },
);
`;

/** HTML for a script. */
export const html = (script) =>
  `<!doctype html><html><head><title>app</title></head><body><script type="module" src="${script}"></script></body></html>`;

/** Serves a folder; gives the address and the way to stop. */
export async function serveFolder(folder) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    const file = join(folder, path.endsWith('/') ? `${path}index.html` : path);
    if (!file.startsWith(folder) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
    response.setHeader('content-length', statSync(file).size);
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, stop: () => server.close() };
}

/** Opens a page and gives the answers of `PAGE`. Throws what the page threw, or all that went wrong when it never answers. */
export async function answersAt(url) {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  const problems = [];
  try {
    const page = await browser.newPage();
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    page.on(
      'response',
      (response) => response.status() >= 400 && problems.push(`${response.status()} ${response.url()}`),
    );
    await page.goto(url);
    await page
      .waitForFunction(`document.title.startsWith('answers: ')`, undefined, { timeout: MOST_MS })
      .catch((error) => {
        throw new Error([error.message, ...problems].join('\n'));
      });
    const answers = JSON.parse((await page.title()).slice('answers: '.length));
    if (answers.error) throw new Error([answers.error, ...problems].join('\n'));
    return answers;
  } finally {
    await browser.close();
  }
}
