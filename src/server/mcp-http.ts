// Owns answering MCP over HTTP: who may ask, how large bodies may be and how many requests run at once. Must not know tools.
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { Budget } from '../core/budget.ts';
import { isLoopback, LOOPBACK_NAMES } from '../core/loopback.ts';
import { ApiError } from './api-error.ts';
import { BodyGate, type Room } from './body-gate.ts';
import { readBody } from './request-body.ts';

const MOST_BODY_BYTES = 8 << 20;
/** Of all large bodies that are read at once. */
const MOST_BODIES_BYTES = 16 << 20;
/** Requests that are answered at once; each has a server of its own. */
const MOST_AT_ONCE = 32;
const SESSION = 'mcp-session-id';

export interface McpHttpOptions {
  /** Where it listens: on this machine only, nobody may ask by another name, and no page. */
  readonly host: string;
  /** A server for one request. */
  readonly server: () => Promise<McpServer>;
  readonly transport: () => WebStandardStreamableHTTPServerTransport;
  readonly signal: AbortSignal;
}

/** What is heard of a message. */
interface Heard {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params?: { readonly requestId?: unknown };
}

/**
 * Each request is answered by a server of its own: nothing is kept between them, so that any replica can answer any. A client gets a session's name when it begins, by
 * which it stops what runs for it where that runs; nobody else knows the name, and nothing else is done with it.
 */
export class McpHttp {
  private readonly options: McpHttpOptions;
  private readonly isLocal: boolean;
  private readonly gate = new BodyGate(MOST_BODIES_BYTES);
  private running = 0;
  /** How requests of sessions that run are stopped, by session and id. */
  private readonly stops = new Map<string, () => void>();

  constructor(options: McpHttpOptions) {
    this.options = options;
    this.isLocal = isLoopback(options.host);
  }

  /** Answers a request; never rejects. */
  readonly answer = async (request: Request): Promise<Response> => {
    const { headers, method, url } = request;
    const name = (headers.get('host') ?? '').replace(/:\d+$/, '');
    // Pages that give their own name this address, and pages of other origins, must not get in.
    if (this.isLocal && (!LOOPBACK_NAMES.includes(name) || headers.has('origin'))) return refusal(403, 'not for pages');
    if (new URL(url).pathname !== '/mcp') return refusal(404, 'the address is /mcp');
    if (method !== 'POST') return refusal(405, 'this server takes POST');
    if (this.running >= MOST_AT_ONCE) return refusal(503, `at most ${MOST_AT_ONCE} requests are answered at once`);
    this.running++;
    let isOver = false;
    const end = () => {
      if (!isOver) this.running--;
      isOver = true;
    };
    try {
      const answer = await this.byServer(request, end);
      if (answer.body === null) end();
      return answer;
    } catch (error) {
      end();
      return error instanceof ApiError ? refusal(error.status, error.message) : refusal(400, 'it failed');
    }
  };

  private async byServer(request: Request, end: () => void): Promise<Response> {
    const body = await this.bodyOf(request);
    const session = request.headers.get(SESSION);
    this.stopCancelled(session, body);
    const server = await this.options.server();
    const names =
      session === null ? [] : heard(body).flatMap(({ id }) => (id === undefined ? [] : [nameOf(session, id)]));
    const close = () => {
      end();
      for (const name of names) if (this.stops.get(name) === close) this.stops.delete(name);
      void server.close();
    };
    for (const name of names) this.stops.set(name, close);
    try {
      const transport = this.options.transport();
      await server.connect(transport);
      const answer = await transport.handleRequest(request, { parsedBody: body });
      const headers = new Headers(answer.headers);
      if (heard(body).some(({ method }) => method === 'initialize')) headers.set(SESSION, crypto.randomUUID());
      if (answer.body === null) close();
      const { status } = answer;
      return new Response(answer.body && closing(answer.body, close), { status, headers });
    } catch (error) {
      close();
      throw error;
    }
  }

  /** Clients say that they do not want an answer any more in a request of its own, and go on listening. */
  private stopCancelled(session: string | null, body: unknown): void {
    if (session === null) return;
    for (const { method, params } of heard(body))
      if (method === 'notifications/cancelled') this.stops.get(nameOf(session, params?.requestId))?.();
  }

  private async bodyOf(request: Request): Promise<unknown> {
    const signal = AbortSignal.any([this.options.signal, request.signal]);
    let room: Room | undefined;
    const enter = async (bytes: number) => {
      room = await this.gate.enter({ owner: '', bytes, signal });
      return room;
    };
    try {
      return await readBody(request, { maxBytes: MOST_BODY_BYTES, budget: new Budget({ signal }), enter });
    } finally {
      room?.leave();
    }
  }
}

/** The messages in a body; whether they are any, the SDK says. */
function heard(body: unknown): Heard[] {
  return (Array.isArray(body) ? body : [body]).filter((one) => typeof one === 'object' && one !== null);
}

function nameOf(session: string, id: unknown): string {
  return JSON.stringify([session, id]);
}

function refusal(status: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', error: { code: -32000, message }, id: null }, { status });
}

/** `body`, and `close` when it has ended, or nobody reads it any more. */
function closing(body: ReadableStream<Uint8Array>, close: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (!done) return controller.enqueue(value);
      controller.close();
      close();
    },
    async cancel(reason) {
      close();
      await reader.cancel(reason);
    },
  });
}
