// Owns which connections may stay when there are too many: those that wait for an answer; the others go, the oldest first. So nobody shuts others out
// by opening connections, sending half a request, or leaving answers unread.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Connections beyond the bound that may exist for a moment. */
const SPARE = 64;
/** So long one that has just been opened may take to send its request before it counts as idle. */
const FRESH_MS = 2000;

/** Keeps the connections of `server` within `most`. Gives a function to be told of every request. */
export function boundConnections(
  server: Server,
  most: number,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  /** All connections, the oldest first, with the request that each has sent last. */
  const open = new Map<Socket, { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse } | undefined>();
  const isWaiting = (socket: Socket) => {
    const last = open.get(socket);
    return last?.incoming.complete === true && !last.outgoing.writableEnded;
  };
  const openedAt = new WeakMap<Socket, number>();
  const isFresh = (socket: Socket) => performance.now() - (openedAt.get(socket) ?? 0) < FRESH_MS;
  const isIdle = (socket: Socket) => open.get(socket)?.outgoing.writableFinished ?? !isFresh(socket);
  const firstThat = (is: (socket: Socket) => boolean) => [...open.keys()].find(is);
  server.maxConnections = most + SPARE;
  server.on('connection', (socket) => {
    const others = open.size;
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => {}); // that of a client who goes in the middle of a refusal nobody else may hear
    const goes = others < most ? undefined : (firstThat(isIdle) ?? firstThat((other) => !isWaiting(other)) ?? socket);
    open.set(socket, undefined);
    openedAt.set(socket, performance.now());
    if (!goes) return;
    open.delete(goes);
    goes.destroy();
  });
  return (incoming, outgoing) => {
    if (!open.has(incoming.socket)) return;
    open.delete(incoming.socket); // it is the youngest again
    open.set(incoming.socket, { incoming, outgoing });
  };
}
