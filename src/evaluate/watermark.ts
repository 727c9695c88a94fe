// Owns telling whether a text was marked with a key: an exact p-value without training and without a least length. Must not know how texts are generated
// beyond generate/watermark.ts.
//
// The test: at each place, the race is run again with the probabilities that the model gives there, and its margin is taken: by how much the text's token is before
// the best other one, or behind it. Whoever wrote the text without the key cannot know the draws: over all keys the margin of a token of probability p has the
// logistic distribution around log(p / (1 - p)), whatever p is. All that is chosen from the text (how it was sampled, with which beginning it is read, what a margin
// scores) is chosen without the key, and so leaves the p-value exact. Margins, not only who wins: where the text before was edited the model's probabilities
// are a little off, and a token that comes second by a hair still tells.
import { exp, log } from '../core/elementary.ts';
import { Contexts, type Race, WatermarkKey } from '../generate/watermark.ts';
import { filterCandidates } from '../kernels/sampling.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type Draw, exactPValue } from './exact-sum.ts';

/** A stretch of the text, tested alone. */
export interface MarkedSegment {
  /** Where it begins and ends in the text, in UTF-16 units. */
  readonly from: number;
  readonly to: number;
  readonly tokens: number;
  readonly pValue: number;
}

/** What the test says. */
export interface Detection {
  /** How likely an unmarked text would look at least as marked as this one: below 0.001, one in a thousand would. */
  readonly pValue: number;
  /** Tokens of the text. */
  readonly tokens: number;
  /** Places at which the model was not sure and the context was new: all that the test has. */
  readonly places: number;
  /** Places at which the text has the token that the key chooses, and how many would by chance. */
  readonly hits: number;
  readonly hitsByChance: number;
  /** How the text was probably sampled. */
  readonly sampling: SamplingGuess;
  /** The text in stretches, each with its own p-value: of twenty unmarked ones, one is below 0.05. */
  readonly segments: readonly MarkedSegment[];
}

export interface SamplingGuess {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
}

/** What may stand in a place, likeliest first, with log-probabilities before sampling. Numbers side by side: a long text has 64 for each of its tokens. */
export interface Candidates {
  readonly tokens: Int32Array;
  readonly logprobs: Float64Array;
}

/** A token of a text, what the model would have written there, and where it stands. */
export interface Place {
  readonly token: number;
  readonly top: Candidates;
  /** UTF-8 bytes of the text before it. */
  readonly offset: number;
}

/** Candidates that are looked at; a token beyond them is no place of the test. */
export const CANDIDATES = 64;
const TEMPERATURES = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5];
const PLAIN = TEMPERATURES.indexOf(1);
/** Weights at each temperature of candidates so many steps of 1/FINE nats below the likeliest. */
const FINE = 256;
const WEIGHTS = TEMPERATURES.map((temperature) =>
  Float64Array.from({ length: 12 * FINE + 1 }, (_, i) => exp(-i / FINE / temperature)),
);
const FILTERS = [20, 0].flatMap((topK) => [0.85, 0.9, 0.95, 1].map((topP) => ({ topK, topP })));
/** What a token counts that the sampling would not have chosen: edited text has some. */
const FOREIGN = 0.02;
/** Places whose token is as good as sure say nothing. */
const SURE = 0.99;
/** The share of places that the mark decides, and how far off probabilities are, for which margins are scored: about those of an edited text. */
const MARKED_SHARE = 0.7;
const NOISE = 0.25;
/** Bounds of margins between which scores change, and the odds against the middle of each stretch between them, plus one. */
const MARGINS = Array.from({ length: 21 }, (_, i) => NOISE * (0.4 * i - 4));
const MIDDLES = Array.from({ length: MARGINS.length + 1 }, (_, i) => {
  const middle = ((MARGINS[i] ?? MARGINS[i - 1]) + (MARGINS[i - 1] ?? MARGINS[i])) / 2;
  return 1 + exp(-middle / NOISE);
});
const SEGMENT_PLACES = 100;

/** How a text was probably sampled, and its log-likelihood then. Takes its weights from a table: a guess needs no exact ones. */
export function guessSampling(places: readonly Place[]): SamplingGuess & { readonly logLikelihood: number } {
  const logs = new Float64Array(FILTERS.length * TEMPERATURES.length);
  const products = new Float64Array(logs.length).fill(1);
  const most = places.reduce((longest, { top }) => Math.max(longest, top.tokens.length), 0);
  const sums = WEIGHTS.map(() => new Float64Array(most));
  for (let i = 0; i < places.length; i++) {
    const { top, token } = places[i];
    if (top.tokens.length === 0) continue;
    sumWeights(top, sums);
    const rank = top.tokens.indexOf(token);
    for (let f = 0; f < FILTERS.length; f++) {
      const kept = keptCount(top, sums[PLAIN], FILTERS[f]);
      const isForeign = rank < 0 || rank >= kept;
      for (let t = 0; t < sums.length; t++) {
        const sum = sums[t];
        const chance = isForeign ? 0 : (sum[rank] - (rank > 0 ? sum[rank - 1] : 0)) / sum[kept - 1];
        const at = f * sums.length + t;
        products[at] *= FOREIGN + (1 - FOREIGN) * chance;
        // A logarithm for many factors: 100 of the smallest are no subnormal number yet.
        if (i % 100 === 99) {
          logs[at] += log(products[at]);
          products[at] = 1;
        }
      }
    }
  }
  let best = { temperature: 1, topK: 0, topP: 1, logLikelihood: Number.NEGATIVE_INFINITY };
  for (const [f, filter] of FILTERS.entries()) {
    for (const [t, temperature] of TEMPERATURES.entries()) {
      const at = f * TEMPERATURES.length + t;
      const logLikelihood = logs[at] + log(products[at]);
      if (logLikelihood > best.logLikelihood) best = { temperature, ...filter, logLikelihood };
    }
  }
  return best;
}

/** A draw of the test, and what people are told of it. */
interface PlaceDraw extends Draw {
  readonly place: number;
  readonly hit: boolean;
  readonly chance: number;
}

/** The test of `places` for a key: one draw for each place that says something, with the place's index. */
export function drawsOf(
  places: readonly Place[],
  key: WatermarkKey,
  tokenizer: Tokenizer,
  sampling: SamplingGuess,
): PlaceDraw[] {
  const draws: PlaceDraw[] = [];
  const contexts = new Contexts();
  for (const [i, place] of places.entries()) {
    const context = contexts.next();
    const draw = context && drawAt(place, key.race(context), sampling);
    if (draw) draws.push({ ...draw, place: i });
    if (!tokenizer.isSpecial(place.token)) contexts.push(tokenizer.bytesOf(place.token));
  }
  return draws;
}

function drawAt(place: Place, race: Race, sampling: SamplingGuess): Omit<PlaceDraw, 'place'> | undefined {
  if (place.top.tokens.length === 0) return undefined;
  const kept = keptOf(place, sampling);
  const at = kept.findIndex(({ token }) => token === place.token);
  if (at < 0 || kept.length === 1) return undefined;
  let [sum, other] = [0, Number.NEGATIVE_INFINITY];
  const scaled = kept.map(({ logit }) => (logit - kept[0].logit) / sampling.temperature);
  for (const [i, { token }] of kept.entries()) {
    sum += exp(scaled[i]);
    if (i !== at && race.mayExceed(token, other - scaled[i])) other = Math.max(other, scaled[i] + race.draw(token));
  }
  const chance = exp(scaled[at]) / sum;
  if (chance > SURE) return undefined;
  const margin = scaled[at] + race.draw(place.token) - other;
  return { ...scoredMargin(margin, chance), hit: margin > 0, chance };
}

/** What a margin scores: the logarithm of how much likelier it is where the text is marked, and how likely each score is by chance. */
function scoredMargin(margin: number, chance: number): Draw {
  const center = log(chance / (1 - chance));
  const before = MARGINS.map((bound) => 1 / (1 + exp(center - bound)));
  const chances: number[] = [];
  const scores: number[] = [];
  for (let i = 0; i <= MARGINS.length; i++) {
    chances.push((before[i] ?? 1) - (before[i - 1] ?? 0));
    scores.push(log(MARKED_SHARE / (chance * MIDDLES[i]) + 1 - MARKED_SHARE));
  }
  return { chances, scores, seen: MARGINS.filter((bound) => margin >= bound).length };
}

/** Stretches of about as many places that say something, each tested alone. */
function segmentsOf(text: string, places: readonly Place[], draws: readonly PlaceDraw[], whole: number) {
  const count = Math.max(1, Math.round(draws.length / SEGMENT_PLACES));
  const size = Math.ceil(draws.length / count);
  const unitsAt = unitOffsets(text);
  const segments: MarkedSegment[] = [];
  for (let first = 0; first < draws.length; first += size) {
    const part = draws.slice(first, first + size);
    const begin = first === 0 ? 0 : part[0].place;
    const end = first + size < draws.length ? draws[first + size].place : places.length;
    const to = end < places.length ? unitsAt(places[end].offset) : text.length;
    segments.push({
      ...{ from: first === 0 ? 0 : unitsAt(places[begin].offset), to },
      ...{ tokens: end - begin, pValue: count === 1 ? whole : exactPValue(part) },
    });
  }
  return segments;
}

/** The test of a text that has been read. `text` is what `places` are the tokens of. */
export function detect(text: string, places: readonly Place[], key: string, tokenizer: Tokenizer): Detection {
  const { logLikelihood: _, ...sampling } = guessSampling(places);
  const draws = drawsOf(places, new WatermarkKey(key), tokenizer, sampling);
  const pValue = exactPValue(draws);
  return {
    pValue,
    tokens: places.length,
    places: draws.length,
    hits: draws.filter(({ hit }) => hit).length,
    hitsByChance: draws.reduce((sum, { chance }) => sum + chance, 0),
    sampling,
    segments: segmentsOf(text, places, draws, pValue),
  };
}

function keptOf({ top }: Place, { topK, topP }: Omit<SamplingGuess, 'temperature'>) {
  const candidates = Array.from(top.tokens, (token, i) => ({ token, logit: top.logprobs[i] }));
  return filterCandidates(candidates, 0, { topK, topP, minP: 0 });
}

/** How many candidates are kept, of their sums of weights at temperature 1. */
function keptCount(
  { logprobs }: Candidates,
  sums: Float64Array,
  { topK, topP }: Omit<SamplingGuess, 'temperature'>,
): number {
  const most = topK > 0 ? Math.min(topK, logprobs.length) : logprobs.length;
  if (topP === 1 || most === 0) return most;
  const enough = topP * (topK > 0 ? sums[most - 1] : exp(-logprobs[0]));
  let count = 1;
  while (count < most && sums[count - 1] < enough) count++;
  return count;
}

/** Writes the sums of the weights of the first 1, 2, … candidates at each of the temperatures. */
function sumWeights({ logprobs }: Candidates, sums: readonly Float64Array[]): void {
  const running = new Float64Array(sums.length);
  for (let i = 0; i < logprobs.length; i++) {
    const step = Math.min(WEIGHTS[0].length - 1, Math.round((logprobs[0] - logprobs[i]) * FINE));
    for (let t = 0; t < sums.length; t++) sums[t][i] = running[t] += WEIGHTS[t][step];
  }
}

/** Gives the UTF-16 offset of a byte of `text`, for offsets that never fall. */
function unitOffsets(text: string): (bytes: number) => number {
  let units = 0;
  let passed = 0;
  return (bytes) => {
    while (passed < bytes && units < text.length) {
      const point = text.codePointAt(units)!;
      passed += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      units += point < 0x10000 ? 1 : 2;
    }
    return units;
  };
}
