// Owns starting a real server on a free port for tests: a model, the routes, Node's adapter.
import { type LoadOptions, load } from '../../src/index.ts';
import type { LanguageModel } from '../../src/language-model.ts';
import { OnebitServer, type ServerOptions } from '../../src/server/app.ts';
import type { LogEntry } from '../../src/server/exchange.ts';
import { type ListenOptions, listen } from '../../src/server/node-adapter.ts';
import { tinyModel } from '../tiny-model.ts';

export interface StartedServer {
  readonly url: string;
  readonly model: LanguageModel;
  readonly server: OnebitServer;
  /** What was logged. */
  readonly log: LogEntry[];
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  stop(): Promise<void>;
}

/** Starts a server with a tiny random model on the reference backend, unless `model` brings another. */
export async function startServer(
  options: ServerOptions & {
    load?: LoadOptions;
    listen?: Partial<ListenOptions>;
    model?: LanguageModel;
    chatTemplate?: string;
    contextLength?: number;
  } = {},
): Promise<StartedServer> {
  const model =
    options.model ??
    (await load(await tinyModel({ contextLength: options.contextLength ?? 512, chatTemplate: options.chatTemplate }), {
      backend: 'wasm',
      threads: 1,
      kvTokens: 8192,
      ...options.load,
    }));
  const log: LogEntry[] = [];
  const server = new OnebitServer(model, { log: (entry) => log.push(entry), ...options });
  const listening = await listen(server.fetch, { port: 0, host: '127.0.0.1', ...options.listen });
  return {
    url: listening.url,
    model,
    server,
    log,
    post: (path, body, headers) =>
      fetch(listening.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    stop: async () => {
      await server.drain(0);
      await listening.close();
      await server.dispose();
    },
  };
}

/** Waits until `check` holds; the test's own time limit ends it. */
export async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 5));
}
