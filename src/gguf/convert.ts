// Owns making another file of a GGUF file: the same metadata, its matrices in another format, a piece at a time. Every weight is compared with what it
// becomes. Must not know where the bytes go, nor what tensors are for but that embedding and head are what ternary models keep in other formats.
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import { encodedBytes } from '../quant/blocks.ts';
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

/** Bytes of float32 values that are held at a time, about. */
const PIECE_BYTES = 4 << 20;

export interface ConvertOptions {
  readonly type: FormatName | 'same';
  /** Rounds weights that the format does not hold exactly. Default: the file is refused. */
  readonly force?: boolean;
  /** Put in place of the file's metadata, or added to it. */
  readonly metadata?: ReadonlyMap<string, WritableValue>;
  readonly signal?: AbortSignal;
  /** Told bytes of tensors read so far, of all that will be: each is read once to look and once to write. */
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

/** A conversion that has been looked at, and can be written. */
export interface Conversion {
  readonly tensors: readonly ConvertedTensor[];
  /** Bytes of the tensors to come. */
  readonly sizeBytes: number;
  write(sink: ByteSink): Promise<void>;
}

/**
 * Looks at every weight, and at what it would become. Vectors stay as they are, and so do matrices whose rows the format has no whole blocks for; with formats
 * of one or two bits also embedding and head, where these do not fit.
 * @throws OnebitError `unsupported` for weights that do not come back as they were, unless forced; `bad-file` for numbers that are not finite
 */
export async function planConversion(source: ByteSource, gguf: Gguf, options: ConvertOptions): Promise<Conversion> {
  const all = [...gguf.tensors.values()];
  const totalBytes = 2 * all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let doneBytes = 0;
  const progress = (bytes: number) => {
    doneBytes += bytes;
    options.onProgress?.(doneBytes, totalBytes);
  };
  const tensors: ConvertedTensor[] = [];
  for (const tensor of all) tensors.push(await planTensor(source, tensor, options, progress));
  refuseLoss(tensors, options);
  const metadata = writableMetadata(gguf);
  const type = options.type === 'same' ? undefined : options.type;
  if (type) {
    const value = fileTypes[type];
    if (value === undefined) metadata.delete('general.file_type');
    else metadata.set('general.file_type', { type: 'u32', value });
  }
  for (const [key, value] of options.metadata ?? []) metadata.set(key, value);
  const writable = tensors.map((planned, i): WritableTensor => {
    const { name, shape } = all[i];
    const bytes = () => convertedPieces(source, all[i], formatByName(planned.to), options.signal, noLoss(), progress);
    return { name, shape, format: planned.to, bytes };
  });
  return {
    tensors,
    sizeBytes: tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    write: (sink) => writeGguf({ metadata, tensors: writable }, sink, { signal: options.signal }),
  };
}

async function planTensor(
  source: ByteSource,
  tensor: TensorInfo,
  { type, force, signal }: ConvertOptions,
  progress: (bytes: number) => void,
): Promise<ConvertedTensor> {
  const { name, format: from, shape } = tensor;
  const weights = shape.reduce((product, size) => product * size, 1);
  const result = (to: FormatName, loss: Loss = noLoss(), kept?: string): ConvertedTensor => ({
    ...{ name, from, to, sizeBytes: encodedBytes(formatByName(to), weights) },
    ...{ changed: loss.changed, relativeError: loss.size > 0 ? Math.sqrt(loss.error / loss.size) : 0 },
    ...(kept ? { kept } : {}),
  });
  const look = async () => {
    const format = formatByName(from);
    const tail = new Uint8Array(format.tailBytes ?? 0);
    await source.readInto(tail, tensor.offsetBytes + tensor.sizeBytes - tail.length, signal);
    if (tail.length > 0 && !Number.isFinite(format.recode?.gain?.(tail) ?? 0)) throw notFinite(name);
    for await (const piece of convertedPieces(source, tensor, format, signal, noLoss(), progress))
      if (findNotFinite(format, piece) >= 0) throw notFinite(name);
  };
  if (type === 'same' || type === from || shape.length === 1) {
    await look();
    return result(from);
  }
  const target = formatByName(type);
  // Formats that nothing else loads do not stay: their weights are what they are as float32.
  const other: FormatName = formatByName(from).isFork ? 'f32' : from;
  if (shape[0] % target.blockSize !== 0) {
    const why = `rows of ${shape[0]} are no multiple of ${target.blockSize}`;
    await look();
    return result(other, noLoss(), why);
  }
  const loss = noLoss();
  for await (const _ of convertedPieces(source, tensor, target, signal, loss, progress));
  const fewLevels = target.kind === 'binary' || target.kind === 'ternary';
  if (loss.changed > 0 && fewLevels && /^(token_embd|output)\.weight$/.test(name)) {
    return result(other, noLoss(), `its weights do not fit ${type}${force ? '' : ' without loss'}`);
  }
  return result(type, loss);
}

/** The tensor's bytes in another format, a few rows at a time. */
async function* convertedPieces(
  source: ByteSource,
  tensor: TensorInfo,
  target: Format,
  signal: AbortSignal | undefined,
  loss: Loss,
  progress: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const format = formatByName(tensor.format);
  const [cols, ...others] = tensor.shape;
  const rows = others.reduce((product, size) => product * size, 1);
  const { tailBytes = 0 } = format;
  const rowBytes = (tensor.sizeBytes - tailBytes) / rows;
  const pieceRows = Math.max(1, Math.floor(PIECE_BYTES / (4 * cols)));
  const bytes = new Uint8Array(Math.min(rows, pieceRows) * rowBytes + tailBytes);
  const [values, decoded] = [0, 1].map(() => new Float32Array(Math.min(rows, pieceRows) * cols));
  const out = new Uint8Array(encodedBytes({ ...target, tailBytes: 0 }, values.length));
  for (let row = 0; row < rows; row += pieceRows) {
    signal?.throwIfAborted();
    const count = Math.min(pieceRows, rows - row);
    const body = count * rowBytes;
    await source.readInto(bytes.subarray(0, body), tensor.offsetBytes + row * rowBytes, signal);
    if (target === format && tailBytes === 0) {
      progress(body);
      yield bytes.subarray(0, body);
      continue;
    }
    if (tailBytes > 0) {
      await source.readInto(bytes.subarray(body, body + tailBytes), tensor.offsetBytes + rows * rowBytes, signal);
      if (target === format) {
        const last = row + count === rows;
        progress(body + (last ? tailBytes : 0));
        yield bytes.subarray(0, body + (last ? tailBytes : 0));
        continue;
      }
    }
    const some = values.subarray(0, count * cols);
    format.decode(bytes.subarray(0, body + tailBytes), some);
    const piece = out.subarray(0, encodedBytes({ ...target, tailBytes: 0 }, some.length));
    try {
      encodeExactly(target, some, piece, decoded.subarray(0, some.length), loss);
    } catch (error) {
      if (!(error instanceof OnebitError)) throw error;
      const code = some.every(Number.isFinite) ? 'unsupported' : 'bad-file';
      throw new OnebitError(code, `convert: ${error.message} [tensor '${tensor.name}', from row ${row}]`, {
        cause: error,
      });
    }
    progress(body + (row + count === rows ? tailBytes : 0));
    yield piece;
  }
}

/** What loading would refuse is not copied. */
function notFinite(name: string): OnebitError {
  return new OnebitError(
    'bad-file',
    `convert: numbers must be finite, got infinity or NaN in tensor '${name}'. The file is damaged, or a training or conversion went wrong: get it again.`,
  );
}

function refuseLoss(tensors: readonly ConvertedTensor[], { type, force }: ConvertOptions): void {
  const lossy = tensors.filter(({ changed }) => changed > 0);
  if (lossy.length === 0 || force) return;
  const problems = lossy.map(
    ({ name, from, changed, relativeError }) =>
      `tensor '${name}' (${from}): ${changed} weights would change, by ${(100 * relativeError).toPrecision(2)} % of their root mean square`,
  );
  const shown = problems.slice(0, 3).join('; ');
  const more = problems.length > 3 ? `; and ${problems.length - 3} more tensors` : '';
  throw new OnebitError(
    'unsupported',
    `convert: weights must fit ${type} without loss, they do not: ${shown}${more}. --force rounds them; f32 holds everything.`,
    { problems },
  );
}
