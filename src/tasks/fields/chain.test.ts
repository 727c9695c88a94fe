import { expect, test } from 'vitest';
import { Random } from '../../core/random.ts';
import { addFollowChances, Chain, runChance, tagChances } from './chain.ts';
import { isInside, labelOf } from './tokens.ts';

const tags = 5; // two labels
const tokens = 4;
const random = new Random(7);
const chain = new Chain(tags);
for (let i = 0; i < chain.scores.length; i++) chain.scores[i] = random.normal();
chain.refresh();
const emissions = Float32Array.from({ length: tokens * tags }, () => 1.5 * random.normal());

/** All coherent sequences of tags with their chances, one by one. */
const all = (() => {
  const found: { path: number[]; score: number }[] = [];
  const go = (path: number[], score: number) => {
    if (path.length === tokens) return void found.push({ path, score });
    const before = path.at(-1);
    for (let tag = 0; tag < tags; tag++) {
      const goesOn = before !== undefined && before > 0 && labelOf(before) === labelOf(tag);
      if (isInside(tag) && !goesOn) continue;
      go([...path, tag], score + emissions[path.length * tags + tag] + chain.scores[(before ?? tags) * tags + tag]);
    }
  };
  go([], 0);
  const sum = found.reduce((total, { score }) => total + Math.exp(score), 0);
  return found.map(({ path, score }) => ({ path, chance: Math.exp(score) / sum }));
})();
const chanceOf = (holds: (path: number[]) => boolean) =>
  all.filter(({ path }) => holds(path)).reduce((sum, { chance }) => sum + chance, 0);

test('the best tags are those of the likeliest coherent sequence', () => {
  const best = all.reduce((a, b) => (b.chance > a.chance ? b : a));
  expect([...chain.best(emissions, tokens)]).toEqual(best.path);
  expect([...chain.best(emissions, 0)]).toEqual([]);
});

test('chances of tags, of tags after tags, and of whole fields are those of all sequences together', () => {
  const chances = chain.chances(emissions, tokens);
  const out = new Float32Array(tokens * tags);
  tagChances(chances, out);
  for (let t = 0; t < tokens; t++) {
    for (let tag = 0; tag < tags; tag++)
      expect(out[t * tags + tag]).toBeCloseTo(
        chanceOf((path) => path[t] === tag),
        5,
      );
  }
  const follow = new Float32Array(chain.scores.length);
  addFollowChances(chances, follow);
  for (let from = 0; from <= tags; from++) {
    for (let to = 0; to < tags; to++) {
      let wanted = 0;
      for (const { path, chance } of all) {
        const times = path.filter((tag, t) => tag === to && (t === 0 ? tags : path[t - 1]) === from).length;
        wanted += chance * times;
      }
      expect(follow[from * tags + to]).toBeCloseTo(wanted, 5);
    }
  }
  const isRun = (path: number[]) => path[1] === 3 && path[2] === 4 && path[3] !== 4;
  expect(runChance(chances, 1, 1, 2)).toBeCloseTo(chanceOf(isRun), 5);
  expect(runChance(chances, 0, 3, 3)).toBeCloseTo(
    chanceOf((path) => path[3] === 1),
    5,
  );
});

test('scores of any size give numbers', () => {
  const huge = Float32Array.from(emissions, (x) => 1e4 * x);
  expect(runChance(chain.chances(huge, tokens), 0, 0, 0)).toSatisfy(Number.isFinite);
});
