// Owns running a server from flags: keys, limits, names, then listening until a signal comes. Must not know which models it has.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskStore } from '../bulk/disk-store.ts';
import { cacheFolder } from '../bytes/cache.ts';
import { isLoopback, LOOPBACK_NAMES } from '../core/loopback.ts';
import { printable } from '../core/printable.ts';
import { OnebitError } from '../errors.ts';
import type { SigningKey } from '../provenance/index.ts';
import type { OnebitServer, ServerOptions } from '../server/app.ts';
import type { KeyConfig } from '../server/keys.ts';
import type { ModelShelf } from '../server/model-shelf.ts';
import type { AnswerSigner } from '../server/signed-answers.ts';
import { type OperatorFlags, openOperator } from './operator-flags.ts';
import { note, printJsonLine } from './print.ts';
import { type InRedis, isRedis, openInRedis, type RedisFlags } from './redis-flags.ts';
import { serveKeys } from './serve-keys.ts';
import { signingKeyOf } from './sign.ts';
import { keepHeapSmall } from './small-heap.ts';
import { telemetryHere } from './telemetry.ts';

/** What all servers are told. */
export interface ServerFlags extends RedisFlags, OperatorFlags {
  port: number;
  host: string;
  apiKey?: string[];
  apiKeys?: string;
  cors?: string[];
  allowHost?: string[];
  maxBody: number;
  timeout: number;
  drain: number;
  openMetrics?: boolean;
  logTexts?: boolean;
  signKey?: string;
  quiet?: boolean;
}

/** Milliseconds that a server may take to end: running requests, and then what is left of them. */
export function graceOf({ drain }: ServerFlags): number {
  return 1000 * drain + 10_000;
}

/** Serves the models of `shelf`, the first of them loaded before it says that it listens, until `signal` comes. */
export async function runServer(
  flags: ServerFlags,
  shelf: ModelShelf,
  more: Pick<ServerOptions, 'support' | 'version' | 'site' | 'webhook' | 'abstain'> & {
    digestOf?: AnswerSigner['digestOf'];
  },
  signal: AbortSignal,
): Promise<void> {
  const keys = await serveKeys(flags.apiKey, flags.apiKeys, signal, flags.keyTokensPerDay);
  const { digestOf = async () => undefined, ...options } = more;
  const key = flags.signKey === undefined ? undefined : await signingKeyOf(flags.signKey, signal);
  const operator = await openOperator(flags);
  const { OnebitServer } = await import('../server/app.ts');
  let inRedis: InRedis | undefined;
  try {
    inRedis = await openInRedis(flags, signal);
    const server = new OnebitServer(shelf, {
      ...options,
      ...operator.options,
      keys,
      signer: key && { key, digestOf },
      openJobs: () => DiskStore.open(jobsFolder(flags)),
      ...inRedis.options,
      corsOrigins: flags.cors,
      hosts: hostsFor(flags, keys),
      limits: { bodyBytes: flags.maxBody * 1e6, requestMs: flags.timeout * 1000 },
      log: flags.quiet ? undefined : (entry) => printJsonLine(entry),
      openMetrics: flags.openMetrics,
      logTexts: flags.logTexts,
      telemetry: await telemetryHere(),
      residentBytes: () => process.memoryUsage.rss(),
    });
    await listenUntil(signal, server, shelf, flags, { keys, key });
  } finally {
    await operator.close();
    inRedis?.close();
  }
}

/** Answers until `signal` comes, and ends what runs. */
async function listenUntil(
  signal: AbortSignal,
  server: OnebitServer,
  shelf: ModelShelf,
  flags: ServerFlags,
  { keys, key }: { readonly keys: readonly KeyConfig[]; readonly key: SigningKey | undefined },
): Promise<void> {
  const { listen } = await import('../server/node-adapter.ts');
  const silenceMs = (flags.timeout + 60) * 1000;
  const listening = await listen(server.fetch, { port: flags.port, host: flags.host, silenceMs });
  try {
    const stopLoading = () => void server.dispose();
    signal.addEventListener('abort', stopLoading, { once: true });
    if (shelf.ids.length > 0) (await shelf.borrow()).release();
    signal.removeEventListener('abort', stopLoading);
    await resumeJobs(flags, server);
    keepHeapSmall();
    if (key) note(`answers are signed by ${key.id}`);
    note(printable(`listening on ${listening.url} with ${server.modelIds.join(', ')}`));
    if (!isLoopback(flags.host) && keys.length === 0) {
      note('warning: everybody who reaches this address may use it. Set --api-key.');
    }
    await aborted(signal);
    note('shutting down');
    await server.drain(flags.drain * 1000);
  } finally {
    await listening.close();
    await server.dispose();
  }
}

function jobsFolder({ jobs }: ServerFlags): string {
  return jobs ?? join(cacheFolder(), 'jobs');
}

/** Goes on with the batches of an earlier process. The folder that nobody named is left to the server that has it. */
async function resumeJobs(flags: ServerFlags, server: OnebitServer): Promise<void> {
  if (isRedis(flags.jobs)) {
    await server.jobs();
    note('files and batches lie in Redis: onebit worker answers their rows');
    return;
  }
  const isThere = await stat(jobsFolder(flags)).catch(() => undefined);
  if (!isThere && flags.jobs === undefined) return;
  try {
    await server.jobs();
  } catch (error) {
    if (flags.jobs !== undefined || !(error instanceof OnebitError)) throw error;
    note(`note: files and batches are off. ${error.message} Give this server a folder of its own: --jobs`);
  }
}

/** Without keys, pages that resolve their own name to a loopback address must not get in. */
function hostsFor(flags: ServerFlags, keys: readonly KeyConfig[]): string[] | undefined {
  if (keys.length > 0 || !isLoopback(flags.host)) return undefined;
  return [...LOOPBACK_NAMES, ...(flags.allowHost ?? [])];
}

/** Waits for the end that `signal` says. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
