import { expect, test } from 'vitest';
import { Random } from '../../core/random.ts';
import { q1_0 } from '../../quant/q1-0.ts';
import type { Evidence, WordEvidence } from './evidence.ts';
import { softmax } from './network.ts';
import { FILTERS, HIDDEN, type PhraseWeights, WORD_WIDTH } from './phrase-network.ts';
import { PhraseTraining } from './phrase-training.ts';
import { TRUNK_WIDTH } from './trunk.ts';

const shape = { vocabulary: 9, classes: 3 };
const recipe = {
  ...{ binary: false, rate: 1e-3, decay: 0, smoothing: 0, batch: 2 },
  ...{ wordDropout: 0, vectorDropout: 0, hiddenDropout: 0 },
};

function wordsOf(random: Random, ...ids: number[][]): WordEvidence[] {
  return ids.map((rows) => ({
    ids: Uint32Array.from(rows),
    weights: Float32Array.from(rows, () => random.uniform() + 0.1),
    sense: Float32Array.from({ length: TRUNK_WIDTH }, () => random.normal() / 16),
  }));
}

function evidenceOf(words: readonly WordEvidence[]): Evidence {
  const bag = { ids: new Uint32Array(), weights: new Float32Array() };
  return { ...bag, sense: new Float32Array(TRUNK_WIDTH), known: 1, words };
}

/** The network in plain TypeScript, 64-bit. */
function plainScores({ weights }: { readonly weights: PhraseWeights }, words: readonly WordEvidence[]): number[] {
  const vectors = words.map(({ ids, weights: counts, sense }) =>
    Array.from({ length: WORD_WIDTH }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < TRUNK_WIDTH; k++) sum += weights.trunk[i * TRUNK_WIDTH + k] * sense[k];
      ids.forEach((id, f) => {
        sum += counts[f] * weights.bag[id * WORD_WIDTH + i];
      });
      return sum;
    }),
  );
  const hidden = [weights.filters1, weights.filters2, weights.filters3].flatMap((filters, index) => {
    const length = index + 1;
    return Array.from({ length: FILTERS }, (_, f) => {
      let largest = Number.NEGATIVE_INFINITY;
      for (let first = 1 - length; first < Math.max(1, words.length); first++) {
        let sum = 0;
        for (let n = 0; n < length; n++) {
          vectors[first + n]?.forEach((x, i) => {
            sum += x * filters[(f * length + n) * WORD_WIDTH + i];
          });
        }
        largest = Math.max(largest, sum);
      }
      return Math.max(0, largest + weights.thresholds[index * FILTERS + f]);
    });
  });
  return Array.from({ length: shape.classes }, (_, c) => {
    let sum = weights.bias[c];
    for (let head = 0; head < 4; head++) {
      hidden.forEach((x, i) => {
        sum += x * weights.head[(head * shape.classes + c) * HIDDEN + i];
      });
    }
    return sum;
  });
}

test('scores are those of the formula, for texts of no word, one word and many', () => {
  const random = new Random(1);
  const network = new PhraseTraining(shape, recipe, 5).finish();
  for (let i = 0; i < HIDDEN; i++) network.weights.thresholds[i] = 0.1 * random.normal();
  network.weights.bias.set([0.5, -0.5, 0.25]);
  for (const ids of [[], [[1, 2]], [[3], [4, 5]], [[0], [1], [2, 8], [3], [7, 6, 5], [], [4]]]) {
    const words = wordsOf(random, ...ids);
    const expected = plainScores(network, words);
    network.scoresOf(evidenceOf(words)).forEach((score, c) => {
      expect(score).toBeCloseTo(expected[c], 4);
    });
  }
});

test('a step goes down the slope of the loss of a batch: central differences', () => {
  const random = new Random(2);
  const shared = wordsOf(random, [1, 4]);
  const texts = [
    [...wordsOf(random, [0], [2, 3]), ...shared],
    [...shared, ...wordsOf(random, [5])],
  ];
  const targets = [1, 2];
  const loss = (network: { readonly weights: PhraseWeights }) =>
    texts.reduce((sum, words, i) => {
      const scores = Float32Array.from(plainScores(network, words));
      softmax(scores);
      return sum - Math.log(scores[targets[i]]);
    }, 0);
  const training = new PhraseTraining(shape, recipe, 5);
  const before = { weights: structuredClone(training.network.weights) };
  training.learn(texts, targets, 1);
  const after = training.network;
  const names = ['bag', 'trunk', 'filters1', 'filters2', 'filters3', 'head', 'thresholds', 'bias'] as const;
  let probed = 0;
  for (const name of names) {
    for (let probe = 0; probe < 12; probe++) {
      const i = random.below(before.weights[name].length);
      const start = before.weights[name][i];
      const at = (shift: number) => {
        before.weights[name][i] = start + shift;
        const result = loss(before);
        before.weights[name][i] = start;
        return result;
      };
      const slope = (at(1e-3) - at(-1e-3)) / 2e-3;
      if (Math.abs(slope) < 1e-3) continue;
      probed++;
      // AdamW's first step is the rate, whatever the slope's size.
      expect(after.weights[name][i] - start, `${name}[${i}]`).toBeCloseTo(-Math.sign(slope) * recipe.rate, 5);
    }
  }
  expect(probed).toBeGreaterThan(20);
  expect(loss(after)).toBeLessThan(loss(before));
});

test('what is learnt with 1-bit weights is what is stored', () => {
  const random = new Random(3);
  const texts = [wordsOf(random, [0], [1]), wordsOf(random, [2], [3])];
  const targets = [0, 2];
  const training = new PhraseTraining(shape, { ...recipe, binary: true, rate: 0.01 }, 7);
  for (let step = 0; step < 20; step++) training.learn(texts, targets, 1);
  const network = training.finish();
  for (const [i, words] of texts.entries()) {
    const scores = Array.from(network.scoresOf(evidenceOf(words)));
    expect(scores.indexOf(Math.max(...scores))).toBe(targets[i]);
  }
  for (const name of ['bag', 'trunk', 'filters1', 'filters2', 'filters3', 'head'] as const) {
    const matrix = network.weights[name];
    const bytes = new Uint8Array((matrix.length / q1_0.blockSize) * q1_0.blockBytes);
    const again = new Float32Array(matrix.length);
    q1_0.encode(matrix, bytes);
    q1_0.decode(bytes, again);
    expect(again).toEqual(Float32Array.from(matrix));
  }
});
