// Owns how alike a query and each passage are, seen in several ways: pieces of words, words, words of a like sense, the sense of the whole. What they are worth
// together: ranking.ts. Must not know files.
import { log } from '../../core/elementary.ts';
import { TRUNK_ROW_BYTES, TRUNK_WIDTH, type Trunk } from '../support/trunk.ts';
import { wordsOf } from '../support/words.ts';
import type { Passage } from './documents.ts';

/**
 * How a query and a passage are alike, each some 0 to 1, but for two that grow with the number of words that both have: `matchedOfQuestion` is log(1 + how much
 * the question's words say that the query has too), `foundInPassage` log(1 + how much the query's words say that the question or the answer has too).
 */
export const LIKENESSES = [
  'piecesOfQuestion',
  'piecesOfBoth',
  'piecesOfAnswer',
  'wordsOfQuestion',
  'wordsOfAnswer',
  'queryInQuestion',
  'questionInQuery',
  'senseOfQuestion',
  'senseOfAnswer',
  'pairsOfQuestion',
  'matchedOfQuestion',
  'foundInPassage',
] as const;

/** Words of a text for comparison: as they are, and without their endings. */
interface Words {
  readonly words: readonly string[];
  readonly stems: readonly string[];
}

const BM25 = { k: 1.2, b: 0.6 };
/** Words of a text that are looked at one by one. */
const MOST_WORDS = 400;
const SIGN_BYTES = TRUNK_WIDTH / 8;
/** Senses less alike than this by cosine say nothing. */
const LEAST_COSINE = 0.15;
/** A query's word found in the answer is worth so much of one found in the question. */
const FOUND_IN_ANSWER = 0.7;
/** A word so many times rarer than the common ones, and one that the trunk does not know, says the most. */
const MOST_RARE = 200;

export class PassageIndex {
  readonly passages: readonly Passage[];
  /** Signs of the sense of each question, then of each answer: [2 · passages, TRUNK_WIDTH / 8] bytes. */
  readonly senses: Uint8Array;
  private readonly trunk: Trunk;
  private readonly questions: readonly Words[];
  private readonly stemsOfAnswers: readonly ReadonlySet<string>[];
  private readonly pieces: readonly [question: Postings, both: Postings, answer: Postings];
  private readonly words: readonly [question: Postings, answer: Postings];
  private readonly rareInQuestions: (stem: string) => number;
  private readonly rareInBoth: (stem: string) => number;
  private readonly centre = new Float64Array(TRUNK_WIDTH);
  private readonly signs = new Map<string, Uint8Array | undefined>();

  /** @param senses those of a file; without them they are made from `trunk` */
  constructor(passages: readonly Passage[], trunk: Trunk, senses?: Uint8Array) {
    this.passages = passages;
    this.trunk = trunk;
    this.questions = passages.map(({ question }) => splitWords(question));
    const answers = passages.map(({ answer }) => splitWords(answer));
    this.stemsOfAnswers = answers.map(({ stems }) => new Set(stems));
    const texts = [
      passages.map(({ question }) => question),
      passages.map(({ question, answer }) => `${question} ${answer}`),
      passages.map(({ answer }) => answer),
    ];
    const piecesOf = (list: readonly string[]) => cosinePostings(list.map(piecesIn));
    this.pieces = [piecesOf(texts[0]), piecesOf(texts[1]), piecesOf(texts[2])];
    const stemsOf = (list: readonly Words[]) => list.map(({ stems }) => counted(stems));
    const [inQuestions, inBoth] = [
      documentCounts(stemsOf(this.questions)),
      documentCounts(this.questions.map(({ stems }, i) => counted([...stems, ...answers[i].stems]))),
    ];
    const rare = (counts: ReadonlyMap<string, number>) => (stem: string) => {
      const count = counts.get(stem) ?? 0;
      return log(1 + (passages.length - count + 0.5) / (count + 0.5));
    };
    this.rareInQuestions = rare(inQuestions);
    this.rareInBoth = rare(inBoth);
    this.words = [
      bm25Postings(stemsOf(this.questions), this.rareInQuestions),
      bm25Postings(stemsOf(answers), this.rareInBoth),
    ];
    for (const { words } of [...this.questions, ...answers]) {
      const { sense } = trunk.senseOf(words);
      for (let i = 0; i < TRUNK_WIDTH; i++) this.centre[i] += sense[i] / (2 * passages.length);
    }
    this.senses = senses ?? this.makeSenses(this.questions, answers);
  }

  /** The likenesses of `query` to every passage, [passages, LIKENESSES]. */
  likenesses(query: string): Float64Array {
    const width = LIKENESSES.length;
    const count = this.passages.length;
    const out = new Float64Array(count * width);
    const asked = splitWords(query);
    const pieces = piecesIn(query);
    for (const [i, postings] of this.pieces.entries()) spreadInto(out, i, width, cosines(postings, pieces, count));
    const stems = counted(asked.stems);
    for (const [i, postings] of this.words.entries()) spreadInto(out, 3 + i, width, sums(postings, stems, count));
    const weights = asked.words.map((word, i) => this.weight(word, asked.stems[i]));
    const says = asked.words.map((word, i) => this.says(word, asked.stems[i]));
    const sense = this.senseOf(asked.words);
    const pairs = pairsIn(asked.stems);
    const alike = new Map<string, number>();
    for (let p = 0; p < count; p++) {
      const question = this.questions[p];
      const { there, back, matched, best } = this.align(asked, weights, question, alike);
      const inAnswer = this.stemsOfAnswers[p];
      let found = 0;
      for (let i = 0; i < says.length; i++) {
        found += says[i] * (inAnswer.has(asked.stems[i]) ? Math.max(FOUND_IN_ANSWER, best[i]) : best[i]);
      }
      out[p * width + 5] = there;
      out[p * width + 6] = back;
      out[p * width + 7] = signCosine(sense, this.senses, p);
      out[p * width + 8] = signCosine(sense, this.senses, count + p);
      const shared = pairsIn(question.stems);
      let both = 0;
      for (const pair of pairs) if (shared.has(pair)) both++;
      out[p * width + 9] = both / Math.max(1, pairs.size);
      out[p * width + 10] = log(1 + matched);
      out[p * width + 11] = log(1 + found);
    }
    return out;
  }

  /** How much a word says: rare words in general and among the questions say more. */
  private weight(word: string, stem: string): number {
    return Math.max(0.02, this.trunk.weightOf(word) ?? 1) * (this.rareInQuestions(stem) / this.rareInQuestions(''));
  }

  /**
   * How much a word tells of what a query is about: by the logarithm of how rare it is in general ("possible" is common beside "spreadsheet", though both are rare
   * beside "the"), and by how few passages have it.
   */
  private says(word: string, stem: string): number {
    const weight = this.trunk.weightOf(word) ?? 1;
    // A trunk's weights are a / (a + frequency), so that this is a / frequency.
    const rarity = 1 / ((1 - weight) / Math.max(1e-4, weight) + 1 / MOST_RARE);
    return (log(1 + rarity) / log(1 + MOST_RARE)) * (this.rareInBoth(stem) / this.rareInBoth(''));
  }

  /**
   * Share of the query's words that have a like one in the question, and of the question's that have one in the query; what these say together; how alike the
   * likest word of the question is to each of the query's.
   */
  private align(query: Words, weights: readonly number[], question: Words, alike: Map<string, number>) {
    const bestOfQuestion = new Float64Array(question.words.length);
    const best = new Float64Array(query.words.length);
    let [found, all] = [0, 0];
    for (let i = 0; i < query.words.length; i++) {
      for (let j = 0; j < question.words.length; j++) {
        const same = this.alike(query, i, question, j, alike);
        if (same > best[i]) best[i] = same;
        if (same > bestOfQuestion[j]) bestOfQuestion[j] = same;
      }
      found += weights[i] * best[i];
      all += weights[i];
    }
    let [foundBack, allBack] = [0, 0];
    for (let j = 0; j < question.words.length; j++) {
      const weight = this.weight(question.words[j], question.stems[j]);
      foundBack += weight * bestOfQuestion[j];
      allBack += weight;
    }
    return { there: all > 0 ? found / all : 0, back: allBack > 0 ? foundBack / allBack : 0, matched: foundBack, best };
  }

  private alike(a: Words, i: number, b: Words, j: number, known: Map<string, number>): number {
    if (a.stems[i] === b.stems[j]) return 1;
    const key = `${a.words[i]} ${b.words[j]}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const [first, second] = [this.signsOf(a.words[i]), this.signsOf(b.words[j])];
    const cosine = first && second ? 1 - differing(first, 0, second, 0) / (TRUNK_WIDTH / 2) : 0;
    const value = (0.9 * Math.max(0, cosine - LEAST_COSINE)) / (1 - LEAST_COSINE);
    known.set(key, value);
    return value;
  }

  private signsOf(word: string): Uint8Array | undefined {
    if (!this.signs.has(word)) {
      const row = this.trunk.rowOf(word);
      if (this.signs.size > 50_000) this.signs.clear();
      this.signs.set(word, row && signsOfRow(row));
    }
    return this.signs.get(word);
  }

  private senseOf(words: readonly string[]): Uint8Array {
    const signs = new Uint8Array(SIGN_BYTES);
    const { sense } = this.trunk.senseOf(words);
    for (let i = 0; i < TRUNK_WIDTH; i++) if (sense[i] > this.centre[i]) signs[i >> 3] |= 1 << (i & 7);
    return signs;
  }

  private makeSenses(questions: readonly Words[], answers: readonly Words[]): Uint8Array {
    const out = new Uint8Array(2 * questions.length * SIGN_BYTES);
    for (const [i, { words }] of [...questions, ...answers].entries()) out.set(this.senseOf(words), i * SIGN_BYTES);
    return out;
  }
}

/** For each key the passages that have it and what it weighs there. */
type Postings = ReadonlyMap<
  string,
  { readonly weight: number; readonly passages: number[]; readonly values: number[] }
>;

function splitWords(text: string): Words {
  const words = wordsOf(text)
    .filter((word) => /[\p{L}\p{N}]/u.test(word))
    .slice(0, MOST_WORDS);
  return { words, stems: words.map(stemOf) };
}

/** An English word without the commonest endings; others lose little by it. */
export function stemOf(word: string): string {
  let stem = word;
  if (stem.length > 3 && !stem.endsWith('ss')) stem = stem.replace(/ies$/, 'y').replace(/(?<=[a-z]{3})(?:'s|s)$/, '');
  if (stem.length > 5)
    stem = stem
      .replace(/(?:ing|ed|er|ly)$/, '')
      .replace(/([^s])\1$/, '$1')
      .replace(/e$/, '');
  else stem = stem.replace(/(?<=[a-z]{3})e$/, '');
  return stem;
}

function piecesIn(text: string): Map<string, number> {
  const pieces: string[] = [];
  for (const word of wordsOf(text)) {
    const edged = ` ${word.slice(0, 64)} `;
    for (let length = 2; length <= 5; length++) {
      for (let from = 0; from + length <= edged.length; from++) pieces.push(edged.slice(from, from + length));
    }
  }
  return counted(pieces);
}

function counted(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

function documentCounts(texts: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  return counted(texts.flatMap((counts) => [...counts.keys()]));
}

function pairsIn(stems: readonly string[]): Set<string> {
  return new Set(stems.slice(1).map((stem, i) => `${stems[i]} ${stem}`));
}

/** Weights by rarity, of length 1 in each text. */
function cosinePostings(texts: readonly ReadonlyMap<string, number>[]): Postings {
  const postings = new Map<string, { weight: number; passages: number[]; values: number[] }>();
  for (const [key, count] of documentCounts(texts)) {
    postings.set(key, { weight: log((1 + texts.length) / (1 + count)) + 1, passages: [], values: [] });
  }
  for (const [p, counts] of texts.entries()) {
    const weighed = [...counts].map(([key, count]) => (1 + log(count)) * postings.get(key)!.weight);
    const length = Math.sqrt(weighed.reduce((sum, x) => sum + x * x, 0));
    for (const [i, key] of [...counts.keys()].entries()) {
      const { passages, values } = postings.get(key)!;
      passages.push(p);
      values.push(weighed[i] / length);
    }
  }
  return postings;
}

function cosines(postings: Postings, query: ReadonlyMap<string, number>, count: number): Float64Array {
  const out = new Float64Array(count);
  let squares = 0;
  for (const [key, times] of query) {
    const found = postings.get(key);
    // What no passage has makes the query unlike all of them.
    const weight = (1 + log(times)) * (found?.weight ?? log(1 + count) + 1);
    squares += weight * weight;
    if (!found) continue;
    for (const [i, p] of found.passages.entries()) out[p] += weight * found.values[i];
  }
  const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
  return out.map((x) => x * scale);
}

/** BM25 (Robertson and Zaragoza 2009) of each word in each text. */
function bm25Postings(texts: readonly ReadonlyMap<string, number>[], rarity: (stem: string) => number): Postings {
  const lengths = texts.map((counts) => [...counts.values()].reduce((sum, count) => sum + count, 0));
  const mean = lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, texts.length);
  const postings = new Map<string, { weight: number; passages: number[]; values: number[] }>();
  // What no text has still counts among the words of a query.
  postings.set('', { weight: rarity(''), passages: [], values: [] });
  for (const [p, counts] of texts.entries()) {
    for (const [key, count] of counts) {
      if (!postings.has(key)) postings.set(key, { weight: rarity(key), passages: [], values: [] });
      const { passages, values } = postings.get(key)!;
      passages.push(p);
      values.push((count * (BM25.k + 1)) / (count + BM25.k * (1 - BM25.b + (BM25.b * lengths[p]) / mean)));
    }
  }
  return postings;
}

/** BM25 over the most that the query's words could give. */
function sums(postings: Postings, query: ReadonlyMap<string, number>, count: number): Float64Array {
  const out = new Float64Array(count);
  let most = 0;
  for (const key of query.keys()) {
    const found = postings.get(key) ?? postings.get('')!;
    most += found.weight;
    for (const [i, p] of found.passages.entries()) out[p] += found.weight * found.values[i];
  }
  return most > 0 ? out.map((x) => x / most) : out;
}

function spreadInto(out: Float64Array, place: number, width: number, values: Float64Array): void {
  for (const [p, value] of values.entries()) out[p * width + place] = value;
}

function signsOfRow(row: Uint8Array): Uint8Array {
  const signs = new Uint8Array(SIGN_BYTES);
  const half = SIGN_BYTES / 2;
  for (let i = 0; i < SIGN_BYTES; i++) signs[i] = row[2 + i + (i < half ? 0 : TRUNK_ROW_BYTES / 2 - half)];
  return signs;
}

const BITS = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

function differing(a: Uint8Array, fromA: number, b: Uint8Array, fromB: number): number {
  let bits = 0;
  for (let i = 0; i < SIGN_BYTES; i++) bits += BITS[a[fromA + i] ^ b[fromB + i]];
  return bits;
}

function signCosine(query: Uint8Array, senses: Uint8Array, index: number): number {
  return 1 - differing(query, 0, senses, index * SIGN_BYTES) / (TRUNK_WIDTH / 2);
}
