// Owns turning a text into evidence: which known pieces it has and how much each counts, and its sense by the trunk. The vocabulary is chosen from
// the training texts. Must not know intents or networks.
import { log } from '../../core/elementary.ts';
import { TRUNK_WIDTH, type Trunk } from './trunk.ts';
import { evidenceHashes, pieceHashes, wordHash, wordsOf } from './words.ts';

/** What a network sees of a text. */
export interface Evidence {
  /** Rows of the vocabulary, each once. */
  readonly ids: Uint32Array;
  /** What each row counts: of length 1 over words and their pairs, of length 1 over pieces. */
  readonly weights: Float32Array;
  /** The sense, less the mean of the training texts: TRUNK_WIDTH numbers. */
  readonly sense: Float32Array;
  /** Share of the text's words, pairs and pieces (by rarity, as far as that is known) that the vocabulary has: 0 for gibberish. */
  readonly known: number;
  /** The first words in order, at most MAX_WORDS. */
  readonly words: readonly WordEvidence[];
}

/** What a network sees of one word. */
export interface WordEvidence {
  /** Rows of the vocabulary: the word's own, where it has one, and those of its pieces. */
  readonly ids: Uint32Array;
  /** What each row counts. */
  readonly weights: Float32Array;
  /** The word's vector in the trunk, of length 1; zeros where the trunk lacks it. */
  readonly sense: Float32Array;
}

/** Words of a text that are seen in order. */
export const MAX_WORDS = 64;
/** More pieces of one word are left out. */
export const MAX_WORD_EVIDENCE = 256;
/** What the pieces of a word count together, against the word itself. */
const PIECES_SHARE = 0.5;
/** Words that are remembered, for texts repeat theirs: some 20 MB. Longer ones are not. */
const MAX_REMEMBERED = 20_000;
const LONGEST_REMEMBERED = 64;

/** More pieces of one text are left out: what a network takes at once. */
export const MAX_EVIDENCE = 8192;

/** The vocabulary of evidence and what is needed to weigh it. */
export class EvidenceSpace {
  /** Hashes in the order of rows. */
  readonly hashes: Uint32Array;
  /** Inverse document frequency of each row. */
  readonly rarity: Float32Array;
  readonly trunk: Trunk;
  /** Mean sense of the training texts. */
  readonly centre: Float32Array;
  private readonly rowOf: ReadonlyMap<number, number>;
  private readonly remembered = new Map<string, WordEvidence>();

  constructor(hashes: Uint32Array, rarity: Float32Array, trunk: Trunk, centre: Float32Array) {
    this.hashes = hashes;
    this.rarity = rarity;
    this.trunk = trunk;
    this.centre = centre;
    this.rowOf = new Map(Array.from(hashes, (hash, row) => [hash, row]));
  }

  /** Rows of the vocabulary. */
  get size(): number {
    return this.hashes.length;
  }

  of(text: string): Evidence {
    const words = wordsOf(text);
    const { ofWords, ofPieces } = evidenceHashes(words);
    const ids: number[] = [];
    const weights: number[] = [];
    const knownWords = this.weigh(ofWords, ids, weights);
    const knownPieces = this.weigh(ofPieces, ids, weights);
    const { sense } = this.trunk.senseOf(words);
    for (let i = 0; i < TRUNK_WIDTH; i++) sense[i] -= this.centre[i];
    return {
      ids: Uint32Array.from(ids.slice(0, MAX_EVIDENCE)),
      weights: Float32Array.from(weights.slice(0, MAX_EVIDENCE)),
      sense,
      known: (knownWords + knownPieces) / 2,
      words: words.slice(0, MAX_WORDS).map((word) => this.wordOf(word)),
    };
  }

  private wordOf(word: string): WordEvidence {
    const found = this.remembered.get(word);
    if (found) return found;
    const own = this.rowOf.get(wordHash(word));
    const hashes: number[] = [];
    pieceHashes(word, hashes);
    const rows = new Set(hashes.flatMap((hash) => this.rowOf.get(hash) ?? []));
    const ids = [...(own === undefined ? [] : [own]), ...rows].slice(0, MAX_WORD_EVIDENCE);
    const weights = new Float32Array(ids.length).fill(PIECES_SHARE / Math.sqrt(rows.size));
    if (own !== undefined) weights[0] = 1;
    const made = { ids: Uint32Array.from(ids), weights, sense: this.trunk.senseOf([word]).sense };
    if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
    if (word.length <= LONGEST_REMEMBERED) this.remembered.set(word, made);
    return made;
  }

  /** Appends the known rows of one view with weights of length 1, and gives the share that is known. */
  private weigh(hashes: readonly number[], ids: number[], weights: number[]): number {
    const counts = new Map<number, number>();
    let known = 0;
    for (const hash of hashes) {
      const row = this.rowOf.get(hash);
      if (row === undefined) continue;
      known++;
      counts.set(row, (counts.get(row) ?? 0) + 1);
    }
    const first = weights.length;
    let squares = 0;
    for (const [row, count] of counts) {
      const weight = (1 + log(count)) * this.rarity[row];
      squares += weight * weight;
      ids.push(row);
      weights.push(weight);
    }
    const scale = 1 / Math.sqrt(squares);
    for (let i = first; i < weights.length; i++) weights[i] *= scale;
    return hashes.length > 0 ? known / hashes.length : 0;
  }
}

/** Chooses the vocabulary of `texts`: at most `size` hashes, those in most texts, and of equals the ones met first. */
export function chooseEvidence(texts: readonly string[], trunk: Trunk, size: number): EvidenceSpace {
  const frequency = new Map<number, number>();
  const centre = new Float32Array(TRUNK_WIDTH);
  for (const text of texts) {
    const words = wordsOf(text);
    const { ofWords, ofPieces } = evidenceHashes(words);
    for (const hash of new Set([...ofWords, ...ofPieces])) frequency.set(hash, (frequency.get(hash) ?? 0) + 1);
    const { sense } = trunk.senseOf(words);
    for (let i = 0; i < TRUNK_WIDTH; i++) centre[i] += sense[i] / texts.length;
  }
  const chosen = [...frequency].sort((a, b) => b[1] - a[1]).slice(0, size);
  const rarity = Float32Array.from(chosen, ([, count]) => log((1 + texts.length) / (1 + count)) + 1);
  return new EvidenceSpace(
    Uint32Array.from(chosen, ([hash]) => hash),
    rarity,
    trunk,
    centre,
  );
}

/** Hashes of all words of `texts`, as trunks know them. */
export function wordHashesOf(texts: readonly string[]): Set<number> {
  return new Set(texts.flatMap((text) => wordsOf(text).map(wordHash)));
}
