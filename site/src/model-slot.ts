// Owns the model that the page holds, and changing it for another: of several that are asked for, the last one asked for is the one that stays. Must not
// know how it is shown.
import { loadInWorker, type RemoteProgress, type WorkerModel } from 'onebit/browser';

/** What can be loaded. */
export interface ModelChoice {
  /** A hub name, a URL, a file, bytes; undefined is the model that the page brings. */
  readonly input?: string | Blob | Uint8Array;
  readonly label: string;
  readonly fileBytes?: number;
  /** Keep it in the browser's storage. */
  readonly keep?: boolean;
  readonly token?: string;
  readonly backend?: 'auto' | 'wasm' | 'webgpu';
  readonly contextTokens?: number;
  /** False: it goes on with a text and answers nobody. Undefined: as its file says. */
  readonly talks?: boolean;
  /** What to say to it first. */
  readonly suggestions?: readonly string[];
}

export const EMBEDDED: ModelChoice = { label: 'seedling', fileBytes: 992_928 };

/** Told of changes: `loading` with how far it is, `ready`, `failed`. */
export type SlotEvent =
  | { readonly type: 'loading'; readonly choice: ModelChoice; readonly progress?: RemoteProgress }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: unknown };

type Loader = typeof loadInWorker;

/** One model at a time. */
export class ModelSlot {
  choice: ModelChoice = EMBEDDED;
  model: WorkerModel | undefined;
  loadMs = 0;
  readonly #watchers = new Set<(event: SlotEvent) => void>();
  readonly #loader: Loader;
  #loading: { readonly model: Promise<WorkerModel>; readonly stop: AbortController } | undefined;

  constructor(loader: Loader = loadInWorker) {
    this.#loader = loader;
  }

  watch(watcher: (event: SlotEvent) => void): void {
    this.#watchers.add(watcher);
  }

  /** The model, when it is there: the last that was asked for, or the one before if that fails. */
  async ready(): Promise<WorkerModel> {
    while (this.#loading) {
      const { model } = this.#loading;
      try {
        await model;
      } catch (error) {
        if (!this.#loading && !this.model) throw error;
      }
    }
    return this.model ?? this.load(EMBEDDED);
  }

  /** Whether the model answers, or only goes on with texts. */
  get talks(): boolean {
    return this.choice.talks ?? this.model?.info.talks ?? true;
  }

  /**
   * Loads another model; the one before stays until the new one is there. Asking for another ends a load that is under way: it throws an AbortError.
   */
  load(choice: ModelChoice, signal?: AbortSignal): Promise<WorkerModel> {
    this.#loading?.stop.abort(new DOMException('Another model was asked for.', 'AbortError'));
    const stop = new AbortController();
    signal?.addEventListener('abort', () => stop.abort(signal.reason), { once: true });
    const model = this.#load(choice, stop.signal);
    this.#loading = { model, stop };
    const end = () => {
      if (this.#loading?.stop === stop) this.#loading = undefined;
    };
    model.then(end, end);
    return model;
  }

  async #load(choice: ModelChoice, signal: AbortSignal): Promise<WorkerModel> {
    const tell = (event: SlotEvent) => {
      if (!signal.aborted) for (const watcher of this.#watchers) watcher(event);
    };
    tell({ type: 'loading', choice });
    const began = performance.now();
    const { input, keep, token, backend, contextTokens } = choice;
    try {
      signal.throwIfAborted();
      const model = await this.#loader(input, {
        keep: keep && typeof input === 'string',
        token,
        backend,
        contextTokens,
        signal,
        onProgress: (progress) => tell({ type: 'loading', choice, progress }),
      });
      if (signal.aborted) {
        model.dispose(); // it came in the moment in which nobody wanted it any more
        throw signal.reason;
      }
      this.model?.dispose();
      this.model = model;
      this.choice = choice;
      this.loadMs = performance.now() - began;
      tell({ type: 'ready' });
      return model;
    } catch (error) {
      // Of a load that another one took the place of, nobody needs to hear; of one that a person stopped, they do.
      if (this.#loading?.stop.signal === signal || !signal.aborted) {
        for (const watcher of this.#watchers) watcher({ type: 'failed', error });
      }
      throw error;
    }
  }
}
