// Owns the one way in which commands write files. Before anything is read or computed, all outputs of a command are compared with all its inputs and
// with each other, foreign files in their places are refused, other runs that write the same are kept out, and writing is tried. Must not know what is
// written.
import type { Stats } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join, sep } from 'node:path';
import { fileError, systemCode } from '../bytes/file-source.ts';
import {
  type Append,
  isTemporaryName,
  removeTemporaries,
  temporaryPath,
  writeFileAtomically,
} from '../bytes/file-write.ts';
import { type Lock, takeLock } from '../bytes/lock.ts';
import { OnebitError } from '../errors.ts';
import {
  type FileIdentity,
  identityOf,
  identityOfStandardInput,
  isStandardOutput,
  realPathOf,
} from './file-identity.ts';
import { isOwnFile, type OutputKind } from './own-files.ts';
import { keepStandardOutputClean, note } from './print.ts';

/** A file (or, for checkpoints, a folder) that a command will write. */
export interface Output {
  /** The option that names it, for messages. */
  readonly option: string;
  readonly path: string;
  readonly kind: OutputKind;
  /** An input that this output is meant to replace once everything is done. */
  readonly mayReplace?: string;
}

/** The outputs of one command, claimed: nobody else writes them until `release`. */
export class Outputs {
  readonly #locks: Lock[] = [];
  readonly #folders: string[] = [];
  readonly #real = new Map<string, string>();

  /**
   * Claims `outputs` for a command that reads `inputs`: paths of files and folders, `-` for standard input; what is not there is passed over. Throws
   * `bad-argument` when an output is an input, another output, or a file that this program did not make, `busy` while another run writes it, `io`
   * when it could not be written.
   */
  static async claim(outputs: readonly Output[], inputs: readonly string[], neededBytes = 1 << 20): Promise<Outputs> {
    const claimed = new Outputs();
    const read = await identitiesOf(inputs);
    try {
      for (const output of outputs) await claimed.#refuseMixUp(output, read);
      for (const output of outputs) await claimed.#take(output);
      for (const output of outputs) await claimed.#try(output, neededBytes);
      return claimed;
    } catch (error) {
      await claimed.release();
      throw error;
    }
  }

  /** Where an output really lies: the path with links followed. */
  pathOf(path: string): string {
    return this.#real.get(path) ?? path;
  }

  /** Looks whether so much fits beside an output, once that is known. Throws `io`. */
  async needs(path: string, bytes: number): Promise<void> {
    const real = this.pathOf(path);
    const found = await stat(real).catch(() => undefined);
    if (found === undefined || found.isFile()) await checkSpace(path, dirname(real), bytes);
  }

  /** Writes one of the outputs whole or not at all. Throws `io`. */
  async write(path: string, bytes: Uint8Array): Promise<void> {
    await this.produce(path, (append) => append(bytes));
  }

  /** Like `write` for a file that nobody else on the machine may read. */
  async writeSecret(path: string, bytes: Uint8Array): Promise<void> {
    await writeFileAtomically(this.pathOf(path), (append) => append(bytes), 0o600);
  }

  /** Like `write` for bytes that come piece by piece. Throws also what `produce` throws. */
  async produce(path: string, produce: (append: Append) => Promise<void>): Promise<void> {
    await writeFileAtomically(this.pathOf(path), produce);
  }

  /**
   * Writes the result of long work: where its place refuses it, it is kept elsewhere, the program says so and ends with 1. Gives the path; throws
   * `io` when no place takes it.
   */
  async writeResult(path: string, bytes: Uint8Array): Promise<string> {
    try {
      await this.write(path, bytes);
      return path;
    } catch (error) {
      const other = await keepElsewhere(basename(path), (append) => append(bytes));
      if (other === undefined) throw error;
      note(`error: ${(error as Error).message} The result is kept in ${other}: move it from there.`);
      process.exitCode = 1;
      return other;
    }
  }

  /** Gives the outputs free, and removes folders that stayed empty. */
  async release(): Promise<void> {
    for (const folder of this.#folders) await rmdir(folder).catch(() => {}); // it has files
    for (const lock of this.#locks.splice(0)) await lock.release();
  }

  async #refuseMixUp({ option, path, kind, mayReplace }: Output, read: ReadonlySet<FileIdentity>): Promise<void> {
    if (kind !== 'checkpoints' && (path.endsWith('/') || path.endsWith(sep))) {
      throw new OnebitError(
        'bad-argument',
        `${option}: a file must be named, got the folder ${path}. Name the file in it.`,
      );
    }
    if (path === '-') {
      throw new OnebitError(
        'bad-argument',
        `${option}: a file must be named, got -. For standard output name /dev/stdout, for a file of this name ./-.`,
      );
    }
    const real = await realPathOf(path).catch((error) => {
      if (systemCode(error) !== 'ENOENT') throw fileError('write', path, error);
      throw new OnebitError('io', `write ${path}: its folder must exist, it does not. Create it first.`, {
        cause: error,
      });
    });
    // Names that differ only in their case are one file on many disks.
    const folded = (name: string) => name.normalize('NFC').toLowerCase();
    for (const [other, otherReal] of this.#real) {
      const same = folded(otherReal) === folded(real) || (await areSame(otherReal, real));
      if (same) throw refusal(option, path, `it is also where ${other} goes`, 'Give each output a name of its own');
    }
    this.#real.set(path, real);
    const found = await stat(real).catch(() => undefined);
    if (!found) return;
    if (await isStandardOutput(real)) keepStandardOutputClean();
    const own = await identityOf(real);
    const replaces = mayReplace !== undefined && own === (await identityOf(mayReplace));
    if (own !== undefined && read.has(own) && !replaces) {
      throw refusal(option, path, 'the command reads it', 'Choose another name');
    }
    if (found.isDirectory() !== (kind === 'checkpoints')) {
      if (found.isDirectory()) throw fileError('write', path, Object.assign(new Error(), { code: 'EISDIR' }));
      if (found.isFile()) throw refusal(option, path, 'a file is in the place of this folder', 'Move it away');
    }
    if ((found.isFile() || found.isDirectory()) && !(await isOwnFile(real, kind))) {
      throw refusal(option, path, whyForeign(found, kind), 'Choose another name, or move it away');
    }
  }

  async #take({ path, kind }: Output): Promise<void> {
    const real = this.pathOf(path);
    const found = await stat(real).catch(() => undefined);
    if (found && !found.isFile() && !found.isDirectory()) return; // pipes and terminals are nobody's
    const lock = await takeLock(`${real}.lock`, {
      onWait: (pid) => {
        const who = pid > 0 ? ` (process ${pid})` : '';
        throw new OnebitError(
          'busy',
          `write ${path}: another run${who} must not be writing it, one is. Wait for its end, or choose another name.`,
        );
      },
    });
    this.#locks.push(lock);
    if (kind !== 'checkpoints') return removeTemporaries(real);
    await mkdir(real).catch((error) => {
      if (systemCode(error) !== 'EEXIST') throw fileError('write checkpoints to', path, error);
    });
    this.#folders.push(real);
    for (const name of await readdir(real)) {
      if (isTemporaryName(name, 'step-')) await rm(join(real, name), { force: true });
    }
  }

  /** Writes a little beside the output and looks at the space: what would only fail at the end fails now. */
  async #try({ path, kind }: Output, neededBytes: number): Promise<void> {
    const real = this.pathOf(path);
    const found = await stat(real).catch(() => undefined);
    if (found && !found.isFile() && !found.isDirectory()) return tryDevice(path, real, found);
    const probe = temporaryPath(kind === 'checkpoints' ? join(real, 'step-000000000.ckpt') : real);
    try {
      const file = await open(probe, 'wx');
      try {
        await file.writeFile(new Uint8Array(4096));
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      throw fileError('write', path, error);
    } finally {
      await rm(probe, { force: true });
    }
    await checkSpace(path, dirname(probe), neededBytes);
  }
}

/** Writes nothing to a device, which says whether it takes anything (/dev/full does not). Pipes wait for who reads them. */
async function tryDevice(path: string, real: string, found: Stats): Promise<void> {
  if (found.isFIFO()) return;
  if (!found.isCharacterDevice()) {
    const what = found.isSocket() ? 'a socket' : 'a disk';
    throw new OnebitError('bad-argument', `write ${path}: the output must be a file, got ${what}. Name a file.`);
  }
  try {
    const device = await open(real, 'r+').catch(() => open(real, 'w'));
    await device.writev([new Uint8Array(0)]).finally(() => device.close());
  } catch (error) {
    throw fileError('write', path, error);
  }
}

/** Throws `io` where the disk of `folder` has less than `neededBytes` free. */
export async function checkSpace(path: string, folder: string, neededBytes: number): Promise<void> {
  const disk = await statfs(folder).catch(() => undefined);
  if (!disk || disk.blocks === 0) return; // not every file system tells
  const freeBytes = disk.bavail * disk.bsize;
  if (freeBytes >= neededBytes) return;
  throw new OnebitError(
    'io',
    `write ${path}: the disk must have ${neededBytes} bytes free, it has ${freeBytes}. Free some space or choose another disk.`,
  );
}

/** Writes into the first of a few folders that takes it. */
async function keepElsewhere(name: string, produce: (append: Append) => Promise<void>): Promise<string | undefined> {
  for (const folder of [tmpdir(), homedir(), process.cwd()]) {
    try {
      const path = join(await mkdtemp(join(folder, 'onebit-')), name);
      await writeFileAtomically(path, produce);
      return path;
    } catch {
      // the next one
    }
  }
  return undefined;
}

async function identitiesOf(inputs: readonly string[]): Promise<ReadonlySet<FileIdentity>> {
  const found = new Set<FileIdentity>();
  for (const path of inputs) {
    const one = path === '-' ? identityOfStandardInput() : await identityOf(path);
    if (one !== undefined) found.add(one);
  }
  return found;
}

async function areSame(a: string, b: string): Promise<boolean> {
  const [first, second] = [await identityOf(a), await identityOf(b)];
  return first !== undefined && first === second;
}

function whyForeign(found: Stats, kind: OutputKind): string {
  if (found.isDirectory()) return 'it has files that onebit did not make';
  return kind === 'key' ? 'a key is never written over' : 'nothing in it says that onebit made it';
}

function refusal(option: string, path: string, why: string, advice: string): OnebitError {
  return new OnebitError(
    'bad-argument',
    `${option}: the output must be a new file or one that onebit made and nothing reads, got ${path}: ${why}. ${advice}.`,
  );
}
