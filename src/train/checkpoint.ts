// Owns the checkpoint file: everything a run needs to go on bit for bit, with hashes. Must not know where files lie; a store is given.
//
// Layout, little-endian: "ONEBITCK", u32 version, u32 header bytes, SHA-256 of the header, header (JSON), then the arrays of the header's `arrays` in
// order, float32 without gaps. Each array has its SHA-256 in the header. Arrays are written one by one: no second copy of the state is made.
import type { ByteSource } from '../bytes/source.ts';
import { hexOf, sha256 } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import type { TrainedVocabulary } from '../tokenizer/train.ts';
import type { Recipe } from './recipe.ts';
import type { CurvePoint } from './report-curve.ts';
import type { ModelShape } from './shape.ts';
import type { TrainerState } from './trainer-types.ts';

/** Where checkpoints are kept. */
export interface CheckpointStore {
  /** A name for messages: the folder. */
  readonly name: string;
  /** Names of all whole files. */
  list(): Promise<string[]>;
  open(name: string): Promise<ByteSource>;
  /** Writes a file that appears whole or not at all. */
  write(name: string, produce: (append: (bytes: Uint8Array) => Promise<void>) => Promise<void>): Promise<void>;
  remove(name: string): Promise<void>;
}

/** What is kept of a run besides the trainer's state. */
export interface RunState {
  /** Everything that decides what the run computes; a resumed run must have the same. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** The vocabulary trained at the start; absent where the model that the run started from brought one. */
  readonly vocabulary?: TrainedVocabulary;
  readonly elapsedSeconds: number;
  /** Positions learnt from so far. */
  readonly tokens: number;
  /** Share of the run done, 0 to 1. */
  readonly progress: number;
  readonly losses: readonly CurvePoint[];
  readonly evaluations: readonly CurvePoint[];
}

export interface Checkpoint {
  readonly run: RunState;
  readonly trainer: TrainerState;
}

interface Header {
  readonly run: RunState;
  readonly shape: ModelShape;
  readonly recipe: Recipe;
  readonly step: number;
  readonly arrays: readonly { readonly name: string; readonly length: number; readonly sha256: string }[];
}

const MAGIC = 0x4b435449_42454e4fn; // "ONEBITCK"
const VERSION = 1;
const PREFIX_BYTES = 48;
const MOST_HEADER_BYTES = 1 << 28;
/** The one before the last is kept in case the disk damages the last. */
const KEPT = 2;

/** Writes the checkpoint and removes all but the last two. @returns its name */
export async function writeCheckpoint(store: CheckpointStore, { run, trainer }: Checkpoint): Promise<string> {
  const arrays: { name: string; length: number; sha256: string }[] = [];
  for (const [name, array] of trainer.arrays) {
    arrays.push({ name, length: array.length, sha256: hexOf(await sha256(bytesOf(array))) });
  }
  const { shape, recipe, step } = trainer;
  const header = new TextEncoder().encode(JSON.stringify({ run, shape, recipe, step, arrays } satisfies Header));
  const prefix = new Uint8Array(PREFIX_BYTES);
  const view = new DataView(prefix.buffer);
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, header.length, true);
  prefix.set(await sha256(header), 16);
  const name = `step-${String(step).padStart(9, '0')}.ckpt`;
  await store.write(name, async (append) => {
    await append(prefix);
    await append(header);
    for (const array of trainer.arrays.values()) await append(bytesOf(array));
  });
  for (const old of (await checkpointNames(store)).slice(0, -KEPT)) await store.remove(old);
  return name;
}

/** Names of the checkpoints in a store, oldest first. */
export async function checkpointNames(store: CheckpointStore): Promise<string[]> {
  return (await store.list()).filter((name) => /^step-\d{9,}\.ckpt$/.test(name)).sort();
}

/**
 * The newest checkpoint that is undamaged; undefined when there is none at all.
 * @param onDamaged told about each newer one that is passed over
 * @throws OnebitError `bad-file` when all are damaged
 */
export async function readNewestCheckpoint(
  store: CheckpointStore,
  onDamaged: (error: OnebitError) => void = () => {},
): Promise<Checkpoint | undefined> {
  const names = await checkpointNames(store);
  for (const [left, name] of [...names].reverse().entries()) {
    try {
      return await readCheckpoint(store, name);
    } catch (error) {
      const damaged = error instanceof OnebitError && error.code === 'bad-file';
      if (!damaged || left === names.length - 1) throw error;
      onDamaged(error);
    }
  }
  return undefined;
}

/** What the newest checkpoint with a whole header says of its run, without reading the weights; undefined when there is none. */
export async function readNewestRun(store: CheckpointStore): Promise<{ run: RunState; step: number } | undefined> {
  for (const name of (await checkpointNames(store)).reverse()) {
    const source = await store.open(name);
    try {
      const { run, step } = await readHeader(source);
      return { run, step };
    } catch (error) {
      if (!(error instanceof OnebitError && error.code === 'bad-file')) throw error;
    } finally {
      await source.close();
    }
  }
  return undefined;
}

/** Reads a checkpoint and checks every hash. @throws OnebitError `bad-file` when anything does not fit */
export async function readCheckpoint(store: CheckpointStore, name: string): Promise<Checkpoint> {
  const source = await store.open(name);
  try {
    const { run, shape, recipe, step, arrays } = await readHeader(source);
    const read = new Map<string, Float32Array>();
    let offset = source.size - arrays.reduce((sum, { length }) => sum + 4 * length, 0);
    for (const array of arrays) {
      const values = new Float32Array(array.length);
      const bytes = bytesOf(values);
      await source.readInto(bytes, offset);
      if (hexOf(await sha256(bytes)) !== array.sha256) throw damaged(source, `the hash of ${array.name} differs`);
      read.set(array.name, values);
      offset += bytes.length;
    }
    return { run, trainer: { shape, recipe, step, arrays: read } };
  } finally {
    await source.close();
  }
}

async function readHeader(source: ByteSource): Promise<Header> {
  if (source.size < PREFIX_BYTES) throw damaged(source, `it has ${source.size} bytes`);
  const prefix = new Uint8Array(PREFIX_BYTES);
  await source.readInto(prefix, 0);
  const view = new DataView(prefix.buffer);
  if (view.getBigUint64(0, true) !== MAGIC) throw damaged(source, 'it does not start with ONEBITCK');
  const version = view.getUint32(8, true);
  if (version !== VERSION) throw damaged(source, `its version is ${version}, this program writes ${VERSION}`);
  const length = view.getUint32(12, true);
  if (length > MOST_HEADER_BYTES || PREFIX_BYTES + length > source.size) throw damaged(source, 'it is cut short');
  const bytes = new Uint8Array(length);
  await source.readInto(bytes, PREFIX_BYTES);
  if (hexOf(await sha256(bytes)) !== hexOf(prefix.subarray(16)))
    throw damaged(source, 'the hash of its header differs');
  const header = parseHeader(bytes);
  if (!header) throw damaged(source, 'its header is not what a checkpoint has');
  const data = header.arrays.reduce((sum, array) => sum + 4 * array.length, 0);
  if (PREFIX_BYTES + length + data !== source.size) throw damaged(source, 'it is cut short');
  return header;
}

/** The header, if it has the parts that a header has. */
function parseHeader(bytes: Uint8Array): Header | undefined {
  try {
    const header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Header;
    // A run that borrows its tokenizer has no vocabulary of its own.
    const parts = [header.run, header.run.identity, header.run.vocabulary ?? {}, header.shape, header.recipe];
    const isArray = ({ name, length, sha256 }: Header['arrays'][number]) =>
      typeof name === 'string' && Number.isSafeInteger(length) && length >= 0 && typeof sha256 === 'string';
    return parts.every((part) => typeof part === 'object' && part !== null) && header.arrays.every(isArray)
      ? header
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Checks that a run may go on from a checkpoint.
 * @throws OnebitError `bad-argument` naming everything that differs
 */
export function checkIdentity(
  saved: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
): void {
  const problems: string[] = [];
  for (const name of new Set([...Object.keys(saved), ...Object.keys(given)])) {
    const [was, is] = [saved[name], given[name]].map((value) => JSON.stringify(value ?? null));
    if (was !== is) problems.push(`${name} was ${was}, is ${is}`);
  }
  if (problems.length === 0) return;
  throw new OnebitError(
    'bad-argument',
    `resume: the corpus and the options must be those of the interrupted run: ${problems.join('; ')}. Give the same again, or start anew with --overwrite.`,
    { problems },
  );
}

function damaged(source: ByteSource, what: string): OnebitError {
  return new OnebitError(
    'bad-file',
    `resume: ${source.name} must be a whole checkpoint, ${what}. Remove it to go on from the one before it.`,
  );
}

function bytesOf(array: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
}
