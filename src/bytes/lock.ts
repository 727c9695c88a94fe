// Owns locks between processes: a file that exists while one of them works. Must not know what is protected. Node only.
import { randomUUID } from 'node:crypto';
import { link, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { sleep } from '../core/sleep.ts';
import { OnebitError } from '../errors.ts';
import { fileError, systemCode } from './file-source.ts';
import { removeTemporaries, temporaryPath } from './file-write.ts';

/** A held lock. */
export interface Lock {
  /** Throws `io` when another process took the lock over, which happens only to a process that slept for minutes. */
  check(): Promise<void>;
  release(): Promise<void>;
}

interface Holder {
  pid: number;
  /** When the process started, as its system says it: process ids come again. Empty where that is not to be had. */
  started: string;
  host: string;
  token: string;
}

const HEARTBEAT_MS = 10_000;
/** A holder that missed a dozen heartbeats is dead or asleep: the only evidence when it ran on another machine, or when its start is not known. */
const STALE_MS = 120_000;
const POLL_MS = 200;

/**
 * Takes the lock at `path`, waiting while a live process has it (`onWait` is called once with its process id; what it throws ends the wait). The lock
 * of a process that died is taken over. Throws `io` when the file cannot be made or a file that is no lock is in its place, the signal's reason when
 * aborted.
 */
export async function takeLock(
  path: string,
  options: { signal?: AbortSignal; onWait?(pid: number): void } = {},
): Promise<Lock> {
  let waited = false;
  for (;;) {
    options.signal?.throwIfAborted();
    const lock = await tryLock(path);
    if (lock) return lock;
    const holder = await readHolder(path);
    if (!holder && (await isForeign(path))) {
      throw new OnebitError('io', `lock ${path}: a file that is no lock is in its place. Move it away.`);
    }
    if (await isStale(path, holder)) {
      await removeStale(path, holder);
      continue;
    }
    if (!waited) options.onWait?.(holder?.pid ?? 0);
    waited = true;
    await sleep(POLL_MS, options.signal);
  }
}

/** Whether a live process holds the lock at `path`. */
export async function isLocked(path: string): Promise<boolean> {
  try {
    await stat(path);
  } catch {
    return false;
  }
  return !(await isStale(path, await readHolder(path)));
}

async function tryLock(path: string): Promise<Lock | undefined> {
  const { started = '' } = (await processOf(process.pid)) ?? {};
  const own: Holder = { pid: process.pid, started, host: hostname(), token: randomUUID() };
  try {
    await makeWhole(path, JSON.stringify(own));
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return undefined;
    throw fileError('lock', path, error);
  }
  await removeTemporaries(path);
  const isOurs = async () => (await readHolder(path))?.token === own.token;
  const heartbeat = setInterval(async () => {
    const now = new Date();
    if (await isOurs()) await utimes(path, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return {
    async check() {
      if (await isOurs()) return;
      throw new OnebitError('io', `lock ${path}: another process took it over. Run the command again.`);
    },
    async release() {
      clearInterval(heartbeat);
      if (await isOurs()) await unlink(path).catch(() => {});
    },
  };
}

/** Makes a new file whole or not at all, where the disk has links: one that a killed process left empty would look as if it were just being made. */
async function makeWhole(path: string, text: string): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    await writeFile(temporary, text, { flag: 'wx' });
    await link(temporary, path);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENOENT'].includes(systemCode(error) ?? '')) throw error;
    await writeFile(path, text, { flag: 'wx' }).catch(async (error) => {
      if (systemCode(error) !== 'EEXIST') await unlink(path).catch(() => {});
      throw error;
    });
  } finally {
    await unlink(temporary).catch(() => {});
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const { pid, started, host, token } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof token !== 'string') return undefined;
    return { pid, started: typeof started === 'string' ? started : '', host, token };
  } catch {
    // Missing, or just being written: the age decides.
  }
  return undefined;
}

/** Whether a file that has bytes and stays unreadable as a lock is there. An empty one is just being made, or was when its process died. */
async function isForeign(path: string): Promise<boolean> {
  const size = async () => (await stat(path).catch(() => undefined))?.size ?? 0;
  return (await size()) > 0 && (await readHolder(path)) === undefined && (await size()) > 0;
}

async function isStale(path: string, holder: Holder | undefined): Promise<boolean> {
  if (holder?.host === hostname()) {
    if (!isAlive(holder.pid)) return true;
    const process = await processOf(holder.pid);
    if (process?.isDead) return true;
    if (process && holder.started) return process.started !== holder.started;
  }
  try {
    return Date.now() - (await stat(path)).mtimeMs > STALE_MS;
  } catch {
    return false;
  }
}

/**
 * When a process started, in the words of its system, and whether it has ended and only waits for its parent to look (in containers it may wait for ever); undefined
 * where that cannot be asked for. Source: proc(5), fields 3 and 22 of stat.
 */
async function processOf(pid: number): Promise<{ started: string; isDead: boolean } | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { started: fields[19], isDead: fields[0] === 'Z' || fields[0] === 'X' };
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}

/** Moves the stale lock away before removing it: when several processes try, and one already has a new lock there, it is put back. */
async function removeStale(path: string, stale: Holder | undefined): Promise<void> {
  const aside = temporaryPath(path);
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readHolder(aside))?.token !== stale?.token) await link(aside, path).catch(() => {});
  await unlink(aside).catch(() => {});
}
