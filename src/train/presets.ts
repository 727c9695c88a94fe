// Owns the choices that come with a name, and what follows from the few numbers a user gives. Must not know data, kernels or files.
import { OnebitError } from '../errors.ts';
import { defaultRecipe, type Recipe } from './recipe.ts';
import { type ModelShape, modelShape, type WeightKind } from './shape.ts';

/** `auto`: what follows from the corpus and the time (defaults.ts). */
export type PresetName = 'auto' | 'tiny' | 'seedling';

/** What a preset decides unless the user does. */
export interface Preset {
  readonly name: PresetName;
  readonly shape: Pick<ModelShape, 'vocabulary' | 'layers' | 'width' | 'contextLength'> & Partial<ModelShape>;
  readonly recipe: Partial<Recipe>;
  /** Positions of one update. */
  readonly batchTokens: number;
  /** Share of dialogues shown in the chat template. */
  readonly chatShare: number;
}

export const presets: Readonly<Record<Exclude<PresetName, 'auto'>, Preset>> = {
  // A minute or two on two cores.
  tiny: {
    name: 'tiny',
    shape: {
      vocabulary: 512,
      layers: 3,
      width: 128,
      heads: 4,
      headSize: 32,
      kvHeads: 4,
      feedForwardWidth: 384,
      contextLength: 256,
    },
    recipe: { steps: 300 },
    batchTokens: 2048,
    chatShare: 0.25,
  },
  // The embedded model: 6.5 million weights and 2,048 tokens are 0.98 MB.
  seedling: {
    name: 'seedling',
    shape: {
      vocabulary: 2048,
      layers: 4,
      width: 384,
      heads: 6,
      headSize: 64,
      kvHeads: 2,
      feedForwardWidth: 896,
      contextLength: 512,
    },
    recipe: { steps: 10000, learningRate: 0.03 },
    batchTokens: 4096,
    chatShare: 0.25,
  },
};

/** The preset of this name. @throws OnebitError `bad-argument` when there is none */
export function presetOf(name: string): Preset {
  const preset = presets[name as keyof typeof presets];
  if (preset) return preset;
  throw new OnebitError(
    'bad-argument',
    `train: preset must be one of auto, ${Object.keys(presets).join(', ')}, got '${name}'.`,
  );
}

/** The preset's shape with the given numbers in place; another width brings heads and feed-forward width that fit it. */
export function shapeFrom(preset: Preset, given: Partial<ModelShape>): ModelShape {
  const numbers = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const { vocabulary, layers, width, contextLength } = preset.shape;
  const resized = ['width', 'heads', 'headSize'].some((name) => name in numbers);
  const base = resized ? { vocabulary, layers, width, contextLength } : preset.shape;
  if ((given.width ?? 256) < 256) return modelShape({ ...base, headSize: 32, ...numbers });
  return modelShape({ ...base, ...numbers });
}

/** The preset's recipe with the given numbers in place. Learning rates follow the optimiser and the kind of weights. */
export function recipeFrom(preset: Preset, given: Partial<Recipe>, weights: WeightKind): Recipe {
  const numbers = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const rates: Partial<Recipe> =
    numbers.optimizer === 'adamw' && preset.recipe.optimizer !== 'adamw'
      ? { learningRate: weights === 'float' ? 0.002 : 0.006 }
      : {};
  const start: Partial<Recipe> = weights === 'float' ? { fullPrecisionShare: 0 } : {};
  const recipe = { ...defaultRecipe, ...preset.recipe, ...rates, ...start, ...numbers };
  // Warming up for longer than a tenth of a short run would leave little of it.
  return 'warmupSteps' in numbers
    ? recipe
    : { ...recipe, warmupSteps: Math.min(recipe.warmupSteps, Math.floor(recipe.steps / 10)) };
}
