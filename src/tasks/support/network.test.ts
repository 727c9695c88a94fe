import { expect, test } from 'vitest';
import { Random } from '../../core/random.ts';
import { q1_0 } from '../../quant/q1-0.ts';
import type { Evidence } from './evidence.ts';
import { Network, softmax } from './network.ts';
import { TRUNK_WIDTH } from './trunk.ts';

const shape = { vocabulary: 12, width: 128, classes: 4 };
const recipe = { binary: false, rate: 0.05, evidenceDropout: 0, hiddenDropout: 0, smoothing: 0 };

function evidence(random: Random): Evidence {
  const ids = Uint32Array.of(1, 4, 7);
  const weights = Float32Array.from(ids, () => random.uniform() + 0.1);
  const sense = Float32Array.from({ length: TRUNK_WIDTH }, () => 0.05 * random.normal());
  return { ids, weights, sense, known: 1, words: [] };
}

/** The network in plain TypeScript, 64-bit. */
function plainScores({ weights }: Network, { ids, weights: counts, sense }: Evidence): number[] {
  const { width, classes } = shape;
  const hidden = Array.from({ length: width }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < TRUNK_WIDTH; k++) sum += weights.trunk[i * TRUNK_WIDTH + k] * 1.5 * sense[k];
    ids.forEach((id, f) => {
      sum += counts[f] * weights.bag[id * width + i];
    });
    return sum;
  });
  const rms = Math.sqrt(hidden.reduce((sum, x) => sum + x * x, 0) / width + 1e-5);
  return Array.from({ length: classes }, (_, c) =>
    hidden.reduce((sum, x, i) => sum + Math.max(0, x / rms) * weights.head[c * width + i], weights.bias[c]),
  );
}

test('scores are those of the formula, with full and with 1-bit weights', () => {
  const random = new Random(1);
  const network = new Network(shape, 3);
  const input = evidence(random);
  const expected = plainScores(network, input);
  network.scoresOf(input).forEach((score, c) => {
    expect(score).toBeCloseTo(expected[c], 4);
  });
  const seen = Array.from(network.scoresOf(input, true));
  const { bag, trunk, head } = network.weights;
  for (const matrix of [bag, trunk, head]) {
    const bytes = new Uint8Array((matrix.length / q1_0.blockSize) * q1_0.blockBytes);
    q1_0.encode(matrix, bytes);
    q1_0.decode(bytes, matrix);
  }
  network.scoresOf(input).forEach((score, c) => {
    expect(score).toBeCloseTo(seen[c], 2); // but for the scales' rounding to 16 bits
  });
});

test('a step goes down the slope of the loss: central differences', () => {
  const random = new Random(2);
  const input = evidence(random);
  const loss = (network: Network) => {
    const scores = Float32Array.from(plainScores(network, input));
    softmax(scores);
    return -Math.log(scores[2]);
  };
  const before = new Network(shape, 3);
  const after = new Network(shape, 3);
  after.learn(input, 2, 1, recipe, random);
  const probes = [
    ['bag', 4 * 128 + 9],
    ['bag', 7 * 128 + 100],
    ['trunk', 300],
    ['head', 2 * 128 + 40],
    ['head', 50],
  ] as const;
  for (const [name, i] of probes) {
    const step = after.weights[name][i] - before.weights[name][i];
    const start = before.weights[name][i];
    const at = (shift: number) => {
      before.weights[name][i] = start + shift;
      const result = loss(before);
      before.weights[name][i] = start;
      return result;
    };
    const slope = (at(1e-3) - at(-1e-3)) / 2e-3;
    if (Math.abs(slope) > 1e-5) expect(Math.sign(step), `${name}[${i}]`).toBe(-Math.sign(slope));
  }
  expect(loss(after)).toBeLessThan(loss(before));
  expect(Array.from(after.weights.bag.subarray(0, 128))).toEqual(Array.from(before.weights.bag.subarray(0, 128)));
});
