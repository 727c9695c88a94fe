// Owns coherent tags: a chain over the tokens of a text in which every tag has a score at every token and every tag after another one has one too, so that a
// field never goes on that has not begun. Probabilities of whole fields come from it. A linear-chain conditional random field; source: Lafferty, McCallum and
// Pereira 2001. Must not know where scores come from.
import { exp } from '../../core/elementary.ts';
import { beginOf, insideOf, isInside, labelOf } from './tokens.ts';

/** Whether `tag` may follow `before`; undefined: the text begins. */
function mayFollow(before: number | undefined, tag: number): boolean {
  if (!isInside(tag)) return true;
  return before !== undefined && before > 0 && labelOf(before) === labelOf(tag);
}

/** Scores of tags after tags, [tags + 1, tags]; the last row is for the first token. */
export class Chain {
  readonly tags: number;
  readonly scores: Float32Array;
  /** What `scores` multiply chances with; 0 where a tag may not follow. */
  private readonly factors: Float64Array;

  constructor(tags: number, scores: Float32Array = new Float32Array((tags + 1) * tags)) {
    this.tags = tags;
    this.scores = scores;
    this.factors = new Float64Array((tags + 1) * tags);
    this.refresh();
  }

  /** To be called when scores have changed. */
  refresh(): void {
    const { tags, scores, factors } = this;
    for (let from = 0; from <= tags; from++) {
      for (let to = 0; to < tags; to++) {
        const at = from * tags + to;
        factors[at] = mayFollow(from === tags ? undefined : from, to) ? exp(scores[at]) : 0;
      }
    }
  }

  /** The likeliest tags for `emissions`, [tokens, tags]. */
  best(emissions: Float32Array, tokens: number): Uint16Array {
    const { tags, scores, factors } = this;
    const from = new Uint16Array(tokens * tags);
    let now = new Float64Array(tags);
    let next = new Float64Array(tags);
    for (let t = 0; t < tokens; t++) {
      for (let tag = 0; tag < tags; tag++) {
        let [most, before] = [Number.NEGATIVE_INFINITY, 0];
        if (t === 0) {
          if (factors[tags * tags + tag] > 0) most = scores[tags * tags + tag];
        } else if (isInside(tag)) {
          for (const other of [tag - 1, tag]) {
            const score = now[other] + scores[other * tags + tag];
            if (score > most) [most, before] = [score, other];
          }
        } else {
          for (let other = 0; other < tags; other++) {
            const score = now[other] + scores[other * tags + tag];
            if (score > most) [most, before] = [score, other];
          }
        }
        next[tag] = most + emissions[t * tags + tag];
        from[t * tags + tag] = before;
      }
      [now, next] = [next, now];
    }
    const path = new Uint16Array(tokens);
    if (tokens === 0) return path;
    let tag = now.indexOf(Math.max(...now));
    for (let t = tokens - 1; t >= 0; t--) {
      path[t] = tag;
      tag = from[t * tags + tag];
    }
    return path;
  }

  /** Chances of everything, given `emissions`, [tokens, tags]. */
  chances(emissions: Float32Array, tokens: number): ChainChances {
    const { tags, factors } = this;
    const lifts = new Float64Array(tokens * tags);
    const before = new Float64Array(tokens * tags);
    const after = new Float64Array(tokens * tags);
    const sums = new Float64Array(tokens);
    for (let t = 0; t < tokens; t++) {
      const at = t * tags;
      let most = Number.NEGATIVE_INFINITY;
      for (let tag = 0; tag < tags; tag++) most = Math.max(most, emissions[at + tag]);
      for (let tag = 0; tag < tags; tag++) lifts[at + tag] = exp(Math.max(emissions[at + tag] - most, -80));
      if (t === 0) for (let tag = 0; tag < tags; tag++) before[tag] = factors[tags * tags + tag];
      else this.forward(before.subarray(at - tags, at), before.subarray(at, at + tags));
      let sum = 0;
      for (let tag = 0; tag < tags; tag++) {
        before[at + tag] *= lifts[at + tag];
        sum += before[at + tag];
      }
      sums[t] = sum;
      for (let tag = 0; tag < tags; tag++) before[at + tag] /= sum;
    }
    const last = (tokens - 1) * tags;
    for (let tag = 0; tag < tags; tag++) after[last + tag] = 1;
    const lifted = new Float64Array(tags);
    for (let t = tokens - 1; t > 0; t--) {
      const at = t * tags;
      for (let tag = 0; tag < tags; tag++) lifted[tag] = (lifts[at + tag] * after[at + tag]) / sums[t];
      for (let other = 0; other < tags; other++) {
        const row = other * tags;
        let sum = factors[row] * lifted[0];
        for (let tag = 1; tag < tags; tag += 2) sum += factors[row + tag] * lifted[tag];
        if (other > 0) {
          const inside = insideOf(labelOf(other));
          sum += factors[row + inside] * lifted[inside];
        }
        after[at - tags + other] = sum;
      }
    }
    return { tags, tokens, factors, lifts, before, after, sums };
  }

  private forward(now: Float64Array, next: Float64Array): void {
    const { tags, factors } = this;
    next.fill(0);
    for (let other = 0; other < tags; other++) {
      const chance = now[other];
      if (chance < 1e-30) continue;
      const row = other * tags;
      next[0] += chance * factors[row];
      for (let tag = 1; tag < tags; tag += 2) next[tag] += chance * factors[row + tag];
      if (other > 0) {
        const inside = insideOf(labelOf(other));
        next[inside] += chance * factors[row + inside];
      }
    }
  }
}

/** What a chain says of a text: arrays of [tokens, tags]. */
export interface ChainChances {
  readonly tags: number;
  readonly tokens: number;
  readonly factors: Float64Array;
  /** What the token's own scores multiply chances with. */
  readonly lifts: Float64Array;
  /** The chance of a tag by all up to its token. */
  readonly before: Float64Array;
  /** What all after it multiplies that with. */
  readonly after: Float64Array;
  readonly sums: Float64Array;
}

/** The chance of each tag of each token into `out`, [tokens, tags]. */
export function tagChances({ before, after }: ChainChances, out: Float32Array): void {
  for (let i = 0; i < before.length; i++) out[i] = before[i] * after[i];
}

/** Adds the chance of every tag after every other one into `out`, laid out as the chain's scores. */
export function addFollowChances(
  { tags, tokens, factors, lifts, before, after, sums }: ChainChances,
  out: Float32Array,
): void {
  for (let tag = 0; tag < tags && tokens > 0; tag++) out[tags * tags + tag] += before[tag] * after[tag];
  for (let t = 1; t < tokens; t++) {
    const at = t * tags;
    for (let other = 0; other < tags; other++) {
      const chance = before[at - tags + other] / sums[t];
      if (chance < 1e-7) continue;
      const row = other * tags;
      for (let tag = 0; tag < tags; tag++) {
        const factor = factors[row + tag];
        if (factor > 0) out[row + tag] += chance * factor * lifts[at + tag] * after[at + tag];
      }
    }
  }
}

/** The chance that exactly the tokens `first` to `last` are a field of `label`. */
export function runChance(
  { tags, tokens, factors, lifts, before, after, sums }: ChainChances,
  label: number,
  first: number,
  last: number,
): number {
  const [begin, inside] = [beginOf(label), insideOf(label)];
  let chance = before[first * tags + begin];
  let tag = begin;
  for (let t = first + 1; t <= last; t++) {
    chance *= (factors[tag * tags + inside] * lifts[t * tags + inside]) / sums[t];
    tag = inside;
  }
  let rest = after[last * tags + tag];
  if (last + 1 < tokens) {
    const at = (last + 1) * tags + inside;
    rest -= (factors[tag * tags + inside] * lifts[at] * after[at]) / sums[last + 1];
  }
  return Math.min(1, Math.max(0, chance * rest));
}
