// Owns the options that say where Redis is, and opening what is kept there. Everything of it is loaded only when it is named.
import type { Command } from 'commander';
import { OnebitError } from '../errors.ts';
import type { RedisPlace } from '../redis/connection.ts';
import type { ServerOptions } from '../server/app.ts';
import { readInputText } from './read-input.ts';

export interface RedisFlags {
  jobs?: string;
  state?: string;
  redisCa?: string;
}

/** What of a server lies in Redis. */
export interface InRedis {
  readonly options: Pick<ServerOptions, 'openJobs' | 'openQueue' | 'state'>;
  close(): void;
}

/** Adds --redis-ca. */
export function addRedisOptions(command: Command): Command {
  return command.option(
    '--redis-ca <file>',
    'certificates in PEM to trust, for rediss://; the password may be in ONEBIT_REDIS_PASSWORD',
  );
}

/** Whether it is an address of Redis, and not a folder. */
export function isRedis(place: string | undefined): place is string {
  return place !== undefined && /^rediss?(\+\w+)?:\/\//.test(place);
}

/** A connection to Redis. @throws OnebitError */
export async function openPlace(url: string, flags: RedisFlags, signal: AbortSignal) {
  const { RedisPlace } = await import('../redis/connection.ts');
  checkCa(flags);
  const { redisCa } = flags;
  const { ONEBIT_REDIS_PASSWORD: password, ONEBIT_SENTINEL_USER: user, ONEBIT_SENTINEL_PASSWORD: own } = process.env;
  const ca = redisCa === undefined ? undefined : await readInputText(redisCa, 'read certificates', signal);
  return RedisPlace.open({ url, ca, password, sentinel: own === undefined ? undefined : { user, password: own } });
}

/** Who trusts certificates means TLS, and would send a password without it. @throws OnebitError where no address has it */
function checkCa({ redisCa, jobs, state }: RedisFlags): void {
  if (redisCa === undefined || [jobs, state].some((address) => isRedis(address) && address.startsWith('rediss')))
    return;
  const message = 'redis: with --redis-ca the address of --jobs or --state must begin with rediss, for TLS; none does.';
  throw new OnebitError('bad-argument', message);
}

/** Opens what the flags say lies in Redis. @throws OnebitError where it cannot be reached */
export async function openInRedis(flags: RedisFlags, signal: AbortSignal): Promise<InRedis> {
  checkCa(flags);
  const shared = await openState(flags, signal);
  if (!isRedis(flags.jobs)) return { options: { state: shared?.state }, close: () => shared?.close() };
  let jobs: RedisPlace | undefined;
  const close = () => {
    jobs?.close();
    shared?.close();
  };
  try {
    const { openRedisJobs, RedisQueue } = await import('../redis/redis-queue.ts');
    jobs = await openPlace(flags.jobs, flags, signal);
    const opened = await openRedisJobs(jobs);
    const openQueue: ServerOptions['openQueue'] = (work) => new RedisQueue(opened, work);
    return { options: { state: shared?.state, openJobs: async () => opened.store, openQueue }, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Opens what --state names. @throws OnebitError where it cannot be reached */
export async function openState(flags: RedisFlags, signal: AbortSignal) {
  if (flags.state === undefined) return undefined;
  const { redisState } = await import('../redis/redis-state.ts');
  const place = await openPlace(flags.state, flags, signal);
  return { state: redisState(place), close: () => place.close() };
}
