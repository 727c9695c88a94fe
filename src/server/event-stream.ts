// Owns streams of events, server-sent or as lines of JSON: a Response whose body is written as fast as the client reads, with comment pings on silence, ended when nobody listens.

/** One event; `data` is sent as JSON unless it is a string. */
export interface ServerEvent {
  readonly event?: string;
  readonly data: unknown;
}

export interface EventStreamOptions {
  /** Server-sent events, or JSON in lines, which have neither names nor comments. */
  readonly form: 'events' | 'lines';
  /** Silence after which a comment is sent. */
  readonly pingMs: number;
  /** How long a client may leave what was sent unread. */
  readonly stallMs: number;
  /** The events of an error that came after the first event was sent. */
  readonly onError: (error: unknown) => readonly ServerEvent[];
  /** Stops whoever makes the events. */
  readonly abort: (reason: unknown) => void;
  /** Called once, when the last byte was written or the client has gone. */
  readonly onEnd: () => void;
}

/** Bytes that may wait for the client before the events stop being made. */
const BUFFER_BYTES = 1 << 16;
const PING = new TextEncoder().encode(': ping\n\n');

/**
 * Answers with `events`. Waits for the first of them, at most `pingMs`: what is thrown until then is thrown here and can still become a status.
 */
export async function eventStream(events: AsyncIterator<ServerEvent>, options: EventStreamOptions): Promise<Response> {
  const first = events.next();
  first.catch(() => {}); // whoever awaits it sees it
  const early = new AbortController();
  await Promise.race([first, delay(options.pingMs, early.signal)]).finally(() => early.abort());
  const stream = new EventWriter(events, first, options);
  return new Response(stream.body, {
    headers: {
      'content-type': options.form === 'lines' ? 'application/x-ndjson' : 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no', // nginx would hold events back
    },
  });
}

class EventWriter {
  readonly body: ReadableStream<Uint8Array>;
  private readonly events: AsyncIterator<ServerEvent>;
  private readonly options: EventStreamOptions;
  private readonly encoder = new TextEncoder();
  private controller!: ReadableStreamDefaultController<Uint8Array>;
  private wake: () => void = () => {};
  private gone = false;
  private ping: ReturnType<typeof setInterval> | undefined;

  constructor(
    events: AsyncIterator<ServerEvent>,
    first: Promise<IteratorResult<ServerEvent>>,
    options: EventStreamOptions,
  ) {
    this.events = events;
    this.options = options;
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.controller = controller;
        },
        pull: () => this.wake(),
        cancel: (reason) => this.leave(reason ?? new DOMException('The client has gone.', 'AbortError')),
      },
      { highWaterMark: BUFFER_BYTES, size: (chunk) => chunk.byteLength },
    );
    void this.run(first);
  }

  private async run(next: Promise<IteratorResult<ServerEvent>>): Promise<void> {
    this.startPings();
    try {
      for (let step = await next; !step.done && !this.gone; step = await this.events.next()) {
        await this.write(step.value);
      }
    } catch (error) {
      for (const event of this.gone ? [] : this.options.onError(error)) await this.write(event);
    } finally {
      clearInterval(this.ping);
      if (!this.gone) this.controller.close();
      this.gone = true;
      await this.events.return?.()?.catch(() => {});
      this.options.onEnd();
    }
  }

  private async write({ event, data }: ServerEvent): Promise<void> {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    this.startPings();
    if (this.gone) return;
    const name = event === undefined ? '' : `event: ${event}\n`;
    const line = this.options.form === 'lines' ? `${text}\n` : `${name}data: ${text}\n\n`;
    this.controller.enqueue(this.encoder.encode(line));
    if ((this.controller.desiredSize ?? 0) > 0) return;
    const read = new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    const timer = setTimeout(() => {
      this.controller.close(); // what is queued can still be read; the missing end says that it is not all
      this.leave(new DOMException('The client reads too slowly.', 'TimeoutError'));
    }, this.options.stallMs);
    await read;
    clearTimeout(timer);
  }

  private startPings(): void {
    clearInterval(this.ping);
    if (this.options.form === 'lines') return;
    this.ping = setInterval(() => {
      if (!this.gone && (this.controller.desiredSize ?? 0) > 0) this.controller.enqueue(PING);
    }, this.options.pingMs);
  }

  private leave(reason: unknown): void {
    this.gone = true;
    this.options.abort(reason);
    this.wake();
  }
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}
