// Owns what the flags of `onebit batch` mean should be done with each row, and opening the model for it.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { type DecisionWorkOptions, decisionWork } from '../bulk/decision-work.ts';
import { embeddingWork, supportWork } from '../bulk/other-work.ts';
import { promptWork } from '../bulk/prompt-work.ts';
import type { RowWork } from '../bulk/row-work.ts';
import { OnebitError } from '../errors.ts';
import { SUPPORT_ARCHITECTURE } from '../tasks/support/architecture.ts';
import { readCalibration } from './calibrate.ts';
import { loadModel, type ModelFlags, modelNameOf } from './context.ts';
import { modelPathOf } from './file-identity.ts';
import { type QuestionFlags, questionsOf } from './questions.ts';
import { readInputJson, readSchema } from './read-input.ts';
import { generateOptionsOf, type SamplingFlags } from './sampling-options.ts';
import { architectureOf } from './suggest.ts';
import { openSupport } from './support-files.ts';

export interface BatchWorkFlags extends ModelFlags, SamplingFlags, QuestionFlags {
  calibration?: string;
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
const GENERATING = [
  ...['system', 'messages', 'jsonSchema', 'regex'],
  ...[
    'maxTokens',
    'temperature',
    'topK',
    'topP',
    'minP',
    'repeatPenalty',
    'presencePenalty',
    'frequencyPenalty',
    'dry',
  ],
  ...['stop', 'ignoreEos', 'lookup', 'watermark', 'loopGuard', 'slide'],
] as readonly (keyof BatchWorkFlags)[];
/** Flags that only make sense where questions are put. */
const OF_QUESTIONS = ['options', 'levels', 'calibration'] as const;

/** Files that the flags name: none of them may be written over. */
export async function inputsOf({
  model,
  messages,
  jsonSchema,
  questions,
  calibration,
}: BatchWorkFlags): Promise<string[]> {
  const path = await modelPathOf(modelNameOf({ model }));
  return [path, messages, jsonSchema, questions, calibration].filter((input) => input !== undefined);
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
  const asks = flags.ask !== undefined || flags.questions !== undefined;
  if (!asks) refuse(flags, OF_QUESTIONS, 'without --ask or --questions');
  if (asks) refuse(flags, [...GENERATING, 'embed'], 'with --ask or --questions, which generate no text');
  else if (isSupport) refuse(flags, [...GENERATING, 'embed'], 'with a support model, which generates no text');
  else if (flags.embed) refuse(flags, GENERATING, 'with --embed, which generates no text');
  if (!isSupport && !asks && threshold !== undefined) {
    throw new OnebitError(
      'bad-argument',
      'batch: --threshold needs a support model or a question, got a language model without. Leave it out.',
    );
  }
  const decisions = asks ? await decisionOptions(flags, signal) : undefined;
  const model = await identityOfModel(name);
  if (isSupport) {
    const support = await openSupport(name, signal);
    const work = decisions ? decisionWork(support, decisions) : supportWork(support, { column, prompt, threshold });
    return { work, model, dispose: async () => {} };
  }
  const language = await loadModel(flags, signal, { parallel: flags.parallel ?? 8 });
  try {
    const work = decisions
      ? decisionWork(language, decisions)
      : flags.embed
        ? embeddingWork(language, { column, prompt })
        : await promptWork(language, await promptOptions(flags, signal));
    return { work, model, dispose: () => language.dispose() };
  } catch (error) {
    await language.dispose();
    throw error;
  }
}

async function decisionOptions(flags: BatchWorkFlags, signal: AbortSignal): Promise<DecisionWorkOptions> {
  const { column, prompt, calibration } = flags;
  const questions = await questionsOf('batch', flags, signal);
  const known = calibration === undefined ? undefined : await readCalibration(calibration, flags, signal);
  const threshold = flags.threshold ?? known?.threshold;
  return { column, prompt, questions, temperature: known?.temperature, threshold };
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

function refuse(flags: BatchWorkFlags, names: readonly (keyof BatchWorkFlags)[], why: string): void {
  const given = names.find((name) => flags[name] !== undefined && flags[name] !== false);
  if (given === undefined) return;
  const option = `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new OnebitError('bad-argument', `batch: ${option} must not be given ${why}. Leave it out.`);
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
