// Owns the 1-bit trunk: a vector of signs for each of the commonest words, learnt from general text, which gives the sense of words that the
// business's own queries never used. How it is made: scripts/support-trunk.mjs; its card: models/README.md. Must not know intents.
import { openModelBytes } from '../../bytes/open.ts';
import { packaged } from '../../bytes/packaged.ts';
import { OnebitError } from '../../errors.ts';
import { metadataNumbers } from '../../gguf/metadata.ts';
import { readGguf } from '../../gguf/read.ts';
import { q1_0 } from '../../quant/q1-0.ts';
import { wordHash } from './words.ts';

/** Length of a word's vector. */
export const TRUNK_WIDTH = 256;
/** Bytes of a word's signs in Q1_0. */
export const TRUNK_ROW_BYTES = (TRUNK_WIDTH / q1_0.blockSize) * q1_0.blockBytes;
/** Where the package keeps its own. */
const EMBEDDED_TRUNK = /* @__PURE__ */ packaged(
  () => new URL('../../../models/support-trunk.gguf', import.meta.url),
  'support-trunk.gguf',
);
const MAX_TRUNK_BYTES = 16e6;
/** Weights lie between 0 and 1; files hold them in 16 bits. */
export const MAX_WEIGHT = 65535;

/** Names in files, both of the trunk's own and of support models, which hold a part of it. */
export const trunkNames = { signs: 'trunk.weight', hashes: 'support.trunk.hashes', weights: 'support.trunk.weights' };

/** Word vectors: ±1 in Q1_0 rows, commonest word first; and how much a word counts in a text's sum, by how rare it is in general. */
export class Trunk {
  readonly hashes: Uint32Array;
  readonly weights: Float32Array;
  readonly rows: Uint8Array;
  private readonly indexOf: ReadonlyMap<number, number>;

  constructor(hashes: Uint32Array, weights: Float32Array, rows: Uint8Array) {
    this.hashes = hashes;
    this.weights = weights;
    this.rows = rows;
    this.indexOf = new Map(Array.from(hashes, (hash, i) => [hash, i]));
  }

  get size(): number {
    return this.hashes.length;
  }

  /** The weighted sum of the words' vectors, scaled to length 1; zeros where no word is known. Share of words known beside it. */
  senseOf(words: readonly string[]): { sense: Float32Array; known: number } {
    const sense = new Float32Array(TRUNK_WIDTH);
    let found = 0;
    for (const word of words) {
      const index = this.indexOf.get(wordHash(word));
      if (index === undefined) continue;
      found++;
      this.addRow(index, this.weights[index], sense);
    }
    let squares = 0;
    for (const x of sense) squares += x * x;
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let i = 0; i < TRUNK_WIDTH; i++) sense[i] *= scale;
    return { sense, known: words.length > 0 ? found / words.length : 0 };
  }

  /** How much a word counts, by how rare it is in general; undefined where it is not known. */
  weightOf(word: string): number | undefined {
    const index = this.indexOf.get(wordHash(word));
    return index === undefined ? undefined : this.weights[index];
  }

  /** A word's signs as Q1_0 holds them; undefined where it is not known. */
  rowOf(word: string): Uint8Array | undefined {
    const index = this.indexOf.get(wordHash(word));
    return index === undefined ? undefined : this.rows.subarray(index * TRUNK_ROW_BYTES, (index + 1) * TRUNK_ROW_BYTES);
  }

  /** The `count` commonest words and those of `wanted` among the others, in the same order. */
  subset(count: number, wanted: ReadonlySet<number>): Trunk {
    const kept: number[] = [];
    for (let i = 0; i < this.size; i++) if (i < count || wanted.has(this.hashes[i])) kept.push(i);
    const rows = new Uint8Array(kept.length * TRUNK_ROW_BYTES);
    for (const [to, from] of kept.entries()) {
      rows.set(this.rows.subarray(from * TRUNK_ROW_BYTES, (from + 1) * TRUNK_ROW_BYTES), to * TRUNK_ROW_BYTES);
    }
    return new Trunk(
      Uint32Array.from(kept, (i) => this.hashes[i]),
      Float32Array.from(kept, (i) => this.weights[i]),
      rows,
    );
  }

  private addRow(index: number, weight: number, out: Float32Array): void {
    for (
      let block = 0, at = index * TRUNK_ROW_BYTES;
      block < TRUNK_WIDTH;
      block += q1_0.blockSize, at += q1_0.blockBytes
    ) {
      for (let i = 0; i < q1_0.blockSize; i++) {
        // The scale is 1 in every block: only the bits matter.
        out[block + i] += (this.rows[at + 2 + (i >> 3)] >> (i & 7)) & 1 ? weight : -weight;
      }
    }
  }
}

let embedded: Promise<Trunk> | undefined;

/** The trunk that the package brings, read once. In a page it is fetched from beside the package. */
export function embeddedTrunk(): Promise<Trunk> {
  embedded ??= readTrunk(String(EMBEDDED_TRUNK));
  embedded.catch(() => {
    embedded = undefined;
  });
  return embedded;
}

async function readTrunk(name: string): Promise<Trunk> {
  const source = await openModelBytes(name);
  try {
    if (source.size > MAX_TRUNK_BYTES) throw notATrunk(name, `a file of ${source.size} bytes`);
    const gguf = await readGguf(source);
    const tensor = gguf.tensors.get(trunkNames.signs);
    const hashes = Uint32Array.from(metadataNumbers(gguf, trunkNames.hashes));
    const weights = Float32Array.from(metadataNumbers(gguf, trunkNames.weights), (share) => share / MAX_WEIGHT);
    if (
      tensor?.format !== 'q1_0' ||
      tensor.shape[0] !== TRUNK_WIDTH ||
      tensor.shape[1] !== hashes.length ||
      weights.length !== hashes.length
    ) {
      throw notATrunk(name, tensor ? `${tensor.format} [${tensor.shape}]` : 'no such tensor');
    }
    const rows = new Uint8Array(tensor.sizeBytes);
    await source.readInto(rows, tensor.offsetBytes);
    return new Trunk(hashes, weights, rows);
  } finally {
    await source.close();
  }
}

function notATrunk(name: string, got: string): OnebitError {
  return new OnebitError(
    'bad-file',
    `read trunk: ${name} must hold ${trunkNames.signs}, Q1_0 [${TRUNK_WIDTH}, words], and as many hashes and weights, got ${got}. Install the package again.`,
  );
}
