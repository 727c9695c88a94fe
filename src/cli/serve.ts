// Owns `onebit serve`: models, keys and limits from flags, then listening until a signal comes. The server itself is loaded only by this command.
import { Command } from 'commander';
import type { KeyConfig } from '../server/keys.ts';
import { addComputeOptions, type CommandContext, type ComputeFlags, numberBetween, wholeNumber } from './context.ts';
import { serveKeys } from './serve-keys.ts';
import { modelEntries } from './serve-models.ts';
import { builtSite } from './serve-site.ts';

export interface ServeFlags extends ComputeFlags {
  model?: string[];
  port: number;
  host: string;
  apiKey?: string[];
  apiKeys?: string;
  parallel: number;
  queue: number;
  kvTokens?: number;
  memory?: number;
  idle?: number;
  cors?: string[];
  allowHost?: string[];
  maxBody: number;
  timeout: number;
  drain: number;
  openMetrics?: boolean;
  logTexts?: boolean;
  quiet?: boolean;
}

const HELP = `
Examples:
  onebit serve -m prism-ml/Bonsai-1.7B-gguf
  onebit serve -m models/ --memory 4000 --idle 10 --host 0.0.0.0 --api-keys keys.json
  curl http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"messages":[{"role":"user","content":"Where is my parcel?"}],"stream":true}'

Point any OpenAI client at http://127.0.0.1:8080/v1. Requests are logged on standard output, one JSON document a line.`;

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** The command `serve`. */
export function serveCommand({ signal, endsBySignal }: CommandContext): Command {
  const collect = (value: string, previous: string[] = []) => [...previous, value];
  const command = new Command('serve')
    .description("serve models over HTTP, in OpenAI's form")
    .option('-m, --model <path|name>', 'a model, as elsewhere, or a folder of GGUF files; may be repeated', collect);
  return addComputeOptions(command)
    .option('--port <n>', 'port, 0 for a free one', wholeNumber(0, 65535), 8080)
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all', '127.0.0.1')
    .option('--api-key <key>', 'a key that clients must present (may be repeated; also ONEBIT_API_KEY)', collect)
    .option('--api-keys <file>', 'JSON with names, hashes and limits of keys')
    .option('--parallel <n>', 'requests that run at once', wholeNumber(1, 64), 16)
    .option('--queue <n>', 'requests that may wait; more are answered 429', wholeNumber(0, 100_000), 64)
    .option('--kv-tokens <n>', 'tokens that all requests together can hold in the cache', wholeNumber(1, 1 << 28))
    .option('--memory <MB>', 'most memory of all loaded models together', numberBetween(1, 1e9))
    .option('--idle <minutes>', 'of several models, put away those unused for so long', numberBetween(0, 1e6))
    .option('--cors <origin>', 'let pages of this origin ask, * for all (may be repeated)', collect)
    .option('--allow-host <name>', 'another name by which the server may be called (may be repeated)', collect)
    .option('--max-body <MB>', 'largest body of a request', numberBetween(0.001, 1000), 8)
    .option('--timeout <seconds>', 'longest time for one answer', numberBetween(0.1, 1e6), 600)
    .option('--drain <seconds>', 'at SIGTERM, how long running requests may take to end', numberBetween(0, 1e6), 30)
    .option('--open-metrics', 'answer /metrics without a key, for a Prometheus in a closed network')
    .option('--log-texts', 'put the texts of prompts and answers into the log')
    .option('--quiet', 'log nothing')
    .addHelpText('after', HELP)
    .action(async (flags: ServeFlags, { parent }: Command) => {
      endsBySignal();
      await serve(flags, signal, parent?.version());
    });
}

async function serve(flags: ServeFlags, signal: AbortSignal, version?: string): Promise<void> {
  const keys = await serveKeys(flags.apiKey, flags.apiKeys);
  const { OnebitServer } = await import('../server/app.ts');
  const { ModelShelf } = await import('../server/model-shelf.ts');
  const { listen } = await import('../server/node-adapter.ts');
  const shelf = new ModelShelf(await modelEntries(flags), {
    memoryBytes: flags.memory === undefined ? undefined : flags.memory * 1e6,
    idleMs: flags.idle === undefined ? undefined : flags.idle * 60_000,
  });
  const server = new OnebitServer(shelf, {
    keys,
    corsOrigins: flags.cors,
    hosts: hostsFor(flags, keys),
    limits: { bodyBytes: flags.maxBody * 1e6, requestMs: flags.timeout * 1000 },
    log: flags.quiet ? undefined : (entry) => process.stdout.write(`${JSON.stringify(entry)}\n`),
    openMetrics: flags.openMetrics,
    logTexts: flags.logTexts,
    version,
    site: builtSite,
    residentBytes: () => process.memoryUsage.rss(),
  });
  const silenceMs = (flags.timeout + 60) * 1000;
  const listening = await listen(server.fetch, { port: flags.port, host: flags.host, silenceMs });
  try {
    const stopLoading = () => void server.dispose();
    signal.addEventListener('abort', stopLoading, { once: true });
    (await shelf.borrow()).release();
    signal.removeEventListener('abort', stopLoading);
    process.stderr.write(`listening on ${listening.url} with ${shelf.ids.join(', ')}\n`);
    if (!isLoopback(flags.host) && keys.length === 0) {
      process.stderr.write('warning: everybody who reaches this address may use it. Set --api-key.\n');
    }
    await aborted(signal);
    process.stderr.write('shutting down\n');
    await server.drain(flags.drain * 1000);
  } finally {
    await listening.close();
    await server.dispose();
  }
}

/** Without keys, pages that resolve their own name to a loopback address must not get in. */
function hostsFor(flags: ServeFlags, keys: readonly KeyConfig[]): string[] | undefined {
  if (keys.length > 0 || !isLoopback(flags.host)) return undefined;
  return [...LOOPBACK, ...(flags.allowHost ?? [])];
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
