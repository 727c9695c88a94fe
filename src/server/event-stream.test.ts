import { describe, expect, test } from 'vitest';
import { type EventStreamOptions, eventStream, type ServerEvent } from './event-stream.ts';

function options(overrides: Partial<EventStreamOptions> = {}) {
  const seen = { aborted: [] as unknown[], ended: 0 };
  const all: EventStreamOptions = {
    form: 'events',
    pingMs: 10_000,
    stallMs: 10_000,
    onError: (error) => [{ data: { error: String(error) } }],
    abort: (reason) => seen.aborted.push(reason),
    onEnd: () => {
      seen.ended++;
    },
    ...overrides,
  };
  return { all, seen };
}

async function* events(...data: unknown[]): AsyncGenerator<ServerEvent> {
  for (const one of data) yield { data: one };
}

describe('eventStream', () => {
  test('writes events as the specification has them', async () => {
    const { all, seen } = options();
    const source = (async function* () {
      yield { event: 'a', data: { x: 1 } };
      yield { data: '[DONE]' };
    })();
    const response = await eventStream(source, all);
    expect(await response.text()).toBe('event: a\ndata: {"x":1}\n\ndata: [DONE]\n\n');
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(seen).toEqual({ aborted: [], ended: 1 });
  });

  test('throws what comes before the first event, and tells what comes after it', async () => {
    const failing = async function* (first: unknown[]): AsyncGenerator<ServerEvent> {
      yield* events(...first);
      throw new Error('no');
    };
    const early = options();
    await expect(eventStream(failing([]), early.all)).rejects.toThrow('no');
    const late = options();
    const text = await (await eventStream(failing([1]), late.all)).text();
    expect(text).toBe('data: 1\n\ndata: {"error":"Error: no"}\n\n');
    expect(late.seen.ended).toBe(1);
  });

  test('sends comments while nothing happens, also before the first event', async () => {
    const { all } = options({ pingMs: 1 });
    let go = () => {};
    const source = (async function* (): AsyncGenerator<ServerEvent> {
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      yield { data: 1 };
    })();
    const reader = (await eventStream(source, all)).body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe(': ping\n\n');
    expect((await reader.read()).value).toBe(': ping\n\n');
    go();
    let text = '';
    for (let step = await reader.read(); !step.done; step = await reader.read()) text += step.value;
    expect(text).toMatch(/data: 1\n\n$/);
  });

  test('stops when the client goes', async () => {
    const { all, seen } = options();
    let ended = false;
    const endless = (async function* (): AsyncGenerator<ServerEvent> {
      try {
        for (;;) {
          await new Promise((resolve) => setImmediate(resolve));
          yield { data: 1 };
        }
      } finally {
        ended = true;
      }
    })();
    const reader = (await eventStream(endless, all)).body!.getReader();
    await reader.read();
    await reader.cancel('gone');
    while (seen.ended === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual({ aborted: ['gone'], ended: 1 });
    expect(ended).toBe(true);
  });

  test('makes no more than a client reads, and gives up on one that does not read at all', async () => {
    const { all, seen } = options({ stallMs: 20 });
    let made = 0;
    const large = (async function* (): AsyncGenerator<ServerEvent> {
      for (;;) {
        made++;
        yield { data: 'x'.repeat(10_000) };
      }
    })();
    const response = await eventStream(large, all);
    while (seen.ended === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(made).toBeLessThan(10);
    expect(seen.aborted).toMatchObject([{ name: 'TimeoutError' }]);
    expect(await response.text()).toMatch(/x\n\n$/); // ends, without an end event
  });
});
