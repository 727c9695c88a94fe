// Owns training a reader of fields from texts with spans: its vocabulary, its calibration on texts that a first network has not learnt, and the network that
// is kept. Must not know files.
import { exp, log } from '../../core/elementary.ts';
import { nextTurn } from '../../core/event-loop.ts';
import { Random } from '../../core/random.ts';
import type { Trunk } from '../support/trunk.ts';
import { chooseFeatures } from './features.ts';
import { type FieldCalibration, FieldModel, logOdds, readRuns, sensesOf } from './field-model.ts';
import { type FieldExample, FieldNetwork, type FieldRecipe, type FieldShape, PIECE } from './network.ts';
import { runsOf, type Span, tagsOf, tokensOf } from './tokens.ts';

/** A text with its fields. */
export interface FieldRow {
  readonly text: string;
  readonly spans: readonly Span[];
  /** What the text is about, by probability, as a model says that has not learnt it. */
  readonly topics: readonly (readonly [string, number])[];
}

export interface FieldPlan {
  /** Most rows of the vocabulary. */
  readonly vocabulary: number;
  readonly seed: number;
  readonly recipe?: Partial<FieldRecipe>;
  readonly epochs?: number;
  readonly onExamples?: (count: number) => void;
  readonly signal?: AbortSignal;
}

const RECIPE: FieldRecipe = { rate: 0.1, featureDropout: 0.35, hiddenDropout: 0.25, binary: true };
/** Texts learnt in all, within bounds of epochs. */
const LEARNT_TEXTS = 80_000;
const MOST_EPOCHS = 30;
const HELD_OUT_SHARE = 0.15;
const MOST_HELD_OUT = 1500;
/** Share of the texts over which steps grow to their full size. */
const WARM_UP = 0.02;
const TEXTS_A_TURN = 16;

export function fieldEpochs(texts: number): number {
  return Math.max(4, Math.min(MOST_EPOCHS, Math.round(LEARNT_TEXTS / Math.max(1, texts))));
}

/** Trains from `rows`; the same rows, plan and trunk give the same model. Throws the signal's reason when aborted. */
export async function trainFields(rows: readonly FieldRow[], trunk: Trunk, plan: FieldPlan): Promise<FieldModel> {
  const labels = [...new Set(rows.flatMap(({ spans }) => spans.map(({ label }) => label)))].sort();
  const numberOf = new Map(labels.map((label, i) => [label, i]));
  const topics = [...new Set(rows.flatMap((row) => row.topics.map(([topic]) => topic)))].sort();
  const texts = rows.map(({ text }) => tokensOf(text).slice(0, PIECE));
  const space = chooseFeatures(texts, topics, plan.vocabulary);
  const examples: FieldExample[] = rows.map((row, i) => {
    const seen = space.of(texts[i], row.topics);
    return { seen, senses: sensesOf(seen, trunk), tags: tagsOf(texts[i], row.spans, numberOf) };
  });
  const shape = { vocabulary: space.size, tags: 1 + 2 * labels.length };
  const epochs = plan.epochs ?? fieldEpochs(rows.length);
  const order = Uint32Array.from(examples, (_, i) => i);
  new Random(plan.seed + 0.75).shuffle(order);
  const held = Math.min(MOST_HELD_OUT, Math.round(HELD_OUT_SHARE * examples.length));
  const part = (from: number, to: number) => Array.from(order.subarray(from, to), (i) => examples[i]);
  const first = await learn(part(held, order.length), shape, plan, Math.max(2, epochs >> 1));
  const calibration = calibrate(first, part(0, held));
  return new FieldModel(labels, space, await learn(examples, shape, plan, epochs), calibration);
}

async function learn(
  examples: readonly FieldExample[],
  shape: FieldShape,
  { seed, recipe, onExamples, signal }: FieldPlan,
  epochs: number,
): Promise<FieldNetwork> {
  const network = new FieldNetwork(shape, seed);
  const whole = { ...RECIPE, ...recipe };
  const random = new Random(seed + 0.5);
  const used = examples.filter(({ tags }) => tags.length > 0);
  const order = Uint32Array.from(used, (_, i) => i);
  const total = epochs * used.length;
  let done = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    random.shuffle(order);
    for (const index of order) {
      network.learn(used[index], Math.min(1, done / (WARM_UP * total)) * (1 - done / total), whole);
      if (++done % TEXTS_A_TURN === 0) {
        onExamples?.(TEXTS_A_TURN);
        await nextTurn();
        signal?.throwIfAborted();
      }
    }
  }
  return network.finish(whole.binary);
}

/** How likely a field that was found is right, by what `network` finds in texts that it has not learnt. */
function calibrate(network: FieldNetwork, examples: readonly FieldExample[]): FieldCalibration {
  const points: Point[] = [];
  for (const { seen, senses, tags } of examples) {
    if (tags.length === 0) continue;
    const wanted = new Set(runsOf(tags).map((run) => JSON.stringify(run)));
    for (const { chance, ...run } of readRuns(network, network.emissions(seen, senses), tags.length)) {
      points.push({ x: logOdds(chance), right: Number(wanted.has(JSON.stringify(run))), weight: 1 });
    }
  }
  return fitCalibration(points);
}

/** A field that was found: the log-odds of its chance, whether it is right (1) or not (0), and as how many it counts. */
interface Point {
  readonly x: number;
  readonly right: number;
  readonly weight: number;
}

/** Newton's steps, and the longest of them: far from the minimum, where a network was sure of what was wrong, whole ones leave it for good. */
const STEPS = 60;
const LONGEST_STEP = 0.5;
/** Files hold no steeper ones. */
const MOST_SLOPE = 1000;

/** Logistic regression of `right` on `x`; two points more, one of each kind, keep it from certainty. */
export function fitCalibration(found: readonly Point[]): FieldCalibration {
  const points = [...found, ...[0, 1].map((right) => ({ x: right ? 2 : -2, right, weight: 0.5 }))];
  let [slope, offset] = [1, 0];
  for (let step = 0; step < STEPS; step++) {
    let [g0, g1, h00, h01, h11] = [0.01 * offset, 0.01 * (slope - 1), 0.01, 0, 0.01];
    for (const { x, right, weight } of points) {
      const chance = 1 / (1 + exp(-(slope * x + offset)));
      const error = weight * (chance - right);
      const curve = weight * chance * (1 - chance);
      g0 += error;
      g1 += error * x;
      h00 += curve;
      h01 += curve * x;
      h11 += curve * x * x;
    }
    const determinant = h00 * h11 - h01 * h01;
    const change = { offset: (h11 * g0 - h01 * g1) / determinant, slope: (h00 * g1 - h01 * g0) / determinant };
    const scale = Math.min(1, LONGEST_STEP / Math.max(Math.abs(change.offset), Math.abs(change.slope), LONGEST_STEP));
    offset -= scale * change.offset;
    slope -= scale * change.slope;
  }
  if (Number.isFinite(offset) && slope > 0 && slope <= MOST_SLOPE) return { slope, offset };
  // What the network says of its finds tells nothing: all are right as often as any.
  const right = points.reduce((sum, point) => sum + point.weight * point.right, 0);
  const wrong = points.reduce((sum, point) => sum + point.weight * (1 - point.right), 0);
  return { slope: 0, offset: log(right / wrong) };
}
