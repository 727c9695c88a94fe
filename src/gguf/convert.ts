// Owns making another file of a GGUF file: the same metadata, its matrices in another format, a piece at a time. Every weight is compared with what it
// becomes. Must not know where the bytes go, nor what tensors are for but that embedding and head are what ternary models keep in other formats.
import type { ByteSource } from '../bytes/source.ts';
import { writeBehind } from '../bytes/write-behind.ts';
import { OnebitError } from '../errors.ts';
import { encodedBytes } from '../quant/blocks.ts';
import { directly } from '../quant/direct.ts';
import { encodeExactly, type Loss, noLoss } from '../quant/exact.ts';
import { findNotFinite } from '../quant/finite.ts';
import { type Format, type FormatName, formatByName } from '../quant/formats.ts';
import type { Gguf, TensorInfo } from './types.ts';
import { type ByteSink, type WritableTensor, type WritableValue, writableMetadata, writeGguf } from './write.ts';

/** What files are converted to: formats that stock llama.cpp loads and whose quantisers onebit has, and `same`, which keeps every tensor's format. */
export const conversionTargets: readonly (FormatName | 'same')[] = [
  ...(['f32', 'f16', 'bf16', 'q8_0', 'q5_1', 'q5_0', 'q4_1', 'q4_0'] as const),
  ...(['q2_0', 'tq2_0', 'tq1_0', 'q1_0', 'same'] as const),
];

/** llama.cpp's number of a file's format, where it has one: `general.file_type`. */
const fileTypes: Partial<Record<FormatName, number>> = {
  ...{ f32: 0, f16: 1, q4_0: 2, q4_1: 3, q8_0: 7, q5_0: 8, q5_1: 9, bf16: 32, tq1_0: 36, tq2_0: 37, q1_0: 40 },
};

/** Bytes of a piece, about, of the larger of what it was and what it becomes: what fits a processor's cache is fastest. */
const PIECE_BYTES = 1 << 20;

/** Pieces that are being written at once. */
const PIECES_WRITTEN = 2;

export interface ConvertOptions {
  readonly type: FormatName | 'same';
  /** Rounds weights that the format does not hold exactly. Default: the file is refused. */
  readonly force?: boolean;
  /** Put in place of the file's metadata, or added to it. */
  readonly metadata?: ReadonlyMap<string, WritableValue>;
  readonly signal?: AbortSignal;
  /** Told bytes of tensors read so far, of all that will be. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** What became of a tensor. */
export interface ConvertedTensor {
  readonly name: string;
  readonly from: FormatName;
  readonly to: FormatName;
  readonly sizeBytes: number;
  /** Weights that are not what they were. */
  readonly changed: number;
  /** Root mean square of the changes, of that of the weights. */
  readonly relativeError: number;
  /** Why it has another format than the one that was asked for. */
  readonly kept?: string;
}

/** A conversion that can be written. */
export interface Conversion {
  /** Bytes of the tensors to come. */
  readonly sizeBytes: number;
  /**
   * Writes the file, comparing every weight with what it becomes as it goes. `sink` is given the next piece before it is done with the last, in their order.
   * @returns what became of each tensor
   * @throws OnebitError `unsupported`, naming all tensors, for weights that do not come back as they were, unless forced; `bad-file` for numbers that are not finite
   */
  write(sink: ByteSink): Promise<readonly ConvertedTensor[]>;
}

/** What a tensor will be. */
interface Planned {
  readonly tensor: TensorInfo;
  readonly to: FormatName;
  readonly kept?: string;
}

/**
 * Chooses what every tensor becomes. Vectors stay as they are, and so do matrices whose rows the format has no whole blocks for; with formats of one or two
 * bits also embedding and head, where these do not fit, which are read for that.
 */
export async function planConversion(source: ByteSource, gguf: Gguf, options: ConvertOptions): Promise<Conversion> {
  const { type, force = false, signal } = options;
  const all = [...gguf.tensors.values()];
  const looked = all.filter((tensor) => needsLook(tensor, type));
  const totalBytes = [...all, ...looked].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let doneBytes = 0;
  const progress = (bytes: number) => {
    doneBytes += bytes;
    options.onProgress?.(doneBytes, totalBytes);
  };
  const rooms = new Rooms();
  const reading = (planned: readonly Planned[]) => readPieces(source, planned, rooms, signal);
  const converted = (input: ReturnType<typeof reading>, { tensor, to }: Planned, loss: Loss) =>
    convertedPieces(input, tensor, formatByName(to), loss, progress, rooms, signal);
  const plan: Planned[] = [];
  for (const tensor of all) {
    const chosen = choose(tensor, type);
    if (looked.includes(tensor)) {
      const loss = noLoss();
      const planned = { tensor, ...chosen };
      for await (const _ of converted(reading([planned]), planned, loss));
      if (loss.changed > 0) {
        const kept = `its weights do not fit ${type}${force ? '' : ' without loss'}`;
        plan.push({ tensor, to: stayingFormat(tensor), kept });
        continue;
      }
    }
    plan.push({ tensor, ...chosen });
  }
  const sizes = plan.map(({ tensor, to }) => encodedBytes(formatByName(to), weightsOf(tensor)));
  const metadata = metadataOf(gguf, options);
  return {
    sizeBytes: sizes.reduce((sum, size) => sum + size, 0),
    async write(sink) {
      const losses = plan.map(noLoss);
      const input = reading(plan);
      const tensors = plan.map((planned, at): WritableTensor => {
        const { tensor, to } = planned;
        async function* bytes() {
          yield* converted(input, planned, losses[at]);
          if (force || losses[at].changed === 0) return;
          // It comes to nothing: the others are only looked at, so that all are named.
          for (let i = at + 1; i < plan.length; i++) for await (const _ of converted(input, plan[i], losses[i]));
          throw lossy(plan, losses, options);
        }
        return { name: tensor.name, shape: tensor.shape, format: to, bytes };
      });
      const behind = writeBehind(async (bytes) => sink(bytes), PIECES_WRITTEN);
      await writeGguf({ metadata, tensors }, behind.append, { signal });
      await behind.finish();
      return plan.map(({ tensor: { name, format }, to, kept }, i): ConvertedTensor => {
        const { changed } = losses[i];
        const relativeError = relativeErrorOf(losses[i]);
        return { name, from: format, to, sizeBytes: sizes[i], changed, relativeError, ...(kept ? { kept } : {}) };
      });
    },
  };
}

function metadataOf(gguf: Gguf, { type, metadata: given }: ConvertOptions): Map<string, WritableValue> {
  const metadata = writableMetadata(gguf);
  if (type !== 'same') {
    const value = fileTypes[type];
    if (value === undefined) metadata.delete('general.file_type');
    else metadata.set('general.file_type', { type: 'u32', value });
  }
  for (const [key, value] of given ?? []) metadata.set(key, value);
  return metadata;
}

function weightsOf({ shape }: TensorInfo): number {
  return shape.reduce((product, size) => product * size, 1);
}

function relativeErrorOf({ error, size }: Loss): number {
  return size > 0 ? Math.sqrt(error / size) : 0;
}

/** Formats that nothing else loads do not stay: their weights are what they are as float32. */
function stayingFormat({ format }: TensorInfo): FormatName {
  return formatByName(format).isFork ? 'f32' : format;
}

/** What a tensor becomes as far as its shape tells. */
function choose(tensor: TensorInfo, type: FormatName | 'same'): Omit<Planned, 'tensor'> {
  const { format, shape } = tensor;
  if (type === 'same' || type === format || shape.length === 1) return { to: format };
  const { blockSize } = formatByName(type);
  if (shape[0] % blockSize === 0) return { to: type };
  return { to: stayingFormat(tensor), kept: `rows of ${shape[0]} are no multiple of ${blockSize}` };
}

/** Whether only the weights tell what the tensor becomes. */
function needsLook(tensor: TensorInfo, type: FormatName | 'same'): boolean {
  const { to } = choose(tensor, type);
  if (to !== type || to === tensor.format || !/^(token_embd|output)\.weight$/.test(tensor.name)) return false;
  const { kind } = formatByName(to);
  return kind === 'binary' || kind === 'ternary';
}

/**
 * Memory for pieces, the same for all tensors: of those that are being written, one that is made, one that is being read. New memory for each tensor takes longer to
 * be cleared and collected than the weights take.
 */
class Rooms {
  private readonly buffers = new Map<string, ArrayBuffer>();
  private turn = 0;

  /** The room for the next piece. */
  next(): { readonly bytes: (size: number) => Uint8Array<ArrayBuffer>; readonly out: (size: number) => Uint8Array } {
    const turn = this.turn++ % (PIECES_WRITTEN + 2);
    return {
      bytes: (size) => new Uint8Array(this.room(`bytes ${turn}`, size), 0, size),
      out: (size) => new Uint8Array(this.room(`out ${turn}`, size), 0, size),
    };
  }

  /** Weights of the piece that is made: `values`, and what comes back of them. */
  floats(what: 'values' | 'decoded', count: number): Float32Array {
    return new Float32Array(this.room(what, 4 * count), 0, count);
  }

  private room(name: string, size: number): ArrayBuffer {
    const known = this.buffers.get(name);
    if (known && known.byteLength >= size) return known;
    const buffer = new ArrayBuffer(size);
    this.buffers.set(name, buffer);
    return buffer;
  }
}

/** Some rows of a tensor as they were read, each piece lasts until as many others as are written at once have followed and two more are asked for. */
interface ReadPiece {
  readonly row: number;
  readonly rows: number;
  /** The rows' blocks. */
  readonly blocks: Uint8Array<ArrayBuffer>;
  /** The blocks, and behind them what stands behind the tensor's last row, where its format has that. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether they are the tensor's last. */
  readonly isLast: boolean;
  /** Room for what becomes of them. */
  readonly out: (size: number) => Uint8Array;
}

/** Reads all of some tensors, a few rows at a time: while one piece is at work the next is read, also that of the next tensor. */
async function* readPieces(
  source: ByteSource,
  plan: readonly Planned[],
  rooms: Rooms,
  signal: AbortSignal | undefined,
): AsyncGenerator<ReadPiece, undefined> {
  let reading: Promise<ReadPiece> | undefined;
  for (const { tensor, to } of plan) {
    const { rows, rowBytes, pieceRows, tailBytes } = piecesOf(tensor, formatByName(to));
    for (let row = 0; row < rows; row += pieceRows) {
      const ready = reading;
      const count = Math.min(pieceRows, rows - row);
      const read = async (): Promise<ReadPiece> => {
        const room = rooms.next();
        const bytes = room.bytes(count * rowBytes + tailBytes);
        const blocks = bytes.subarray(0, count * rowBytes);
        await source.readInto(blocks, tensor.offsetBytes + row * rowBytes, signal);
        if (tailBytes > 0) {
          await source.readInto(bytes.subarray(blocks.length), tensor.offsetBytes + rows * rowBytes, signal);
        }
        return { row, rows: count, blocks, bytes, isLast: row + count === rows, out: room.out };
      };
      reading = read();
      reading.catch(() => {}); // said when it is waited for
      if (ready) yield await ready;
    }
  }
  if (reading) yield await reading;
}

/** How a tensor is read that becomes `target`. */
function piecesOf({ shape, sizeBytes, format: name }: TensorInfo, target: Format) {
  const format = formatByName(name);
  const [cols, ...others] = shape;
  const rows = others.reduce((product, size) => product * size, 1);
  const { tailBytes = 0 } = format;
  const rowBytes = (sizeBytes - tailBytes) / rows;
  const stays = target === format;
  const direct = directly(format, target);
  const sizeOf = (weights: number) => encodedBytes({ ...target, tailBytes: 0 }, weights);
  const largestRow = Math.max(rowBytes, stays ? 0 : sizeOf(cols), direct || stays ? 0 : cols);
  const pieceRows = Math.min(rows, Math.max(1, Math.floor(PIECE_BYTES / largestRow)));
  return { format, cols, rows, tailBytes, rowBytes, stays, direct, sizeOf, pieceRows };
}

/** The tensor's bytes in another format, piece by piece as `input` gives it; a piece lasts as long as that of `input`. */
async function* convertedPieces(
  input: AsyncGenerator<ReadPiece, undefined>,
  tensor: TensorInfo,
  target: Format,
  loss: Loss,
  progress: (bytes: number) => void,
  rooms: Rooms,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { format, cols, tailBytes, stays, direct, sizeOf } = piecesOf(tensor, target);
  for (let isLast = false; !isLast; ) {
    signal?.throwIfAborted();
    const next = await input.next();
    if (next.done) return; // writing says that the tensor is not whole
    const { row, rows, blocks, bytes, out } = next.value;
    isLast = next.value.isLast;
    const doneBytes = blocks.length + (isLast ? tailBytes : 0);
    if (stays || direct) refuseNotFinite(tensor, blocks, bytes.subarray(blocks.length));
    if (stays) {
      progress(doneBytes);
      yield bytes.subarray(0, doneBytes);
      continue;
    }
    const piece = out(sizeOf(rows * cols));
    let some: Float32Array | undefined;
    try {
      if (!direct?.(blocks, piece, loss)) {
        some = rooms.floats('values', rows * cols);
        format.decode(bytes, some);
        encodeExactly(target, some, piece, rooms.floats('decoded', some.length), loss);
      }
    } catch (error) {
      if (!(error instanceof OnebitError)) throw error;
      const code = !some || some.every(Number.isFinite) ? 'unsupported' : 'bad-file';
      throw new OnebitError(code, `convert: ${error.message} [tensor '${tensor.name}', from row ${row}]`, {
        cause: error,
      });
    }
    progress(doneBytes);
    yield piece;
  }
}

/**
 * What loading would refuse is not copied.
 * @param tail what stands behind the tensor's last row, where the format has that
 * @throws OnebitError `bad-file` where a number in `blocks`, whole ones of the tensor, or in `tail` is none
 */
export function refuseNotFinite(tensor: TensorInfo, blocks: Uint8Array, tail = new Uint8Array(0)): void {
  const format = formatByName(tensor.format);
  const gain = tail.length > 0 ? format.recode?.gain?.(tail) : 0;
  if (findNotFinite(format, blocks) < 0 && Number.isFinite(gain ?? 0)) return;
  throw new OnebitError(
    'bad-file',
    `convert: numbers must be finite, got infinity or NaN in tensor '${tensor.name}'. The file is damaged, or a training or conversion went wrong: get it again.`,
  );
}

function lossy(plan: readonly Planned[], losses: readonly Loss[], { type }: ConvertOptions): OnebitError {
  const problems = plan.flatMap(({ tensor: { name, format } }, i) => {
    const { changed } = losses[i];
    if (changed === 0) return [];
    const percent = (100 * relativeErrorOf(losses[i])).toPrecision(2);
    return [`tensor '${name}' (${format}): ${changed} weights would change, by ${percent} % of their root mean square`];
  });
  const shown = problems.slice(0, 3).join('; ');
  const more = problems.length > 3 ? `; and ${problems.length - 3} more tensors` : '';
  return new OnebitError(
    'unsupported',
    `convert: weights must fit ${type} without loss, they do not: ${shown}${more}. --force rounds them; f32 holds everything.`,
    { problems },
  );
}
