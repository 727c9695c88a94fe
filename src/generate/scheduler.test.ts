// Who runs when: admission, fairness, parking, aborts, and that nothing leaks. The engine here is a toy whose pages hold the tokens themselves and whose
// "logits" are a checksum over what the page table leads to, so that a wrong page or row gives a wrong token.
import { describe, expect, test } from 'vitest';
import { nextTurn } from '../core/event-loop.ts';
import { Random } from '../core/random.ts';
import { type Backend, KV_PAGE, type KvPool, type Tensor } from '../kernels/backend.ts';
import type { Engine, StepPart } from '../model/engine.ts';
import { KvPages, KvSequence } from '../model/kv-cache.ts';
import { PrefixCache } from '../model/prefix-cache.ts';
import { Scheduler, type SchedulerOptions } from './scheduler.ts';

/** What follows `tokens`. */
const successor = (tokens: readonly number[]) => tokens.reduce((sum, token) => (sum * 31 + token + 1) % 9973, 7);

/** What a request for `count` tokens must give. */
function expected(prompt: readonly number[], count: number): number[] {
  const tokens = [...prompt];
  for (let i = 0; i < count; i++) tokens.push(successor(tokens));
  return tokens.slice(prompt.length);
}

class Toy {
  readonly pages: KvPages;
  readonly prefixes: PrefixCache;
  readonly maxRows = 80;
  readonly maxOutputs = 16;
  readonly backend: Backend;
  /** Rows of each step: how many tokens of each sequence. */
  readonly steps: number[][] = [];
  beforeStep: () => Promise<void> = nextTurn;
  readonly scheduler: Scheduler;
  private readonly contents: number[][];

  constructor(pages: number, options: Partial<SchedulerOptions> = {}) {
    this.contents = Array.from({ length: pages }, () => []);
    this.backend = {
      copyKvPage: (_: KvPool, from: number, to: number) => {
        this.contents[to] = [...this.contents[from]];
      },
      read: async () => new Float32Array(),
    } as unknown as Backend;
    this.pages = new KvPages(this.backend, { pages } as KvPool, (owner) => this.prefixes.evict(owner));
    this.prefixes = new PrefixCache(this.pages);
    const limits = { parallel: 16, queue: Number.POSITIVE_INFINITY, ...options };
    this.scheduler = new Scheduler(this as unknown as Engine, limits);
  }

  newSequence(owner?: string): KvSequence {
    return new KvSequence(this.pages, owner);
  }

  async step<Result>(
    parts: readonly StepPart[],
    use: (logits: Tensor) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Result> {
    await this.beforeStep();
    signal?.throwIfAborted();
    const logits: number[] = [];
    for (const { sequence, tokens, outputs } of parts) {
      const start = sequence.length;
      sequence.reserve(start + tokens.length);
      const table = sequence.pageTable();
      for (let i = 0; i < tokens.length; i++) {
        const page = table[Math.floor((start + i) / KV_PAGE)];
        if (this.pages.holders(page) !== 1) throw new Error('wrote a page that others hold');
        this.contents[page][(start + i) % KV_PAGE] = tokens[i];
      }
      const stored = (length: number) =>
        Array.from({ length }, (_, i) => this.contents[table[Math.floor(i / KV_PAGE)]][i % KV_PAGE]);
      for (let i = 0; i < outputs.length; i++) logits.push(successor(stored(start + outputs[i] + 1)));
    }
    this.steps.push(parts.map((part) => part.tokens.length));
    expect(this.steps.at(-1)!.reduce((sum, rows) => sum + rows, 0)).toBeLessThanOrEqual(this.maxRows);
    expect(logits.length).toBeLessThanOrEqual(this.maxOutputs);
    const result = await use(logits as unknown as Tensor);
    for (const part of parts) part.sequence.append(part.tokens);
    return result;
  }

  /** A request as sessions make it; `pause` happens before each token but the first. */
  async request(
    prompt: readonly number[],
    count: number,
    options: {
      signal?: AbortSignal;
      pause?: () => Promise<unknown>;
      onToken?: (produced: number) => void;
      owner?: string;
    } = {},
  ): Promise<number[]> {
    const sequence = this.newSequence(options.owner);
    const request = this.scheduler.open(sequence, { shared: true, signal: options.signal });
    try {
      const produced: number[] = [];
      await request.prefill(prompt.slice(0, -1));
      let token = prompt[prompt.length - 1];
      while (produced.length < count) {
        if (request.parked.length > 0) await request.prefill([]);
        token = await request.step([token], async (logits, row) => (logits as unknown as number[])[row]);
        produced.push(token);
        options.onToken?.(produced.length);
        if (produced.length < count) await options.pause?.();
      }
      return produced;
    } finally {
      request.close();
    }
  }

  /** Nothing runs, nothing waits, every page is free or cached. */
  expectIdle(): void {
    const { running, waiting, kvPagesUsed, kvPagesTotal, kvPagesCached } = this.scheduler.stats();
    expect({ running, waiting, kvPagesUsed }).toEqual({ running: 0, waiting: 0, kvPagesUsed: 0 });
    expect(this.pages.available + kvPagesCached).toBe(kvPagesTotal);
  }
}

const prompt = (length: number, start = 1) => Array.from({ length }, (_, i) => start * 1000 + i);

describe('scheduler', () => {
  test('requests that come together decode in the same steps and get what each gets alone', async () => {
    const toy = new Toy(64);
    const results = await Promise.all([1, 2, 3].map((start) => toy.request(prompt(5, start), 10)));
    expect(results).toEqual([1, 2, 3].map((start) => expected(prompt(5, start), 10)));
    expect(toy.steps).toEqual([[4, 4, 4], ...Array(10).fill([1, 1, 1])]);
    toy.expectIdle();
  });

  test('callers that come back some turns of the event loop later stay in step', async () => {
    const toy = new Toy(64);
    await Promise.all([
      toy.request(prompt(5, 1), 8),
      toy.request(prompt(5, 2), 8, { pause: () => nextTurn() }),
      toy.request(prompt(5, 3), 8, { pause: () => nextTurn() }),
    ]);
    expect(toy.steps).toHaveLength(9);
  });

  test('a long prompt is fed in small parts beside those who decode, and a short one does not wait for its end', async () => {
    const toy = new Toy(128);
    const order: string[] = [];
    const decoding = toy.request(prompt(3, 1), 60).then(() => order.push('decoding'));
    await nextTurn();
    const long = toy.request(prompt(2000, 2), 1).then(() => order.push('long'));
    const short = toy.request(prompt(40, 3), 1).then(() => order.push('short'));
    await Promise.all([decoding, long, short]);
    expect(order.indexOf('short')).toBeLessThan(order.indexOf('long'));
    const first = toy.steps.findIndex((rows) => rows.includes(1) && rows.some((count) => count > 1));
    expect(first).toBeGreaterThan(0);
    const decodingAt = toy.steps.slice(first, first + 50);
    expect(decodingAt.every((rows) => rows.includes(1))).toBe(true); // no step leaves the decoding one out
  });

  test('the same prompt asked by many at once is evaluated once', async () => {
    const toy = new Toy(128);
    const results = await Promise.all(Array.from({ length: 4 }, () => toy.request(prompt(400), 5)));
    for (const result of results) expect(result).toEqual(expected(prompt(400), 5));
    const rows = toy.steps.flat().reduce((sum, count) => sum + count, 0);
    expect(rows).toBeLessThan(400 + 4 * (5 + 2 * KV_PAGE));
    toy.expectIdle();
  });

  test('more requests than places wait in order, and are refused when the queue is full', async () => {
    const toy = new Toy(64, { parallel: 2, queue: 2 });
    const done: number[] = [];
    const requests = [1, 2, 3, 4].map((start) => toy.request(prompt(5, start), 5).then(() => done.push(start)));
    await expect(toy.request(prompt(5, 5), 5)).rejects.toMatchObject({ code: 'busy' });
    expect(toy.scheduler.stats()).toMatchObject({ running: 2, waiting: 2 });
    await Promise.all(requests);
    expect(done).toEqual([1, 2, 3, 4]);
    toy.expectIdle();
  });

  test("one owner's flood takes no other's place: not where all places are taken, not in a full queue, not in a full cache", async () => {
    for (const [pages, parallel] of [
      [256, 4],
      [24, 16],
    ] as const) {
      const toy = new Toy(pages, { parallel, queue: 6 });
      const done: string[] = [];
      const ask = async (owner: string, start: number, count: number) => {
        const result = await toy.request(prompt(60, start), count, { owner });
        expect(result).toEqual(expected(prompt(60, start), count));
        done.push(owner);
      };
      const flood = Promise.allSettled(Array.from({ length: 30 }, (_, i) => ask('rival', i + 1, 100)));
      for (let turn = 0; turn < 20; turn++) await nextTurn();
      await Promise.all([ask('shop', 50, 10), ask('desk', 51, 10)]);
      expect(done).not.toContain('rival'); // they came last and had their answers first
      await ask('shop', 52, 10);
      const ends = await flood;
      expect(ends.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(4);
      for (const end of ends) if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'busy' });
      toy.expectIdle();
    }
  });

  test('a request that does not fit beside others waits until they end', async () => {
    const toy = new Toy(8);
    const first = toy.request(prompt(150, 1), 20);
    await nextTurn();
    const second = toy.request(prompt(150, 2), 20);
    expect(toy.scheduler.stats()).toMatchObject({ running: 1, waiting: 1 });
    expect(await first).toEqual(expected(prompt(150, 1), 20));
    expect(await second).toEqual(expected(prompt(150, 2), 20));
    toy.expectIdle();
  });

  test('when memory runs out the youngest is parked and goes on later as if nothing had been', async () => {
    const toy = new Toy(12);
    const done: number[] = [];
    const starts = [1, 2, 3, 4];
    const results = await Promise.all(
      starts.map(async (start) => {
        const result = await toy.request(prompt(30, start), 200);
        done.push(start);
        return result;
      }),
    );
    for (const [i, start] of starts.entries()) expect(results[i]).toEqual(expected(prompt(30, start), 200));
    expect(done[0]).toBe(1);
    toy.expectIdle();
  });

  test('steps of the background let whoever is just coming have turns of the event loop', async () => {
    const toy = new Toy(64);
    toy.beforeStep = async () => {
      for (const began = performance.now(); performance.now() - began < 2; );
    };
    const signal = Object.assign(new AbortController().signal, { priority: 'background' });
    const quiet = toy.request(prompt(30), 100, { signal });
    for (let turn = 0; turn < 6; turn++) await nextTurn(); // as what reads, renders and cuts into tokens
    expect(toy.steps.length).toBeLessThan(30);
    expect(await toy.request(prompt(20, 3), 4)).toEqual(expected(prompt(20, 3), 4));
    expect(toy.steps.length).toBeLessThan(50);
    expect(await quiet).toEqual(expected(prompt(30), 100));
    toy.expectIdle();
  });

  test('what goes on in the background waits for all others: for their steps, their places and their memory', async () => {
    for (const [pages, parallel] of [
      [64, 16],
      [64, 2],
      [12, 16],
    ]) {
      const toy = new Toy(pages, { parallel });
      const signal = Object.assign(new AbortController().signal, { priority: 'background' });
      const done: string[] = [];
      const quiet = [1, 2].map((start) =>
        toy.request(prompt(30, start), 100, { signal }).then((tokens) => {
          done.push('background');
          return tokens;
        }),
      );
      for (let turn = 0; turn < 20; turn++) await nextTurn();
      expect(toy.scheduler.stats().running).toBe(2);
      const from = toy.steps.length;
      const urgent = await toy.request(prompt(200, 3), 20);
      done.push('urgent');
      const rows = toy.steps.slice(from).flat();
      expect(urgent).toEqual(expected(prompt(200, 3), 20));
      // The step that went on when it came, and none of theirs after it.
      expect(rows.reduce((sum, count) => sum + count, 0)).toBeLessThan(200 + 20 + 10);
      expect(await Promise.all(quiet)).toEqual([1, 2].map((start) => expected(prompt(30, start), 100)));
      expect(done[0]).toBe('urgent');
      toy.expectIdle();
    }
  });

  test('callers who ask for nothing give their place and memory to those who do', async () => {
    const toy = new Toy(8, { parallel: 1 });
    let inner: number[] = [];
    const pause = async () => {
      inner = await toy.request(prompt(100, 2), 100);
    };
    const outer = await toy.request(prompt(100, 1), 2, { pause });
    expect(inner).toEqual(expected(prompt(100, 2), 100));
    expect(outer).toEqual(expected(prompt(100, 1), 2));
    toy.expectIdle();
  });

  test('a full cache of the same text is no reason to refuse it', async () => {
    const toy = new Toy(6);
    for (let round = 0; round < 3; round++) {
      expect(await toy.request(prompt(180), 12)).toEqual(expected(prompt(180), 12));
    }
    expect(toy.scheduler.stats().kvPagesTotal).toBe(6);
    toy.expectIdle();
  });

  test('what can never fit is refused, now and while others are gone', async () => {
    const toy = new Toy(4);
    await expect(toy.request(prompt(200), 1)).rejects.toMatchObject({ code: 'out-of-memory' });
    await expect(toy.request(prompt(100), 100)).rejects.toMatchObject({ code: 'out-of-memory' });
    toy.expectIdle();
  });

  test('an abort is effective within a step: waiting, in a prompt, and between tokens', async () => {
    const toy = new Toy(64, { parallel: 2 });
    const reason = new Error('gone');
    const other = toy.request(prompt(5, 9), 300);
    const inPrompt = new AbortController();
    const long = toy.request(prompt(1500, 1), 5, { signal: inPrompt.signal });
    const queued = new AbortController();
    const waiting = toy.request(prompt(5, 2), 5, { signal: queued.signal });
    await nextTurn();
    queued.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    const steps = toy.steps.length;
    inPrompt.abort(reason);
    await expect(long).rejects.toBe(reason);
    expect(toy.steps.length - steps).toBeLessThanOrEqual(1);
    const between = new AbortController();
    const decoding = toy.request(prompt(5, 3), 100, {
      signal: between.signal,
      onToken: (produced) => produced === 7 && between.abort(reason),
    });
    await expect(decoding).rejects.toBe(reason);
    expect(await other).toEqual(expected(prompt(5, 9), 300));
    toy.expectIdle();
  });

  test('an abort by whoever is told of progress ends that request alone', async () => {
    const toy = new Toy(64, { parallel: 3 });
    expect(await toy.request(prompt(200, 1), 1)).toHaveLength(1);
    const others = [toy.request(prompt(150, 2), 20), toy.request(prompt(9, 3), 20)];
    // The first beginning is known whole: it is told of in the moment that it gets its place. The second is told after its first step.
    for (const [text, steps] of [
      [prompt(200, 1), 0],
      [prompt(300, 5), 1],
    ] as const) {
      const abort = new AbortController();
      const sequence = toy.newSequence();
      const request = toy.scheduler.open(sequence, { shared: true, signal: abort.signal });
      const reason = new Error('enough');
      let told = 0;
      const prefill = request.prefill(text.slice(0, -1), () => told++ >= steps && abort.abort(reason));
      await expect(prefill).rejects.toBe(reason);
      await expect(request.step([7], async () => 0)).rejects.toBe(reason);
      request.close();
    }
    expect(await Promise.all(others)).toEqual([expected(prompt(150, 2), 20), expected(prompt(9, 3), 20)]);
    toy.expectIdle();
  });

  test('an aborted request whose caller asks for nothing gives its place to those who wait', async () => {
    const toy = new Toy(64, { parallel: 1 });
    const abort = new AbortController();
    const sequence = toy.newSequence();
    const paused = toy.scheduler.open(sequence, { shared: false, signal: abort.signal });
    await paused.prefill(prompt(5, 1));
    const waiting = toy.request(prompt(5, 2), 3);
    await nextTurn();
    abort.abort(new Error('gone'));
    const other = toy.request(prompt(5, 3), 3);
    expect(await waiting).toEqual(expected(prompt(5, 2), 3));
    expect(await other).toEqual(expected(prompt(5, 3), 3));
    paused.close();
    sequence.dispose();
    toy.expectIdle();
  });

  test('one whose use of logits fails does not disturb the others', async () => {
    const toy = new Toy(64);
    const sequence = toy.newSequence();
    const bad = toy.scheduler.open(sequence, { shared: true });
    const failing = bad
      .step([5], async () => {
        throw new Error('bad mask');
      })
      .finally(() => bad.close());
    const good = toy.request(prompt(1, 2), 5);
    await expect(failing).rejects.toThrow('bad mask');
    expect(await good).toEqual(expected(prompt(1, 2), 5));
    toy.expectIdle();
  });

  test('disposing fails everybody, those who run and those who wait', async () => {
    const toy = new Toy(64, { parallel: 1 });
    const requests = [1, 2, 3].map((start) => toy.request(prompt(500, start), 5));
    const outcomes = Promise.allSettled(requests);
    await nextTurn();
    toy.scheduler.dispose();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'disposed' } });
    }
    await expect(toy.request(prompt(3), 1)).rejects.toMatchObject({ code: 'disposed' });
  });

  test.each([1, 2, 3])('200 random requests with random aborts and pauses leak nothing (seed %i)', async (seed) => {
    const random = new Random(seed);
    const toy = new Toy(40, { parallel: 6 });
    const requests: Promise<void>[] = [];
    for (let i = 0; i < 200; i++) {
      const text = prompt(1 + random.below(200), 1 + random.below(4));
      const count = 1 + random.below(60);
      const abort = new AbortController();
      const abortAt = random.below(3) === 0 ? random.below(count) : -1;
      const slow = random.below(4) === 0;
      const pause = async () => {
        for (let turn = random.below(slow ? 12 : 1); turn > 0; turn--) await nextTurn();
      };
      const onToken = (produced: number) => produced === abortAt && abort.abort();
      if (random.below(10) === 0) setTimeout(() => abort.abort(), random.below(20));
      const request = toy.request(text, count, { signal: abort.signal, pause, onToken });
      requests.push(
        request.then(
          (result) => expect(result).toEqual(expected(text, count)),
          (error) => expect(abort.signal.aborted, String(error)).toBe(true),
        ),
      );
      for (let turn = random.below(4); turn > 0; turn--) await nextTurn();
    }
    await Promise.all(requests);
    toy.expectIdle();
  });
});
