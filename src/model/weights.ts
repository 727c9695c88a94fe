// Owns binding a file's tensors to a backend: checking that all of architecture.ts's list are there, and loading them in the order of their use.
// Must not know a concrete backend.
import type { ByteSource } from '../bytes/source.ts';
import { FastDigest } from '../core/fast-digest.ts';
import { OnebitError } from '../errors.ts';
import { scaleOf } from '../gguf/matrix-scale.ts';
import type { Gguf, TensorInfo } from '../gguf/types.ts';
import type { Backend, ReadWeight, Tensor, Weight } from '../kernels/backend.ts';
import { loadWeight } from '../kernels/weight-loading.ts';
import { findNotFinite } from '../quant/finite.ts';
import { formatByName } from '../quant/formats.ts';
import { type TensorSpec, tensorsOf } from './architecture.ts';
import type { ModelConfig } from './config.ts';
import type { LayerWeights } from './run-plan.ts';

export type { LayerWeights } from './run-plan.ts';

/** A model's weights in a backend; immutable. */
export interface ModelWeights {
  readonly token_embd: Weight;
  readonly layers: readonly LayerWeights[];
  readonly output_norm: Tensor;
  /** The embedding itself where the head is tied. */
  readonly output: Weight;
  /**
   * Of the bytes of every tensor (see `Inspector`), their names, formats and shapes, and of the configuration: the same for the same weights, whatever
   * file they are in.
   */
  readonly digest: string;
}

/** Progress of a load: bytes of tensors done so far, of all. */
export type LoadProgress = (doneBytes: number, totalBytes: number) => void;

/**
 * Checks that `gguf` has exactly the tensors of `config`, in the right shapes.
 * @throws OnebitError `bad-file` with every problem in `problems`.
 */
export function checkTensors(gguf: Gguf, config: ModelConfig): void {
  const problems: string[] = [];
  const expected = new Map(tensorsOf(config).map((spec) => [spec.name, spec]));
  for (const { name, shape, optional } of expected.values()) {
    const tensor = gguf.tensors.get(name);
    if (!tensor) {
      if (optional) continue;
      problems.push(`load: tensor '${name}' [${shape}] is missing. The file is incomplete; get it again.`);
    } else if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
      problems.push(`load: tensor '${name}' must be [${shape}] as the metadata says, got [${tensor.shape}].`);
    } else if (shape.length === 1 && formatByName(tensor.format).blockSize !== 1) {
      problems.push(`load: tensor '${name}' must be f32, f16 or bf16, got ${tensor.format}.`);
    }
  }
  for (const name of gguf.tensors.keys()) {
    if (!expected.has(name)) {
      problems.push(
        `load: tensor '${name}' is not part of a ${config.architecture.name} model as this engine runs it, and ignoring it could give wrong text.`,
      );
    }
  }
  if (problems.length > 0) throw new OnebitError('bad-file', summary(problems), { problems });
}

/** Bytes of tensors that are digested whole; of larger models one block of so many is, in every tensor, so that loading does not become slower. */
const DIGEST_WHOLE_BYTES = 256e6;
const DIGEST_BLOCK_BYTES = 4096;

/** What all bytes of the tensors go through on their way into the backend. */
export class Inspector {
  private readonly digest = new FastDigest();
  /** Bytes from one digested block to the next. */
  private readonly stride: number;

  /** @param totalBytes of all tensors; beyond `wholeBytes` not all of them are digested */
  constructor(totalBytes: number, wholeBytes = DIGEST_WHOLE_BYTES) {
    this.stride = DIGEST_BLOCK_BYTES * Math.ceil(totalBytes / wholeBytes);
  }

  /** Begins a tensor. */
  begin({ name, format, shape }: TensorInfo): void {
    this.note({ name, format, shape });
  }

  /** Takes the bytes of whole rows, or of whole elements. @throws OnebitError `bad-file` for a number that is not finite */
  take(tensor: TensorInfo, offsetBytes: number, bytes: Uint8Array): void {
    if (this.stride === DIGEST_BLOCK_BYTES) this.digest.update(bytes);
    else {
      const end = offsetBytes + bytes.length;
      for (let at = Math.floor(offsetBytes / this.stride) * this.stride; at < end; at += this.stride) {
        const from = Math.max(0, at - offsetBytes);
        this.digest.update(bytes.subarray(from, Math.max(from, at + DIGEST_BLOCK_BYTES - offsetBytes)));
      }
    }
    const format = formatByName(tensor.format);
    if (format.blockSize > 1) return; // the backend looks at scales while it takes them apart
    const found = findNotFinite(format, bytes);
    if (found < 0) return;
    const block = offsetBytes / format.blockBytes + found;
    const [cols, rows] = tensor.shape;
    const place = rows === undefined ? `place ${block}` : `row ${Math.floor(block / cols)}, column ${block % cols}`;
    throw new OnebitError(
      'bad-file',
      `weight: numbers must be finite, got infinity or NaN in ${place}. The file is damaged, or a training went wrong: get it again.`,
    );
  }

  /** The digest of all tensors taken and of `config`. */
  finish(config: ModelConfig): string {
    const { architecture, name: _, rope, ...numbers } = config;
    this.note({ architecture: architecture.name, ...numbers, rope: { ...rope, frequencies: [...rope.frequencies] } });
    return this.digest.hex();
  }

  private note(value: object): void {
    this.digest.update(new TextEncoder().encode(JSON.stringify(value)));
  }
}

/**
 * Loads every tensor of the model into `backend`, in the order of their use, since the backend may place them side by side and then read them as one
 * stream. Files have them in many orders; within a layer that makes no difference to reading. `gguf` must have passed `checkTensors`.
 * @throws OnebitError naming the tensor, `bad-file` where a number in it is infinite or NaN; the signal's reason when aborted.
 */
export async function loadWeights(
  gguf: Gguf,
  source: ByteSource,
  config: ModelConfig,
  backend: Backend,
  options: { signal?: AbortSignal; onProgress?: LoadProgress } = {},
): Promise<ModelWeights> {
  const specs = tensorsOf(config).filter(({ name }) => gguf.tensors.has(name));
  const inOrderOfUse = specs.map(({ name }) => gguf.tensors.get(name)!);
  const totalBytes = inOrderOfUse.reduce((sum, tensor) => sum + tensor.sizeBytes, 0);
  const loaded = new Map<string, Tensor | Weight>();
  const inspector = new Inspector(totalBytes);
  let doneBytes = 0;
  for (const tensor of inOrderOfUse) {
    options.signal?.throwIfAborted();
    inspector.begin(tensor);
    const read: ReadWeight = async (target, offsetBytes, signal) => {
      await source.readInto(target, tensor.offsetBytes + offsetBytes, signal);
      inspector.take(tensor, offsetBytes, target);
      options.onProgress?.(doneBytes + offsetBytes + target.length, totalBytes);
    };
    try {
      const [cols, rows] = tensor.shape;
      if (tensor.shape.length === 1) loaded.set(tensor.name, await loadVector(tensor, read, backend, options.signal));
      else {
        const gain = await scaleOf(gguf, source, tensor.name, options.signal);
        loaded.set(tensor.name, await loadWeight(backend, tensor.format, rows, cols, read, options.signal, gain));
      }
    } catch (error) {
      if (error instanceof OnebitError) {
        const what = error.message.replace(/^weight: /, '');
        throw new OnebitError(error.code, `load: tensor '${tensor.name}' of ${source.name}: ${what}`, { cause: error });
      }
      throw error;
    }
    doneBytes += tensor.sizeBytes;
  }
  return { ...bind(config, specs, loaded), digest: inspector.finish(config) };
}

function bind(
  config: ModelConfig,
  specs: readonly TensorSpec[],
  loaded: ReadonlyMap<string, Tensor | Weight>,
): Omit<ModelWeights, 'digest'> {
  const layers = Array.from({ length: config.layers }, (): Record<string, Tensor | Weight> => ({}));
  for (const { name } of specs) {
    const [, layer, own] = /^blk\.(\d+)\.(.*?)(?:\.weight)?$/.exec(name) ?? [];
    if (own !== undefined) layers[Number(layer)][own] = loaded.get(name)!;
  }
  const token_embd = loaded.get('token_embd.weight') as Weight;
  return {
    token_embd,
    layers,
    output_norm: loaded.get('output_norm.weight') as Tensor,
    output: (loaded.get('output.weight') as Weight | undefined) ?? token_embd,
  };
}

async function loadVector(
  tensor: TensorInfo,
  read: ReadWeight,
  backend: Backend,
  signal?: AbortSignal,
): Promise<Tensor> {
  const bytes = new Uint8Array(tensor.sizeBytes);
  await read(bytes, 0, signal);
  const values = new Float32Array(tensor.shape[0]);
  formatByName(tensor.format).decode(bytes, values);
  const loaded = backend.tensor(values.length);
  backend.write(loaded, values);
  return loaded;
}

function summary(problems: string[]): string {
  const shown = problems.slice(0, 8);
  if (problems.length > shown.length) shown.push(`… and ${problems.length - shown.length} more problems.`);
  return shown.join('\n');
}
