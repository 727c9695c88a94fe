// Owns the model that the page holds, and changing it for another. Must not know how it is shown.
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
  /** False: it goes on with a text and answers nobody. */
  readonly talks?: boolean;
}

export const EMBEDDED: ModelChoice = { label: 'seedling', fileBytes: 992_800 };

/** Told of changes: `loading` with how far it is, `ready`, `failed`. */
export type SlotEvent =
  | { readonly type: 'loading'; readonly choice: ModelChoice; readonly progress?: RemoteProgress }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: unknown };

/** One model at a time. */
export class ModelSlot {
  choice: ModelChoice = EMBEDDED;
  model: WorkerModel | undefined;
  loadMs = 0;
  readonly #watchers = new Set<(event: SlotEvent) => void>();
  #loading: Promise<WorkerModel> | undefined;

  watch(watcher: (event: SlotEvent) => void): void {
    this.#watchers.add(watcher);
  }

  /** The model, when it is there. */
  ready(): Promise<WorkerModel> {
    if (this.model) return Promise.resolve(this.model);
    return this.#loading ?? this.load(EMBEDDED);
  }

  /** Loads another model; the one before stays until the new one is there. */
  load(choice: ModelChoice, signal?: AbortSignal): Promise<WorkerModel> {
    const loading = this.#load(choice, signal);
    this.#loading = loading;
    const end = () => {
      if (this.#loading === loading) this.#loading = undefined;
    };
    loading.then(end, end);
    return loading;
  }

  async #load(choice: ModelChoice, signal?: AbortSignal): Promise<WorkerModel> {
    this.#tell({ type: 'loading', choice });
    const began = performance.now();
    const { input, keep, token, backend, contextTokens } = choice;
    try {
      const model = await loadInWorker(input, {
        keep: keep && typeof input === 'string',
        token,
        backend,
        contextTokens,
        signal,
        onProgress: (progress) => this.#tell({ type: 'loading', choice, progress }),
      });
      this.model?.dispose();
      this.model = model;
      this.choice = choice;
      this.loadMs = performance.now() - began;
      this.#tell({ type: 'ready' });
      return model;
    } catch (error) {
      this.#tell({ type: 'failed', error });
      throw error;
    }
  }

  #tell(event: SlotEvent): void {
    for (const watcher of this.#watchers) watcher(event);
  }
}
