// Owns what is seen of each token of a text: the token, its pieces and its form, its neighbours, what stands anywhere before and after it. The hashes are part
// of the file format (docs/support.md): changing them makes old files wrong. Must not know networks.
import { wordHash } from '../support/words.ts';
import type { Token } from './tokens.ts';

/** What a network sees of one token. */
export interface Seen {
  /** Rows of the vocabulary. */
  readonly ids: Uint32Array;
  /** What each row counts. */
  readonly weights: Float32Array;
}

/** What a network sees of a text, token by token. */
export interface SeenText {
  /** The token and its close neighbours. */
  readonly own: readonly Seen[];
  /** What the token is to tokens after it, and to those before it. */
  readonly toLater: readonly Seen[];
  readonly toEarlier: readonly Seen[];
  /** Lower-case words, as the trunk knows them. */
  readonly words: readonly string[];
}

interface Hashes {
  readonly hashes: number[];
  readonly weights: number[];
}

const LONGEST_WORD = 32;
const WEIGHTS = { word: 1, piece: 0.7, affix: 0.5, form: 0.5, neighbour: 0.7, far: 0.4, pair: 0.7 };
/** Words before the first token and after the last. */
const EDGE = '\u0002';

/** Upper and lower case, digits and others as one letter each, runs of more than two shortened. */
function formOf(word: string): string {
  return word
    .slice(0, LONGEST_WORD)
    .replace(/\p{Lu}/gu, 'A')
    .replace(/\p{Ll}/gu, 'a')
    .replace(/\p{N}/gu, '9')
    .replace(/(.)\1{2,}/gu, '$1$1');
}

function plain(word: string): string {
  return word.normalize('NFKC').toLowerCase().slice(0, LONGEST_WORD);
}

/** Digits count by how many they are: `1234` is `9999`. */
function masked(word: string): string {
  return word.replace(/\p{N}/gu, '9');
}

function hashesOfText(tokens: readonly Token[]) {
  const words = tokens.map(({ text }) => plain(text));
  const forms = tokens.map(({ text }) => formOf(text));
  const word = (i: number) => (i >= 0 && i < words.length ? words[i] : EDGE);
  const form = (i: number) => (i >= 0 && i < words.length ? forms[i] : EDGE);
  const own = words.map((_, i) => ownHashes(i, word, form));
  const context = (kind: string) =>
    words.map((text, i) => {
      const found: Hashes = { hashes: [], weights: [] };
      add(found, `${kind}w`, masked(text), 1);
      add(found, `${kind}f`, forms[i], WEIGHTS.form);
      add(found, `${kind}s`, text.slice(-3), WEIGHTS.affix);
      add(found, `${kind}p`, `${masked(word(i - 1))} ${masked(text)}`, WEIGHTS.pair);
      return found;
    });
  return { words, own, toLater: context('l'), toEarlier: context('r') };
}

function ownHashes(i: number, word: (i: number) => string, form: (i: number) => string): Hashes {
  const found: Hashes = { hashes: [], weights: [] };
  const text = word(i);
  add(found, 'w', text, WEIGHTS.word);
  if (masked(text) !== text) add(found, 'm', masked(text), WEIGHTS.word);
  for (let length = 1; length <= 4 && length < text.length; length++) {
    add(found, 'b', text.slice(0, length), WEIGHTS.affix);
    add(found, 'e', text.slice(-length), WEIGHTS.affix);
  }
  const edged = `<${text}>`;
  const pieces = Math.max(0, edged.length - 2);
  for (let from = 0; from + 3 <= edged.length; from++) {
    add(found, 'c', edged.slice(from, from + 3), WEIGHTS.piece / Math.sqrt(pieces));
  }
  add(found, 'f', form(i), WEIGHTS.form);
  add(found, 'F', `${form(i - 1)} ${form(i)} ${form(i + 1)}`, WEIGHTS.form);
  for (const offset of [-2, -1, 1, 2]) {
    const weight = Math.abs(offset) === 1 ? WEIGHTS.neighbour : WEIGHTS.far;
    add(found, `w${offset}`, masked(word(i + offset)), weight);
    add(found, `f${offset}`, form(i + offset), WEIGHTS.far);
    if (Math.abs(offset) === 1) add(found, `e${offset}`, word(i + offset).slice(-3), WEIGHTS.far);
  }
  add(found, 'B', `${masked(word(i - 1))} ${masked(text)}`, WEIGHTS.pair);
  add(found, 'A', `${masked(text)} ${masked(word(i + 1))}`, WEIGHTS.pair);
  add(found, 'N', `${masked(word(i - 1))} ${masked(word(i + 1))}`, WEIGHTS.pair);
  add(found, 'P', `${masked(word(i - 2))} ${masked(word(i - 1))}`, WEIGHTS.pair);
  add(found, 'S', `${masked(word(i + 1))} ${masked(word(i + 2))}`, WEIGHTS.far);
  return found;
}

function add({ hashes, weights }: Hashes, kind: string, value: string, weight: number): void {
  hashes.push(wordHash(`${kind}\u0001${value}`));
  weights.push(weight);
}

/** The vocabulary of features: hashes in the order of rows. */
export class FeatureSpace {
  readonly hashes: Uint32Array;
  private readonly rowOf: ReadonlyMap<number, number>;

  constructor(hashes: Uint32Array) {
    this.hashes = hashes;
    this.rowOf = new Map(Array.from(hashes, (hash, row) => [hash, row]));
  }

  get size(): number {
    return this.hashes.length;
  }

  /** @param topics what the whole text is about, by probability: seen with every token */
  of(tokens: readonly Token[], topics: readonly (readonly [string, number])[]): SeenText {
    const { words, own, toLater, toEarlier } = hashesOfText(tokens);
    for (const found of own) for (const [topic, chance] of topics) add(found, 't', topic, chance);
    const known = (list: readonly Hashes[]) => list.map((found) => this.known(found));
    return { words, own: known(own), toLater: known(toLater), toEarlier: known(toEarlier) };
  }

  private known({ hashes, weights }: Hashes): Seen {
    const ids: number[] = [];
    const kept: number[] = [];
    for (const [i, hash] of hashes.entries()) {
      const row = this.rowOf.get(hash);
      if (row === undefined) continue;
      ids.push(row);
      kept.push(weights[i]);
    }
    return { ids: Uint32Array.from(ids), weights: Float32Array.from(kept) };
  }
}

/** Most features of one token; what the network's memory has room for. */
export const MAX_FEATURES = 128;

/** The commonest features of `texts`, at most `size`, none that occurs once, and all `topics`. */
export function chooseFeatures(
  texts: readonly (readonly Token[])[],
  topics: readonly string[],
  size: number,
): FeatureSpace {
  const counts = new Map<number, number>();
  for (const tokens of texts) {
    const { own, toLater, toEarlier } = hashesOfText(tokens);
    for (const list of [own, toLater, toEarlier]) {
      for (const { hashes } of list) for (const hash of hashes) counts.set(hash, (counts.get(hash) ?? 0) + 1);
    }
  }
  const kept = topics.map((topic) => wordHash(`t\u0001${topic}`));
  const common = [...counts].filter(([, count]) => count > 1).sort((a, b) => b[1] - a[1]);
  return new FeatureSpace(Uint32Array.from(new Set([...kept, ...common.map(([hash]) => hash)].slice(0, size))));
}
