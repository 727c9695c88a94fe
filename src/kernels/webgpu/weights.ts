// Owns weights in device memory: their layout (wgsl/weights.ts reads it), loading them piece by piece, splitting those that a binding cannot hold.
import { OnebitError } from '../../errors.ts';
import type { KernelFormatName } from '../../quant/format.ts';
import { type Format, formatByName } from '../../quant/formats.ts';
import type { ReadWeight, Weight } from '../backend.ts';
import type { Memory } from './pipelines.ts';
import type { Recorder } from './recorder.ts';

/** Bytes read and uploaded at a time, about. */
const PIECE_BYTES = 4 << 20;
/** Parts begin at multiples of so many rows, so that pieces of codes and scales begin at whole words. */
const ROW_STEP = 32;

/** Consecutive rows of a weight in one memory: codes, then scales. */
export interface WeightPart {
  readonly memory: Memory;
  readonly firstRow: number;
  readonly rows: number;
  /** Word at which scales begin. */
  readonly scales: number;
}

/** A loaded matrix. */
export class GpuWeight implements Weight {
  readonly rows: number;
  readonly cols: number;
  readonly format: KernelFormatName;
  readonly sizeBytes: number;
  readonly parts: WeightPart[] = [];

  /** The factor on all of its 2-bit weights. */
  readonly gain: number;

  constructor(format: KernelFormatName, rows: number, cols: number, sizeBytes: number, gain: number) {
    this.format = format;
    this.rows = rows;
    this.cols = cols;
    this.sizeBytes = sizeBytes;
    this.gain = gain;
  }
}

/** Loads a matrix; the bytes are requested in ascending order. `bindingBytes` is the most that a part may have. */
export async function loadWeight(
  recorder: Recorder,
  bindingBytes: number,
  name: KernelFormatName,
  rows: number,
  cols: number,
  read: ReadWeight,
  signal?: AbortSignal,
  gain = 1,
): Promise<GpuWeight> {
  recorder.check();
  const format = formatByName(name);
  const rowBytes = (cols / format.blockSize) * format.blockBytes;
  const weight = new GpuWeight(name, rows, cols, rows * rowBytes, gain);
  try {
    const mostRows = Math.floor((bindingBytes - 64) / rowBytes / ROW_STEP) * ROW_STEP;
    if (mostRows === 0) {
      throw new OnebitError(
        'unsupported',
        `weight: ${ROW_STEP} rows must fit the ${bindingBytes} bytes of a binding on this device, got rows of ${rowBytes} bytes. Use backend 'wasm'.`,
      );
    }
    for (let firstRow = 0; firstRow < rows; firstRow += mostRows) {
      await loadPart(recorder, weight, format, firstRow, Math.min(mostRows, rows - firstRow), read, signal);
    }
  } catch (error) {
    for (const { memory } of weight.parts) recorder.release(memory);
    throw error;
  }
  return weight;
}

async function loadPart(
  recorder: Recorder,
  weight: GpuWeight,
  format: Format,
  firstRow: number,
  rows: number,
  read: ReadWeight,
  signal?: AbortSignal,
): Promise<void> {
  const rowBlocks = weight.cols / format.blockSize;
  const rowBytes = rowBlocks * format.blockBytes;
  const scaled = format.blockSize > 1;
  const codeBytes = scaled ? (format.blockBytes - 2) * rowBlocks : rowBytes;
  const scales = scaled ? (rows * codeBytes) / 4 : 0;
  const what = `weight of ${weight.rows} x ${weight.cols} ${format.name}`;
  const memory = recorder.allocate(wholeWords(rows * rowBytes), what);
  weight.parts.push({ memory, firstRow, rows, scales });
  const pieceRows = Math.max(1, Math.floor(PIECE_BYTES / rowBytes / ROW_STEP)) * ROW_STEP;
  for (let row = 0; row < rows; row += pieceRows) {
    const count = Math.min(pieceRows, rows - row);
    const bytes = new Uint8Array(wholeWords(count * rowBytes));
    await read(bytes.subarray(0, count * rowBytes), (firstRow + row) * rowBytes, signal);
    if (scaled) {
      const pieces = separate(bytes, format, count * rowBlocks, (block, blocks = rowBlocks) => ({
        row: firstRow + row + Math.floor(block / blocks),
        block: block % blocks,
      }));
      recorder.upload(memory, row * codeBytes, pieces.codes);
      recorder.upload(memory, scales * 4 + row * rowBlocks * 2, pieces.scales);
    } else {
      recorder.upload(memory, row * rowBytes, bytes);
    }
    // The device has taken the piece before the next one is read: at most one waits in the queue's own memory.
    await recorder.finish(signal);
  }
}

/** Codes and scales of `blocks` blocks apart. Block sizes are even, so everything moves 16 bits at a time. */
function separate(
  bytes: Uint8Array,
  format: Format,
  blocks: number,
  placeOf: (block: number) => { row: number; block: number },
): { codes: Uint8Array; scales: Uint8Array } {
  const from = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const codeHalves = (format.blockBytes - 2) / 2;
  const codes = new Uint16Array(blocks * codeHalves);
  const scales = new Uint16Array(wholeWords(blocks * 2) / 2);
  let at = 0;
  let to = 0;
  for (let block = 0; block < blocks; block++) {
    const scale = from[at++];
    if ((scale & 0x7c00) === 0x7c00) {
      const place = placeOf(block);
      throw new OnebitError(
        'bad-file',
        `weight: scales must be finite, got infinity or NaN in row ${place.row}, block ${place.block}. The file is damaged: download it again.`,
      );
    }
    scales[block] = scale;
    for (let i = 0; i < codeHalves; i++) codes[to++] = from[at++];
  }
  return { codes: new Uint8Array(codes.buffer), scales: new Uint8Array(scales.buffer) };
}

function wholeWords(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}
