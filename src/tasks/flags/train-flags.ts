// Owns learning flags from rows that say which they have: linear support vector machines, and how likely they are right by rows that were not learnt. Must not
// know files.
import { fitLogistic } from '../../core/calibration.ts';
import { exp } from '../../core/elementary.ts';
import { Random } from '../../core/random.ts';
import { q8_0 } from '../../quant/q8-0.ts';
import type { Evidence } from '../support/evidence.ts';
import { asStored } from '../support/network.ts';
import { type LinearMachine, learnMachine } from '../support/teacher.ts';
import { TRUNK_WIDTH } from '../support/trunk.ts';
import { type FlagFacts, FlagModel, flagWidth, RAISED } from './flag-model.ts';

/** A row whose flags are known. */
export interface FlaggedExample {
  readonly evidence: Evidence;
  readonly flags: readonly string[];
}

export const MOST_FLAGS = 64;
/** Fewer examples of a flag teach nothing that holds elsewhere. */
export const LEAST_FLAGGED = 4;
const PARTS = 5;
/** Keeps a flag's slope small where few rows have it. */
const RIDGE = 1e-3;

/** Flags that can be learnt, and notes on those that cannot. */
export function flagsOf(rows: readonly { readonly flags?: readonly string[] }[]): {
  labels: string[];
  notices: string[];
} {
  const counts = new Map<string, number>();
  const flagged = rows.filter(({ flags }) => flags !== undefined);
  for (const { flags = [] } of flagged)
    for (const flag of new Set(flags)) counts.set(flag, (counts.get(flag) ?? 0) + 1);
  const notices: string[] = [];
  const labels = [...counts].flatMap(([flag, count]) => {
    if (Math.min(count, flagged.length - count) >= LEAST_FLAGGED) return [flag];
    notices.push(
      `the flag ${flag} is not learnt: it takes at least ${LEAST_FLAGGED} rows that have it and as many that have not, there are ${count} and ${flagged.length - count} (rows with flags count, an empty list too).`,
    );
    return [];
  });
  return { labels: labels.sort(), notices };
}

/** Learns the flags `labels`. */
export async function learnFlags(
  examples: readonly FlaggedExample[],
  labels: readonly string[],
  vocabulary: number,
  { seed, signal }: { readonly seed: number; readonly signal?: AbortSignal },
): Promise<FlagModel> {
  const shape = { vocabulary, classes: labels.length };
  const has = examples.map(({ flags }) => labels.map((label) => flags.includes(label)));
  const learn = (list: readonly number[]) => {
    const rows = list.map((i) => ({ evidence: examples[i].evidence, sides: has[i] }));
    return learnMachine(rows, shape, seed, signal);
  };
  const all = examples.map((_, i) => i);
  const partOf = Uint32Array.from(all);
  new Random(seed).shuffle(partOf);
  const heldOut = all.map(() => new Float32Array(labels.length));
  for (let part = 0; part < PARTS; part++) {
    const machine = await learn(all.filter((i) => partOf[i] % PARTS !== part));
    for (const i of all.filter((i) => partOf[i] % PARTS === part)) {
      heldOut[i].set(machine.distances(examples[i].evidence).subarray(0, labels.length));
    }
  }
  const calibration = new Float32Array(2 * labels.length);
  const facts = labels.map((flag, f): FlagFacts => {
    const distances = heldOut.map((row) => row[f]);
    const sides = has.map((row) => row[f]);
    const { slope, offset } = fitLogistic(distances, sides, RIDGE);
    calibration.set([slope, offset], 2 * f);
    const raised = distances.map((distance) => 1 / (1 + exp(-slope * distance - offset)) >= RAISED);
    const count = (holds: (i: number) => boolean) => all.filter(holds).length;
    const [there, said, right] = [count((i) => sides[i]), count((i) => raised[i]), count((i) => sides[i] && raised[i])];
    return { flag, rows: there, precision: said > 0 ? right / said : null, recall: right / there };
  });
  return new FlagModel(facts, storedWeights(await learn(all), vocabulary, labels.length), calibration, vocabulary);
}

/** The machine's weights, flag by flag, as Q8_0 stores them. */
function storedWeights(machine: LinearMachine, vocabulary: number, flags: number): Float32Array {
  const width = flagWidth(vocabulary);
  const weights = new Float32Array(flags * width);
  for (let row = 0; row <= vocabulary + TRUNK_WIDTH; row++) {
    for (let f = 0; f < flags; f++) weights[f * width + row] = machine.weightOf(row, f);
  }
  asStored([weights], q8_0);
  return weights;
}
