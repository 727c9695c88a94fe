// Owns the page's end of the channel: calls, their events, aborts, and what happens when the worker dies. Must not know what calls mean.
import { wrong } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import { type CallName, type Calls, errorFrom, type FromWorker, type Port, type ToWorker } from './protocol.ts';

export interface CallOptions<Event> {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: Event) => void;
}

/** A call that runs. */
export interface RunningCall<Result> {
  readonly result: Promise<Result>;
  /** Keeps the call from going on until `resume`, ends it in order with `stop`. */
  control(what: 'stop' | 'pause' | 'resume'): void;
}

interface Waiting {
  readonly onEvent?: (event: never) => void;
  readonly settle: (message: FromWorker | Error) => void;
}

/** Calls what `host.ts` offers at the other end of `port`. */
export class Caller {
  readonly #port: Port;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #failure: Error | undefined;

  constructor(port: Port) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
  }

  call<Name extends CallName>(
    name: Name,
    args: Calls[Name]['args'],
    { signal, onEvent }: CallOptions<Calls[Name]['event']> = {},
  ): RunningCall<Calls[Name]['result']> {
    const id = ++this.#lastId;
    const send = (message: ToWorker) => this.#port.postMessage(message);
    const result = new Promise<Calls[Name]['result']>((resolve, reject) => {
      if (this.#failure) throw this.#failure;
      signal?.throwIfAborted();
      const abort = () => {
        send({ id, control: 'abort' });
        // The worker may be in the middle of something long; the caller need not wait for it.
        this.#waiting
          .get(id)
          ?.settle(signal!.reason instanceof Error ? signal!.reason : new Error(String(signal!.reason)));
      };
      const settle = (message: FromWorker | Error) => {
        this.#waiting.delete(id);
        signal?.removeEventListener('abort', abort);
        if (message instanceof Error) reject(message);
        else if ('error' in message) reject(errorFrom(message.error));
        else if ('result' in message) resolve(message.result as Calls[Name]['result']);
      };
      this.#waiting.set(id, { onEvent, settle });
      signal?.addEventListener('abort', abort, { once: true });
      try {
        send({ id, call: name, args });
      } catch (error) {
        this.#waiting.delete(id);
        throw notPlain(name, args) ?? error;
      }
    });
    result.catch(() => {}); // whoever awaits it sees it
    return { result, control: (control) => send({ id, control }) };
  }

  /** Makes all running and later calls throw `error`. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const { settle } of [...this.#waiting.values()]) settle(error);
  }

  #receive(message: FromWorker): void {
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    if ('events' in message) for (const event of message.events) waiting.onEvent?.(event as never);
    else waiting.settle(message);
  }
}

/** The error for arguments that cannot go to a worker, with the name of the first. */
function notPlain(operation: string, args: object): OnebitError | undefined {
  for (const [name, value] of Object.entries(args)) {
    try {
      structuredClone(value);
    } catch {
      const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
      return (
        (isRecord && notPlain(operation, value)) ||
        wrong(operation, name, 'be plain data, which can go to a worker', value)
      );
    }
  }
  return undefined;
}

/** What calls throw after the worker was ended. */
export function endedError(operation: string): OnebitError {
  return new OnebitError('disposed', `${operation}: the worker was ended. Load the model again.`);
}
