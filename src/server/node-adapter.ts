// Owns running the server on Node: listening, limits on connections, what Node refuses before a request exists. Knows no routes.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { checkArgument } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import { ApiError, invalidUrl, toApiError } from './api-error.ts';
import { boundConnections } from './connections.ts';

export interface ListenOptions {
  readonly port: number;
  readonly host: string;
  /** Time for the head of a request, and for all of its body. */
  readonly headMs?: number;
  readonly bodyMs?: number;
  /** Silence on a connection in the middle of an answer, after which it is cut. */
  readonly silenceMs?: number;
  /** Most connections at once; beyond them those go that wait for no answer, the oldest first. Default 1024. */
  readonly connections?: number;
}

/** Time for answers that have been made to reach their clients. */
const LAST_WRITES_MS = 1000;
/** How long what a refused client goes on sending is read and thrown away. */
const LINGER_MS = 5000;

/** Most requests of one connection that wait for their answers: thousands of small ones arrive in one piece, and all others would wait behind them. */
const MOST_UNANSWERED = 32;

/** A server that listens. */
export interface Listening {
  /** `http://host:port`. */
  readonly url: string;
  /** Takes no more connections, closes idle ones at once and the others after a second. */
  close(): Promise<void>;
}

/** Listens and answers with `fetch`. @throws OnebitError `io` when the address cannot be had */
export async function listen(
  fetch: (request: Request) => Promise<Response>,
  options: ListenOptions,
): Promise<Listening> {
  checkArgument('listen', 'fetch', fetch, 'function');
  checkArgument('listen', 'options', options, 'object');
  const listener = getRequestListener(fetch, {
    hostname: options.host,
    overrideGlobalObjects: false,
    errorHandler: (cause) =>
      (cause instanceof Error && cause.name === 'RequestError' ? invalidUrl() : toApiError(cause)).toResponse(),
  });
  /** What each connection was answered last. */
  const answers = new WeakMap<Socket, ServerResponse>();
  const server = createServer(
    {
      headersTimeout: options.headMs ?? 20_000,
      requestTimeout: options.bodyMs ?? 120_000,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: 75_000, // longer than balancers keep theirs, usually 60 s
      maxHeaderSize: 16_384,
      requireHostHeader: false, // Node would refuse with an empty body
    },
    (incoming, outgoing) => {
      answers.set(incoming.socket, outgoing);
      noteRequest(incoming, outgoing);
      closeAfterRefusal(incoming, outgoing);
      const unanswered = noteUnanswered(incoming, outgoing);
      if (unanswered > MOST_UNANSWERED + 1) return; // the connection closes behind the refusal before
      if (unanswered > MOST_UNANSWERED) return refuse(outgoing, tooManyAtOnce());
      if (incoming.headers.host === undefined && incoming.httpVersion !== '1.0') refuse(outgoing, invalidUrl());
      else void listener(incoming, outgoing);
    },
  );
  const noteUnanswered = countUnanswered();
  const noteRequest = boundConnections(server, options.connections ?? 1024);
  server.timeout = options.silenceMs ?? 700_000;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const answer = answers.get(socket);
    // Nothing may be written into an answer that has begun, or after the last one.
    if (answer?.headersSent && !(answer.writableFinished && answer.shouldKeepAlive)) socket.destroySoon();
    else refuseRaw(error, socket);
  });
  server.on('checkExpectation', (incoming, outgoing) => {
    answers.set(incoming.socket, outgoing);
    refuse(outgoing, new ApiError(417, 'The header Expect can only be 100-continue.', { code: 'bad_request' }));
  });
  server.on('connect', (_incoming: IncomingMessage, socket: Socket) => {
    answerRaw(socket, new ApiError(405, 'This server is no proxy.', { code: 'method_not_allowed' }));
  });
  await bind(server, options);
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    close: () => closeServer(server),
  };
}

/** Gives a function to be told of every request: how many of its connection have no answer, with this one. */
function countUnanswered(): (incoming: IncomingMessage, outgoing: ServerResponse) => number {
  const counts = new WeakMap<Socket, number>();
  return ({ socket }, outgoing) => {
    const count = (counts.get(socket) ?? 0) + 1;
    counts.set(socket, count);
    outgoing.once('close', () => counts.set(socket, (counts.get(socket) ?? 1) - 1));
    return count;
  };
}

function tooManyAtOnce(): ApiError {
  const message = `At most ${MOST_UNANSWERED} requests of one connection may wait for their answers. Wait for some first.`;
  return new ApiError(429, message, { code: 'rate_limit_exceeded' });
}

/** After an answer to a body that is still coming the connection is closed, and the answer says so: nobody shall send the next request into it. */
function closeAfterRefusal(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const writeHead = outgoing.writeHead.bind(outgoing) as (...head: unknown[]) => ServerResponse;
  outgoing.writeHead = (...head: unknown[]) => {
    if (!incoming.complete) {
      outgoing.shouldKeepAlive = false;
      linger(incoming);
    }
    return writeHead(...head);
  };
}

/**
 * Makes Node close the connection only when the whole body has come, or after a while. A connection that is closed with bytes unread is reset, and a
 * client that is still writing loses the answer with it.
 */
function linger(incoming: IncomingMessage): void {
  const { socket } = incoming;
  const close = socket.destroySoon.bind(socket);
  let cut: NodeJS.Timeout | undefined;
  socket.destroySoon = () => {
    if (cut) return; // asked again
    if (incoming.readableEnded) return close();
    cut = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(cut));
    incoming.once('end', close);
    socket.end();
    incoming.resume();
  };
}

/** Answers what is no request to the server, and closes the connection: a body that was not waited for may follow. */
function refuse(outgoing: ServerResponse, error: ApiError): void {
  const body = JSON.stringify(error);
  outgoing.shouldKeepAlive = false;
  outgoing.writeHead(error.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  outgoing.end(body);
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // Node does not count connections as idle that were opened in advance.
    const cut = setTimeout(() => server.closeAllConnections(), LAST_WRITES_MS);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function bind(server: Server, { host, port }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new OnebitError('io', `serve: cannot listen on ${host}:${port}: ${cause.message}. Choose another --port.`, {
          cause,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}

const REFUSALS: Readonly<Record<string, [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The headers are too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The chunk extensions are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive.'],
};

/** Bytes that are no request, or too slow to be one. */
function refuseRaw(error: NodeJS.ErrnoException, socket: Socket): void {
  const [status, message] = REFUSALS[error.code ?? ''] ?? [400, 'This is not a valid HTTP request.'];
  answerRaw(socket, new ApiError(status, message, { code: 'bad_request' }));
}

function answerRaw(socket: Socket, error: ApiError): void {
  socket.on('error', () => {}); // of a connection that Node has handed over nobody else hears, and it would end the process
  if (!socket.writable || socket.destroyed) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(error);
  socket.end(
    `HTTP/1.1 ${error.status} Refused\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
