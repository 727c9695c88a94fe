// Owns who runs when: places for requests, a line for the rest (waiting.ts), and steps that feed the next tokens of all who run, with a bounded share of
// somebody's prompt. Must not know tokens' meaning, sampling or text. Idea: iteration-level scheduling (Orca, OSDI 2022).
//
// A request runs as fast as its caller asks for tokens. A step waits for those of the last one only some turns of the event loop. When memory runs
// out, the youngest request is parked: its pages become the prefix cache's, it queues again, and what was evicted meanwhile is evaluated anew, which
// gives the same bits.
import { nextTurn } from '../core/event-loop.ts';
import { OnebitError } from '../errors.ts';
import { KV_PAGE, type Tensor } from '../kernels/backend.ts';
import { CHUNK_ROWS, type Engine } from '../model/engine.ts';
import { type KvSequence, outOfPages } from '../model/kv-cache.ts';
import { CHUNK_STATES, Request, type RequestOptions, type RequestOwner } from './request.ts';
import { placesOf, Waiting } from './waiting.ts';

export interface SchedulerOptions {
  /** Most requests that run at once. */
  readonly parallel: number;
  /** Most requests that wait for a place. */
  readonly queue: number;
}

/** What a model is doing, and what it has done since it was loaded. */
export interface ModelStats {
  /** Requests that have a place, and those that wait for one. */
  readonly running: number;
  readonly waiting: number;
  /** Pages of cache memory, 32 tokens each; those that requests and sessions use; those kept in case a later text begins alike. */
  readonly kvPagesTotal: number;
  readonly kvPagesUsed: number;
  readonly kvPagesCached: number;
  /** Tokens of all prompts so far; those of them that the cache held already. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
}

/** Turns of the event loop that a step waits for callers who have not yet asked for their next token, or for whoever is coming. */
const GRACE_TURNS = 3;
/** How long somebody's prompt may hold up the decoding of others in one step, about; and the fewest rows that it gets all the same. */
const STALL_MS = 150;
const FEWEST_ROWS = 8;
/** How long a prompt of the background may hold up whoever comes meanwhile, about: a step that has begun is not ended. */
const BACKGROUND_MS = 10;
/** How long steps of the background alone may follow each other without a turn of the event loop. */
const ASIDE_MS = 4;

/** What one step feeds to one request. */
interface Part {
  readonly request: Request;
  readonly tokens: ArrayLike<number>;
  /** Whether these are the tokens that give rows, and how many of them rows of logits. */
  readonly tail: boolean;
  readonly outputs: number;
  result?: unknown;
  error?: unknown;
}

/** Multiplexes requests over one engine. */
export class Scheduler implements RequestOwner {
  readonly engine: Engine;
  /** Counted by whoever knows what tokens are. */
  readonly counts = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };
  private readonly options: SchedulerOptions;
  /** Requests with a place, those of them with something to feed in order of their turn, and those without a place in order of age. */
  private readonly running = new Set<Request>();
  private readonly ready = new Set<Request>();
  private readonly queue = new Waiting();
  /** Requests of the last step who have not come back yet. */
  private readonly absent = new Set<Request>();
  private inStep: readonly Part[] = [];
  private stepping = false;
  private waitingTurns = false;
  /** When the event loop last had turns between two steps. */
  private turnedMs = 0;
  private opened = 0;
  /** What a row of a step takes. */
  private rowMs = STALL_MS / FEWEST_ROWS;
  private closed: OnebitError | undefined;

  constructor(engine: Engine, options: SchedulerOptions) {
    this.engine = engine;
    this.options = options;
  }

  /** A request for `sequence`; nobody else may feed it until the request is closed. */
  open(sequence: KvSequence, options: RequestOptions): Request {
    return new Request(sequence, this.opened++, this, options);
  }

  stats(): ModelStats {
    const { pages, prefixes } = this.engine;
    const kvPagesCached = prefixes.evictable;
    return {
      running: this.running.size,
      waiting: this.queue.size,
      kvPagesTotal: pages.pool.pages,
      kvPagesUsed: pages.pool.pages - pages.available - kvPagesCached,
      kvPagesCached,
      ...this.counts,
    };
  }

  /** Fails everybody who waits, and all who come. */
  dispose(): void {
    this.closed = new OnebitError('disposed', 'generate: the model was disposed. Load it again.');
    for (const request of [...this.queue, ...this.ready]) this.fail(request, this.closed);
  }

  submit(request: Request): void {
    if (this.closed || request.cancelled) {
      this.fail(request, this.closed ?? request.cancelled?.reason);
      return;
    }
    this.absent.delete(request);
    if (this.running.has(request)) this.ready.add(request);
    else {
      const feed = request.feed!;
      feed.prefix = [...request.parked, ...feed.prefix];
      request.parked = [];
      this.queue.add(request);
      this.admit();
      const most = this.options.queue;
      if (!request.hadPlace && this.queue.has(request) && this.queue.size > most) {
        const refused = this.queue.tooMany(request);
        const problem = `generate: at most ${most} requests may wait, and so many do. Try again later.`;
        this.fail(refused, new OnebitError('busy', problem));
        if (refused === request) return;
      }
    }
    this.proceed();
  }

  cancel(request: Request): void {
    if (this.inStep.some((part) => part.request === request)) return;
    // Whoever asks for nothing at the moment, and perhaps never will, gives the place back all the same.
    if (request.feed) this.fail(request, request.cancelled?.reason);
    else this.leave(request);
    this.admit();
    this.proceed();
  }

  close(request: Request): void {
    const { sequence } = request;
    if (request.shared) {
      if (!this.closed) this.engine.prefixes.keep(sequence, sequence.exactLength);
      sequence.dispose();
    }
    this.leave(request);
    this.admit();
    this.proceed();
  }

  /** Makes the part of a sequence behind its first `sinks` pages its own, so that it may slide. */
  detach(sequence: KvSequence, sinks: number): void {
    this.engine.prefixes.forget(sequence.pageTable()[sinks]);
  }

  // Places.

  private leave(request: Request): void {
    this.running.delete(request);
    this.ready.delete(request);
    this.absent.delete(request);
    this.queue.remove(request);
  }

  /** Lets those who wait in, in turn, as far as there are places and memory. */
  private admit(): void {
    for (;;) {
      const first = this.queue.next(this.running);
      if (!first) return;
      if (this.running.size >= this.options.parallel && !this.parkFor(first)) return;
      if (!this.fits(first)) {
        if (this.parkFor(first)) continue;
        if (this.running.size > 0) return;
        this.fail(first, outOfPages(this.engine.pages.pool));
        continue;
      }
      this.queue.remove(first);
      this.running.add(first);
      this.ready.add(first);
      first.hadPlace = true;
      this.recall(first);
    }
  }

  /** Whether there is memory for a prompt beside what the running still need, with a page each for their next tokens. */
  private fits(request: Request): boolean {
    const { pages, prefixes } = this.engine;
    const { sequence, feed } = request;
    let needed = this.running.size + sequence.pagesNeeded(request.goal);
    for (const other of this.running) needed += other.sequence.pagesNeeded(other.goal);
    if (needed <= pages.available) return true;
    const known = prefixes.find(sequence.owner, [...sequence.tokens, ...feed!.prefix]);
    // Known pages need not be taken, but those that only the cache holds cannot be evicted any more.
    needed -= Math.max(0, Math.floor(known.length / KV_PAGE) - Math.floor(sequence.length / KV_PAGE));
    const whole = known.pages.slice(0, Math.floor(known.length / KV_PAGE));
    const pinned = whole.filter((page) => pages.holders(page) === 1).length;
    return needed <= pages.available + prefixes.evictable - pinned;
  }

  /** Takes what the cache knows of the request's prefix; that may be all. */
  private recall(request: Request): void {
    const { sequence } = request;
    const feed = request.feed!;
    if (feed.done < feed.prefix.length && sequence.exactLength === sequence.length) {
      const tokens = [...sequence.tokens, ...feed.prefix.slice(feed.done)];
      const known = this.engine.prefixes.find(sequence.owner, tokens);
      const gain = known.length - sequence.length;
      if (gain > 0) {
        sequence.adopt(known.pages, tokens.slice(0, known.length));
        feed.done += gain;
        request.cachedTokens += gain;
      }
    }
    feed.onProgress?.();
    if (request.feed && feed.done === feed.prefix.length && feed.tail.length === 0) this.settle(request, undefined);
  }

  /** Takes a request's memory and place; it queues again as soon as it wants something. */
  private park(request: Request): void {
    const { sequence, feed } = request;
    const tokens = [...sequence.tokens];
    this.engine.prefixes.keep(sequence, sequence.length);
    sequence.dispose();
    this.leave(request);
    if (feed) {
      feed.prefix = [...tokens, ...feed.prefix.slice(feed.done)];
      feed.done = 0;
      this.queue.add(request);
    } else request.parked = tokens;
  }

  /**
   * Parks a request so that `request` finds room; whether there was one: of the background for one that is not, else of the owner with the most places
   * for one whose owner has none. Not while a step goes on.
   */
  private parkFor(request: Request): boolean {
    if (request.isBackground || this.stepping) return false;
    let victim = this.youngest();
    if (!victim?.isBackground) {
      const places = placesOf(this.running);
      const most = Math.max(...places.values());
      if (most < 2 || places.has(request.sequence.owner)) return false;
      victim = this.youngest((other) => places.get(other.sequence.owner) === most);
    }
    if (!victim) return false;
    this.park(victim);
    return true;
  }

  /** Of those that can be parked (and are `wanted`) the one that the others come before. */
  private youngest(wanted: (request: Request) => boolean = () => true): Request | undefined {
    let youngest: Request | undefined;
    for (const request of this.running) {
      if (request.canPark && wanted(request) && (!youngest || youngest.isBefore(request))) youngest = request;
    }
    return youngest;
  }

  // Steps.

  /**
   * Starts a step as soon as everybody of the last one has come back, or has had time to. The background alone lets the event loop turn now and then: whoever is
   * just coming, and is read, rendered and cut into tokens, needs some turns, and steps follow each other without one.
   */
  private proceed(): void {
    if (this.stepping || this.ready.size + this.queue.size === 0) return;
    const mayGoOn = this.isBusy || performance.now() - this.turnedMs < ASIDE_MS;
    if (this.absent.size === 0 && this.ready.size > 0 && mayGoOn) this.run();
    else if (!this.waitingTurns) this.waitTurns();
  }

  private async waitTurns(): Promise<void> {
    this.waitingTurns = true;
    for (let turn = 0; turn < GRACE_TURNS; turn++) await nextTurn();
    this.waitingTurns = false;
    this.turnedMs = performance.now();
    if (this.stepping) return;
    this.absent.clear();
    // Nobody who has a place asks for anything: somebody who does takes it over.
    while (this.ready.size === 0 && this.queue.oldest) {
      const idle = this.youngest();
      if (idle) this.park(idle);
      else if (![...this.running].some((request) => request.shared)) {
        this.fail(this.queue.oldest, outOfPages(this.engine.pages.pool));
      } else return;
      this.admit();
    }
    if (this.ready.size > 0) this.run();
  }

  private async run(): Promise<void> {
    this.stepping = true;
    await undefined; // requests that begin together begin in one step
    try {
      const parts = this.withMemory(this.plan());
      if (parts.length > 0) await this.step(parts);
    } catch (error) {
      for (const request of [...this.ready]) this.fail(request, error);
    }
    this.stepping = false;
    this.admit();
    this.proceed();
  }

  /** Whether anybody but the background wants something fed. */
  private get isBusy(): boolean {
    for (const { isBackground } of this.ready) if (!isBackground) return true;
    return false;
  }

  /** What the next step feeds: the next tokens of all who have only those left, then chunks of prompts, each in its turn. */
  private plan(): Part[] {
    const parts: Part[] = [];
    const { maxRows, maxOutputs } = this.engine;
    const rows = { logits: 0, states: 0 };
    const most = { logits: maxOutputs, states: CHUNK_STATES };
    const prefilling: Request[] = [];
    const { isBusy } = this;
    for (const request of this.ready) {
      if (isBusy && request.isBackground) continue;
      const { prefix, done, tail, gives } = request.feed!;
      if (done < prefix.length) prefilling.push(request);
      else if (tail.length === 0) this.settle(request, undefined);
      else if (rows[gives] + tail.length <= most[gives]) {
        parts.push({ request, tokens: tail, tail: true, outputs: gives === 'logits' ? tail.length : 0 });
        rows[gives] += tail.length;
      }
    }
    const within = (ms: number) => Math.max(FEWEST_ROWS, Math.min(CHUNK_ROWS, Math.floor(ms / this.rowMs)));
    const prompts = isBusy ? (parts.length > 0 ? within(STALL_MS) : CHUNK_ROWS) : within(BACKGROUND_MS);
    let budget = Math.min(maxRows - rows.logits - rows.states, prompts);
    for (const request of prefilling) {
      if (budget <= 0) break;
      this.recall(request);
      const tokens = request.feed?.prefix.slice(request.feed.done, request.feed.done + budget) ?? [];
      if (tokens.length > 0) parts.push({ request, tokens, tail: false, outputs: 0 });
      budget -= tokens.length;
    }
    return parts;
  }

  /** Reserves memory for `parts`, the oldest first; parks the youngest where there is none. Gives the parts that remain. */
  private withMemory(parts: readonly Part[]): Part[] {
    const { pages, prefixes } = this.engine;
    for (const { request, tokens } of parts.toSorted((a, b) => (a.request.isBefore(b.request) ? -1 : 1))) {
      const { sequence } = request;
      const length = sequence.length + tokens.length;
      const missing = () => {
        const needed = sequence.pagesNeeded(length);
        return needed > pages.available && needed > pages.available + prefixes.evictable; // evictable pages are counted one by one
      };
      while (this.running.has(request) && missing()) {
        // A page shared with the cache alone need not be copied.
        if (prefixes.forget(sequence.endPage)) continue;
        const victim = this.youngest();
        if (!victim || (victim === request && this.running.size === 1)) this.fail(request, outOfPages(pages.pool));
        else this.park(victim);
      }
      if (this.running.has(request)) sequence.reserve(length);
    }
    return parts.filter(({ request }) => this.ready.has(request));
  }

  private async step(some: readonly Part[]): Promise<void> {
    const parts = byAdapter(some);
    this.inStep = parts;
    const began = performance.now();
    // The signal of one must not stop the others' work.
    const signal = parts.length === 1 ? parts[0].request.signal : undefined;
    const steps = parts.map(({ request, tokens, outputs }) => ({
      sequence: request.sequence,
      tokens,
      outputs: Array.from({ length: outputs }, (_, i) => i),
    }));
    try {
      await this.engine.step(steps, (logits, states) => this.use(parts, logits, states, signal), signal);
    } catch (error) {
      for (const part of parts) part.error = error;
    }
    this.inStep = [];
    const rows = parts.reduce((sum, part) => sum + part.tokens.length, 0);
    if (rows >= FEWEST_ROWS) this.rowMs += 0.3 * ((performance.now() - began) / rows - this.rowMs);
    for (const part of parts) this.finish(part);
  }

  private async use(parts: readonly Part[], logits: Tensor, states: () => Tensor, signal?: AbortSignal): Promise<void> {
    if (parts.length > 1 || !parts[0].tail) await this.engine.backend.read(logits, 0, 0, signal);
    let row = 0;
    let output = 0;
    for (const part of parts) {
      const { use, gives } = part.request.feed!;
      try {
        if (part.tail) part.result = await (gives === 'states' ? use!(states(), row) : use!(logits, output));
      } catch (error) {
        part.error = error;
      }
      row += part.tokens.length;
      output += part.outputs;
    }
  }

  private finish({ request, tokens, tail, result, error }: Part): void {
    const { sequence, cancelled } = request;
    const feed = request.feed!;
    if (this.closed || cancelled || error !== undefined) {
      this.fail(request, this.closed ?? (cancelled ? cancelled.reason : error));
      return;
    }
    if (tail) {
      this.settle(request, result);
      return;
    }
    feed.done += tokens.length;
    request.evaluatedTokens += tokens.length;
    if (request.shared) this.engine.prefixes.keep(sequence, sequence.exactLength - (sequence.exactLength % KV_PAGE));
    feed.onProgress?.();
    if (!request.feed) return; // it was cancelled by whoever was told
    this.ready.delete(request);
    if (feed.done === feed.prefix.length && feed.tail.length === 0) this.settle(request, undefined);
    else this.ready.add(request); // behind those who wait for their turn
  }

  /** Tells the caller that the feed is done. */
  private settle(request: Request, result: unknown): void {
    const { resolve } = request.feed!;
    request.feed = undefined;
    this.ready.delete(request);
    this.absent.add(request);
    resolve(result as never);
  }

  private fail(request: Request, reason: unknown): void {
    const { feed } = request;
    request.feed = undefined;
    this.leave(request);
    feed?.reject(reason);
  }
}

/** Those without an adapter first, then those of each adapter together: products with an adapter are for rows that follow each other. */
function byAdapter(parts: readonly Part[]): readonly Part[] {
  const adapters = [...new Set([undefined, ...parts.map(({ request }) => request.sequence.adapter)])];
  if (adapters.length === 1) return parts;
  return adapters.flatMap((adapter) => parts.filter(({ request }) => request.sequence.adapter === adapter));
}
