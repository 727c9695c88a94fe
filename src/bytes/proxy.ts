// Owns going through the proxy that the environment names, as curl, npm and git do: HTTPS_PROXY, HTTP_PROXY, NO_PROXY, in capitals or not. Node's own
// fetch does not look at them. The library is loaded only where a proxy is named. Node only.
import { OnebitError } from '../errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

let known: { key: string; fetch: typeof globalThis.fetch } | undefined;

/** A `fetch` that uses the proxies of `env`; undefined where it names none. Throws `bad-argument` for a proxy that is no http(s) URL. */
export async function proxyFetch(env: Environment = process.env): Promise<typeof globalThis.fetch | undefined> {
  const httpProxy = proxyOf(env, 'http_proxy');
  const httpsProxy = proxyOf(env, 'https_proxy') ?? httpProxy;
  if (httpProxy === undefined && httpsProxy === undefined) return undefined;
  const noProxy = env.no_proxy ?? env.NO_PROXY ?? '';
  const key = [httpProxy, httpsProxy, noProxy].join('\n');
  if (known?.key === key) return known.fetch;
  const { EnvHttpProxyAgent, fetch, Pool } = await import('undici');
  // Nothing is left to the library's reading of the environment: an empty text stands for "none".
  const dispatcher = new EnvHttpProxyAgent({
    httpProxy: httpProxy ?? '',
    httpsProxy: httpsProxy ?? '',
    noProxy,
    clientFactory: (origin: URL, options: object) => {
      const proxy = new Pool(origin, options);
      return Object.assign(proxy, { connect: failing(proxy.connect.bind(proxy)) });
    },
    proxyTunnel: false, // http: asked for by whole URLs, as other programs do; https always goes through a tunnel
  });
  const through = async (input: string | URL | Request, init?: RequestInit) => {
    try {
      return await fetch(input as string, { ...init, dispatcher } as never);
    } catch (error) {
      throw explained(error, [httpsProxy, httpProxy]);
    }
  };
  known = { key, fetch: through as never };
  return known.fetch;
}

/**
 * `connect` with errors that end the request. Where a proxy closes the connection instead of making a tunnel, the library's own kind of error would make it
 * ask again at once, some 2,000 times a second, until the request is aborted.
 */
function failing<Args extends unknown[], Tunnel>(
  connect: (...args: Args) => Promise<Tunnel>,
): (...args: Args) => Promise<Tunnel> {
  return async (...args) => {
    try {
      return await connect(...args);
    } catch (cause) {
      if ((cause as { code?: unknown }).code !== 'UND_ERR_SOCKET') throw cause;
      throw Object.assign(new Error('the proxy closed the connection'), { code: 'ECONNRESET' });
    }
  };
}

/** A proxy's URL; where its scheme is left out, as curl allows, it is http. */
function proxyOf(env: Environment, name: string): string | undefined {
  const value = (env[name] ?? env[name.toUpperCase()])?.trim();
  if (!value) return undefined;
  const url = value.includes('://') ? value : `http://${value}`;
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new OnebitError(
    'bad-argument',
    `proxy: ${name.toUpperCase()} must be an http or https URL, got ${url.replace(/\/\/.*@/, '//')}. Correct it, or name the host in NO_PROXY.`,
  );
}

/** A failed connection says that it went to a proxy, and to which. */
function explained(error: unknown, proxies: readonly (string | undefined)[]): unknown {
  if (!(error instanceof Error) || !(error.cause instanceof Error)) return error;
  let deepest = error.cause;
  while (deepest.cause instanceof Error) deepest = deepest.cause;
  const hosts = [...new Set(proxies.flatMap((url) => (url ? new URL(url).host : [])))].join(', ');
  const { cause } = error;
  const more = new Error(`${deepest.message}; the environment names the proxy ${hosts}`, { cause });
  if ('code' in deepest) Object.assign(more, { code: deepest.code });
  return new TypeError(error.message, { cause: more });
}
