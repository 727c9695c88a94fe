// Owns the files of a training run: corpora, checkpoints, the log. Must not know training beyond the interfaces it fills.
import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileError, fileSource } from '../bytes/file-source.ts';
import { temporaryPath, writeFileAtomically } from '../bytes/file-write.ts';
import { OnebitError } from '../errors.ts';
import { type CheckpointStore, readNewestCheckpoint } from '../train/checkpoint.ts';
import { type ParsedCorpus, parseCorpus } from '../train/corpus.ts';
import type { TrainingDocument } from '../train/corpus-document.ts';
import { shapeTensors } from '../train/shape.ts';
import type { StartModel } from '../train/start-model.ts';
import { isOwnFile } from './own-files.ts';
import { readInput } from './read-input.ts';

const TEXT_ENDINGS = new Set(['.txt', '.md', '.text', '.jsonl']);

export interface CorpusFlags {
  whole?: boolean;
  replaceInvalid?: boolean;
}

/** The files that `paths` mean: themselves, and of folders the text files, in the order of their paths, but for logs of trainings. */
export async function corpusFiles(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) files.push(...(await textFiles(path)));
  return files;
}

/** Documents of files, and how many bytes were replaced in each. */
export async function readCorpora(
  files: readonly string[],
  flags: CorpusFlags,
  signal: AbortSignal,
): Promise<{ documents: TrainingDocument[]; notices: string[] }> {
  const documents: TrainingDocument[] = [];
  const notices: string[] = [];
  for (const file of files) {
    const parsed = await readCorpus(file, flags, signal);
    for (const document of parsed.documents) documents.push(document);
    if (parsed.replaced > 0) notices.push(`${file}: ${parsed.replaced} places that are not UTF-8 became U+FFFD.`);
    if (parsed.documents.length === 0) notices.push(`${file}: no text in it.`);
  }
  return { documents, notices };
}

async function readCorpus(path: string, flags: CorpusFlags, signal: AbortSignal): Promise<ParsedCorpus> {
  const bytes = await readInput(path, 'read corpus', signal);
  const format = extname(path) === '.jsonl' ? 'chat' : flags.whole ? 'whole' : 'documents';
  return parseCorpus(path, bytes, { format, replaceInvalid: flags.replaceInvalid });
}

async function textFiles(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const names = await readdir(path, { recursive: true });
    const files: string[] = [];
    for (const name of names.filter((name) => TEXT_ENDINGS.has(extname(name).toLowerCase())).sort()) {
      if (!(await isTrainingsOwn(join(path, name)))) files.push(join(path, name));
    }
    if (files.length > 0) return files;
  } catch (error) {
    throw fileError('read corpus', path, error);
  }
  throw new OnebitError(
    'bad-argument',
    `read corpus: the folder ${path} must have text files (${[...TEXT_ENDINGS].join(', ')}), it has none. Name files.`,
  );
}

/** A run that writes beside its corpus must not learn its own log and card when it goes on. */
async function isTrainingsOwn(path: string): Promise<boolean> {
  const kind = extname(path) === '.jsonl' ? 'log' : path.endsWith('.card.md') ? 'card' : undefined;
  return kind !== undefined && (await stat(path)).isFile() && (await isOwnFile(path, kind));
}

/** Checkpoints in a folder that is there. */
export function folderStore(folder: string): CheckpointStore {
  return {
    name: folder,
    list: () => readdir(folder),
    open: (name) => fileSource(join(folder, name)),
    write: (name, produce) => writeFileAtomically(join(folder, name), produce),
    remove: (name) => rm(join(folder, name), { force: true }),
  };
}

/**
 * The weights before rounding of the run that wrote `model`, from its newest checkpoint beside it; the folder is only read. Rounded weights have forgotten how
 * sure each sign was. Undefined where there is none, or it is not of the update that `model` has: vectors, which are stored as they are, must be equal.
 */
export async function weightsBeforeRounding(
  model: string,
  { shape, weights: stored }: StartModel,
): Promise<ReadonlyMap<string, Float32Array> | undefined> {
  const folder = `${model}.ckpt`;
  if (!existsSync(folder)) return undefined;
  const checkpoint = await readNewestCheckpoint(folderStore(folder));
  const weights = new Map<string, Float32Array>();
  for (const { name, rows, cols } of shapeTensors(shape)) {
    const values = checkpoint?.trainer.arrays.get(name);
    if (values?.length !== rows * cols) return undefined;
    if (rows === 1 && values.some((value, i) => value !== stored.get(name)?.[i])) return undefined;
    weights.set(name, values);
  }
  return weights;
}

/** To append without waiting: to open a pipe that nobody reads otherwise holds the whole program, signals included. */
const APPEND_AT_ONCE = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NONBLOCK ?? 0);

/** Lines of JSON, each written at once so that a kill loses none; a disk that refuses them ends the log, not the run. */
export class JsonLog {
  readonly #path: string;
  readonly #onFailure: (error: OnebitError) => void;
  #broken = false;

  constructor(path: string, onFailure: (error: OnebitError) => void) {
    this.#path = path;
    this.#onFailure = onFailure;
  }

  /** Begins the log; of an earlier one the lines up to update `keepSteps` stay. */
  begin(keepSteps: number): void {
    this.#try(() => {
      const isFile = statSync(this.#path, { throwIfNoEntry: false })?.isFile() ?? true;
      if (!isFile) return; // pipes and terminals have no earlier lines
      const kept = keepSteps > 0 ? linesUpTo(this.#path, keepSteps) : [];
      const temporary = temporaryPath(this.#path);
      writeFileSync(temporary, kept.map((line) => `${line}\n`).join(''));
      renameSync(temporary, this.#path);
    });
  }

  add(entry: object): void {
    this.#try(() => {
      const file = openSync(this.#path, APPEND_AT_ONCE);
      try {
        appendFileSync(file, `${JSON.stringify(entry)}\n`);
      } finally {
        closeSync(file);
      }
    });
  }

  #try(action: () => void): void {
    if (this.#broken) return;
    try {
      action();
    } catch (error) {
      this.#broken = true;
      this.#onFailure(fileError('write log', this.#path, error));
    }
  }
}

function linesUpTo(path: string, steps: number): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return []; // the earlier log is gone; a new one begins
  }
  return text.split('\n').filter((line) => {
    if (line === '') return false;
    try {
      return ((JSON.parse(line) as { step?: number }).step ?? 0) <= steps;
    } catch {
      return false; // cut off by a kill
    }
  });
}
