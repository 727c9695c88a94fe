// Owns saying what was probably meant: a text without its option, a model's name that is nearly right, a file for another command.
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { listCache } from '../bytes/cache.ts';
import type { ByteSource } from '../bytes/source.ts';
import { editDistance } from '../core/near-name.ts';
import { OnebitError } from '../errors.ts';
import { readGguf } from '../gguf/read.ts';
import { openSource } from '../open-source.ts';
import { SUPPORT_ARCHITECTURE } from '../tasks/support/architecture.ts';

/** How words that belong to no option were probably meant, by command. */
const MEANT: Record<string, string> = {
  generate: '-p',
  batch: '--prompt',
  chat: '-p',
  demo: '-m',
  score: '--text',
  bench: '-m',
  serve: '-m',
};
/** How a file that exists was probably meant. */
const MEANT_FILE: Record<string, string> = { score: '--file' };
/** Commands of Ollama, llama.cpp and others, by what does the same here. */
const MEANT_COMMAND: Record<string, string> = {
  run: 'chat',
  list: 'pull --list',
  ls: 'pull --list',
  models: 'pull --list',
  rm: 'pull --remove NAME',
  remove: 'pull --remove NAME',
  download: 'pull NAME',
  show: 'inspect FILE',
  info: 'inspect FILE',
  start: 'serve',
  server: 'serve',
  quantize: 'convert IN -o OUT --type FORMAT',
  finetune: 'train TEXT -o MODEL.gguf --init MODEL.gguf',
  distill: 'distil TEACHER -o MODEL.gguf',
  perplexity: 'evaluate MODEL --text FILE',
  classify: 'support predict',
  predict: 'support predict',
};
const MOST_SUGGESTED = 3;
/** Models of the hub that this package is made for. */
const WELL_KNOWN = ['prism-ml/Bonsai-1.7B-gguf', 'prism-ml/Bonsai-4B-gguf', 'prism-ml/Bonsai-8B-gguf'];

/** A sentence for words that a command does not take; undefined where nothing comes to mind. */
export async function meantByWords(command: string, words: readonly string[]): Promise<string | undefined> {
  const isModel = /\.gguf$/i.test(words[0] ?? '') && words.length === 1;
  const text = words.join(' ');
  const isFile = await stat(text).then(
    (found) => found.isFile(),
    () => false,
  );
  const option = isModel ? '-m' : (isFile && MEANT_FILE[command]) || MEANT[command];
  if (option === undefined || words.length === 0) return undefined;
  return `Did you mean: onebit ${command} ${option} ${/^[\w./-]+$/.test(text) ? text : JSON.stringify(text)}`;
}

/** A sentence for words that are no command. */
export function meantByCommand(words: readonly string[]): string | undefined {
  const [first = ''] = words;
  const known = Object.hasOwn(MEANT_COMMAND, first) ? MEANT_COMMAND[first] : undefined;
  if (known) return `Did you mean: onebit ${known}`;
  if (/\.gguf$/i.test(first)) return `Did you mean: onebit chat -m ${first}`;
  if (/\s/.test(first)) return `Did you mean: onebit generate -p ${JSON.stringify(first)}`;
  return undefined;
}

/** What `use` makes of the file of the model `name`, which is closed afterwards; where it fails, the error also says what was probably meant. */
export async function withModelFile<Result>(
  name: string,
  use: (source: ByteSource) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  return withModelHint(name, 'language', async () => {
    const source = await openSource(name, { signal });
    try {
      return await use(source);
    } finally {
      await source.close();
    }
  });
}

/** Runs `open`, which opens the model `name` for `purpose`; where it fails, the error also says what was probably meant. */
export async function withModelHint<Result>(
  name: string,
  purpose: 'language' | 'support',
  open: () => Promise<Result>,
): Promise<Result> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof OnebitError)) throw error;
    const hint = await hintFor(name, purpose, error).catch(() => undefined);
    if (hint === undefined) throw error;
    throw new OnebitError(error.code, `${error.message.replace(/[^.?!]$/, '$&.')} ${hint}`, {
      cause: error,
      problems: error.problems,
    });
  }
}

async function hintFor(name: string, purpose: 'language' | 'support', error: OnebitError): Promise<string | undefined> {
  if (error.code === 'io' || error.code === 'bad-argument') {
    if (await stat(name).catch(() => undefined)) return undefined;
    const near = await nearModels(name);
    return near.length === 0 ? undefined : `Did you mean ${near.join(' or ')}?`;
  }
  if (error.code !== 'bad-file' && error.code !== 'unsupported') return undefined;
  const isSupport = (await architectureOf(name)) === SUPPORT_ARCHITECTURE;
  if (purpose === 'language' && isSupport) {
    return `It says what queries are about: onebit support predict -m ${name}, onebit support serve -m ${name}`;
  }
  return purpose === 'support' && !isSupport ? `It is a language model: onebit chat -m ${name}` : undefined;
}

/** general.architecture of a model file. Throws as opening and reading it do. */
export async function architectureOf(name: string): Promise<unknown> {
  const source = await openSource(name);
  try {
    return (await readGguf(source)).metadata.get('general.architecture');
  } finally {
    await source.close();
  }
}

/** Pulled models, model files of this folder and well-known ones of the hub whose names hold `name` or differ from it by little, the nearest first. */
async function nearModels(name: string): Promise<string[]> {
  const pulled = (await listCache()).filter(({ complete }) => complete).map((entry) => entry.name);
  const files = (await readdir('.')).filter((file) => /\.gguf$/i.test(file) && existsSync(file)); // links may lead nowhere
  const wanted = simple(name);
  const distances = [...new Set([...pulled, ...files, 'seedling', ...WELL_KNOWN])].map((known) => {
    const parts = [known, ...known.split('/')].map(simple);
    const holds = wanted.length > 2 && parts.some((part) => part.includes(wanted));
    const distance = Math.min(...parts.map((part) => editDistance(part, wanted)));
    return { known, distance: holds ? 0 : distance };
  });
  return distances
    .filter(({ known, distance }) => known !== name && distance <= Math.max(1, wanted.length / 4))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, MOST_SUGGESTED)
    .map(({ known }) => known);
}

function simple(name: string): string {
  return name
    .toLowerCase()
    .replace(/\.gguf$/, '')
    .slice(0, 200);
}
