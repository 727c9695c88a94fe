// Owns folders that commands write whole: new or empty ones, so that nothing of others is overwritten. Until all files are there they lie in a folder of
// their own inside, so that a run that was killed leaves nothing that looks whole, and the next one can do its work.
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../bytes/file-source.ts';
import { isTemporaryName, temporaryPath, writeFileAtomically } from '../bytes/file-write.ts';
import { takeLock } from '../bytes/lock.ts';
import { OnebitError } from '../errors.ts';
import type { WriteFile } from '../hf/write.ts';

const LOCK = 'onebit.lock';
const STAGE = 'onebit-folder';
/** In a stage whose files are being moved to their place: the names of all, the last one to be moved first. */
const MOVING = 'onebit-moving.json';

/**
 * Makes the folder, and gives what `fill` gives, which writes its files. The file that `fill` writes first appears last: a folder without it is not whole.
 * @throws OnebitError `bad-argument` where the folder holds something, `busy` while another run fills it, `io`, and what `fill` throws
 */
export async function fillNewFolder<Result>(
  path: string,
  operation: string,
  fill: (write: WriteFile) => Promise<Result>,
): Promise<Result> {
  if ((await stat(path).catch(() => undefined))?.isDirectory() === false) {
    throw new OnebitError('bad-argument', `${operation}: ${path} must be a folder, it is a file. Choose another.`);
  }
  const made = await attempt(path, () => mkdir(path, { recursive: true }));
  try {
    await refuseFull(path, operation);
    const lock = await takeLock(join(path, LOCK), {
      onWait: () => {
        throw new OnebitError(
          'busy',
          `${operation}: ${path} must not be filled by another run, it is. Choose another folder.`,
        );
      },
    });
    try {
      for (const name of await refuseFull(path, operation))
        await rm(join(path, name), { recursive: true, force: true });
      return await staged(path, fill);
    } finally {
      await lock.release();
    }
  } finally {
    if (made !== undefined) await rmdir(path).catch(() => {}); // it has files
  }
}

/** What killed runs left there, when nothing else is there. */
async function refuseFull(path: string, operation: string): Promise<string[]> {
  const names = await attempt(path, () => readdir(path));
  const left = names.filter((name) => isTemporaryName(name, STAGE) || isTemporaryName(name, LOCK));
  for (const stage of left.slice()) left.push(...(await movedFrom(path, stage, names)));
  if (names.some((name) => name !== LOCK && !left.includes(name))) {
    throw new OnebitError(
      'bad-argument',
      `${operation}: ${path} must be a new or an empty folder, it has files. Choose another.`,
    );
  }
  return left;
}

/** Those of `names` that a run had moved out of its stage when it was killed before the last one. */
async function movedFrom(path: string, stage: string, names: readonly string[]): Promise<string[]> {
  try {
    const all = JSON.parse(await readFile(join(path, stage, MOVING), 'utf8')) as string[];
    return names.includes(all[0]) ? [] : names.filter((name) => all.includes(name));
  } catch {
    return []; // it had not come so far, or is a lock's
  }
}

async function staged<Result>(path: string, fill: (write: WriteFile) => Promise<Result>): Promise<Result> {
  const stage = temporaryPath(join(path, STAGE));
  const files: string[] = [];
  try {
    await attempt(path, () => mkdir(stage));
    const result = await fill(async (name, produce) => {
      await writeFileAtomically(join(stage, name), produce);
      files.push(name);
    });
    await attempt(path, () => writeFile(join(stage, MOVING), JSON.stringify(files)));
    for (const name of files.reverse()) await attempt(path, () => rename(join(stage, name), join(path, name)));
    return result;
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

async function attempt<Result>(path: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    throw fileError('make', path, error);
  }
}
