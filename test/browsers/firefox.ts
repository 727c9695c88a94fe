// Owns Debian's Firefox, driven over WebDriver BiDi (https://w3c.github.io/webdriver-bidi/): the few commands that a `Tab` needs.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { asText, type BrowserKind, fromText, type RunningBrowser } from './tab.ts';

const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
const START_MS = 60_000;

export const firefox: BrowserKind = {
  name: 'Firefox',
  missing: existsSync(FIREFOX) ? '' : ` (skipped: no browser at ${FIREFOX}; set FIREFOX)`,
  async start() {
    const profile = mkdtempSync(join(tmpdir(), 'onebit-firefox-'));
    const args = ['--headless', '--no-remote', '--remote-debugging-port=0', '--profile', profile];
    const child = spawn(FIREFOX, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const end = async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        await ended;
      }
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    };
    try {
      return await connect(await listeningAt(child), end);
    } catch (error) {
      await end();
      throw error;
    }
  },
};

/** The address that Firefox says it listens at. */
function listeningAt(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => reject(new Error(`Firefox did not start: ${said}`)), START_MS);
    child.once('exit', (code) => reject(new Error(`Firefox ended with code ${code}: ${said}`)));
    child.stderr!.on('data', (data) => {
      said += data;
      const address = /WebDriver BiDi listening on (ws:\S+)/.exec(said)?.[1];
      if (!address) return;
      clearTimeout(timer);
      resolve(`${address}/session`);
    });
  });
}

type Send = <Result>(method: string, params: object) => Promise<Result>;

async function connect(address: string, end: () => Promise<void>): Promise<RunningBrowser> {
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  socket.on('message', (data) => {
    const { id, type, result, error, message } = JSON.parse(String(data));
    const call = waiting.get(id);
    waiting.delete(id);
    if (type === 'success') call?.resolve(result as never);
    else call?.reject(new Error(`${error}: ${message}`));
  });
  socket.on('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('Firefox closed the connection'));
  });
  let lastId = 0;
  const send: Send = (method, params) =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      waiting.set(id, { resolve, reject });
      socket.send(JSON.stringify({ id, method, params }));
    });
  const { capabilities } = await send<{ capabilities: { browserVersion: string } }>('session.new', {
    capabilities: {},
  });
  return {
    version: capabilities.browserVersion,
    open: () => openTab(send),
    async close() {
      socket.close();
      await end();
    },
  };
}

interface Evaluated {
  readonly type: 'success' | 'exception';
  readonly result: { readonly value: string };
  readonly exceptionDetails: { readonly text: string };
}

async function openTab(send: Send) {
  const { userContext } = await send<{ userContext: string }>('browser.createUserContext', {});
  const { context } = await send<{ context: string }>('browsingContext.create', { type: 'tab', userContext });
  return {
    goto: async (url: string) => void (await send('browsingContext.navigate', { context, url, wait: 'complete' })),
    async run<Result>(body: string): Promise<Result> {
      const { type, result, exceptionDetails } = await send<Evaluated>('script.evaluate', {
        expression: asText(body),
        target: { context },
        awaitPromise: true,
      });
      if (type === 'exception') throw new Error(`in the page: ${exceptionDetails.text}`);
      return fromText(result.value);
    },
    close: async () => void (await send('browser.removeUserContext', { userContext })),
  };
}
