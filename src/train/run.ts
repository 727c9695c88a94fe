// Owns putting a run together: tokenizer, documents as tokens, batches, trainer, and what was left by an interrupted run. Must not know the loop.
import { hexOf, sha256 } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type TrainedVocabulary, trainVocabulary } from '../tokenizer/train.ts';
import { TRAINED_SPECIAL, tokenizerMetadata, tokenizerOf } from '../tokenizer/train-metadata.ts';
import { type Question, questionsOf } from './answers.ts';
import { type Batches, BatchPlan, ContextWarmup } from './batches.ts';
import { type Checkpoint, checkIdentity, type RunState, readNewestCheckpoint } from './checkpoint.ts';
import { LEAST_HELD_OUT, shuffleDocuments, splitCorpus } from './corpus.ts';
import { turnsOf, vocabularyTexts } from './corpus-chat.ts';
import { documentText, hashDocuments, type TrainingDocument } from './corpus-document.ts';
import { DocumentEncoder, type EncodedForms } from './corpus-tokens.ts';
import { type CorpusSize, corpusSize, LEAST_CORPUS, presetFor, readableDocuments } from './defaults.ts';
import type { MeasuredDocument } from './held-out.ts';
import type { AdapterPlan } from './parameters.ts';
import { recipeFrom, shapeFrom } from './presets.ts';
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
  /** Beginnings to continue now and then. */
  readonly prompts: readonly SamplePrompt[];
  /** What a small corpus asks; empty for others. */
  readonly questions: readonly Question[];
  readonly encoder: DocumentEncoder;
  readonly corpusTokens: number;
  readonly bytesPerToken: number;
  readonly identity: RunState['identity'];
  readonly resumed?: RunState;
  readonly notices: readonly string[];
}

/** What a sample goes on from. */
export interface SamplePrompt {
  readonly text: string;
  readonly tokens: Int32Array;
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
  const split = options.validation
    ? { training: [...options.documents], validation: shuffleDocuments(options.validation, seed) }
    : splitCorpus(options.documents, seed);
  if (split.training.length === 0) {
    throw new OnebitError('bad-argument', 'train: the corpus must have text, got none. Give it a file with some.');
  }
  const checkpoint = await findCheckpoint(options, notices);
  // A run that goes on keeps what followed from its time when it began.
  const planned = (checkpoint?.run.identity.planned as number | undefined) ?? options.minutes;
  const { validation } = split;
  const training = readableDocuments(split.training, planned, seed);
  if (training.length < split.training.length) {
    notices.push(
      `reads ${training.length} of ${split.training.length} documents, drawn evenly: more than it can learn from in ${planned} minutes.`,
    );
  }
  const size = corpusSize(training);
  const preset = presetFor(
    {
      ...{ preset: options.preset, steps: options.recipe?.steps, minutes: planned },
      from: options.lora ? 'adapter' : options.init?.shape.weights,
    },
    size,
  );
  const chatShare = options.chatShare ?? preset.chatShare;
  const asChat = chatShare >= 0.5;
  const borrowed = borrowedTokenizer(options);
  const wanted = options.init?.shape ?? shapeFrom(preset, options.shape ?? {});
  const vocabulary = borrowed
    ? undefined
    : (checkpoint?.run.vocabulary ??
      trainVocabulary(vocabularyTexts(training, asChat), {
        size: wanted.vocabulary,
        special: TRAINED_SPECIAL,
        signal: options.signal,
      }));
  const metadata = borrowed ?? tokenizerMetadata(vocabulary!);
  const tokenizer = tokenizerOf(metadata);
  const shape = options.init ? wanted : { ...wanted, vocabulary: tokenizer.vocabularySize };
  checkShape(shape);
  const length = sequenceLength(options, shape);
  const steps = options.minutes === undefined ? options.recipe?.steps : UNBOUNDED;
  const recipe = recipeFrom(preset, { ...options.recipe, steps }, shape.weights);
  const batchTokens = Math.max(length, options.batchTokens ?? preset.batchTokens);
  const contextWarmup = options.contextWarmup || undefined;
  const adapter = adapterPlan(options);
  const identity = {
    corpus: await hashDocuments(training),
    validation: await hashDocuments(validation),
    seed,
    vocabulary: wanted.vocabulary,
    ...prefixed('shape', shape),
    ...prefixed('recipe', recipe),
    minutes: options.minutes,
    planned,
    length,
    batchTokens,
    chatShare,
    contextWarmup,
    exact: options.exact || undefined,
    init: options.init && (await hashWeights(options.init.weights)),
    lora: adapter,
    teacher: options.teacher?.name,
    teacherShare: options.teacher && (options.teacherShare ?? 0.5),
  };
  const resumed = checkpoint && resumedState(checkpoint.run, JSON.parse(JSON.stringify(identity)), recipe);

  const template = metadata.get('tokenizer.chat_template');
  const encoder = new DocumentEncoder(tokenizer, typeof template === 'string' ? template : undefined);
  const encoded = training.map((document) => encoder.forms(document, chatShare > 0));
  const heldOut = validation.map((document) => encoder.measured(document, asChat)).filter(({ bytes }) => bytes > 0);
  notices.push(...sizeNotices(size, heldOut));
  const batchOptions = { length, batchTokens, chatShare, seed };
  const plan =
    contextWarmup === undefined
      ? new BatchPlan(encoded, 0, batchOptions)
      : new ContextWarmup(encoded, 0, batchOptions, contextWarmup);
  const { threads, exact } = options;
  const trainer = await createTrainer(shape, recipe, { threads, seed, exact, adapter });
  try {
    if (options.init && (adapter || !checkpoint)) await trainer.initFrom(options.init.weights);
    if (checkpoint) trainer.restore(checkpoint.trainer);
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
    prompts: promptsOf(validation.length > 0 ? validation : training, encoder, asChat),
    questions: questionsOf(training, seed),
    encoder,
    ...sizesOf(encoded, training),
    identity: JSON.parse(JSON.stringify(identity)),
    resumed,
    notices,
  };
}

/** @throws OnebitError `bad-argument` for an adapter of nothing */
function adapterPlan({ lora, init }: TrainOptions): AdapterPlan | undefined {
  if (!lora) return undefined;
  const { rank, alpha = 2 * rank } = lora;
  if (init && Number.isInteger(rank) && rank >= 1 && rank <= 1024 && alpha > 0 && Number.isFinite(alpha))
    return { rank, alpha };
  throw new OnebitError(
    'bad-argument',
    `train: an adapter needs a model to go on from (init), a rank from 1 to 1024 and an alpha above 0, got ${init ? 'one' : 'none'}, ${rank} and ${alpha}.`,
  );
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
  const bytes = documents.reduce((sum, document) => sum + new TextEncoder().encode(documentText(document)).length, 0);
  return { corpusTokens, bytesPerToken: bytes / Math.max(1, corpusTokens) };
}

const PROMPTS = 16;
const PROMPT_WORDS = 6;

/** The first words of some documents; of conversations what the assistant is asked. */
function promptsOf(
  documents: readonly TrainingDocument[],
  encoder: DocumentEncoder,
  asChat: boolean,
): readonly SamplePrompt[] {
  return documents.slice(0, PROMPTS).map((document) => {
    const turns = 'messages' in document || asChat ? turnsOf(document) : undefined;
    const at = turns?.findIndex(({ role }) => role === 'assistant') ?? -1;
    if (turns && at > 0) {
      return { text: turns[at - 1].content, tokens: encoder.prompt(turns.slice(0, at)) };
    }
    const whole = 'text' in document ? document.text : (document.messages[0]?.content ?? '');
    const words = /^(\s*\S+){1,6}/.exec(whole.slice(0, 400))?.[0] ?? whole.slice(0, 20 * PROMPT_WORDS);
    const text = words.slice(0, 200);
    return { text, tokens: encoder.beginning(text) };
  });
}

/** What a reader should know before believing the numbers of a small corpus. */
function sizeNotices(size: CorpusSize, heldOut: readonly MeasuredDocument[]): string[] {
  const notices: string[] = [];
  if (size.characters < LEAST_CORPUS) {
    notices.push(
      `there is little text: ${size.characters} characters. A model can learn them by heart, and nothing beyond; from about ${LEAST_CORPUS} on it begins to answer what is put in other words.`,
    );
  }
  const bytes = heldOut.reduce((sum, document) => sum + document.bytes, 0);
  if (bytes === 0) {
    notices.push('nothing is held out, there is too little text for that: bits per byte are of the training text.');
  } else if (bytes < LEAST_HELD_OUT) {
    notices.push(
      `the held-out text is too short to judge by: ${bytes} bytes. Its bits per byte depend on chance; from ${LEAST_HELD_OUT} bytes on they say something.`,
    );
  }
  return notices;
}
