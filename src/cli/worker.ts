// Owns `onebit worker`: a process that answers rows of batches which servers have put into Redis. What is loaded for that is loaded only by this command.
import { Command } from 'commander';
import { printable } from '../core/printable.ts';
import { OnebitError } from '../errors.ts';
import type { OnebitServer } from '../server/app.ts';
import { type AbstainFlags, addAbstainOptions } from './calibration-file.ts';
import {
  addComputeOptions,
  type CommandContext,
  type ComputeFlags,
  collect,
  numberBetween,
  wholeNumber,
} from './context.ts';
import { addOperatorOptions, type OperatorFlags, openOperator } from './operator-flags.ts';
import { note, printJsonLine } from './print.ts';
import { addRedisOptions, isRedis, openPlace, openState, type RedisFlags } from './redis-flags.ts';
import { serveKeys } from './serve-keys.ts';
import { abstainOfServed, modelEntries } from './serve-models.ts';
import { aborted } from './serve-run.ts';
import { keepHeapSmall } from './small-heap.ts';
import { openSupport } from './support-files.ts';
import { telemetryHere } from './telemetry.ts';

interface WorkerFlags extends ComputeFlags, RedisFlags, OperatorFlags, AbstainFlags {
  model?: string[];
  support?: string;
  apiKey?: string[];
  apiKeys?: string;
  parallel: number;
  kvTokens?: number;
  memory?: number;
  idle?: number;
  lease: number;
  drain: number;
  timeout: number;
  healthPort?: number;
  host: string;
  logTexts?: boolean;
  quiet?: boolean;
}

const HELP = `
Examples:
  redis-server --appendonly yes
  onebit serve -m model.gguf --jobs redis://127.0.0.1       # takes files and batches
  onebit worker -m model.gguf --jobs redis://127.0.0.1      # answers them; as many as you like, on any machine

Needs the packages bullmq and ioredis beside onebit: npm install bullmq ioredis
Give workers the --api-keys of the servers, and their --watermark, --policy and --abstain, for it is the worker that answers; an --audit log of their own. SIGTERM: no more rows are taken, those that run end.`;

const GRACE_MS = 15_000;
const OPEN_PATHS = ['/health', '/ready', '/metrics'];

/** The command `worker`. */
export function workerCommand({ signal, endsBySignal }: CommandContext): Command {
  const command = new Command('worker')
    .description('answer rows of batches that servers have put into Redis')
    .requiredOption(
      '--jobs <url>',
      'where servers put them: redis://host, rediss://, redis+sentinel://, redis+cluster://',
    )
    .option('-m, --model <path|name>', 'a model, as elsewhere, or a folder of GGUF files; may be repeated', collect);
  return addRedisOptions(addOperatorOptions(addAbstainOptions(addComputeOptions(command))))
    .option('--support <file>', "also say what customers' queries are about: a model of onebit support train")
    .option('--state <url>', 'where the limits of keys are counted for all together: redis://host')
    .option('--api-key <key>', 'a key that the servers have (may be repeated; also ONEBIT_API_KEY)', collect)
    .option('--api-keys <file>', 'JSON with names, hashes and limits of the keys that the servers have')
    .option('--parallel <n>', 'rows of each model that are answered at once', wholeNumber(1, 64), 8)
    .option('--kv-tokens <n>', 'tokens that all rows together can hold in the cache', wholeNumber(1, 1 << 28))
    .option('--memory <MB>', 'most memory of all loaded models together', numberBetween(1, 1e9))
    .option('--idle <minutes>', 'of several models, put away those unused for so long', numberBetween(0, 1e6))
    .option(
      '--lease <seconds>',
      'a row whose worker says nothing for so long goes to another',
      numberBetween(1, 3600),
      30,
    )
    .option('--timeout <seconds>', 'longest time for one answer', numberBetween(0.1, 1e6), 600)
    .option('--drain <seconds>', 'at SIGTERM, how long running rows may take to end', numberBetween(0, 1e6), 30)
    .option(
      '--health-port <n>',
      'answer /health, /ready and /metrics on this port, 0 for a free one',
      wholeNumber(0, 65535),
    )
    .option('--host <address>', 'address for --health-port; 0.0.0.0 for all', '127.0.0.1')
    .option('--log-texts', 'put the texts of prompts and answers into the log')
    .option('--quiet', 'log nothing')
    .addHelpText('after', HELP)
    .action(async (flags: WorkerFlags) => {
      endsBySignal(1000 * flags.drain + GRACE_MS);
      await work(flags, signal);
    });
}

async function work(flags: WorkerFlags, signal: AbortSignal): Promise<void> {
  if (!isRedis(flags.jobs)) {
    throw new OnebitError(
      'bad-argument',
      'worker: --jobs must be an address of Redis, got something else. redis://host',
    );
  }
  const keys = await serveKeys(flags.apiKey, flags.apiKeys, signal, flags.keyTokensPerDay);
  const support = flags.support === undefined ? undefined : await openSupport(flags.support, signal);
  const { ModelShelf } = await import('../server/model-shelf.ts');
  const isSupportOnly = support !== undefined && flags.model === undefined;
  const entries = isSupportOnly ? [] : await modelEntries({ ...flags, queue: flags.parallel });
  const abstain = await abstainOfServed(flags, entries.length, signal);
  const shelf = new ModelShelf(entries, {
    memoryBytes: flags.memory === undefined ? undefined : flags.memory * 1e6,
    idleMs: flags.idle === undefined ? undefined : flags.idle * 60_000,
    mayBeEmpty: isSupportOnly,
  });
  const { openRedisJobs } = await import('../redis/redis-queue.ts');
  const { RowWorker } = await import('../redis/row-worker.ts');
  const { OnebitServer: Server } = await import('../server/app.ts');
  const place = await openPlace(flags.jobs, flags, signal);
  let operator: Awaited<ReturnType<typeof openOperator>> | undefined;
  let shared: Awaited<ReturnType<typeof openState>>;
  let server: OnebitServer | undefined;
  let health: Awaited<ReturnType<typeof listenForHealth>>;
  try {
    operator = await openOperator(flags);
    const jobs = await openRedisJobs(place);
    shared = await openState(flags, signal);
    server = new Server(shelf, {
      ...{ ...operator.options, abstain, keys, support, logTexts: flags.logTexts, openMetrics: true },
      state: shared?.state,
      limits: { requestMs: flags.timeout * 1000 },
      log: flags.quiet ? undefined : (entry) => printJsonLine(entry),
      telemetry: await telemetryHere(),
      residentBytes: () => process.memoryUsage.rss(),
    });
    health = await listenForHealth(server.fetch, flags);
    if (!isSupportOnly) (await shelf.borrow(undefined, signal)).release();
    keepHeapSmall();
    const worker = new RowWorker(jobs, server.queueWork(jobs.store), {
      parallel: flags.parallel,
      leaseSeconds: flags.lease,
    });
    note(printable(`working with ${server.modelIds.join(', ')}${health ? `; ${health.url}/health` : ''}`));
    await aborted(signal);
    note('draining');
    await worker.close(flags.drain * 1000);
  } finally {
    await health?.close();
    place.close();
    shared?.close();
    await server?.dispose();
    await operator?.close();
  }
}

/** Answers those who watch over the process, and nobody else. */
async function listenForHealth(fetch: (request: Request) => Promise<Response>, { healthPort, host }: WorkerFlags) {
  if (healthPort === undefined) return undefined;
  const { listen } = await import('../server/node-adapter.ts');
  const some = async (request: Request) =>
    OPEN_PATHS.includes(new URL(request.url).pathname) ? fetch(request) : new Response('not here', { status: 404 });
  return listen(some, { port: healthPort, host });
}
