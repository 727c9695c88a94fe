// Owns binding a file's tensors to a backend: which tensors a model has, of what shape, and loading them in the order of their use.
// Must not know a concrete backend. Names are GGUF's, verbatim.
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import type { Gguf, TensorInfo } from '../gguf/types.ts';
import type { Backend, Tensor, Weight } from '../kernels/backend.ts';
import { formatByName } from '../quant/formats.ts';
import type { ModelConfig } from './config.ts';

export interface LayerWeights {
  readonly attn_norm: Tensor;
  readonly attn_q: Weight;
  readonly attn_k: Weight;
  readonly attn_v: Weight;
  readonly attn_q_norm?: Tensor;
  readonly attn_k_norm?: Tensor;
  readonly attn_output: Weight;
  readonly ffn_norm: Tensor;
  readonly ffn_gate: Weight;
  readonly ffn_up: Weight;
  readonly ffn_down: Weight;
}

/** A model's weights in a backend; immutable. */
export interface ModelWeights {
  readonly token_embd: Weight;
  readonly layers: readonly LayerWeights[];
  readonly output_norm: Tensor;
  /** The embedding itself where the head is tied. */
  readonly output: Weight;
}

/** Progress of a load: bytes of tensors done so far, of all. */
export type LoadProgress = (doneBytes: number, totalBytes: number) => void;

type Shape = readonly [cols: number] | readonly [cols: number, rows: number];

/** Every tensor that a model of `config` consists of, in the order of their use, with the shape it must have, in GGUF's order of dimensions. */
function expectedTensors(config: ModelConfig): Map<string, Shape> {
  const { width, feedForwardWidth, headSize, vocabulary } = config;
  const queryWidth = config.heads * headSize;
  const kvWidth = config.kvHeads * headSize;
  const shapes = new Map<string, Shape>();
  shapes.set('token_embd.weight', [width, vocabulary]);
  for (let layer = 0; layer < config.layers; layer++) {
    const add = (name: string, ...shape: Shape) => shapes.set(`blk.${layer}.${name}.weight`, shape);
    add('attn_norm', width);
    add('attn_q', width, queryWidth);
    add('attn_k', width, kvWidth);
    add('attn_v', width, kvWidth);
    if (config.architecture.qkNorm) {
      add('attn_q_norm', headSize);
      add('attn_k_norm', headSize);
    }
    add('attn_output', queryWidth, width);
    add('ffn_norm', width);
    add('ffn_gate', width, feedForwardWidth);
    add('ffn_up', width, feedForwardWidth);
    add('ffn_down', feedForwardWidth, width);
  }
  shapes.set('output_norm.weight', [width]);
  if (!config.tiedHead) shapes.set('output.weight', [width, vocabulary]);
  return shapes;
}

/**
 * Checks that `gguf` has exactly the tensors of `config`, in the right shapes.
 * @throws OnebitError `bad-file` with every problem in `problems`.
 */
export function checkTensors(gguf: Gguf, config: ModelConfig): void {
  const problems: string[] = [];
  const expected = expectedTensors(config);
  for (const [name, shape] of expected) {
    const tensor = gguf.tensors.get(name);
    if (!tensor) {
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

/**
 * Loads every tensor of the model into `backend`, in the order of their use, since the backend may place them side by side and then read them as one
 * stream. Files have them in many orders; within a layer that makes no difference to reading. `gguf` must have passed `checkTensors`.
 * @throws OnebitError naming the tensor; the signal's reason when aborted.
 */
export async function loadWeights(
  gguf: Gguf,
  source: ByteSource,
  config: ModelConfig,
  backend: Backend,
  options: { signal?: AbortSignal; onProgress?: LoadProgress } = {},
): Promise<ModelWeights> {
  const inOrderOfUse = [...expectedTensors(config).keys()].map((name) => gguf.tensors.get(name)!);
  const totalBytes = inOrderOfUse.reduce((sum, tensor) => sum + tensor.sizeBytes, 0);
  const vectors = new Map<string, Tensor>();
  const matrices = new Map<string, Weight>();
  let doneBytes = 0;
  for (const tensor of inOrderOfUse) {
    options.signal?.throwIfAborted();
    try {
      if (tensor.shape.length === 1) {
        vectors.set(tensor.name, await loadVector(tensor, source, backend, options.signal));
      } else {
        matrices.set(tensor.name, await loadMatrix(tensor, source, backend, options, doneBytes, totalBytes));
      }
    } catch (error) {
      if (error instanceof OnebitError) {
        throw new OnebitError(error.code, `${error.message} [tensor '${tensor.name}' of ${source.name}]`, {
          cause: error,
        });
      }
      throw error;
    }
    doneBytes += tensor.sizeBytes;
    options.onProgress?.(doneBytes, totalBytes);
  }
  return bind(config, vectors, matrices);
}

function bind(config: ModelConfig, vectors: Map<string, Tensor>, matrices: Map<string, Weight>): ModelWeights {
  const layers = Array.from({ length: config.layers }, (_, layer): LayerWeights => {
    const vector = (name: string) => vectors.get(`blk.${layer}.${name}.weight`)!;
    const matrix = (name: string) => matrices.get(`blk.${layer}.${name}.weight`)!;
    return {
      attn_norm: vector('attn_norm'),
      attn_q: matrix('attn_q'),
      attn_k: matrix('attn_k'),
      attn_v: matrix('attn_v'),
      attn_q_norm: vector('attn_q_norm'),
      attn_k_norm: vector('attn_k_norm'),
      attn_output: matrix('attn_output'),
      ffn_norm: vector('ffn_norm'),
      ffn_gate: matrix('ffn_gate'),
      ffn_up: matrix('ffn_up'),
      ffn_down: matrix('ffn_down'),
    };
  });
  const token_embd = matrices.get('token_embd.weight')!;
  return {
    token_embd,
    layers,
    output_norm: vectors.get('output_norm.weight')!,
    output: matrices.get('output.weight') ?? token_embd,
  };
}

async function loadVector(
  tensor: TensorInfo,
  source: ByteSource,
  backend: Backend,
  signal?: AbortSignal,
): Promise<Tensor> {
  const bytes = new Uint8Array(tensor.sizeBytes);
  await source.readInto(bytes, tensor.offsetBytes, signal);
  const values = new Float32Array(tensor.shape[0]);
  formatByName(tensor.format).decode(bytes, values);
  const loaded = backend.tensor(values.length);
  backend.write(loaded, values);
  return loaded;
}

function loadMatrix(
  tensor: TensorInfo,
  source: ByteSource,
  backend: Backend,
  options: { signal?: AbortSignal; onProgress?: LoadProgress },
  doneBytes: number,
  totalBytes: number,
): Promise<Weight> {
  const [cols, rows] = tensor.shape;
  const read = async (target: Uint8Array, offsetBytes: number, signal?: AbortSignal) => {
    await source.readInto(target, tensor.offsetBytes + offsetBytes, signal);
    options.onProgress?.(doneBytes + offsetBytes + target.length, totalBytes);
  };
  return backend.weight(tensor.format, rows, cols, read, options.signal);
}

function summary(problems: string[]): string {
  const shown = problems.slice(0, 8);
  if (problems.length > shown.length) shown.push(`… and ${problems.length - shown.length} more problems.`);
  return shown.join('\n');
}
