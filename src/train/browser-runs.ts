// Owns training runs in the browser's private storage (OPFS), so that a closed or reloaded tab loses at most what came after the last checkpoint: what was
// asked for and the checkpoints, listing, removing. Must not know workers or pages. Writing needs a dedicated worker, reading does not.
// Layout: folder `onebit-training`, a folder per run, in it `options.json` and checkpoints. Source: https://fs.spec.whatwg.org.
import { blobSource } from '../bytes/blob-source.ts';
import { hasBrowserStore, keyOf, messageOf } from '../bytes/browser-store.ts';
import { bytesTaken } from '../bytes/sync-file.ts';
import { checkArgument } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import { type CheckpointStore, readNewestRun } from './checkpoint.ts';
import type { CurvePoint } from './report-curve.ts';
import type { PlainTrainOptions, TrainOptions } from './train-options.ts';

/** A run in the browser's storage: finished, or interrupted. */
export interface KeptTraining {
  readonly name: string;
  /** When it began, ISO 8601. */
  readonly date: string;
  readonly options: PlainTrainOptions;
  /** Whether it went to its end; going on then only makes the model again. */
  readonly complete: boolean;
  /** Of the last checkpoint: updates, share of the run, seconds, curves. */
  readonly steps: number;
  readonly progress: number;
  readonly elapsedSeconds: number;
  readonly losses: readonly CurvePoint[];
  readonly evaluations: readonly CurvePoint[];
}

interface Saved {
  readonly name: string;
  readonly date: string;
  readonly options: PlainTrainOptions;
}

/** What the File System standard has beyond TypeScript's library. */
interface SyncFile {
  truncate(size: number): void;
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}
type WritableFile = FileSystemFileHandle & {
  createSyncAccessHandle(): Promise<SyncFile>;
  move?(name: string): Promise<void>;
};

const FOLDER = 'onebit-training';
const OPTIONS = 'options.json';
/** An empty file that is there when the run went to its end. */
const COMPLETE = 'complete';

/**
 * Does `work` with the options of a run that keeps its checkpoints under `name`, while no other tab trains it: one that begins anew, replacing an
 * earlier one, or, without `options`, the one that is there. `work` says whether the run went to its end.
 * @throws OnebitError `bad-argument` when another tab trains it or there is none to go on with, `unsupported` or `io` without storage
 */
export async function withKeptRun(
  name: string,
  options: PlainTrainOptions | undefined,
  work: (options: TrainOptions) => Promise<boolean>,
): Promise<void> {
  const begin = async () => {
    if (options) await removeFolder(name);
    const folder = await runFolder(name, true);
    const checkpoints = storeIn(folder, name);
    if (options) {
      const saved: Saved = { name, date: new Date().toISOString(), options };
      await checkpoints.write(OPTIONS, (append) => append(new TextEncoder().encode(JSON.stringify(saved))));
      return finish(checkpoints, await work({ ...options, checkpoints }));
    }
    const saved = await readSaved(folder);
    if (!saved) throw new OnebitError('bad-argument', `resume: a run named '${name}' must be kept, there is none.`);
    return finish(checkpoints, await work({ ...saved.options, checkpoints, resume: true }));
  };
  if (!navigator.locks) return begin();
  await navigator.locks.request(await lockOf(name), { ifAvailable: true }, (held) => {
    if (held) return begin();
    throw new OnebitError('bad-argument', `train: another tab trains '${name}'. Go on there, or take another name.`);
  });
}

async function finish(store: CheckpointStore, complete: boolean): Promise<void> {
  if (complete) await store.write(COMPLETE, async () => {});
}

/** Runs that have a checkpoint and that no tab trains now, the newest first. */
export async function listTrainings(): Promise<KeptTraining[]> {
  if (!hasBrowserStore()) return [];
  const found: KeptTraining[] = [];
  const busy = new Set((await navigator.locks?.query())?.held?.map((lock) => lock.name));
  for await (const handle of (await allRuns()).values()) {
    if (handle.kind !== 'directory') continue;
    const folder = handle as FileSystemDirectoryHandle;
    const saved = await readSaved(folder);
    if (!saved || busy.has(await lockOf(saved.name))) continue;
    const store = storeIn(folder, saved.name);
    const newest = await readNewestRun(store);
    if (!newest) continue;
    const complete = (await store.list()).includes(COMPLETE);
    const { progress, elapsedSeconds, losses, evaluations } = newest.run;
    found.push({ ...saved, complete, steps: newest.step, progress, elapsedSeconds, losses, evaluations });
  }
  return found.sort((a, b) => (a.date < b.date ? 1 : -1));
}

/** Removes a run, if there is one. */
export async function removeTraining(name: string): Promise<void> {
  checkArgument('remove', 'name', name, 'text');
  if (hasBrowserStore()) await removeFolder(name);
}

const lockOf = async (name: string) => `onebit training ${await keyOf(name)}`;

async function allRuns(): Promise<FileSystemDirectoryHandle> {
  if (!hasBrowserStore()) {
    throw new OnebitError(
      'unsupported',
      'keep training: the browser must have private storage, this page has none (it needs https or localhost, and no private window). Train without keeping.',
    );
  }
  try {
    return await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
  } catch (cause) {
    throw storageError('refuses its private storage', cause);
  }
}

async function runFolder(name: string, create: boolean): Promise<FileSystemDirectoryHandle> {
  return (await allRuns()).getDirectoryHandle(await keyOf(name), { create });
}

async function removeFolder(name: string): Promise<void> {
  try {
    await (await allRuns()).removeEntry(await keyOf(name), { recursive: true });
  } catch (error) {
    if ((error as DOMException).name !== 'NotFoundError') throw storageError('cannot remove the run', error);
  }
}

async function readSaved(folder: FileSystemDirectoryHandle): Promise<Saved | undefined> {
  try {
    return JSON.parse(await (await (await folder.getFileHandle(OPTIONS)).getFile()).text());
  } catch {
    return undefined;
  }
}

function storeIn(folder: FileSystemDirectoryHandle, name: string): CheckpointStore {
  return {
    name: `the run '${name}'`,
    async list() {
      const names: string[] = [];
      for await (const file of folder.keys()) if (!file.endsWith('.part')) names.push(file);
      return names;
    },
    open: async (file) => blobSource(await (await folder.getFileHandle(file)).getFile(), file),
    remove: async (file) => folder.removeEntry(file),
    async write(file, produce) {
      try {
        // Where files cannot be moved, a torn one is found by its hashes.
        const movable = 'move' in FileSystemFileHandle.prototype;
        const handle = await folder.getFileHandle(movable ? `${file}.part` : file, { create: true });
        await fill(handle as WritableFile, produce);
        if (movable) await (handle as WritableFile).move!(file);
      } catch (cause) {
        if (cause instanceof OnebitError) throw cause;
        throw storageError('cannot write', cause);
      }
    },
  };
}

async function fill(
  handle: WritableFile,
  produce: (append: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const file = await handle.createSyncAccessHandle();
  try {
    file.truncate(0);
    let at = 0;
    await produce(async (bytes) => {
      const end = at + bytes.length;
      while (at < end) {
        const rest = bytes.subarray(bytes.length - (end - at));
        const taken = bytesTaken(file.write(rest, { at }), rest.length);
        if (taken === 0) throw storageError('cannot write', new Error('its storage for this site is full'));
        at += taken;
      }
    });
    file.flush();
  } finally {
    file.close();
  }
}

function storageError(what: string, cause: unknown): OnebitError {
  return new OnebitError(
    'io',
    `keep training: the browser ${what} (${messageOf(cause)}). Make room, or go on without.`,
    {
      cause,
    },
  );
}
