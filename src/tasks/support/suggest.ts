// Owns proposing intents from messages without labels: groups of messages that are alike, with typical ones and the words that tell them, for a person to name.
// Hierarchical clustering of a sample; the others join the group that they are nearest to. Must not know files.

import { Budget } from '../../core/budget.ts';
import { checkArgument, checkOptions } from '../../core/check.ts';
import { log } from '../../core/elementary.ts';
import { OnebitError } from '../../errors.ts';
import { stemOf } from '../answers/passage-index.ts';
import { embeddedTrunk, type Trunk } from './trunk.ts';
import { textKey, wordsOf } from './words.ts';

export interface SuggestOptions {
  /** How many groups to look for. Default: as many as make messages of a group most alike and of others least. */
  readonly groups?: number;
  /** Groups of fewer messages are not proposed. Default 3. */
  readonly smallest?: number;
  /** Typical messages of each. Default 3. */
  readonly typical?: number;
  readonly signal?: AbortSignal;
}

/** A group of messages. */
export interface SuggestedIntent {
  /** Made of the words that tell it from others; a person knows better. */
  readonly name: string;
  readonly words: readonly string[];
  /** Most typical first. */
  readonly typical: readonly string[];
  /** Places of its messages in the list, with how alike each is to the group, 0 to 1. */
  readonly members: readonly { readonly index: number; readonly likeness: number }[];
}

const MOST_MESSAGES = 100_000;
/** Clustering compares each message with each: more are not compared. */
const SAMPLE = 1500;
/** A message that is less alike to every group belongs to none. */
const LEAST_LIKENESS = 0.25;
/** What the sense of words counts beside the words themselves. */
const SENSE_SHARE = 0.5;
/** Groups that a person can look through: so many times the root of the messages. */
const MOST_A_ROOT = 1.5;
const NAME_WORDS = 2;
const TOLD_WORDS = 5;

/** Words of a message with their weights, by number, and its sense. */
interface Vector {
  readonly words: ReadonlyMap<number, number>;
  readonly sense: Float32Array;
}

/** Groups of messages that may be intents, largest first, and the messages that belong to none. Throws `bad-argument`. */
export async function suggestIntents(
  texts: readonly string[],
  options: SuggestOptions = {},
): Promise<{ intents: SuggestedIntent[]; rest: number[] }> {
  checkArgument('suggestIntents', 'texts', texts, 'list');
  for (const [i, text] of texts.entries()) checkArgument('suggestIntents', `texts[${i}]`, text, 'text');
  checkOptions('suggestIntents', options, {
    groups: 'number',
    smallest: 'number',
    typical: 'number',
    signal: 'signal',
  });
  const { groups, smallest = 3, typical = 3, signal } = options;
  if (texts.length > MOST_MESSAGES) {
    throw new OnebitError(
      'bad-argument',
      `suggestIntents: at most ${MOST_MESSAGES} messages are taken, got ${texts.length}. Take a sample.`,
    );
  }
  const budget = new Budget({ signal });
  const { vectors, names } = vectorsOf(texts, await embeddedTrunk());
  const said = texts.map((_, i) => i).filter((i) => vectors[i].words.size > 0);
  const first = new Map(said.map((i) => [textKey(texts[i]), i]));
  const different = [...first.values()].sort((a, b) => a - b);
  const step = Math.max(1, different.length / SAMPLE);
  const sample = Array.from({ length: Math.min(SAMPLE, different.length) }, (_, i) => different[Math.floor(i * step)]);
  const parts = await clustered(
    sample.map((i) => vectors[i]),
    groups,
    smallest,
    budget,
  );
  const centres = parts.map((part) => centreOf(part.map((i) => vectors[sample[i]])));
  const members = centres.map((): { index: number; likeness: number }[] => []);
  const rest = texts.map((_, i) => i).filter((i) => vectors[i].words.size === 0);
  for (const index of said) {
    let [best, likeness] = [-1, LEAST_LIKENESS];
    for (const [c, centre] of centres.entries()) {
      const alike = cosine(vectors[index], centre);
      if (alike > likeness) [best, likeness] = [c, alike];
    }
    if (best < 0) rest.push(index);
    else members[best].push({ index, likeness });
    await budget.turn('suggest');
  }
  const kept = members.filter(({ length }) => length >= smallest);
  for (const list of members) if (list.length < smallest) rest.push(...list.map(({ index }) => index));
  const used = new Set<string>();
  const intents = kept
    .sort((a, b) => b.length - a.length)
    .map((list): SuggestedIntent => {
      const ordered = list.sort((a, b) => b.likeness - a.likeness);
      const words = tellingWords(
        ordered.map(({ index }) => vectors[index]),
        vectors,
        names,
      );
      const base = words.slice(0, NAME_WORDS).join('_') || 'group';
      let name = base;
      for (let n = 2; used.has(name); n++) name = `${base}_${n}`;
      used.add(name);
      return { name, words, typical: typicalOf(ordered, texts, typical), members: ordered };
    });
  return { intents, rest: rest.sort((a, b) => a - b) };
}

/** Messages as weighted words, rarer ones counting more, and their sense less the mean of all. */
function vectorsOf(texts: readonly string[], trunk: Trunk): { vectors: Vector[]; names: string[] } {
  const numbers = new Map<string, number>();
  const names: string[] = [];
  const seen = texts.map((text) => {
    const words = wordsOf(text).filter((word) => /[\p{L}\p{N}]/u.test(word));
    const ids = words.map((word) => {
      const stem = stemOf(word);
      if (!numbers.has(stem)) {
        numbers.set(stem, names.length);
        names.push(word);
      }
      return numbers.get(stem)!;
    });
    return { ids, words };
  });
  const counts = new Uint32Array(names.length);
  for (const { ids } of seen) for (const id of new Set(ids)) counts[id]++;
  const rarity = (id: number) => log((1 + texts.length) / (1 + counts[id]));
  const general = names.map((word) => trunk.weightOf(word) ?? 1);
  const senses = seen.map(({ words }) => trunk.senseOf(words).sense);
  const mean = new Float32Array(senses[0]?.length ?? 0);
  for (const sense of senses) for (let i = 0; i < mean.length; i++) mean[i] += sense[i] / senses.length;
  const vectors = seen.map(({ ids }, t): Vector => {
    const words = new Map<number, number>();
    for (const id of ids) words.set(id, rarity(id) * Math.sqrt(general[id]));
    return unit(
      words,
      senses[t].map((x, i) => x - mean[i]),
    );
  });
  return { vectors, names };
}

function cosine(a: Vector, b: Vector): number {
  const [few, many] = a.words.size <= b.words.size ? [a, b] : [b, a];
  let shared = 0;
  for (const [id, weight] of few.words) shared += weight * (many.words.get(id) ?? 0);
  let sense = 0;
  for (let i = 0; i < a.sense.length; i++) sense += a.sense[i] * b.sense[i];
  return (1 - SENSE_SHARE) * shared + SENSE_SHARE * sense;
}

function centreOf(list: readonly Vector[]): Vector {
  const words = new Map<number, number>();
  const sense = new Float32Array(list[0].sense.length);
  for (const vector of list) {
    for (const [id, weight] of vector.words) words.set(id, (words.get(id) ?? 0) + weight);
    for (let i = 0; i < sense.length; i++) sense[i] += vector.sense[i];
  }
  return unit(words, sense);
}

/** Words and sense, each of length 1. */
function unit(words: Map<number, number>, sense: Float32Array): Vector {
  const scale = 1 / Math.sqrt([...words.values()].reduce((sum, x) => sum + x * x, 1e-9));
  for (const [id, weight] of words) words.set(id, weight * scale);
  const length = Math.sqrt(sense.reduce((sum, x) => sum + x * x, 1e-9));
  return { words, sense: sense.map((x) => x / length) };
}

/** Groups of the sample: a chain of nearest neighbours is followed until two are each other's nearest, and joined (Murtagh 1983), distances by Ward's rule. */
async function clustered(
  vectors: readonly Vector[],
  wanted: number | undefined,
  smallest: number,
  budget: Budget,
): Promise<number[][]> {
  const count = vectors.length;
  const alike = new Float32Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) {
      const value = cosine(vectors[i], vectors[j]);
      alike[i * count + j] = value;
      alike[j * count + i] = value;
    }
    await budget.turn('suggest');
  }
  const far = alike.map((value) => 2 - 2 * value);
  const sizes = new Uint32Array(count).fill(1);
  const active = new Set(vectors.keys());
  const joins: { a: number; b: number; distance: number }[] = [];
  const chain: number[] = [];
  while (active.size > 1) {
    if (chain.length === 0) chain.push(active.values().next().value!);
    const last = chain[chain.length - 1];
    const before = chain[chain.length - 2];
    let [nearest, distance] = [-1, Number.POSITIVE_INFINITY];
    for (const other of active) {
      const value = far[last * count + other];
      if (other !== last && (value < distance || (value === distance && other === before))) {
        [nearest, distance] = [other, value];
      }
    }
    if (nearest !== before) {
      chain.push(nearest);
      continue;
    }
    chain.length -= 2;
    joins.push({ a: before, b: last, distance });
    for (const other of active) {
      const [x, y, z] = [sizes[before], sizes[last], sizes[other]];
      const apart = (x + z) * far[before * count + other] + (y + z) * far[last * count + other] - z * distance;
      far[before * count + other] = apart / (x + y + z);
      far[other * count + before] = apart / (x + y + z);
    }
    sizes[before] += sizes[last];
    active.delete(last);
    await budget.turn('suggest');
  }
  joins.sort((x, y) => x.distance - y.distance);
  return bestCut(joins, count, alike, wanted, smallest);
}

/** The groups after so many joins that the wanted number is there, or else that messages fit best into theirs (a silhouette over mean likenesses). */
function bestCut(
  joins: readonly { a: number; b: number }[],
  count: number,
  alike: Float32Array,
  wanted: number | undefined,
  smallest: number,
): number[][] {
  const parent = Int32Array.from({ length: count }, (_, i) => i);
  const find = (i: number): number => {
    let at = i;
    while (parent[at] !== at) at = parent[at];
    return at;
  };
  let [best, bestFit]: [number[][], number] = [[], Number.NEGATIVE_INFINITY];
  const step = Math.max(1, Math.floor(joins.length / 60));
  for (const [i, { a, b }] of joins.entries()) {
    parent[find(b)] = find(a);
    const isLast = i === joins.length - 1;
    if (wanted === undefined && i % step !== 0 && !isLast) continue;
    const groups = new Map<number, number[]>();
    for (let m = 0; m < count; m++) {
      const root = find(m);
      const group = groups.get(root);
      if (group) group.push(m);
      else groups.set(root, [m]);
    }
    const large = [...groups.values()].filter(({ length }) => length >= smallest);
    if (wanted === undefined && !isLast && large.length > MOST_A_ROOT * Math.sqrt(count)) continue;
    const fit = wanted === undefined ? fitOf(large, count, alike) : -Math.abs(large.length - wanted);
    if (fit > bestFit || (wanted !== undefined && fit === bestFit)) [best, bestFit] = [large, fit];
  }
  return best;
}

/** The mean over all messages of how much more alike they are to their own group than to the nearest other; those in no group count nothing. */
function fitOf(groups: readonly number[][], count: number, alike: Float32Array): number {
  if (groups.length < 2) return Number.NEGATIVE_INFINITY;
  let sum = 0;
  const every = Math.max(1, Math.floor(count / 300));
  for (const [g, group] of groups.entries()) {
    for (const m of group) {
      if (m % every !== 0) continue;
      const mean = (list: readonly number[], others: number) =>
        list.reduce((total, o) => total + (o === m ? 0 : alike[m * count + o]), 0) / Math.max(1, others);
      const own = mean(group, group.length - 1);
      let other = Number.NEGATIVE_INFINITY;
      for (const [h, list] of groups.entries()) if (h !== g) other = Math.max(other, mean(list, list.length));
      sum += (own - other) / Math.max(1 - own, 1 - other, 1e-6);
    }
  }
  return (sum * every) / count;
}

/** Words that are often in the group and seldom elsewhere. */
function tellingWords(group: readonly Vector[], all: readonly Vector[], names: readonly string[]): string[] {
  const counts = (list: readonly Vector[]) => {
    const found = new Map<number, number>();
    for (const { words } of list) for (const id of words.keys()) found.set(id, (found.get(id) ?? 0) + 1);
    return found;
  };
  const [here, everywhere] = [counts(group), counts(all)];
  return [...here]
    .map(([id, count]) => {
      const elsewhere = (everywhere.get(id) ?? 0) - count;
      const lift = log((count + 0.5) / (group.length + 1)) - log((elsewhere + 0.5) / (all.length - group.length + 1));
      return { id, worth: (count / group.length) * lift };
    })
    .sort((a, b) => b.worth - a.worth)
    .slice(0, TOLD_WORDS)
    .filter(({ worth }) => worth > 0)
    .map(({ id }) => names[id]);
}

/** The most typical messages, no two of them the same. */
function typicalOf(members: readonly { index: number }[], texts: readonly string[], most: number): string[] {
  const known = new Set<string>();
  const found: string[] = [];
  for (const { index } of members) {
    const key = textKey(texts[index]);
    if (found.length >= most) break;
    if (!known.has(key)) found.push(texts[index]);
    known.add(key);
  }
  return found;
}
