// Owns what `onebit doctor` can tell from weights: numbers that are none, codes that must not occur, and which order of I2_S fits. Must not print.
import type { ByteSource } from '../bytes/source.ts';
import type { TensorInfo } from '../gguf/types.ts';
import { findNotFinite } from '../quant/finite.ts';
import { type FormatName, formatByName } from '../quant/formats.ts';
import { type Finding, type Patient, quoted } from './doctor-checks.ts';

const PIECE_BYTES = 8 << 20;
/** Most tensors that are named. */
const MOST_NAMED = 5;

/** Reads all weights once. */
export async function checkWeights(
  source: ByteSource,
  { gguf }: Patient,
  signal: AbortSignal,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<Finding[]> {
  const notFinite: string[] = [];
  const codeThree: string[] = [];
  const totalBytes = [...gguf.tensors.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let doneBytes = 0;
  for (const tensor of gguf.tensors.values()) {
    const format = formatByName(tensor.format);
    const { blockBytes, tailBytes = 0 } = format;
    const end = tensor.sizeBytes - tailBytes;
    const pieceBytes = Math.floor(PIECE_BYTES / blockBytes) * blockBytes;
    let [bad, threes] = [false, false];
    for (let at = 0; at < end; at += pieceBytes) {
      signal.throwIfAborted();
      const piece = new Uint8Array(Math.min(pieceBytes, end - at));
      await source.readInto(piece, tensor.offsetBytes + at, signal);
      bad ||= findNotFinite(format, piece) >= 0;
      if (tailBytes > 0) threes ||= piece.some((byte) => (byte & (byte >> 1) & 0x55) !== 0);
      doneBytes += piece.length;
      onProgress(doneBytes, totalBytes);
    }
    if (tailBytes > 0) {
      const tail = new Uint8Array(tailBytes);
      await source.readInto(tail, tensor.offsetBytes + end, signal);
      bad ||= !Number.isFinite(format.recode?.gain?.(tail) ?? 0);
      doneBytes += tailBytes;
    }
    if (bad) notFinite.push(tensor.name);
    if (threes) codeThree.push(tensor.name);
  }
  const advice = 'The file is damaged, or a training or conversion went wrong: get it again.';
  return [
    ...named(notFinite, 'not-finite', 'numbers that are infinite or no numbers in', advice),
    ...named(codeThree, 'i2s-codes', 'code 3, which I2_S does not have, in', advice),
  ];
}

function named(tensors: readonly string[], check: string, what: string, advice: string): Finding[] {
  if (tensors.length === 0) return [];
  const shown = tensors.slice(0, MOST_NAMED).join(', ');
  const more = tensors.length > MOST_NAMED ? ` and ${tensors.length - MOST_NAMED} more tensors` : '';
  return [{ severity: 'wrong', check, what: `there are ${what} ${shown}${more}`, advice }];
}

/** Rows of each matrix that are counted, and layers. */
const COUNTED_ROWS = 512;
const COUNTED_LAYERS = 4;
/** How far the correlation of the one order must be above that of the other. */
const CLEARLY = 0.15;

/**
 * Which order of I2_S fits. Channels of the residual stream differ: those that a norm amplifies have other weights behind them than those it damps, so in a
 * trained model the share of zeros in a column goes with the norm's weight; in the wrong order columns of a group are mixed up, and it does not. Models with
 * random weights, and those whose channels are alike, do not tell.
 */
export async function checkI2sOrder(source: ByteSource, patient: Patient, signal: AbortSignal): Promise<Finding[]> {
  const { gguf, name } = patient;
  const read = [...gguf.tensors.values()].find(({ format }) => format === 'i2_s' || format === 'i2_s-64')?.format;
  if (!read) return [];
  const sums: Record<'i2_s' | 'i2_s-64', number[]> = { i2_s: [], 'i2_s-64': [] };
  for (let layer = 0; layer < COUNTED_LAYERS; layer++) {
    for (const [norm, matrix] of [
      ['attn_norm', 'attn_q'],
      ['ffn_norm', 'ffn_up'],
      ['ffn_norm', 'ffn_gate'],
    ]) {
      // biome-ignore format: a table
      const [vector, weights] = [norm, matrix].map((part) => gguf.tensors.get(`blk.${layer}.${part}.weight`));
      if (!vector || !weights?.format.startsWith('i2_s') || weights.shape[0] % 128 !== 0) continue;
      const amplified = await amplification(source, vector, signal);
      for (const order of ['i2_s', 'i2_s-64'] as const) {
        sums[order].push(correlation(amplified, await zerosOfColumns(source, weights, order, signal)));
      }
    }
  }
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const [wide, narrow] = [Math.abs(mean(sums.i2_s)), Math.abs(mean(sums['i2_s-64']))];
  const shown = `correlation of zeros with the norms before them: ${wide.toFixed(2)} in groups of 128, ${narrow.toFixed(2)} in groups of 64`;
  if (Math.abs(wide - narrow) < CLEARLY) {
    const what = `its I2_S weights are read in groups of ${read === 'i2_s' ? 128 : 64}, and neither file nor weights tell whether that is right (${shown})`;
    const advice = `If it writes gibberish: onebit generate -m ${quoted(name)} --i2s-layout ${read === 'i2_s' ? 64 : 128} -p Hello`;
    return [{ severity: 'note', check: 'i2s-order', what, advice }];
  }
  const fits = wide > narrow ? 'i2_s' : 'i2_s-64';
  if (fits === read)
    return [{ severity: 'note', check: 'i2s-order', what: `this order of I2_S fits its weights (${shown})` }];
  const width = fits === 'i2_s' ? 128 : 64;
  return [
    {
      ...{ severity: 'wrong', check: 'i2s-order', what: `the other order of I2_S fits its weights (${shown})` },
      advice: `onebit generate -m ${quoted(name)} --i2s-layout ${width} -p Hello`,
    },
  ];
}

async function amplification(source: ByteSource, vector: TensorInfo, signal: AbortSignal): Promise<Float64Array> {
  const bytes = new Uint8Array(vector.sizeBytes);
  await source.readInto(bytes, vector.offsetBytes, signal);
  const values = new Float32Array(vector.shape[0]);
  formatByName(vector.format).decode(bytes, values);
  return Float64Array.from(values, Math.abs);
}

async function zerosOfColumns(
  source: ByteSource,
  weights: TensorInfo,
  order: FormatName,
  signal: AbortSignal,
): Promise<Float64Array> {
  const [cols, rows] = weights.shape;
  const count = Math.min(rows, COUNTED_ROWS);
  // The scale behind them does not matter: any will do.
  const bytes = new Uint8Array((count * cols) / 4 + 32);
  await source.readInto(bytes.subarray(0, (count * cols) / 4), weights.offsetBytes, signal);
  new DataView(bytes.buffer).setFloat32((count * cols) / 4, 1, true);
  const values = new Float32Array(count * cols);
  formatByName(order).decode(bytes, values);
  const zeros = new Float64Array(cols);
  for (let i = 0; i < values.length; i++) if (values[i] === 0) zeros[i % cols]++;
  return zeros;
}

/** Pearson's, 0 where one of both does not vary. */
function correlation(a: Float64Array, b: Float64Array): number {
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += (a[i] - meanA) * (b[i] - meanB);
    aa += (a[i] - meanA) ** 2;
    bb += (b[i] - meanB) ** 2;
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}
