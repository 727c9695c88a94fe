// Owns the files that the support commands read and write. Must not know what is done with them.
import {
  type BusinessTexts,
  loadSupport,
  type Passage,
  type ReadRowsOptions,
  readDocuments,
  readLabels,
  readRows,
  type SupportModel,
  type SupportRow,
} from '../tasks/support/index.ts';
import { modelPathOf } from './file-identity.ts';
import { readInput, readInputJson } from './read-input.ts';
import { withModelHint } from './suggest.ts';

/** Labelled rows of several files; `-` is standard input. Errors name the file and the row. */
export async function readLabelled(
  paths: readonly string[],
  signal: AbortSignal,
  options: ReadRowsOptions = {},
): Promise<SupportRow[]> {
  const rows: SupportRow[] = [];
  for (const path of paths) {
    const bytes = await readInput(path, 'read queries', signal);
    for (const row of await readRows(bytes, path === '-' ? 'standard input' : path, options)) rows.push(row);
  }
  return rows;
}

/** Texts with the right answer of several files; `-` is standard input. */
export async function readLabelRows(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<{ text: string; label: string; row?: number }[]> {
  const rows: { text: string; label: string; row?: number }[] = [];
  for (const path of paths) {
    const bytes = await readInput(path, 'read rows', signal);
    for (const row of await readLabels(bytes, path === '-' ? 'standard input' : path)) rows.push(row);
  }
  return rows;
}

/** Passages of several files of documents; where names repeat, ids are told apart by the files' places. */
export async function readPassages(paths: readonly string[], signal: AbortSignal): Promise<Passage[]> {
  const all: Passage[] = [];
  const known = new Set<string>();
  for (const [i, path] of paths.entries()) {
    for (const passage of readDocuments(await readInput(path, 'read documents', signal), path)) {
      const id = known.has(passage.id) && i > 0 ? `${i + 1}:${passage.id}` : passage.id;
      known.add(id);
      all.push({ ...passage, id });
    }
  }
  return all;
}

/** What customers read, of a JSON file; checked where it is used. */
export async function readTexts(path: string, signal: AbortSignal): Promise<BusinessTexts> {
  return (await readInputJson(path, 'read texts', signal)) as BusinessTexts;
}

/** Loads the model of `-m`. */
export function openSupport(path: string, signal: AbortSignal): Promise<SupportModel> {
  return withModelHint(path, 'support', () => loadSupport(path, { signal }));
}

/** The files that a command on `files` and the model of `-m` reads. */
export async function supportInputs(files: readonly string[], model?: string): Promise<string[]> {
  const path = model === undefined ? undefined : await modelPathOf(model);
  return path === undefined ? [...files] : [...files, path];
}
