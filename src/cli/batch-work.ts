// Owns what the flags of `onebit batch` mean should be done with each row, and opening the model for it.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { embeddingWork, supportWork } from '../bulk/other-work.ts';
import { promptWork } from '../bulk/prompt-work.ts';
import type { RowWork } from '../bulk/row-work.ts';
import { OnebitError } from '../errors.ts';
import { SUPPORT_ARCHITECTURE } from '../tasks/support/file.ts';
import { loadModel, type ModelFlags, modelNameOf } from './context.ts';
import { modelPathOf } from './file-identity.ts';
import { readInputJson, readSchema } from './read-input.ts';
import { generateOptionsOf, type SamplingFlags } from './sampling-options.ts';
import { architectureOf } from './suggest.ts';
import { openSupport } from './support-files.ts';

export interface BatchWorkFlags extends ModelFlags, SamplingFlags {
  column?: string;
  prompt?: string;
  system?: string;
  messages?: string;
  jsonSchema?: string;
  regex?: string;
  embed?: boolean;
  threshold?: number;
  parallel?: number;
}

/** Work with its model; dispose of it when done. */
export interface OpenWork {
  readonly work: RowWork;
  /** Says which model it is. */
  readonly model: string;
  dispose(): Promise<void>;
}

/** Bytes at the beginning of a file by which models are told apart: their metadata, for it says of what they are made. */
const HEAD_BYTES = 1 << 20;
/** Flags that only make sense where text is generated. */
const GENERATING = ['system', 'messages', 'jsonSchema', 'regex'] as const;

/** Files that the flags name: none of them may be written over. */
export async function inputsOf({ model, messages, jsonSchema }: BatchWorkFlags): Promise<string[]> {
  const path = await modelPathOf(modelNameOf({ model }));
  return [path, messages, jsonSchema].filter((input) => input !== undefined);
}

/** Opens what the flags mean. @throws OnebitError `bad-argument` for flags that do not go together */
export async function openWork(flags: BatchWorkFlags, signal: AbortSignal): Promise<OpenWork> {
  const name = modelNameOf(flags);
  const { column, prompt, threshold } = flags;
  if (prompt !== undefined && column !== undefined) {
    throw new OnebitError(
      'bad-argument',
      `batch: --prompt or --column must be given, got both. Write {{${column}}} in the prompt.`,
    );
  }
  const isSupport = (await architectureOf(name).catch(() => undefined)) === SUPPORT_ARCHITECTURE;
  if (isSupport || flags.embed) refuseGenerating(flags, isSupport ? 'with a support model' : 'with --embed');
  if (!isSupport && threshold !== undefined) {
    throw new OnebitError(
      'bad-argument',
      'batch: --threshold needs a support model, got a language model. Leave it out.',
    );
  }
  const model = await identityOfModel(name);
  if (isSupport) {
    const support = await openSupport(name, signal);
    return { work: supportWork(support, { column, prompt, threshold }), model, dispose: async () => {} };
  }
  const language = await loadModel(flags, signal, { parallel: flags.parallel ?? 8 });
  try {
    const work = flags.embed
      ? embeddingWork(language, { column, prompt })
      : await promptWork(language, await promptOptions(flags, signal));
    return { work, model, dispose: () => language.dispose() };
  } catch (error) {
    await language.dispose();
    throw error;
  }
}

async function promptOptions(flags: BatchWorkFlags, signal: AbortSignal) {
  const { column, prompt, system, messages, jsonSchema, regex, seed = 0 } = flags;
  const { signal: _, ...generate } = generateOptionsOf(flags, AbortSignal.any([]));
  const list = messages === undefined ? undefined : await readInputJson(messages, 'read messages', signal);
  if (list !== undefined && !Array.isArray(list)) {
    throw new OnebitError('bad-argument', `batch: ${messages} must be a list of messages, got another value.`);
  }
  const schema = jsonSchema === undefined ? undefined : await readSchema(jsonSchema, 'batch', signal);
  return { column, prompt, system, messages: list, schema, regex, generate: { ...generate, seed } };
}

function refuseGenerating(flags: BatchWorkFlags, why: string): void {
  const given = [...GENERATING, ...(why.includes('support') ? (['embed'] as const) : [])].find((name) => flags[name]);
  if (given === undefined) return;
  const option = `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new OnebitError(
    'bad-argument',
    `batch: ${option} must not be given ${why}, which generates no text. Leave it out.`,
  );
}

/** The model's size and the digest of its beginning; its name where it is not on this disk. */
async function identityOfModel(name: string): Promise<string> {
  const path = await modelPathOf(name);
  if (path === undefined) return name;
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(HEAD_BYTES, size));
    await file.read(bytes, 0, bytes.length, 0);
    return `${size}:${createHash('sha256').update(bytes).digest('hex')}`;
  } finally {
    await file.close();
  }
}
