// Owns the flags of `onebit train`, those that `onebit distil` shares among them, and what of a model's shape and recipe they mean.
import { type Command, Option } from 'commander';
import type { PresetName } from '../train/presets.ts';
import type { Recipe } from '../train/recipe.ts';
import type { ModelShape, WeightKind } from '../train/shape.ts';
import { CARD_OPTION } from './card-file.ts';
import { collect, numberBetween, wholeNumber } from './context.ts';
import type { CorpusFlags } from './train-files.ts';

export interface TrainFlags extends CorpusFlags {
  output: string;
  exportTokens?: string;
  preset: PresetName;
  width?: number;
  layers?: number;
  heads?: number;
  kvHeads?: number;
  headSize?: number;
  ffn?: number;
  vocab?: number;
  context?: number;
  kind?: WeightKind;
  architecture?: string;
  optimizer?: Recipe['optimizer'];
  lr?: number;
  adamLr?: number;
  schedule?: Recipe['schedule'];
  decay?: number;
  warmup?: number;
  fullPrecision?: number;
  clip?: number;
  batch?: number;
  minutes?: number;
  steps?: number;
  seed?: number;
  valid?: string[];
  chatShare?: number;
  contextWarmup?: number;
  checkpointEvery?: number;
  resume?: boolean;
  overwrite?: boolean;
  init?: string;
  teacher?: string;
  teacherShare?: number;
  lora?: number;
  loraAlpha?: number;
  threads?: number;
  exact?: boolean;
  evalEvery?: number;
  sampleEvery?: number;
  /** False when switched off. */
  log?: string | false;
  report?: string | false;
  card?: string | false;
  codeVersion?: string;
  name?: string;
  json?: boolean;
}

/** The numbers of the shape that were given. */
export function shapeOf(flags: TrainFlags): Partial<ModelShape> {
  return given({
    width: flags.width,
    layers: flags.layers,
    heads: flags.heads,
    kvHeads: flags.kvHeads,
    headSize: flags.headSize,
    feedForwardWidth: flags.ffn,
    vocabulary: flags.vocab,
    contextLength: flags.context,
    weights: flags.kind,
    architecture: flags.architecture,
  });
}

/** The numbers of the recipe that were given. */
export function recipeOf(flags: TrainFlags): Partial<Recipe> {
  return given({
    steps: flags.steps,
    optimizer: flags.optimizer,
    learningRate: flags.lr,
    adamLearningRate: flags.adamLr,
    schedule: flags.schedule,
    decayShare: flags.decay,
    warmupSteps: flags.warmup,
    fullPrecisionShare: flags.fullPrecision,
    clipNorm: flags.clip,
  });
}

function given<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** How weights are changed, and for how long. */
export function addRecipeOptions(command: Command): void {
  command
    .addOption(new Option('--optimizer <name>', 'of the matrices').choices(['muon', 'adamw']))
    .option('--lr <x>', 'learning rate of the matrices', numberBetween(0, 1))
    .option('--adam-lr <x>', 'learning rate of embedding, head and norms', numberBetween(0, 1))
    .addOption(new Option('--schedule <name>', 'of the learning rate').choices(['constant', 'cosine']))
    .option('--decay <share>', 'share of the run in which a constant rate falls to zero', numberBetween(0, 1))
    .option('--warmup <updates>', 'updates over which rates rise', wholeNumber(0, 1e9))
    .option('--full-precision <share>', 'share of the run before weights are quantised', numberBetween(0, 1))
    .option('--clip <x>', 'longest gradient, 0 for any', numberBetween(0, 1e9))
    .option(
      '--context-warmup <updates>',
      'updates during which sequences grow to their full length',
      wholeNumber(0, 1e9),
    )
    .option('--batch <tokens>', 'positions of one update', wholeNumber(8, 1 << 22))
    .addOption(
      new Option('--minutes <m>', 'time for everything').argParser(numberBetween(0.01, 1e6)).conflicts('steps'),
    )
    .option('--steps <n>', 'updates', wholeNumber(1, 1e9))
    .option('--seed <n>', 'same seed, corpus and options, same model (default: 1)', wholeNumber(0, 2 ** 32));
}

/** What is read. */
export function addDataOptions(command: Command): void {
  command
    .option('--valid <file>', 'measure with these texts instead of holding out some (may be repeated)', collect)
    .option(
      '--chat-share <x>',
      'share of dialogues (lines User: ... and Agent: ...) shown in the chat template',
      numberBetween(0, 1),
    )
    .option('--whole', 'a file is one document, blank lines or not')
    .option('--replace-invalid', 'put U+FFFD where bytes are not UTF-8');
}

/** Checkpoints, measurements, and what a run writes beside its model. */
export function addRunOptions(command: Command): void {
  command
    .option(
      '--checkpoint-every <updates>',
      'write a checkpoint after so many updates (default: one per minute)',
      wholeNumber(1, 1e9),
    )
    .option('--resume', 'go on from the newest checkpoint')
    .option('--overwrite', 'start anew although an unfinished run left checkpoints')
    .option('--threads <n>', 'threads (default: as many as help)', wholeNumber(1, 256))
    .option(
      '--eval-every <updates>',
      'measure held-out text after so many updates (default: 20 times)',
      wholeNumber(1, 1e9),
    )
    .option(
      '--sample-every <updates>',
      'write a sample after so many updates, 0 for none (default: 4 times)',
      wholeNumber(0, 1e9),
    )
    .option('--log <file>', 'JSON lines of every update (default: OUT.log.jsonl)')
    .option('--no-log', 'no such file')
    .option('--report <file>', 'HTML report (default: OUT.html)')
    .option('--no-report', 'no such file')
    .option(...CARD_OPTION)
    .option('--no-card', 'no such file')
    .option('--name <text>', "the model's name in the file (default: the file's name)")
    .option('--json', 'print one JSON document at the end: file, bytes, steps, tokens, loss, bitsPerByte, ...');
}
