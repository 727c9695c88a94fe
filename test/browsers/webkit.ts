// Owns Debian's WebKit (webkit2gtk-driver, in a display of its own by xvfb), driven over WebDriver (https://w3c.github.io/webdriver/).
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asText, type BrowserKind, fromText, type Tab } from './tab.ts';

const DRIVER = process.env.WEBKIT_DRIVER ?? '/usr/bin/WebKitWebDriver';
const XVFB = '/usr/bin/Xvfb';
const START_MS = 60_000;
/** Most time that one script of a test may take. */
const SCRIPT_MS = 240_000;

/** The browser that comes with the driver's package; its folder names the library's version. */
function miniBrowser(): string | undefined {
  const libraries = '/usr/lib';
  if (!existsSync(libraries)) return undefined;
  for (const platform of readdirSync(libraries).filter((name) => name.endsWith('-linux-gnu'))) {
    const folder = join(libraries, platform);
    for (const name of readdirSync(folder).filter((name) => name.startsWith('webkit2gtk-'))) {
      const path = join(folder, name, 'MiniBrowser');
      if (existsSync(path)) return path;
    }
  }
  return undefined;
}

const binary = miniBrowser();
const lacks = [!existsSync(DRIVER) && DRIVER, !existsSync(XVFB) && XVFB, !binary && 'MiniBrowser'].filter(Boolean);

export const webkit: BrowserKind = {
  name: 'WebKit',
  missing: lacks.length === 0 ? '' : ` (skipped: ${lacks.join(', ')} missing; apt-get install webkit2gtk-driver xvfb)`,
  async start() {
    const home = mkdtempSync(join(tmpdir(), 'onebit-webkit-'));
    const children: ChildProcess[] = [];
    const close = async () => {
      for (const child of children.reverse()) await ended(child);
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    };
    try {
      const xvfb = spawn(XVFB, ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], {
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      });
      children.push(xvfb);
      const port = await freePort();
      const driver = spawn(DRIVER, ['-p', String(port)], {
        stdio: 'ignore',
        env: { ...process.env, ...surroundings(home), DISPLAY: `:${await displayOf(xvfb)}` },
      });
      children.push(driver);
      const at = `http://127.0.0.1:${port}`;
      await answering(at);
      // One tab a session, one session a driver: the next tab waits for the one before to be closed.
      const { version } = await openSession(at).then(async ({ tab, version }) => {
        await tab.close();
        return { version };
      });
      return { version, open: async () => (await openSession(at)).tab, close };
    } catch (error) {
      await close();
      throw error;
    }
  },
};

/** Folders of its own, no GPU, a locale: with "C", `Intl.NumberFormat` throws. */
function surroundings(home: string): Record<string, string> {
  const runtime = join(home, 'run');
  mkdirSync(runtime, { mode: 0o700 });
  return {
    HOME: home,
    XDG_RUNTIME_DIR: runtime,
    WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
    LIBGL_ALWAYS_SOFTWARE: '1',
    LANG: 'en_US.UTF-8',
    LC_ALL: 'en_US.UTF-8',
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await exit;
  clearTimeout(timer);
}

/** The number of the display that Xvfb took. */
function displayOf(xvfb: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    xvfb.once('exit', (code) => reject(new Error(`Xvfb ended with code ${code}`)));
    xvfb.stdio[3]!.on('data', (data) => {
      said += data;
      if (said.endsWith('\n')) resolve(said.trim());
    });
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function answering(at: string): Promise<void> {
  const until = Date.now() + START_MS;
  for (;;) {
    const ready = await fetch(`${at}/status`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return;
    if (Date.now() > until) throw new Error('WebKitWebDriver did not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function ask<Value>(method: string, url: string, body?: object): Promise<Value> {
  const response = await fetch(url, { method, body: body && JSON.stringify(body) });
  const { value } = (await response.json()) as { value: Value & { error?: string; message?: string } };
  if (!response.ok) throw new Error(`WebDriver: ${value.error}: ${value.message}`);
  return value;
}

interface Session {
  readonly sessionId: string;
  readonly capabilities: { readonly browserVersion: string };
}

async function openSession(at: string): Promise<{ tab: Tab; version: string }> {
  const options = { binary, args: ['--automation'] };
  const { sessionId, capabilities } = await ask<Session>('POST', `${at}/session`, {
    capabilities: {
      alwaysMatch: { 'webkitgtk:browserOptions': options, timeouts: { script: SCRIPT_MS, pageLoad: START_MS } },
    },
  });
  const session = `${at}/session/${sessionId}`;
  const tab: Tab = {
    goto: async (url) => void (await ask('POST', `${session}/url`, { url })),
    run: async (body) =>
      fromText(
        await ask<string>('POST', `${session}/execute/async`, {
          script: `const done = arguments[arguments.length - 1]; ${asText(body)}.then(done);`,
          args: [],
        }),
      ),
    close: async () => void (await ask('DELETE', session)),
  };
  return { tab, version: capabilities.browserVersion };
}
