// Makes models/support-trunk.gguf, the 1-bit word vectors of support models, from general text. Needs dist/ (`npm run build`).
//   node scripts/support-trunk.mjs DATA models/support-trunk.gguf
// DATA has lm/ and intents/ as `texts` reads them: of the intents only the texts, not the labels, and never BANKING77, on which few-shot learning is
// measured. Words that lie within five of each other are counted, nearer ones more; positive pointwise mutual information with the context's probability
// to the power 0.75; the first singular vectors times the square root of their values; rows of length 1 less the mean row; the signs.
// Singular vectors by subspace iteration (Halko et al. 2011), on the kernels of support models: a row of a sparse matrix times a dense one is a bag.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Random } from '../dist/core/random.js';
import { writeGguf } from '../dist/gguf/index.js';
import { q1_0 } from '../dist/quant/q1-0.js';
import { KernelMemory } from '../dist/tasks/support/kernels.js';
import { parseRows } from '../dist/tasks/support/rows.js';
import { MAX_WEIGHT, TRUNK_WIDTH, trunkNames } from '../dist/tasks/support/trunk.js';
import { wordHash, wordsOf } from '../dist/tasks/support/words.js';

/** Words with vectors, words whose company is counted, how often one must occur, how far company reaches. */
const [WORDS, COUNTED, LEAST, WINDOW] = [22_000, 30_000, 3, 5];
/** Columns of the subspace: more than are kept, so that the last are good too. */
const COLUMNS = 384;
const ITERATIONS = 4;
/** A word of this share of the text counts half in a text's sense. */
const HALF_SHARE = 1e-3;

const [data, path] = process.argv.slice(2);
if (!path) throw new Error('usage: node scripts/support-trunk.mjs DATA OUTPUT.gguf');

function* texts() {
  const read = (name) => readFileSync(`${data}/${name}`, 'utf8');
  const named = (folder, pattern) =>
    readdirSync(`${data}/${folder}`)
      .filter((name) => pattern.test(name))
      .sort()
      .map((name) => read(`${folder}/${name}`));
  for (const name of ['sgd-train', 'taskmaster4']) {
    for (const line of read(`lm/${name}.txt`).split('\n')) yield line.replace(/^(User|Agent|Assistant): /, '');
  }
  yield* read('lm/wordnet-glosses.txt').split('\n');
  for (const content of named('lm', /^wikisplit-.*\.tsv$/)) {
    for (const line of content.split('\n')) yield line.split('\t')[0];
  }
  yield* read('lm/wikitext2-valid-tokens.txt').split('\n');
  for (const content of named('lm/childrens-books', /\.txt$/)) yield* content.split(/(?<=[.!?])\s+/);
  for (const name of ['clinc150-train', 'hwu64-train', 'bitext-customer-service-train']) {
    for (const { text } of parseRows(read(`intents/${name}.csv`), name)) yield text;
  }
}

const sentences = [...texts()].map(wordsOf).filter((words) => words.length > 1);
const counts = new Map();
for (const words of sentences) for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
const vocabulary = [...counts]
  .filter(([, count]) => count >= LEAST)
  .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  .slice(0, COUNTED)
  .map(([word]) => word);
const size = vocabulary.length;

const kernels = new KernelMemory(2 * size * COLUMNS + 3 * COLUMNS * COLUMNS + 2 * size + COLUMNS, 8);
const { bagForward, bagAdd } = kernels.kernels;
const at = (array) => array.byteOffset;
const ids = kernels.integers(size);
const values = kernels.floats(size);
const [here, there] = [kernels.floats(size * COLUMNS), kernels.floats(size * COLUMNS)];
const [square, factor] = [kernels.floats(COLUMNS * COLUMNS), kernels.floats(COLUMNS * COLUMNS)];
const everyColumn = kernels.integers(COLUMNS);
everyColumn.set([...everyColumn.keys()]);
const rowOf = (matrix, row, columns = COLUMNS) => matrix.subarray(row * columns, (row + 1) * columns);

const matrix = informationOf();
const random = new Random(1);
for (let i = 0; i < there.length; i++) there[i] = random.normal();
for (let i = 0; i < ITERATIONS; i++) {
  times(there, here);
  orthonormalise(here);
  timesTransposed(here, there);
  orthonormalise(there);
}
times(there, here);
orthonormalise(here);
orthonormalise(here); // once more: the first leaves errors where columns were nearly alike
timesTransposed(here, there);
write(signsOf());

/** The positive pointwise mutual information of words: rows of { columns, values }. */
function informationOf() {
  const index = new Map(vocabulary.map((word, i) => [word, i]));
  const gap = new Array(WINDOW).fill(-1);
  const flat = Int32Array.from(sentences.flatMap((words) => [...words.map((word) => index.get(word) ?? -1), ...gap]));
  const places = vocabulary.map(() => []);
  for (const [place, word] of flat.entries()) if (word >= 0) places[word].push(place);
  const sum = new Float64Array(size);
  const rows = places.map((list) => {
    const met = [];
    for (const place of list) {
      for (let offset = -WINDOW; offset <= WINDOW; offset++) {
        const other = offset === 0 ? -1 : (flat[place + offset] ?? -1);
        if (other < 0) continue;
        if (sum[other] === 0) met.push(other);
        sum[other] += 1 / Math.abs(offset);
      }
    }
    const columns = Uint32Array.from(met);
    const row = { columns, values: Float32Array.from(columns, (column) => sum[column]) };
    for (const column of met) sum[column] = 0;
    return row;
  });
  const sums = rows.map((row) => row.values.reduce((a, b) => a + b, 0));
  const all = sums.reduce((a, b) => a + b ** 0.75, 0);
  return rows.map(({ columns, values: found }, word) => {
    const information = found.map((value, i) => Math.log((value * all) / (sums[word] * sums[columns[i]] ** 0.75)));
    return {
      columns: columns.filter((_, i) => information[i] > 0),
      values: information.filter((value) => value > 0),
    };
  });
}

/** to = matrix · from */
function times(from, to) {
  to.fill(0);
  for (const [row, { columns, values: found }] of matrix.entries()) {
    ids.set(columns);
    values.set(found);
    bagForward(at(ids), at(values), columns.length, at(from), COLUMNS, at(rowOf(to, row)), 0);
  }
}

/** to = matrixᵀ · from */
function timesTransposed(from, to) {
  to.fill(0);
  for (const [row, { columns, values: found }] of matrix.entries()) {
    ids.set(columns);
    values.set(found);
    bagAdd(at(ids), at(values), columns.length, at(to), COLUMNS, at(rowOf(from, row)));
  }
}

/** square = xᵀ · x */
function gram(x) {
  square.fill(0);
  for (let row = 0; row < size; row++) {
    bagAdd(at(everyColumn), at(rowOf(x, row)), COLUMNS, at(square), COLUMNS, at(rowOf(x, row)));
  }
}

/** x = x · right, where right is [COLUMNS, COLUMNS] */
function rotate(x, right) {
  factor.set(right);
  for (let row = 0; row < size; row++) {
    values.set(rowOf(x, row));
    rowOf(x, row).fill(0);
    bagForward(at(everyColumn), at(values), COLUMNS, at(factor), COLUMNS, at(rowOf(x, row)), 0);
  }
}

/** Makes x's columns orthonormal, by the Cholesky factor of their products: x · (lᵀ)⁻¹ where l · lᵀ = xᵀ · x. */
function orthonormalise(x) {
  gram(x);
  const l = Float64Array.from(square);
  const n = COLUMNS;
  for (let j = 0; j < n; j++) {
    for (let k = 0; k < j; k++) for (let i = j; i < n; i++) l[i * n + j] -= l[i * n + k] * l[j * n + k];
    const pivot = Math.sqrt(Math.max(l[j * n + j], 1e-6 * square[j * n + j], 1e-20));
    for (let i = j; i < n; i++) l[i * n + j] /= pivot;
    l[j * n + j] = pivot;
  }
  // The inverse of l, transposed, by forward substitution.
  const inverse = new Float64Array(n * n);
  for (let column = 0; column < n; column++) {
    for (let i = column; i < n; i++) {
      let value = i === column ? 1 : 0;
      for (let k = column; k < i; k++) value -= l[i * n + k] * inverse[column * n + k];
      inverse[column * n + i] = value / l[i * n + i];
    }
  }
  rotate(x, inverse);
}

/** The words' signs, rows of TRUNK_WIDTH in Q1_0, from `here` (orthonormal, q) and `there` (matrixᵀ · q). */
function signsOf() {
  gram(there);
  const { vectors, values: squares } = eigenvectors(Float64Array.from(square), COLUMNS);
  rotate(here, vectors);
  const order = [...squares.keys()].sort((a, b) => squares[b] - squares[a]).slice(0, TRUNK_WIDTH);
  const mean = new Float64Array(TRUNK_WIDTH);
  const rows = vocabulary.map((_, word) => {
    const row = order.map((column) => here[word * COLUMNS + column] * squares[column] ** 0.25);
    const length = Math.hypot(...row) + 1e-12;
    return row.map((value, i) => {
      mean[i] += value / length / size;
      return value / length;
    });
  });
  const signs = Float32Array.from(rows.slice(0, WORDS).flatMap((row) => row.map((x, i) => (x >= mean[i] ? 1 : -1))));
  const bytes = new Uint8Array((signs.length / q1_0.blockSize) * q1_0.blockBytes);
  q1_0.encode(signs, bytes);
  return bytes;
}

/** Eigenvectors (columns) and eigenvalues of a symmetric matrix, by Jacobi's rotations. */
function eigenvectors(a, n) {
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  const turn = (m, first, second, step, cosine, sine) => {
    for (let k = 0; k < n; k++) {
      const [x, y] = [m[first + k * step], m[second + k * step]];
      m[first + k * step] = cosine * x - sine * y;
      m[second + k * step] = sine * x + cosine * y;
    }
  };
  for (let sweep = 0; sweep < 8; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const off = a[p * n + q];
        if (Math.abs(off) < 1e-9 * Math.sqrt(Math.abs(a[p * n + p] * a[q * n + q]))) continue;
        const ratio = (a[q * n + q] - a[p * n + p]) / (2 * off);
        const tangent = (ratio >= 0 ? 1 : -1) / (Math.abs(ratio) + Math.sqrt(ratio * ratio + 1));
        const cosine = 1 / Math.sqrt(tangent * tangent + 1);
        const sine = tangent * cosine;
        turn(a, p, q, n, cosine, sine);
        turn(a, p * n, q * n, 1, cosine, sine);
        turn(vectors, p, q, n, cosine, sine);
      }
    }
  }
  return { vectors, values: Float64Array.from({ length: n }, (_, i) => Math.max(0, a[i * n + i])) };
}

/** Writes the words' hashes, weights and signs, without words whose hash another, commoner word has. */
async function write(signs) {
  const words = vocabulary.slice(0, WORDS);
  const hashes = words.map(wordHash);
  const kept = [...words.keys()].filter((i) => hashes.indexOf(hashes[i]) === i);
  const rowBytes = signs.length / words.length;
  const bytes = new Uint8Array(kept.length * rowBytes);
  for (const [to, from] of kept.entries()) bytes.set(rowOf(signs, from, rowBytes), to * rowBytes);
  const weightOf = (word) => HALF_SHARE / (HALF_SHARE + counts.get(word) / total);
  const metadata = new Map([
    ['general.architecture', 'onebit-support-trunk'],
    ['general.name', 'support-trunk'],
    ['general.license', 'CC-BY-SA-4.0'],
    [trunkNames.hashes, Uint32Array.from(kept, (i) => hashes[i])],
    [trunkNames.weights, Uint16Array.from(kept, (i) => Math.round(MAX_WEIGHT * weightOf(words[i])))],
  ]);
  const tensor = { name: trunkNames.signs, shape: [TRUNK_WIDTH, kept.length], format: 'q1_0', bytes: () => bytes };
  const pieces = [];
  await writeGguf({ metadata, tensors: [tensor] }, (piece) => void pieces.push(piece.slice()));
  writeFileSync(path, Buffer.concat(pieces));
  console.log(
    `${total} words of ${sentences.length} sentences, ${kept.length} vectors of ${TRUNK_WIDTH} signs -> ${path}`,
  );
}
