// Owns putting a run together: tokenizer, documents as tokens, batches, trainer, and what was left by an interrupted run. Must not know the loop.
import { hexOf, sha256 } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type TrainedVocabulary, trainVocabulary } from '../tokenizer/train.ts';
import { TRAINED_SPECIAL, tokenizerMetadata, tokenizerOf } from '../tokenizer/train-metadata.ts';
import { type Batches, BatchPlan, ContextWarmup } from './batches.ts';
import { type Checkpoint, checkIdentity, type RunState, readNewestCheckpoint } from './checkpoint.ts';
import { shuffleDocuments, splitCorpus } from './corpus.ts';
import { documentKey, hashDocuments, type TrainingDocument } from './corpus-document.ts';
import { DocumentEncoder, type EncodedForms } from './corpus-tokens.ts';
import type { MeasuredDocument } from './held-out.ts';
import { presetOf, recipeFrom, shapeFrom } from './presets.ts';
import type { Recipe } from './recipe.ts';
import { checkShape, type ModelShape } from './shape.ts';
import type { TokenizerMetadata } from './start-model.ts';
import type { TrainOptions } from './train-options.ts';
import { createTrainer } from './trainer.ts';
import type { Trainer } from './trainer-types.ts';

/** Everything the loop works with. */
export interface Run {
  readonly trainer: Trainer;
  readonly plan: Batches;
  readonly tokenizer: Tokenizer;
  readonly tokenizerMetadata: TokenizerMetadata;
  readonly vocabulary?: TrainedVocabulary;
  readonly recipe: Recipe;
  readonly shape: ModelShape;
  /** Longest sequence. */
  readonly length: number;
  readonly batchTokens: number;
  readonly seed: number;
  readonly training: readonly TrainingDocument[];
  readonly heldOut: readonly MeasuredDocument[];
  /** Beginnings of texts to continue now and then. */
  readonly prompts: readonly string[];
  readonly corpusTokens: number;
  readonly bytesPerToken: number;
  readonly identity: RunState['identity'];
  readonly resumed?: RunState;
  readonly notices: readonly string[];
}

/** Updates of a run that time bounds: more than there ever will be, so that only the clock ends it. */
const UNBOUNDED = 1e9;
/** Positions of a sequence come in steps of this (see batches.ts). */
const LENGTH_STEP = 8;

/**
 * Prepares a run.
 * @throws OnebitError `bad-argument` for options or corpora that cannot work, or that differ from those of the run to resume
 */
export async function prepareRun(options: TrainOptions): Promise<Run> {
  const notices: string[] = [];
  const seed = options.seed ?? 1;
  const { training, validation } = options.validation
    ? { training: [...options.documents], validation: shuffleDocuments(options.validation, seed) }
    : splitCorpus(options.documents, seed);
  if (training.length === 0) {
    throw new OnebitError('bad-argument', 'train: the corpus must have text, got none. Give it a file with some.');
  }
  const checkpoint = await findCheckpoint(options, notices);
  const preset = presetOf(options.preset);
  const borrowed = borrowedTokenizer(options);
  const wanted = options.init?.shape ?? shapeFrom(preset, options.shape ?? {});
  const vocabulary = borrowed
    ? undefined
    : (checkpoint?.run.vocabulary ??
      trainVocabulary(texts(training), { size: wanted.vocabulary, special: TRAINED_SPECIAL, signal: options.signal }));
  const metadata = borrowed ?? tokenizerMetadata(vocabulary!);
  const tokenizer = tokenizerOf(metadata);
  const shape = options.init ? wanted : { ...wanted, vocabulary: tokenizer.vocabularySize };
  checkShape(shape);
  const length = sequenceLength(options, shape);
  const steps = options.minutes === undefined ? options.recipe?.steps : UNBOUNDED;
  const recipe = recipeFrom(preset, { ...options.recipe, steps }, shape.weights);
  const batchTokens = Math.max(length, options.batchTokens ?? preset.batchTokens);
  const chatShare = options.chatShare ?? preset.chatShare;
  const contextWarmup = options.contextWarmup || undefined;
  const identity = {
    corpus: await hashDocuments(training),
    validation: await hashDocuments(validation),
    seed,
    vocabulary: wanted.vocabulary,
    ...prefixed('shape', shape),
    ...prefixed('recipe', recipe),
    minutes: options.minutes,
    length,
    batchTokens,
    chatShare,
    contextWarmup,
    init: options.init && (await hashWeights(options.init.weights)),
    teacher: options.teacher?.name,
    teacherShare: options.teacher && (options.teacherShare ?? 0.5),
  };
  const resumed = checkpoint && resumedState(checkpoint.run, JSON.parse(JSON.stringify(identity)), recipe);

  const template = metadata.get('tokenizer.chat_template');
  const encoder = new DocumentEncoder(tokenizer, typeof template === 'string' ? template : undefined);
  const encoded = training.map((document) => encoder.forms(document, chatShare > 0));
  const heldOut = validation.map((document) => encoder.measured(document)).filter(({ bytes }) => bytes > 0);
  if (heldOut.length === 0)
    notices.push('the corpus is too small to hold anything out: bits per byte are of the training text.');
  const batchOptions = { length, batchTokens, chatShare, seed };
  const plan =
    contextWarmup === undefined
      ? new BatchPlan(encoded, 0, batchOptions)
      : new ContextWarmup(encoded, 0, batchOptions, contextWarmup);
  const trainer = await createTrainer(shape, recipe, { threads: options.threads, seed });
  try {
    if (checkpoint) trainer.restore(checkpoint.trainer);
    else if (options.init) trainer.initFrom(options.init.weights);
  } catch (error) {
    await trainer.dispose();
    throw error;
  }
  return {
    trainer,
    plan,
    tokenizer,
    tokenizerMetadata: metadata,
    vocabulary,
    recipe,
    shape,
    length,
    batchTokens,
    seed,
    training,
    heldOut,
    prompts: promptsOf(validation.length > 0 ? validation : training),
    ...sizesOf(encoded, training),
    identity: JSON.parse(JSON.stringify(identity)),
    resumed,
    notices,
  };
}

/** The checkpoint to go on from. @throws OnebitError `bad-argument` when starting anew would overwrite an unfinished run */
async function findCheckpoint(options: TrainOptions, notices: string[]): Promise<Checkpoint | undefined> {
  const { checkpoints } = options;
  if (!checkpoints || options.overwrite) return undefined;
  const newest = await readNewestCheckpoint(checkpoints, (error) => notices.push(error.message));
  if (!newest) {
    if (options.resume) notices.push(`no checkpoint in ${checkpoints.name} yet: starting at the beginning.`);
    return undefined;
  }
  if (options.resume) return newest;
  if (newest.run.progress >= 1) return undefined;
  throw new OnebitError(
    'bad-argument',
    `train: ${checkpoints.name} must hold no unfinished run, it has one of ${newest.trainer.step} updates. Go on with --resume, or start anew with --overwrite.`,
  );
}

/**
 * The state to go on from. A run bounded by time may be given another time while its learning rate has not begun to fall: what was done is then a share
 * of the new time.
 * @throws OnebitError `bad-argument` when corpus or options differ otherwise
 */
function resumedState(saved: RunState, identity: RunState['identity'], recipe: Recipe): RunState {
  const { minutes } = identity;
  const { schedule, decayShare, fullPrecisionShare } = recipe;
  const isSteady = schedule === 'constant' && saved.progress <= 1 - decayShare;
  if (typeof minutes !== 'number' || typeof saved.identity.minutes !== 'number' || !isSteady) {
    checkIdentity(saved.identity, identity);
    return saved;
  }
  checkIdentity({ ...saved.identity, minutes }, identity);
  if (saved.identity.minutes === minutes) return saved;
  // Once weights are quantised they stay so.
  const least = saved.progress >= fullPrecisionShare ? fullPrecisionShare : 0;
  return { ...saved, progress: Math.min(1, Math.max(least, saved.elapsedSeconds / (60 * minutes))) };
}

/** The tokenizer that comes with another model. @throws OnebitError `bad-argument` when two models bring different ones */
function borrowedTokenizer({ init, teacher }: TrainOptions): TokenizerMetadata | undefined {
  if (!init || !teacher) return init?.tokenizer ?? teacher?.tokenizer;
  for (const key of ['tokenizer.ggml.model', 'tokenizer.ggml.tokens', 'tokenizer.ggml.merges']) {
    if (JSON.stringify(init.tokenizer.get(key)) !== JSON.stringify(teacher.tokenizer.get(key))) {
      throw new OnebitError(
        'bad-argument',
        `train: the teacher must have the tokenizer of the model to go on from, ${key} differs. Choose a teacher of the same family.`,
      );
    }
  }
  return init.tokenizer;
}

function sequenceLength(options: TrainOptions, shape: ModelShape): number {
  const wanted = options.init
    ? Math.min(options.shape?.contextLength ?? 512, shape.contextLength)
    : Math.min(shape.contextLength, options.teacher?.contextLength ?? shape.contextLength);
  const length = Math.floor(wanted / LENGTH_STEP) * LENGTH_STEP;
  if (length >= LENGTH_STEP) return length;
  throw new OnebitError('bad-argument', `train: the context must be at least ${LENGTH_STEP} tokens, got ${wanted}.`);
}

function* texts(documents: readonly TrainingDocument[]): Generator<string> {
  for (const document of documents) {
    if ('text' in document) yield document.text;
    else for (const { content } of document.messages) yield content;
  }
}

function prefixed(prefix: string, values: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}.${key}`, value]));
}

async function hashWeights(weights: ReadonlyMap<string, Float32Array>): Promise<string> {
  const digests: string[] = [];
  for (const [name, values] of weights) {
    const bytes = new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
    digests.push(name, hexOf(await sha256(bytes)));
  }
  return hexOf(await sha256(digests.join(' ')));
}

function sizesOf(encoded: readonly EncodedForms[], documents: readonly TrainingDocument[]) {
  const corpusTokens = encoded.reduce((sum, { plain }) => sum + plain.tokens.length, 0);
  const bytes = documents.reduce((sum, document) => sum + new TextEncoder().encode(documentKey(document)).length, 0);
  return { corpusTokens, bytesPerToken: bytes / Math.max(1, corpusTokens) };
}

const PROMPTS = 16;
const PROMPT_WORDS = 6;

/** The first words of some documents. */
function promptsOf(documents: readonly TrainingDocument[]): string[] {
  return documents.slice(0, PROMPTS).map((document) => {
    const text = 'text' in document ? document.text : (document.messages[0]?.content ?? '');
    return (/^(\s*\S+){1,6}/.exec(text.slice(0, 400))?.[0] ?? text.slice(0, 20 * PROMPT_WORDS)).slice(0, 200);
  });
}
