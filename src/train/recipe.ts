// Owns how a model is trained: optimiser, learning rates over the run, when weights are quantised. Must not know data, kernels or files.
// Source of the defaults: the project's own small comparisons (docs/experiments.md).
import { cosSin } from '../core/elementary.ts';
import { OnebitError } from '../errors.ts';

export interface Recipe {
  /** Updates of the whole run; the schedule's length. */
  readonly steps: number;
  /** Optimiser of the matrices inside layers. Embedding, head and norms always use Adam. */
  readonly optimizer: 'muon' | 'adamw';
  /** Of the matrices: about 0.02 to 0.03 for Muon, 0.003 for AdamW. */
  readonly learningRate: number;
  /** Of embedding, head and norms. */
  readonly adamLearningRate: number;
  /** Muon's momentum. */
  readonly momentum: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled decay of matrices under AdamW, times the learning rate. A latent's size is its sign's confidence: 0 suits binary weights. */
  readonly weightDecay: number;
  /** Updates over which learning rates rise from zero. */
  readonly warmupSteps: number;
  /** `constant`: constant, then linear to zero over the last `decayShare` of the run. `cosine`: half a cosine to zero. */
  readonly schedule: 'constant' | 'cosine';
  readonly decayShare: number;
  /** Share of the run before weights are quantised; optimiser state is kept across the switch. */
  readonly fullPrecisionShare: number;
  /** Gradients longer than this are scaled down to it; 0 leaves them. */
  readonly clipNorm: number;
  /** Deviation of the normal distribution that weights start from. Output and down projections start at zero. */
  readonly initDeviation: number;
}

/** The recipe used unless told otherwise. */
export const defaultRecipe: Recipe = {
  steps: 1000,
  optimizer: 'muon',
  learningRate: 0.02,
  adamLearningRate: 0.004,
  momentum: 0.95,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0,
  warmupSteps: 20,
  schedule: 'constant',
  decayShare: 0.2,
  fullPrecisionShare: 0.3,
  clipNorm: 1,
  initDeviation: 0.02,
};

/** @throws OnebitError `bad-argument` with every problem in `problems`. */
export function checkRecipe(recipe: Recipe): void {
  const problems: string[] = [];
  const within = (name: keyof Recipe, min: number, max: number, what: string) => {
    const value = recipe[name] as number;
    if (!(value >= min && value <= max)) problems.push(`recipe: ${name} must be ${what}, got ${value}.`);
  };
  within('steps', 1, 1e9, 'from 1');
  within('learningRate', 0, 1, 'from 0 to 1');
  within('adamLearningRate', 0, 1, 'from 0 to 1');
  within('momentum', 0, 0.9999, 'from 0 to below 1');
  within('beta1', 0, 0.9999, 'from 0 to below 1');
  within('beta2', 0, 0.999999, 'from 0 to below 1');
  within('epsilon', 1e-30, 1, 'above 0');
  within('weightDecay', 0, 10, 'from 0 to 10');
  within('warmupSteps', 0, 1e9, 'from 0');
  within('decayShare', 0, 1, 'from 0 to 1');
  within('fullPrecisionShare', 0, 1, 'from 0 to 1');
  within('clipNorm', 0, Number.MAX_VALUE, 'from 0');
  within('initDeviation', 0, 1, 'from 0 to 1');
  if (problems.length > 0) throw new OnebitError('bad-argument', problems.join('\n'), { problems });
}

/**
 * The factor on both learning rates for update number `step` (from 0). `progress` is the share of the run that is done, 0 to 1: step / steps, unless
 * the run is bounded by time.
 */
export function learningRateFactor(recipe: Recipe, step: number, progress = step / recipe.steps): number {
  const warm = Math.min(1, (step + 1) / (recipe.warmupSteps + 1));
  if (recipe.schedule === 'cosine') return warm * 0.5 * (1 + cosSin(Math.PI * Math.min(1, progress))[0]);
  return warm * Math.max(0, Math.min(1, (1 - progress) / Math.max(recipe.decayShare, 1e-9)));
}

/** Whether the forward pass quantises the weights at this point of the run. */
export function quantizesAt(recipe: Recipe, progress: number): boolean {
  return progress >= recipe.fullPrecisionShare;
}
