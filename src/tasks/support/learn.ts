// Owns training networks on evidence: epochs in random order, several networks of different seeds, and what networks say of texts they have not seen.
// Yields to the event loop, so that progress is shown and aborts are heard. Must not know texts or files.
import { nextTurn } from '../../core/event-loop.ts';
import { Random } from '../../core/random.ts';
import { type HeldOut, signalsOf } from './calibration.ts';
import type { Evidence, WordEvidence } from './evidence.ts';
import { asStored, type LearningRecipe, Network, type NetworkShape } from './network.ts';
import type { PhraseNetwork } from './phrase-network.ts';
import { type PhraseRecipe, PhraseTraining } from './phrase-training.ts';
import { meanScores, type Networks } from './support-model.ts';
import { teacherTargets } from './teacher.ts';

/** An example to learn: `target` is an intent's number, or the number of intents for a text out of scope. */
export interface Example {
  readonly evidence: Evidence;
  readonly target: number;
  /** Texts of the same key are nearly the same: one of them says too much of the others to judge them by it. */
  readonly key?: string;
  /** A label's own name, which is learnt but never held out. */
  readonly isName?: boolean;
}

export interface LearningPlan {
  readonly recipe: LearningRecipe;
  /** How many networks sum the evidence. */
  readonly bags: number;
  readonly phraseRecipe: PhraseRecipe;
  /** How many networks see words in order. */
  readonly phrases: number;
  readonly epochs: number;
  /** Learn what a linear teacher says of the examples, not only their labels. */
  readonly teacher: boolean;
  readonly seed: number;
  /** Told after each piece of work, of `1` an example. */
  readonly onExamples: (count: number) => void;
  readonly signal?: AbortSignal;
}

/** Share of the examples over which steps grow to their full size. */
const WARM_UP = 0.02;
const PHRASE_WARM_UP = 0.1;
/** Examples between two turns of the event loop: some 20 ms. */
const EXAMPLES_A_TURN = 64;

/** Trains the networks one after the other. */
export async function learnNetworks(
  examples: readonly Example[],
  shape: NetworkShape,
  plan: LearningPlan,
): Promise<Networks> {
  const bags: Network[] = [];
  const phrases: PhraseNetwork[] = [];
  const targets = plan.teacher
    ? await teacherTargets(examples, shape, plan.seed, plan.signal)
    : examples.map(({ target }) => target);
  for (let i = 0; i < plan.bags; i++) {
    bags.push(await learnBag(examples, targets, shape, plan, plan.seed + 7919 * i));
  }
  for (let i = 0; i < plan.phrases; i++) {
    phrases.push(await learnPhrases(examples, targets, shape, plan, plan.seed + 7919 * (plan.bags + i)));
  }
  return { bags, phrases };
}

async function learnPhrases(
  examples: readonly Example[],
  targets: readonly (number | Float32Array)[],
  shape: NetworkShape,
  { phraseRecipe, epochs, onExamples, signal }: LearningPlan,
  seed: number,
): Promise<PhraseNetwork> {
  const training = new PhraseTraining(shape, phraseRecipe, seed);
  const random = new Random(seed + 0.5);
  const order = Uint32Array.from(examples, (_, i) => i);
  const steps = epochs * Math.ceil(examples.length / phraseRecipe.batch);
  let step = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    random.shuffle(order);
    for (let from = 0; from < order.length; from += phraseRecipe.batch) {
      const batch = order.subarray(from, from + phraseRecipe.batch);
      const share = Math.min(1, (step + 1) / (PHRASE_WARM_UP * steps)) * (1 - step / steps);
      const texts = Array.from(batch, (i) => examples[i].evidence.words);
      const wanted = Array.from(batch, (i) => targets[i]);
      training.learn(texts, wanted, share);
      step++;
      onExamples(batch.length);
      await nextTurn();
      signal?.throwIfAborted();
    }
  }
  return training.finish();
}

async function learnBag(
  examples: readonly Example[],
  targets: readonly (number | Float32Array)[],
  shape: NetworkShape,
  plan: LearningPlan,
  seed: number,
): Promise<Network> {
  const { recipe, epochs, onExamples, signal } = plan;
  const network = new Network(shape, seed);
  const random = new Random(seed + 0.5);
  const order = Uint32Array.from(examples, (_, i) => i);
  const total = epochs * examples.length;
  let done = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    random.shuffle(order);
    for (const index of order) {
      const share = Math.min(1, done / (WARM_UP * total)) * (1 - done / total);
      network.learn(examples[index].evidence, targets[index], share, recipe, random);
      if (++done % EXAMPLES_A_TURN === 0) {
        onExamples(EXAMPLES_A_TURN);
        await nextTurn();
        signal?.throwIfAborted();
      }
    }
  }
  onExamples(done % EXAMPLES_A_TURN);
  if (recipe.binary) asStored([network.weights.bag, network.weights.trunk, network.weights.head]);
  return network;
}

/** Into how many parts examples are cut, and how many of these are judged by networks that have not learnt them. */
export interface Folds {
  readonly parts: number;
  readonly judged: number;
}

/** Examples of one part, where there are so many that judging one part is enough. */
const ENOUGH_JUDGED = 10_000;

/** Small data is cut finer, so that little is missing when the rest is learnt; of large data one part tells enough. */
export function foldsFor(examples: number): Folds {
  if (examples < 3000) return { parts: 8, judged: 8 };
  return examples <= 4 * ENOUGH_JUDGED
    ? { parts: 4, judged: 4 }
    : { parts: Math.ceil(examples / ENOUGH_JUDGED), judged: 1 };
}

/** How many examples `crossValidate` will be told of. */
export function crossValidationWork(examples: number, plan: LearningPlan, { parts, judged }: Folds): number {
  return Math.round((examples * plan.epochs * (plan.bags + plan.phrases) * judged * (parts - 1)) / parts);
}

/**
 * What networks say of examples when they have not learnt them: for each judged part, all but the part is learnt and the part is judged. Where no example
 * is out of scope, each time a share of the intents is not learnt at all, and their texts stand for those out of scope.
 */
export async function crossValidate(
  examples: readonly Example[],
  shape: NetworkShape,
  intents: number,
  { parts, judged }: Folds,
  plan: LearningPlan,
): Promise<HeldOut[]> {
  const hasOutlierClass = shape.classes > intents;
  const random = new Random(plan.seed + 0.25);
  const foldOf = foldsOf(examples, parts, random);
  // Each intent is hidden in one of eight parts; at least two intents stay in every part.
  const turns = Uint32Array.from({ length: intents }, (_, c) => c);
  random.shuffle(turns);
  const hiddenBy = Uint8Array.from(turns, (turn) => (hasOutlierClass || intents < 3 ? 255 : turn % 8));
  const heldOut: HeldOut[] = [];
  for (let fold = 0; fold < judged; fold++) {
    const isHidden = (target: number) => target < intents && hiddenBy[target] === fold;
    const learnt = examples.filter(({ target }, i) => foldOf[i] !== fold && !isHidden(target));
    const networks = await learnNetworks(learnt, shape, { ...plan, seed: plan.seed + 31 * (fold + 1) });
    const seen = new Uint8Array(shape.vocabulary);
    const seenWords = new Map<WordEvidence, WordEvidence>();
    for (const { evidence } of learnt) for (const id of evidence.ids) seen[id] = 1;
    for (const [i, { evidence, target, isName }] of examples.entries()) {
      if (foldOf[i] !== fold || isName) continue;
      const visible = onlySeen(evidence, seen, seenWords);
      const { scores, outlierScore } = meanScores(networks, visible, intents, hasOutlierClass);
      // An intent that was hidden has an untrained score: it must not win.
      for (let c = 0; c < intents; c++) if (isHidden(c)) scores[c] = -1e4;
      const intent = target === intents || isHidden(target) ? -1 : target;
      heldOut.push({ example: i, scores, intent, signals: signalsOf(scores, outlierScore, visible.known) });
    }
    plan.signal?.throwIfAborted();
  }
  return heldOut;
}

/** Evidence as a vocabulary of only the seen rows would give it. */
function onlySeen(evidence: Evidence, seen: Uint8Array, words: Map<WordEvidence, WordEvidence>): Evidence {
  const rows = seenRows(evidence, seen);
  return {
    ...rows,
    sense: evidence.sense,
    words: evidence.words.map((word) => {
      const known = words.get(word) ?? { ...seenRows(word, seen), sense: word.sense };
      words.set(word, known);
      return known;
    }),
    known: evidence.ids.length > 0 ? (evidence.known * rows.ids.length) / evidence.ids.length : 0,
  };
}

function seenRows({ ids, weights }: Pick<Evidence, 'ids' | 'weights'>, seen: Uint8Array) {
  const kept = Array.from(ids.keys()).filter((i) => seen[ids[i]]);
  return { ids: Uint32Array.from(kept, (i) => ids[i]), weights: Float32Array.from(kept, (i) => weights[i]) };
}

/**
 * Each example's part. The examples of a class are cut where they stand: neighbours in a file are often paraphrases by one person, and a text whose
 * paraphrase was learnt is judged too well. Those of the same key stand where the first of them does, in any class. Names belong to no part.
 */
function foldsOf(examples: readonly Example[], folds: number, random: Random): Uint8Array {
  const places = new Map<number, number[]>();
  for (const [i, { target, isName }] of examples.entries()) {
    if (isName) continue;
    const list = places.get(target) ?? [];
    list.push(i);
    places.set(target, list);
  }
  const result = new Uint8Array(examples.length).fill(255);
  const ofKey = new Map<string, number>();
  for (const list of places.values()) {
    const first = random.below(folds);
    for (const [place, i] of list.entries()) {
      const { key = `example ${i}` } = examples[i];
      result[i] = ofKey.get(key) ?? (first + Math.floor((place * folds) / list.length)) % folds;
      ofKey.set(key, result[i]);
    }
  }
  return result;
}
