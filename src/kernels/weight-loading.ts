// Owns loading weights of any file format: kernels read some as they are, the others become one of these row by row while they stream in, so that a
// model takes the memory of the format it becomes and never of both. Must not know files or a concrete backend.
import { OnebitError } from '../errors.ts';
import { findNotFinite } from '../quant/finite.ts';
import { type Format, type FormatName, formatByName } from '../quant/formats.ts';
import type { Backend, ReadWeight, Weight } from './backend.ts';

/** Bytes that a matrix takes in memory, about: those of the format that kernels read. */
export function residentBytes(name: FormatName, weights: number): number {
  const format = formatByName(name);
  const { blockSize, blockBytes } = format.recode ? formatByName(format.recode.as) : format;
  return (weights / blockSize) * blockBytes;
}

/**
 * Loads a matrix of a file's format. `factor` multiplies all its weights.
 * @throws OnebitError `bad-file` for scales that are infinite or NaN and codes that must not occur
 */
export async function loadWeight(
  backend: Backend,
  name: FormatName,
  rows: number,
  cols: number,
  read: ReadWeight,
  signal?: AbortSignal,
  factor = 1,
): Promise<Weight> {
  const format = formatByName(name);
  const { recode } = format;
  if (!Number.isFinite(factor)) throw badFile(`the factor beside the tensor must be finite, got ${factor}`);
  if (!recode) return backend.weight(name as Weight['format'], rows, cols, read, signal, factor);
  const rowBytes = (cols / format.blockSize) * format.blockBytes;
  const outRowBytes = residentBytes(name, cols);
  let gain = 1;
  if (recode.gain) {
    const tail = new Uint8Array(format.tailBytes ?? 0);
    await read(tail, rows * rowBytes, signal);
    gain = recode.gain(tail);
    if (!Number.isFinite(gain)) throw badFile(`the scale of the tensor must be finite, got ${gain}`);
  }
  let buffer = new Uint8Array(0);
  const readRecoded: ReadWeight = async (target, offsetBytes, signal) => {
    const firstRow = offsetBytes / outRowBytes;
    const bytes = (target.length / outRowBytes) * rowBytes;
    if (buffer.length < bytes) buffer = new Uint8Array(bytes);
    const piece = buffer.subarray(0, bytes);
    await read(piece, firstRow * rowBytes, signal);
    refuseNotFinite(format, piece, firstRow, rowBytes);
    recodeRows(format, piece, target);
  };
  return backend.weight(recode.as, rows, cols, readRecoded, signal, Math.fround(gain * factor));
}

function recodeRows(format: Format, piece: Uint8Array, target: Uint8Array): void {
  try {
    format.recode!.rows(piece, target);
  } catch (error) {
    // What the encoder finds wrong with weights is wrong with the file here.
    if (error instanceof OnebitError) throw new OnebitError('bad-file', error.message, { cause: error });
    throw error;
  }
}

function refuseNotFinite(format: Format, piece: Uint8Array, firstRow: number, rowBytes: number): void {
  const found = findNotFinite(format, piece);
  if (found < 0) return;
  const blocks = rowBytes / format.blockBytes;
  throw badFile(
    `scales must be finite, got infinity or NaN in row ${firstRow + Math.floor(found / blocks)}, block ${found % blocks}`,
  );
}

function badFile(what: string): OnebitError {
  return new OnebitError('bad-file', `weight: ${what}. The file is damaged: download it again.`);
}
