// Owns the connection to Redis: what an address says, clients that say at once when Redis is away, clients that wait for it. Must not know what is kept there. The
// packages ioredis and bullmq are optional and loaded only here and in queues.ts.
import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis';
import { OnebitError } from '../errors.ts';
import { ApiError } from '../server/api-error.ts';

/** A client of one server, of one that Sentinels name, or of a Cluster. */
export type RedisClient = Redis | Cluster;

/** Where Redis is, and how to be let in. */
export interface RedisAddress {
  /**
   * `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS, `redis+sentinel://[user:password@]host:port,host:port/master[/db]`,
   * `redis+cluster://[user:password@]host:port,host:port`; `rediss+sentinel` and `rediss+cluster` for TLS.
   */
  readonly url: string;
  /** The password, where it should not stand in the address. */
  readonly password?: string;
  /** How Sentinels let one in, where that is another way than Redis: a name or none, a password or ''. */
  readonly sentinel?: { readonly user?: string; readonly password: string };
  /** Certificates in PEM that are trusted besides those of the system. */
  readonly ca?: string;
}

type IoRedis = Pick<typeof import('ioredis'), 'Redis' | 'Cluster'>;

interface Parsed {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly master?: string;
  readonly options: RedisOptions;
  /** By which Sentinels let one in. */
  readonly sentinel: { readonly user?: string; readonly password?: string };
}

/** All keys lie in one slot of a Cluster: a script touches several. */
export const PREFIX = '{onebit}';
/** Longest wait for an answer to who asks by HTTP, and what he is told to wait then. */
const COMMAND_MS = 5000;
const RETRY_SECONDS = 5;
const LONGEST_PAUSE_MS = 2000;
const PORT = 6379;
const SENTINEL_PORT = 26379;

/** What an address says. @throws OnebitError `bad-argument` */
export function parseAddress({ url, password, ca, sentinel }: RedisAddress): Parsed {
  const found = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/@]+)((?:\/[^/]*){0,2})$/.exec(url);
  if (!found) throw badAddress('got another form');
  const [, tls, kind = 'single', login = '', hosts, path] = found;
  const [user = '', ...secret] = login.split(':');
  const parts = path.split('/').slice(1);
  const master = kind === 'sentinel' ? decode(parts.shift() ?? '') : undefined;
  if (master === '') throw badAddress('got a Sentinel without the name of its master');
  const db = Number(parts.shift() || 0);
  if (!Number.isInteger(db) || db < 0 || parts.length > 0) throw badAddress('got another database than a number');
  if (kind === 'cluster' && db !== 0) throw badAddress('got a database, of which a Cluster has one');
  const nodes = hosts.split(',').map((node) => {
    const [, host, port] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(node) ?? [];
    if (host === undefined) throw badAddress('got a host that is none');
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? (kind === 'sentinel' ? SENTINEL_PORT : PORT)) };
  });
  if (kind === 'single' && nodes.length > 1) throw badAddress('got several hosts');
  const options: RedisOptions = {
    username: decode(user) || undefined,
    password: decode(secret.join(':')) || password,
    db,
    ...(tls === 's' ? { tls: ca === undefined ? {} : { ca } } : {}),
  };
  const { username, password: own } = options;
  return {
    kind: kind as Parsed['kind'],
    nodes,
    master,
    options,
    sentinel: sentinel ?? { user: username, password: own },
  };
}

/** Redis, as one process uses it. */
export class RedisPlace {
  /** Says at once when Redis is away. */
  readonly client: RedisClient;
  private readonly parsed: Parsed;
  private readonly make: (more: RedisOptions) => RedisClient;
  private readonly clients: RedisClient[] = [];

  private constructor(parsed: Parsed, ioredis: IoRedis) {
    this.parsed = parsed;
    this.make = (more) => {
      const client = clientOf(this.parsed, more, ioredis);
      client.on('error', () => {}); // it comes back by itself; who asks meanwhile is told
      this.clients.push(client);
      return client;
    };
    this.client = this.make({ enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: COMMAND_MS });
  }

  /** Connects. @throws OnebitError `unsupported` where ioredis is not installed, `io` where Redis does not answer */
  static async open(address: RedisAddress): Promise<RedisPlace> {
    const parsed = parseAddress(address);
    const place = new RedisPlace(parsed, await optional('ioredis', () => import('ioredis')));
    try {
      await place.ready();
      await place.client.ping();
      return place;
    } catch (cause) {
      place.close();
      const where = parsed.nodes.map(({ host, port }) => `${host}:${port}`).join(', ');
      const why = (cause as Error).message;
      const login = parsed.kind === 'sentinel' ? ' (of the Sentinels: ONEBIT_SENTINEL_PASSWORD)' : '';
      const message = `redis: ${where} must answer, got: ${why}. Check the address, password${login} and TLS.`;
      throw new OnebitError('io', message, { cause });
    }
  }

  /** A client that waits for Redis as long as it takes, as those who work need. */
  patient(): RedisClient {
    return this.make({ maxRetriesPerRequest: null });
  }

  /** What `use` makes of the client. @throws ApiError 503 with `retry-after` while Redis is away or refuses */
  async run<Result>(use: (client: RedisClient) => Promise<Result>): Promise<Result> {
    try {
      return await within(use(this.client), 2 * COMMAND_MS);
    } catch (cause) {
      if (cause instanceof ApiError || cause instanceof OnebitError) throw cause;
      throw unavailable(cause);
    }
  }

  close(): void {
    for (const client of this.clients) client.disconnect();
  }

  private ready(): Promise<void> {
    const { client } = this;
    return new Promise((resolve, reject) => {
      let last = new Error('no answer');
      const note = (error: Error) => {
        last = error;
      };
      const timer = setTimeout(() => reject(last), COMMAND_MS);
      client.on('error', note);
      client.once('ready', () => {
        clearTimeout(timer);
        client.off('error', note);
        resolve();
      });
    });
  }
}

const UNAVAILABLE = 'store_unavailable';

/** What is told while Redis is away. */
export function unavailable(cause: unknown): ApiError {
  return new ApiError(503, 'What this server keeps in Redis cannot be reached. Try again later.', {
    ...{ code: UNAVAILABLE, retryAfterSeconds: RETRY_SECONDS, cause },
  });
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof ApiError && error.code === UNAVAILABLE;
}

/** A package that is loaded when it is used. @throws OnebitError `unsupported` where it is not installed */
export async function optional<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    const message = `redis: the package ${name} must be installed, it is not. Run: npm install bullmq ioredis`;
    throw new OnebitError('unsupported', message, { cause });
  }
}

function clientOf({ kind, nodes, master, options, sentinel }: Parsed, more: RedisOptions, ioredis: IoRedis) {
  const pause = (times: number) => Math.min(50 * 2 ** Math.min(times, 10), LONGEST_PAUSE_MS);
  const own: RedisOptions = { ...options, ...more, retryStrategy: pause };
  if (kind === 'cluster') {
    // Connections to nodes queue until they are ready: by them the Cluster says where its slots are.
    const { enableOfflineQueue = true, ...redisOptions } = own;
    const cluster: ClusterOptions = { redisOptions, enableOfflineQueue, clusterRetryStrategy: pause };
    return new ioredis.Cluster([...nodes], cluster);
  }
  if (kind === 'sentinel') {
    const { tls } = options;
    const login = { sentinelUsername: sentinel.user, sentinelPassword: sentinel.password };
    const asked = { sentinels: [...nodes], name: master, ...login };
    return new ioredis.Redis({
      ...own,
      ...asked,
      ...(tls ? { sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
    });
  }
  return new ioredis.Redis({ ...own, ...nodes[0] });
}

/** The result, or an error after so long. */
export function within<Result>(result: Promise<Result>, ms: number): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
    result.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badAddress('got a % that stands for nothing');
  }
}

/** Never shows the address: it may hold a password. */
function badAddress(got: string): OnebitError {
  return new OnebitError(
    'bad-argument',
    `redis: the address must be redis://[user:password@]host[:port][/db], rediss://, redis+sentinel://host:port,host:port/master or redis+cluster://host:port,host:port; ${got}.`,
  );
}
