// Owns the flags of `onebit train` as commander gives them, and what of a model's shape and recipe they mean.
import type { PresetName } from '../train/presets.ts';
import type { Recipe } from '../train/recipe.ts';
import type { ModelShape, WeightKind } from '../train/shape.ts';
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
  threads?: number;
  exact?: boolean;
  evalEvery?: number;
  sampleEvery?: number;
  /** False when switched off. */
  log?: string | false;
  report?: string | false;
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
