// Owns one model in training: a step from batches to updated weights, evaluation, saving, export. Must not know where text, files or time come from.
import { Random } from '../core/random.ts';
import { OnebitError } from '../errors.ts';
import type { WritableTensor } from '../gguf/write.ts';
import type { AdapterMatrix } from '../hf/adapter.ts';
import type { Backend } from '../kernels/backend.ts';
import type { TrainingBackend } from '../kernels/training.ts';
import type { Continuation } from './engine-run.ts';
import { exportTensor, rotatedRows, shapeMetadata } from './export.ts';
import { ExportedRun } from './exported.ts';
import { Graph } from './graph.ts';
import { Head } from './head.ts';
import { Optimizer } from './optimizer.ts';
import { type Parameter, Parameters } from './parameters.ts';
import { checkRecipe, learningRateFactor, quantizesAt, type Recipe } from './recipe.ts';
import { checkShape, type ModelShape } from './shape.ts';
import type {
  Batch,
  EvaluateOptions,
  EvaluationResult,
  ExportedModel,
  StepOptions,
  StepResult,
  Trainer,
  TrainerOptions,
  TrainerState,
} from './trainer-types.ts';

/**
 * Makes a trainer with weights from `options.seed`, on the WebAssembly backend unless `backend` gives another.
 * Throws `bad-argument` for a shape or recipe that cannot work, `out-of-memory`, `unsupported`.
 */
export async function createTrainer(
  shape: ModelShape,
  recipe: Recipe,
  options: TrainerOptions & { backend?: TrainingBackend },
): Promise<Trainer> {
  checkShape(shape);
  checkRecipe(recipe);
  if (options.backend) {
    const { referenceBackend } = await import('../kernels/reference/reference-backend.ts');
    return new DecoderTrainer(shape, recipe, options, options.backend, async () => referenceBackend());
  }
  const { wasmTrainingBackend } = await import('../kernels/wasm/wasm-training.ts');
  const backend = await wasmTrainingBackend({ threads: options.threads });
  try {
    const { wasmBackend } = await import('../kernels/wasm/wasm-backend.ts');
    return new DecoderTrainer(shape, recipe, options, backend, () => wasmBackend({ threads: options.threads }));
  } catch (error) {
    await backend.dispose();
    throw error;
  }
}

/** Graph and head for batches of one shape. */
interface Network {
  readonly sequences: number;
  readonly length: number;
  readonly graph: Graph;
  readonly head: Head;
}

class DecoderTrainer implements Trainer {
  readonly shape: ModelShape;
  readonly recipe: Recipe;
  readonly #backend: TrainingBackend;
  readonly #parameters: Parameters;
  readonly #optimizer: Optimizer;
  readonly #inference: () => Promise<Backend>;
  /** Packed weights as the file has them. */
  readonly #kept = new Map<string, WritableTensor>();
  #network: Network | undefined;
  #exported: ExportedRun | undefined;
  #stepsDone = 0;

  constructor(
    shape: ModelShape,
    recipe: Recipe,
    options: TrainerOptions,
    backend: TrainingBackend,
    inference: () => Promise<Backend>,
  ) {
    this.shape = shape;
    this.recipe = recipe;
    this.#backend = backend;
    this.#inference = inference;
    this.#parameters = new Parameters(shape, recipe, backend, options.exact ?? false, options.adapter);
    this.#parameters.initialize(new Random(options.seed), recipe.initDeviation);
    this.#optimizer = new Optimizer(this.#parameters, recipe, backend);
  }

  get stepsDone(): number {
    return this.#stepsDone;
  }

  async step(given: Batch | readonly Batch[], options: StepOptions = {}): Promise<StepResult> {
    const { signal } = options;
    signal?.throwIfAborted();
    const batches = Array.isArray(given) ? (given as readonly Batch[]) : [given as Batch];
    const weights = batches.map((batch) => this.#checkedWeights(batch));
    const weightSum = weights.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0);
    if (!(weightSum > 0)) {
      throw new OnebitError('bad-argument', 'train: at least one position must count, got none. Give other batches.');
    }
    await this.#dropExported();
    const step = this.#stepsDone;
    const progress = options.progress ?? step / this.recipe.steps;
    const quantized = this.shape.weights !== 'float' && quantizesAt(this.recipe, progress);
    this.#parameters.prepare(quantized ? 'rounded' : 'latent', true);
    this.#parameters.clearGradients();
    let lossSum = 0;
    for (const [i, batch] of batches.entries()) {
      const { graph, head } = this.#networkFor(batch);
      graph.forward(batch.tokens);
      head.loss(graph.normed, batch, weights[i], { dNormed: graph.dNormed, factor: 1 / weightSum });
      graph.backward();
      for (const loss of await head.losses(signal)) lossSum += loss;
    }
    const gradientNorm = await this.#optimizer.gradientNorm(signal);
    const factor = learningRateFactor(this.recipe, step, progress);
    const loss = lossSum / weightSum;
    if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) {
      const { clipNorm } = this.recipe;
      const scale = clipNorm > 0 && gradientNorm > clipNorm ? clipNorm / gradientNorm : 1;
      this.#optimizer.update(step, factor, scale);
    }
    this.#stepsDone++;
    const tokens = weights.reduce(
      (sum, row) => sum + row.reduce((count, weight) => count + (weight > 0 ? 1 : 0), 0),
      0,
    );
    return { loss, gradientNorm, tokens, step, learningRateFactor: factor, quantized };
  }

  async evaluate(batch: Batch, options: EvaluateOptions = {}): Promise<EvaluationResult> {
    const weights = this.#checkedWeights(batch);
    if (options.weights !== 'current') return (await this.#exportedRun()).evaluate(batch, weights, options.signal);
    this.#prepareCurrent();
    const { graph, head } = this.#networkFor(batch);
    graph.forward(batch.tokens);
    head.loss(graph.normed, batch, weights);
    const losses = await head.losses(options.signal);
    const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
    return { lossSum: sum(losses), weightSum: sum(weights), losses };
  }

  async logits(
    batch: Pick<Batch, 'sequences' | 'length' | 'tokens'>,
    options: EvaluateOptions = {},
  ): Promise<Float32Array> {
    this.#checkTokens(batch, batch.tokens, 'tokens');
    if (options.weights !== 'current') return (await this.#exportedRun()).logits(batch, options.signal);
    this.#prepareCurrent();
    const { graph, head } = this.#networkFor(batch);
    graph.forward(batch.tokens);
    return head.logits(graph.normed, options.signal);
  }

  async goOn(tokens: Int32Array, how: Continuation, signal?: AbortSignal): Promise<number[]> {
    this.#checkIds(tokens, 'tokens');
    return (await this.#exportedRun()).goOn(tokens, how, signal);
  }

  async save(): Promise<TrainerState> {
    const arrays = new Map<string, Float32Array>();
    for (const [name, tensor] of this.#parameters.state()) {
      arrays.set(name, await this.#backend.read(tensor, 0, tensor.length));
    }
    return { shape: this.shape, recipe: this.recipe, step: this.#stepsDone, arrays };
  }

  restore(state: TrainerState): void {
    const tensors = this.#parameters.state();
    const problems: string[] = [];
    for (const [name, tensor] of tensors) {
      const length = state.arrays.get(name)?.length;
      if (length !== tensor.length) {
        problems.push(`restore: '${name}' must have ${tensor.length} numbers, got ${length ?? 'none'}.`);
      }
    }
    if (problems.length > 0) throw new OnebitError('bad-argument', problems.slice(0, 8).join('\n'), { problems });
    void this.#dropExported();
    for (const [name, tensor] of tensors) this.#backend.write(tensor, state.arrays.get(name)!);
    this.#stepsDone = state.step;
  }

  async initFrom(weights: ReadonlyMap<string, Float32Array>): Promise<void> {
    const problems: string[] = [];
    for (const { name, rows, cols } of this.#parameters.all) {
      const length = weights.get(name)?.length;
      if (length !== rows * cols) {
        problems.push(`init: tensor '${name}' must have ${rows * cols} weights, got ${length ?? 'none'}.`);
      }
    }
    if (problems.length > 0) throw new OnebitError('bad-argument', problems.slice(0, 8).join('\n'), { problems });
    void this.#dropExported();
    for (const parameter of this.#parameters.all) {
      const { name, momentum, second, packed } = parameter;
      const values = weights.get(name)!;
      await this.#parameters.write(parameter, values);
      if (packed) this.#kept.set(name, exportTensor(parameter, this.shape, values));
      this.#backend.zero(momentum);
      if (second) this.#backend.zero(second);
    }
    this.#stepsDone = 0;
  }

  async exportModel(): Promise<ExportedModel> {
    this.#parameters.prepare('rounded');
    const tensors = [];
    for (const parameter of this.#parameters.all) {
      const kept = this.#kept.get(parameter.name);
      if (kept) {
        tensors.push(kept);
        continue;
      }
      const value = this.#parameters.value(parameter);
      const values = await this.#backend.read(value, 0, value.length);
      tensors.push(exportTensor(parameter, this.shape, values));
    }
    return { metadata: shapeMetadata(this.shape), tensors, adapter: await this.#exportAdapter() };
  }

  async #exportAdapter(): Promise<AdapterMatrix[] | undefined> {
    const read = ({ latent }: Parameter) => this.#backend.read(latent, 0, latent.length);
    const matrices: AdapterMatrix[] = [];
    for (const { name, adapter } of this.#parameters.all) {
      if (!adapter) continue;
      const { a, b, factor } = adapter;
      const values = rotatedRows(name, this.shape, (await read(b)).slice(), 'file');
      matrices.push({ name, rank: a.rows, factor, a: (await read(a)).slice(), b: values });
    }
    return matrices.length > 0 ? matrices : undefined;
  }

  memoryBytes(): number {
    return this.#backend.memoryBytes();
  }

  async dispose(): Promise<void> {
    await this.#dropExported();
    await this.#backend.dispose();
  }

  /** The weights that training steps use now, in exact products. */
  #prepareCurrent(): void {
    const progress = this.#stepsDone / this.recipe.steps;
    const quantizes = this.shape.weights !== 'float' && quantizesAt(this.recipe, progress);
    this.#parameters.prepare(quantizes ? 'rounded' : 'latent');
  }

  /** The model as its file is run, until the weights change. */
  async #exportedRun(): Promise<ExportedRun> {
    this.#exported ??= await ExportedRun.open(await this.exportModel(), await this.#inference());
    return this.#exported;
  }

  /** Says that the weights change. */
  async #dropExported(): Promise<void> {
    const exported = this.#exported;
    this.#exported = undefined;
    await exported?.dispose();
  }

  /** The memory of a batch's shape; that of another shape is given back. */
  #networkFor({ sequences, length }: Pick<Batch, 'sequences' | 'length'>): Network {
    const old = this.#network;
    if (old && old.sequences === sequences && old.length === length) return old;
    this.#network = undefined;
    old?.graph.free();
    old?.head.free();
    const graph = new Graph(this.shape, this.#parameters, this.#backend, sequences, length);
    const weight = this.#parameters.get(this.shape.tiedHead ? 'token_embd' : 'output');
    const head = new Head(weight, this.#parameters, this.#backend, graph.rows);
    this.#network = { sequences, length, graph, head };
    return this.#network;
  }

  #checkedWeights(batch: Batch): Float32Array {
    this.#checkTokens(batch, batch.tokens, 'tokens');
    this.#checkTokens(batch, batch.targets, 'targets');
    const rows = batch.sequences * batch.length;
    const weights = batch.weights ?? new Float32Array(rows).fill(1);
    if (weights.length !== rows || !weights.every((weight) => weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
      throw new OnebitError('bad-argument', `train: weights must be ${rows} numbers from 0, got ${weights.length}.`);
    }
    if (batch.teacher) this.#checkTeacher(batch, rows);
    return weights;
  }

  #checkTeacher(batch: Batch, rows: number): void {
    const { k, tokens, probabilities, share } = batch.teacher!;
    if (!(share >= 0 && share <= 1) || tokens.length !== rows * k || probabilities.length !== rows * k) {
      throw new OnebitError(
        'bad-argument',
        `train: a teacher needs ${rows * k} tokens and probabilities and a share from 0 to 1, got ${tokens.length}, ${probabilities.length} and ${share}.`,
      );
    }
    this.#checkIds(tokens, 'teacher tokens');
  }

  #checkTokens({ sequences, length }: Pick<Batch, 'sequences' | 'length'>, tokens: Int32Array, what: string): void {
    if (!Number.isInteger(sequences) || !Number.isInteger(length) || sequences < 1 || length < 1) {
      throw new OnebitError('bad-argument', `train: a batch needs sequences and tokens, got ${sequences} × ${length}.`);
    }
    if (length > this.shape.contextLength) {
      throw new OnebitError(
        'bad-argument',
        `train: sequences must have at most ${this.shape.contextLength} tokens, got ${length}. Cut them, or give the model a longer context.`,
      );
    }
    if (tokens.length !== sequences * length) {
      throw new OnebitError(
        'bad-argument',
        `train: ${what} must be ${sequences} × ${length} ids, got ${tokens.length}.`,
      );
    }
    this.#checkIds(tokens, what);
  }

  #checkIds(ids: Int32Array, what: string): void {
    const { vocabulary } = this.shape;
    const wrong = ids.find((id) => id < 0 || id >= vocabulary);
    if (wrong !== undefined) {
      throw new OnebitError(
        'bad-argument',
        `train: ${what} must be ids below ${vocabulary}, got ${wrong}. Use the model's own tokenizer.`,
      );
    }
  }
}
