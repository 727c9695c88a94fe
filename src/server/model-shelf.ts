// Owns which models are in memory: loaded when asked for, within a bound, put away when nobody has used them for a while.
import { checkArgument, checkList } from '../core/check.ts';
import { orAborted } from '../core/on-abort.ts';
import { OnebitError } from '../errors.ts';
import type { LanguageModel, ModelFacts } from '../language-model.ts';
import { ApiError } from './api-error.ts';

/** A model that can be loaded. */
export interface ShelfEntry {
  /** What clients call it. */
  readonly id: string;
  /** Bytes it will take. Throws the reason of `signal` when that is aborted. */
  needBytes(signal?: AbortSignal): Promise<number>;
  load(signal: AbortSignal): Promise<LanguageModel>;
  /** Names of the adapters that it is loaded with; clients call them `id:name`. */
  readonly adapters?: readonly string[];
  /** What the file is, for those who list models. */
  facts?(): Promise<ModelFacts>;
  /** When the file was written; undefined where nobody knows. */
  modifiedAt?(): Promise<Date | undefined>;
  /** SHA-256 of the file without its signature, for signed answers. */
  digest?(): Promise<string>;
}

export interface ShelfOptions {
  /** Most bytes that all loaded models together may take. Default: no bound. */
  readonly memoryBytes?: number;
  /** A model that nobody has used for so long is put away; the only model stays. Default: never. */
  readonly idleMs?: number;
  /** Allow no model at all: for servers that only have a support model. */
  readonly mayBeEmpty?: boolean;
}

/** A model that somebody uses; it stays loaded until `release`. */
export interface Lease {
  readonly id: string;
  readonly model: LanguageModel;
  /** The model's adapter that was asked for; '' for none. */
  readonly adapter: string;
  release(): void;
}

interface Slot {
  readonly entry: ShelfEntry;
  model?: LanguageModel;
  bytes: number;
  users: number;
  usedAtMs: number;
  idle?: ReturnType<typeof setTimeout>;
}

/** As long as Ollama says of models that stay: the longest time of its language. */
const FOREVER_MS = 292 * 365.25 * 86_400_000;
/** How long a load that was stopped may take to see it. */
const LONGEST_STOP_MS = 5000;

/** The models of one server. */
export class ModelShelf {
  private readonly slots = new Map<string, Slot>();
  private readonly options: ShelfOptions;
  private readonly closed = new AbortController();
  private readonly since = new Date();
  /** Models are loaded one after the other, so that the bound can be kept. */
  private lastLoad: Promise<unknown> = Promise.resolve();

  constructor(entries: readonly ShelfEntry[], options: ShelfOptions = {}) {
    checkList('new ModelShelf', 'entries', entries, 'object');
    for (const [i, { id }] of entries.entries()) checkArgument('new ModelShelf', `entries[${i}].id`, id, 'text');
    checkArgument('new ModelShelf', 'options', options, 'object');
    for (const entry of entries) {
      if (this.slots.has(entry.id)) {
        throw new OnebitError('bad-argument', `serve: models need different names, got '${entry.id}' twice.`);
      }
      this.slots.set(entry.id, { entry, bytes: 0, users: 0, usedAtMs: 0 });
    }
    if (this.slots.size === 0 && !options.mayBeEmpty) {
      throw new OnebitError('bad-argument', 'serve: at least one model is needed.');
    }
    this.options = options;
  }

  /** Names of all models, the default one first, each followed by those of its adapters. */
  get ids(): string[] {
    return [...this.slots.values()].flatMap(({ entry: { id, adapters = [] } }) => [
      id,
      ...adapters.map((name) => `${id}:${name}`),
    ]);
  }

  /** Those in memory. */
  *loaded(): Generator<{ id: string; model: LanguageModel }, void, void> {
    for (const [id, { model }] of this.slots) if (model) yield { id, model };
  }

  /** Bytes that the model `id` takes or would take. */
  needBytes(id: string): Promise<number> {
    return this.find(id).slot.entry.needBytes();
  }

  /** What is known of the model `id` without loading it; undefined where nothing is. */
  async facts(id: string): Promise<ModelFacts | undefined> {
    const { model, entry } = this.find(id).slot;
    return model ? model.facts() : entry.facts?.().catch(() => undefined);
  }

  /** When the file of the model `id` was written; where nobody knows, and of what is no model of this shelf, since when there is the shelf. */
  async modifiedAt(id: string): Promise<Date> {
    return (
      (await this.look(id)
        ?.slot.entry.modifiedAt?.()
        .catch(() => undefined)) ?? this.since
    );
  }

  /** When the model `id` will be put away if nobody asks for it; centuries from now where it stays. */
  expiresAt(id: string): Date {
    const { idle, users, usedAtMs } = this.find(id).slot;
    const { idleMs } = this.options;
    if (idleMs === undefined || this.slots.size === 1 || (users === 0 && !idle))
      return new Date(Date.now() + FOREVER_MS);
    const unusedMs = users > 0 ? 0 : performance.now() - usedAtMs;
    return new Date(Date.now() + idleMs - unusedMs);
  }

  /**
   * Lends the model `id`, the first one where none is named; loads it if need be. A load goes on for others when `signal` aborts the waiting for it.
   * @throws ApiError 404, or 503 while there is no room; the reason of `signal`
   */
  async borrow(id?: string | null, signal?: AbortSignal): Promise<Lease> {
    const { slot, adapter } = this.find(id ?? this.ids[0]);
    slot.users++;
    clearTimeout(slot.idle);
    try {
      const model =
        slot.model ??
        (await orAborted(
          this.inTurn(() => this.load(slot)),
          signal,
        ));
      let released = false;
      const release = () => {
        if (!released) this.giveBack(slot);
        released = true;
      };
      const name = adapter === '' ? slot.entry.id : `${slot.entry.id}:${adapter}`;
      return { id: name, model, adapter, release };
    } catch (error) {
      this.giveBack(slot);
      throw error;
    }
  }

  /** Puts all models away. */
  async dispose(): Promise<void> {
    this.closed.abort(new OnebitError('disposed', 'serve: the server is shutting down.'));
    await orAborted(this.lastLoad, AbortSignal.timeout(LONGEST_STOP_MS)).catch(() => {});
    for (const slot of this.slots.values()) {
      clearTimeout(slot.idle);
      await this.unload(slot);
    }
  }

  /** Ollama's clients may put a tag behind the name. */
  private look(id: string): { slot: Slot; adapter: string } | undefined {
    for (const name of [id, id.replace(/:latest$/, '')]) {
      const slot = this.slots.get(name);
      if (slot) return { slot, adapter: '' };
      const at = name.lastIndexOf(':');
      const [base, adapter] = [this.slots.get(name.slice(0, at)), name.slice(at + 1)];
      if (at > 0 && base?.entry.adapters?.includes(adapter)) return { slot: base, adapter };
    }
    return undefined;
  }

  private find(id: string): { slot: Slot; adapter: string } {
    const found = this.look(id);
    if (found) return found;
    throw new ApiError(404, `There is no model of this name here, but: ${this.ids.join(', ')}.`, {
      code: 'model_not_found',
      param: 'model',
    });
  }

  private inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.lastLoad.then(work);
    this.lastLoad = result.catch(() => {});
    return result;
  }

  private async load(slot: Slot): Promise<LanguageModel> {
    if (slot.model) return slot.model; // somebody else wanted it too
    this.closed.signal.throwIfAborted();
    if (slot.users === 0) throw new OnebitError('disposed', 'serve: nobody waits for this model any more.');
    await this.makeRoom(await slot.entry.needBytes(this.closed.signal));
    slot.model = await slot.entry.load(this.closed.signal);
    slot.bytes = slot.model.memoryBytes;
    if (slot.users === 0) this.unloadLater(slot);
    return slot.model;
  }

  private async makeRoom(needBytes: number): Promise<void> {
    const bound = this.options.memoryBytes ?? Number.POSITIVE_INFINITY;
    const used = () => [...this.slots.values()].reduce((sum, slot) => sum + slot.bytes, 0);
    if (needBytes > bound) {
      const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
      throw new OnebitError(
        'unsupported',
        `serve: this model needs ${megabytes(needBytes)}, the memory bound is ${megabytes(bound)}.`,
      );
    }
    while (used() + needBytes > bound) {
      const idle = [...this.slots.values()].filter((slot) => slot.model && slot.users === 0);
      const oldest = idle.sort((a, b) => a.usedAtMs - b.usedAtMs)[0];
      if (!oldest) {
        throw new ApiError(503, 'Other models are busy and leave no memory for this one. Try again later.', {
          code: 'no_memory',
          retryAfterSeconds: 5,
        });
      }
      await this.unload(oldest);
    }
  }

  private giveBack(slot: Slot): void {
    slot.users--;
    this.unloadLater(slot);
  }

  private unloadLater(slot: Slot): void {
    slot.usedAtMs = performance.now();
    const { idleMs } = this.options;
    if (slot.users > 0 || idleMs === undefined || this.slots.size === 1 || this.closed.signal.aborted) return;
    clearTimeout(slot.idle);
    slot.idle = setTimeout(() => {
      void this.inTurn(async () => {
        if (slot.users === 0) await this.unload(slot);
      });
    }, idleMs);
  }

  private async unload(slot: Slot): Promise<void> {
    const { model } = slot;
    slot.model = undefined;
    slot.bytes = 0;
    await model?.dispose();
  }
}

/** A shelf with one model that is loaded already. */
export function loadedShelf(model: LanguageModel): ModelShelf {
  const shelf = new ModelShelf([{ id: model.config.name, needBytes: async () => 0, load: async () => model }]);
  void shelf.borrow().then((lease) => lease.release());
  return shelf;
}
