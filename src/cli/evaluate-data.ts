// Owns where the questions of `onebit evaluate` come from: local files, addresses with a hash, suites known by name. What is fetched is kept in the cache's folder,
// under its hash.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cacheFolder, proxyFetch } from '../bytes/cache.ts';
import { writeFileAtomically } from '../bytes/file-write.ts';
import { decodeText } from '../core/decode-text.ts';
import { OnebitError } from '../errors.ts';
import { type AskItem, askItem } from '../evaluate/asks.ts';
import { type DataFile, SUITES } from '../evaluate/suites.ts';
import { type ChoiceItem, choiceItem, TASK_FORMS, type TaskForm } from '../evaluate/task-forms.ts';
import { note } from './print.ts';
import { readInputText } from './read-input.ts';

export const ALL_FORMS = [...TASK_FORMS, 'ask'] as const;
export type AnyForm = TaskForm | 'ask';

/** Questions of one form. */
export interface TaskSource {
  readonly name: string;
  readonly form: AnyForm;
  /** Paths, addresses with `#sha256=`, or files of a suite. */
  readonly files: readonly (string | DataFile)[];
}

export type Question = { readonly choice: ChoiceItem } | { readonly ask: AskItem };

/** A suite by name. @throws OnebitError `bad-argument` */
export function suiteSource(name: string): TaskSource {
  const suite = SUITES[name];
  if (suite) return { name, form: suite.form, files: suite.files };
  throw new OnebitError(
    'bad-argument',
    `evaluate: --suite must be one of ${Object.keys(SUITES).join(', ')}, got '${name}'.`,
  );
}

/** The questions of a task, and the digest of what they were read from. @param limit most questions of each file */
export async function questionsOf(
  { form, files }: TaskSource,
  signal: AbortSignal,
  limit = Number.POSITIVE_INFINITY,
): Promise<{ questions: Question[]; digest: string }> {
  const questions: Question[] = [];
  const hash = createHash('sha256');
  for (const file of files) {
    const text = await textOf(file, signal);
    hash.update(text);
    const name = typeof file === 'string' ? file : file.url;
    const labels = form === 'piqa' ? await labelsBeside(file, signal) : [];
    hash.update(labels.join('\n'));
    let count = 0;
    for (const [i, line] of text.split(/\r?\n/).entries()) {
      if (line.trim() === '' || count >= limit) continue;
      count++;
      try {
        const row = labels.length === 0 ? JSON.parse(line) : { label: labels[count - 1], ...JSON.parse(line) };
        questions.push(form === 'ask' ? { ask: askItem(row) } : { choice: choiceItem(form, row) });
      } catch (cause) {
        const reason =
          cause instanceof SyntaxError
            ? `it must be a JSON object on a line of its own (${cause.message}). Write the file as JSON lines.`
            : (cause as Error).message.replace(/^evaluate: /, '');
        throw new OnebitError('bad-file', `evaluate: ${name}, line ${i + 1}: ${reason}`, { cause });
      }
    }
    if (count === 0)
      throw new OnebitError('bad-file', `evaluate: ${name} must have questions, a JSON object a line, it has none.`);
  }
  return { questions, digest: hash.digest('hex') };
}

/** PIQA's makers give the right answers in a file of their own: `valid-labels.lst` beside `valid.jsonl`. */
async function labelsBeside(file: string | DataFile, signal: AbortSignal): Promise<string[]> {
  if (typeof file !== 'string' || !/\.jsonl$/.test(file) || /^https?:/.test(file)) return [];
  const path = file.replace(/\.jsonl$/, '-labels.lst');
  if (!existsSync(path)) return [];
  return (await readInputText(path, 'read labels', signal)).trim().split(/\r?\n/);
}

/** The text of a file, or of an address with its hash. */
export async function textOf(file: string | DataFile, signal: AbortSignal): Promise<string> {
  if (typeof file === 'string' && !/^https?:\/\//.test(file)) return readInputText(file, 'read questions', signal);
  const { url, digest } = typeof file === 'string' ? addressOf(file) : file;
  return decodeText(await fetched(url, digest, signal), `read questions: ${url}`);
}

/** The end of a path or address, for a name. */
export function shortName(file: string): string {
  return basename(/^https?:/.test(file) ? new URL(file).pathname : file);
}

function addressOf(address: string): { url: string; digest: string | undefined } {
  const url = new URL(address);
  const digest = /^#sha256=([0-9a-f]{64})$/i.exec(url.hash)?.[1].toLowerCase();
  url.hash = '';
  return { url: url.href, digest };
}

async function fetched(url: string, digest: string | undefined, signal: AbortSignal): Promise<Uint8Array> {
  const folder = join(cacheFolder(), 'data');
  const path = join(folder, digest ?? '-');
  if (digest !== undefined) {
    const kept = await readFile(path).catch(() => undefined);
    if (kept && matches(kept, digest)) return kept;
  }
  const ask = (await proxyFetch()) ?? fetch;
  let bytes: Uint8Array;
  try {
    const response = await ask(url, { signal });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    signal.throwIfAborted();
    const reason = (cause as Error).message;
    throw new OnebitError(
      'network',
      `evaluate: ${url} must be reachable, got ${reason}. Download it, and give the file.`,
      { cause },
    );
  }
  if (digest === undefined || !matches(bytes, digest)) {
    const got = createHash('sha256').update(bytes).digest('hex');
    const wanted = digest === undefined ? 'an address must say what is there' : `its hash must be ${digest}`;
    throw new OnebitError(
      'bad-file',
      `evaluate: ${url}: ${wanted}, got ${got}. Where you trust it: ${url}#sha256=${got}`,
    );
  }
  await mkdir(folder, { recursive: true });
  await writeFileAtomically(path, (append) => append(bytes));
  note(`fetched ${url}`);
  return bytes;
}

/** By SHA-256, or as git names a file. */
function matches(bytes: Uint8Array, digest: string): boolean {
  if (digest.length === 64) return createHash('sha256').update(bytes).digest('hex') === digest;
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex') === digest;
}
