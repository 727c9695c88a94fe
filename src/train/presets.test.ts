import { describe, expect, test } from 'vitest';
import { presetOf, presets, recipeFrom, shapeFrom } from './presets.ts';
import { checkRecipe } from './recipe.ts';
import { checkShape, exportedBytes } from './shape.ts';

describe('presets', () => {
  test('all are models that can be trained', () => {
    for (const preset of Object.values(presets)) {
      const shape = shapeFrom(preset, {});
      checkShape(shape);
      checkRecipe(recipeFrom(preset, {}, shape.weights));
    }
  });

  test('the seedling leaves 70 KB of a megabyte for its tokenizer', () => {
    expect(exportedBytes(shapeFrom(presets.seedling, {}))).toBeLessThan(930_000);
  });

  test('an unknown name is refused with those there are', () => {
    expect(() => presetOf('huge')).toThrow('tiny, seedling');
  });
});

describe('numbers in place of the preset', () => {
  test('another width brings heads and feed-forward width that fit', () => {
    for (const width of [128, 256, 512]) {
      const shape = shapeFrom(presets.seedling, { width });
      checkShape(shape);
      expect([shape.width, shape.heads * shape.headSize]).toEqual([width, width]);
    }
  });

  test('what is undefined counts as not given', () => {
    expect(shapeFrom(presets.tiny, { layers: undefined })).toEqual(shapeFrom(presets.tiny, {}));
    expect(recipeFrom(presets.tiny, { steps: undefined }, 'binary')).toEqual(recipeFrom(presets.tiny, {}, 'binary'));
  });

  test('AdamW gets its own learning rate, full precision is never switched off for float weights', () => {
    expect(recipeFrom(presets.tiny, { optimizer: 'adamw' }, 'binary').learningRate).toBe(0.006);
    expect(recipeFrom(presets.tiny, { optimizer: 'adamw', learningRate: 0.001 }, 'binary').learningRate).toBe(0.001);
    expect(recipeFrom(presets.tiny, {}, 'float').fullPrecisionShare).toBe(0);
  });

  test('a short run warms up for at most a tenth of it, unless told otherwise', () => {
    expect(recipeFrom(presets.tiny, { steps: 50 }, 'binary').warmupSteps).toBe(5);
    expect(recipeFrom(presets.tiny, { steps: 50, warmupSteps: 30 }, 'binary').warmupSteps).toBe(30);
  });
});
