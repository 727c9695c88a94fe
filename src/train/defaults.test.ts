import { describe, expect, test } from 'vitest';
import { corpusSize, presetFor, readableDocuments } from './defaults.ts';
import { recipeFrom, shapeFrom } from './presets.ts';
import { checkRecipe } from './recipe.ts';
import { checkShape, exportedBytes } from './shape.ts';

const dialogue = (i: number) => ({ text: `User: What is number ${i}?\nAgent: Number ${i} is the one after ${i - 1}.` });
const prose = (length: number) => ({ text: 'The old ferry waited for nobody that morning. '.repeat(length / 46) });
const dialogues = Array.from({ length: 40 }, (_, i) => dialogue(i));

describe('the size of a corpus', () => {
  test('says how much is conversation, in either form, and how long most of the text’s documents are', () => {
    const chat = {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello' },
      ],
    } as const;
    expect(corpusSize(dialogues)).toMatchObject({ documents: 40, talk: 1 });
    expect(corpusSize([chat]).talk).toBe(1);
    expect(corpusSize([prose(4600)]).talk).toBe(0);
    const mixed = corpusSize([...dialogues, prose(46_000)]);
    expect(mixed.talk).toBeLessThan(0.1);
    expect(mixed.longCharacters).toBe(46_000);
  });

  test('of much text a short run takes what it can read, always the same', () => {
    const many = Array.from({ length: 3000 }, () => prose(4600));
    const some = readableDocuments(many, 1, 1);
    expect(some.length).toBeGreaterThan(200);
    expect(some.length).toBeLessThan(1000);
    expect(readableDocuments(many, 1, 1)).toEqual(some);
    expect(readableDocuments(many, 60, 1)).toBe(many);
    expect(readableDocuments(many, undefined, 1)).toBe(many);
    expect(readableDocuments(dialogues, 0.01, 1)).toBe(dialogues);
  });
});

describe('what follows from size and time', () => {
  const sizes = {
    shop: corpusSize(dialogues),
    book: corpusSize([prose(300_000)]),
    library: { characters: 12_000_000, documents: 12_000, talk: 0, longCharacters: 1500 },
    talks: { characters: 12_000_000, documents: 12_000, talk: 1, longCharacters: 1500 },
  };

  test('is always a model that can be trained', () => {
    for (const size of Object.values(sizes)) {
      for (const minutes of [0.1, 1, 5, 30, 90, 600, undefined]) {
        const preset = presetFor({ minutes }, size);
        const shape = shapeFrom(preset, {});
        checkShape(shape);
        checkRecipe(recipeFrom(preset, {}, shape.weights));
        expect(preset.batchTokens).toBeGreaterThanOrEqual(shape.contextLength / 2);
      }
    }
  });

  test('a small text is learnt in larger steps where rounded weights go on', () => {
    const optimizer = (size: (typeof sizes)['book'], from: 'binary' | 'float' | 'adapter') =>
      presetFor({ minutes: 2, from }, size).recipe.optimizer;
    expect(optimizer(sizes.shop, 'binary')).toBe('muon');
    expect(optimizer(sizes.shop, 'float')).toBe('adamw');
    expect(optimizer(sizes.shop, 'adapter')).toBe('adamw');
    expect(optimizer(sizes.talks, 'binary')).toBe('adamw');
  });

  test('more time brings larger models, where there is text for them', () => {
    const bytesFor = (size: (typeof sizes)['book'], minutes: number) =>
      exportedBytes(shapeFrom(presetFor({ minutes }, size), {}));
    const grown = [1, 10, 60, 600].map((minutes) => bytesFor(sizes.library, minutes));
    expect(grown).toEqual([...grown].sort((a, b) => a - b));
    expect(new Set(grown).size).toBe(4);
    expect(bytesFor(sizes.shop, 600)).toBeLessThan(bytesFor(sizes.library, 60));
  });

  test('small conversations are learnt as chats, prose is not, much of both in both forms', () => {
    const share = (size: (typeof sizes)['book']) => presetFor({ minutes: 1 }, size).chatShare;
    expect(share(sizes.shop)).toBeGreaterThan(0.8);
    expect(share(sizes.book)).toBeLessThan(0.5);
    expect(share(sizes.talks)).toBe(0.5);
  });

  test('a named preset is taken as it is, an unknown one refused', () => {
    expect(presetFor({ preset: 'seedling', minutes: 1 }, sizes.shop).name).toBe('seedling');
    expect(() => presetFor({ preset: 'huge' as never }, sizes.shop)).toThrow('auto, tiny, seedling');
  });
});
