// Owns the training loop: updates, measurements, samples and checkpoints in their order, and ending well. Must not know files, terminals or kernels.
import { checkArgument, checkOptions, type Options } from '../core/check.ts';
import { nextTurn } from '../core/event-loop.ts';
import { Random } from '../core/random.ts';
import { OnebitError } from '../errors.ts';
import { type AnswerScore, askQuestions } from './answers.ts';
import { writeCheckpoint } from './checkpoint.ts';
import { leading, sampleText, scoreHeldOut } from './held-out.ts';
import { modelFile } from './model-file.ts';
import { Curve, type CurvePoint } from './report-curve.ts';
import { prepareRun, type Run } from './run.ts';
import { RunClock } from './run-clock.ts';
import { parameterCount } from './shape.ts';
import type {
  TrainDone,
  TrainEvaluation,
  TrainOptions,
  TrainProgress,
  TrainStart,
  TrainStep,
} from './train-options.ts';
import type { Batch, StepResult } from './trainer-types.ts';

/** Held-out bytes that a measurement on the way looks at; the one at the end takes all, up to the second number. */
const MEASURED_BYTES = 24_000;
const FINALLY_MEASURED_BYTES = 400_000;
/** Of those at the end, so many for each minute: a short run is for learning. */
const BYTES_PER_MINUTE = 80_000;
const SAMPLE_TOKENS = 60;
/** Questions that the finished model is asked. */
const FINAL_QUESTIONS = 100;
const CHECKPOINT_SECONDS = 60;
/** Updates whose loss is no number are left out; so many in a row end the run. */
const MOST_BROKEN = 3;
/** Weight of the newest update in running means. */
const NEWEST = 1 / 30;

const TRAIN_OPTIONS: Options = {
  documents: 'list',
  validation: 'list',
  name: 'text',
  codeVersion: 'text',
  teacherSha256: 'text',
  preset: 'text',
  shape: 'object',
  recipe: 'object',
  minutes: 'number',
  batchTokens: 'number',
  chatShare: 'number',
  contextWarmup: 'number',
  seed: 'number',
  threads: 'number',
  exact: 'boolean',
  evaluateEvery: 'number',
  sampleEvery: 'number',
  askOnTheWay: 'number',
  checkpoints: 'object',
  checkpointEvery: 'number',
  checkpointSeconds: 'number',
  resume: 'boolean',
  overwrite: 'boolean',
  init: 'object',
  teacher: 'object',
  teacherShare: 'number',
  lora: 'object',
  stop: 'signal',
  signal: 'signal',
};

/** @throws OnebitError `bad-argument` for options of the wrong kind; what they do together is checked when a run begins */
export function checkTraining(options: TrainOptions): void {
  checkOptions('train', options, TRAIN_OPTIONS);
  checkArgument('train', 'documents', options.documents, 'list');
  checkNumbers(options);
}

/**
 * Trains a model and tells how it goes; the last event has the file. The run stands still, and its clock too, while the caller is busy with an event.
 * Leaving the loop early disposes of everything.
 * @throws OnebitError `bad-argument` for options or a corpus that cannot work and when the loss diverges, `bad-file` for damaged checkpoints, `io`
 * when they cannot be read; the reason of `options.signal` when it aborts, and of `options.stop` when it does before the first update
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainProgress, void, void> {
  checkTraining(options);
  const startedAt = performance.now();
  const run = await prepareRun(options);
  try {
    if (run.trainer.stepsDone === 0) options.stop?.throwIfAborted();
    const training = new Training(run, options, startedAt);
    for await (const event of training.events()) {
      const givenAt = performance.now();
      yield event;
      training.held(performance.now() - givenAt);
    }
  } finally {
    await run.trainer.dispose();
  }
}

function checkNumbers(options: TrainOptions): void {
  const problems: string[] = [];
  const within = (name: keyof TrainOptions, min: number, max: number) => {
    const value = options[name];
    if (value === undefined) return;
    if (typeof value !== 'number' || !(value >= min && value <= max)) {
      problems.push(`train: ${name} must be from ${min} to ${max}, got ${String(value)}.`);
    }
  };
  within('minutes', 0.01, 1e6);
  within('batchTokens', 8, 1 << 22);
  within('chatShare', 0, 1);
  within('contextWarmup', 0, 1e9);
  within('teacherShare', 0, 1);
  within('seed', -1e300, 1e300);
  within('evaluateEvery', 1, 1e9);
  within('sampleEvery', 0, 1e9);
  within('askOnTheWay', 0, 100);
  within('checkpointEvery', 1, 1e9);
  within('checkpointSeconds', 0, 1e9);
  if (options.minutes !== undefined && options.recipe?.steps !== undefined) {
    problems.push('train: give minutes or steps, not both.');
  }
  if (problems.length > 0) throw new OnebitError('bad-argument', problems.join('\n'), { problems });
}

/** One run through its loop. */
class Training {
  readonly #run: Run;
  readonly #options: TrainOptions;
  /** Held-out bytes that are measured at the end. */
  readonly #finalBytes: number;
  readonly #clock: RunClock;
  readonly #losses: Curve;
  readonly #evaluations: CurvePoint[];
  #step: number;
  #tokens: number;
  /** Tokens and seconds of updates since the start or resumption. */
  #timed = { tokens: 0, seconds: 0 };
  #meanLoss = 0;
  #meanWeight = 0;
  #broken = 0;
  /** Which weights to measure: before quantisation begins, those of the file would say little. */
  #weights: 'exported' | 'current' = 'current';
  #checkpointAt: number;
  #checkpointStep: number;

  constructor(run: Run, options: TrainOptions, startedAt: number) {
    this.#run = run;
    this.#options = options;
    this.#finalBytes = Math.min(
      FINALLY_MEASURED_BYTES,
      Math.max(MEASURED_BYTES, BYTES_PER_MINUTE * (options.minutes ?? Number.POSITIVE_INFINITY)),
    );
    const { resumed } = run;
    const before = {
      seconds: (resumed?.elapsedSeconds ?? 0) + (performance.now() - startedAt) / 1000,
      progress: resumed?.progress ?? 0,
    };
    const seconds = options.minutes === undefined ? undefined : 60 * options.minutes;
    this.#clock = new RunClock({ steps: run.recipe.steps, seconds }, before);
    this.#losses = new Curve(resumed?.losses);
    this.#evaluations = [...(resumed?.evaluations ?? [])];
    this.#tokens = resumed?.tokens ?? 0;
    this.#step = run.trainer.stepsDone;
    this.#checkpointStep = this.#step;
    this.#checkpointAt = performance.now();
  }

  /** Says that the caller took so long for an event. */
  held(milliseconds: number): void {
    this.#clock.held(milliseconds);
    this.#checkpointAt += milliseconds;
  }

  async *events(): AsyncGenerator<TrainProgress, void, void> {
    const { stop, signal } = this.#options;
    yield this.#start();
    for (const message of this.#run.notices) yield { type: 'notice', message };
    if (this.#step === 0) yield* this.#evaluate(MEASURED_BYTES);
    this.#clock.startTraining();
    while (!this.#clock.isOver(this.#step) && !stop?.aborted) {
      await nextTurn(); // so that Ctrl-C and timers are heard
      signal?.throwIfAborted();
      const before = this.#clock.progress(this.#step);
      const result = await this.#update(before);
      if (!result) continue;
      const after = this.#clock.progress(this.#step);
      yield this.#stepEvent(result, after);
      if (this.#due(this.#options.evaluateEvery, before, after, 20) && after < 1) yield* this.#evaluate(MEASURED_BYTES);
      if (this.#due(undefined, before, after, 20) && after < 1) yield* this.#ask();
      if (this.#due(this.#options.sampleEvery, before, after, 4)) yield* this.#sample();
      if (this.#checkpointDue()) yield* this.#checkpoint();
    }
    yield* this.#finish();
  }

  #start(): TrainStart {
    const run = this.#run;
    return {
      type: 'start',
      shape: run.shape,
      recipe: run.recipe,
      parameters: parameterCount(run.shape),
      steps: this.#options.minutes === undefined ? run.recipe.steps : undefined,
      minutes: this.#options.minutes,
      batchTokens: run.batchTokens,
      seed: run.seed,
      documents: run.training.length,
      validationDocuments: run.heldOut.length,
      corpusTokens: run.corpusTokens,
      bytesPerToken: run.bytesPerToken,
      resumedSteps: this.#step,
    };
  }

  /** One update; nothing when its loss was no number and the update was left out. */
  async #update(progress: number): Promise<StepResult | undefined> {
    const { trainer, plan } = this.#run;
    const startedAt = performance.now();
    const batches = await this.#taught(plan.at(this.#step));
    const result = await trainer.step(batches, { progress, signal: this.#options.signal });
    // An update that is left out counts too: the same data would break the next one again.
    this.#step = trainer.stepsDone;
    if (!Number.isFinite(result.loss) || !Number.isFinite(result.gradientNorm)) {
      if (++this.#broken >= MOST_BROKEN) throw this.#diverged(result);
      return undefined;
    }
    const seconds = (performance.now() - startedAt) / 1000;
    this.#clock.stepTook(seconds);
    this.#weights = result.quantized ? 'exported' : 'current';
    this.#tokens += result.tokens;
    this.#timed.tokens += result.tokens;
    this.#timed.seconds += seconds;
    this.#broken = 0;
    this.#meanWeight = (1 - NEWEST) * this.#meanWeight + NEWEST;
    this.#meanLoss = (1 - NEWEST) * this.#meanLoss + NEWEST * result.loss;
    this.#losses.add(this.#step, this.#bitsPerByte());
    return result;
  }

  async #taught(batches: Batch[]): Promise<Batch[]> {
    const { teacher, teacherShare, signal } = this.#options;
    if (!teacher) return batches;
    const taught: Batch[] = [];
    for (const batch of batches) taught.push(await teacher.teach(batch, teacherShare ?? 0.5, signal));
    return taught;
  }

  #diverged({ loss, gradientNorm }: StepResult): OnebitError {
    const { checkpoints, minutes } = this.#options;
    const kept =
      checkpoints && this.#checkpointStep > 0
        ? `The checkpoint of update ${this.#checkpointStep} is kept in ${checkpoints.name}. `
        : '';
    const more = minutes === undefined ? ', more --warmup' : '';
    // Rounded activations may hide from the loss what the gradient shows.
    const [what, value] = Number.isFinite(loss) ? ['length of the gradient', gradientNorm] : ['loss', loss];
    return new OnebitError(
      'bad-argument',
      `train: the ${what} must stay finite, got ${value} at update ${this.#step} and those before it. ${kept}Try a lower --lr (it was ${this.#run.recipe.learningRate})${more} or another --seed.`,
    );
  }

  #bitsPerByte(): number {
    return this.#meanLoss / this.#meanWeight / Math.LN2 / this.#run.bytesPerToken;
  }

  /** Nats a token; of the run before, when a finished run was resumed. */
  #lastLoss(): number {
    if (this.#meanWeight > 0) return this.#meanLoss / this.#meanWeight;
    const last = this.#losses.points[this.#losses.points.length - 1];
    return last ? last.value * Math.LN2 * this.#run.bytesPerToken : Number.NaN;
  }

  #stepEvent(result: StepResult, progress: number): TrainStep {
    return {
      type: 'step',
      step: this.#step,
      loss: result.loss,
      bitsPerByte: this.#bitsPerByte(),
      gradientNorm: result.gradientNorm,
      learningRateFactor: result.learningRateFactor,
      quantized: result.quantized,
      tokens: this.#tokens,
      tokensPerSecond: this.#tokensPerSecond(),
      progress,
      secondsLeft: this.#clock.secondsLeft(this.#step),
    };
  }

  #tokensPerSecond(): number {
    return this.#timed.tokens / Math.max(1e-9, this.#timed.seconds);
  }

  /** Whether something is due after an update: every so many updates if said, else so many times in all. */
  #due(every: number | undefined, before: number, after: number, times: number): boolean {
    if (every === 0) return false;
    if (every !== undefined) return this.#step % every === 0;
    return Math.floor(before * times) < Math.floor(after * times);
  }

  async *#evaluate(bytes: number): AsyncGenerator<TrainEvaluation, void, void> {
    const { trainer, heldOut, length, batchTokens } = this.#run;
    const documents = leading(heldOut, bytes);
    if (documents.length === 0) return;
    const startedAt = performance.now();
    const options = { weights: this.#weights, signal: this.#options.signal };
    const score = await scoreHeldOut(trainer, documents, length, batchTokens, options);
    const seconds = (performance.now() - startedAt) / 1000;
    const all = leading(heldOut, this.#finalBytes).reduce((sum, document) => sum + document.bytes, 0);
    // Once more than measured, for the file and whatever else the machine is doing.
    this.#clock.reserveSeconds((2 * seconds * all) / score.bytes + 0.5);
    this.#evaluations.push({ step: this.#step, value: score.bitsPerByte });
    yield { type: 'evaluation', step: this.#step, ...score };
  }

  async *#sample(): AsyncGenerator<TrainProgress, void, void> {
    const { prompts, trainer, tokenizer, seed } = this.#run;
    const random = new Random(seed + this.#step);
    const prompt = prompts[random.below(prompts.length)];
    const text = await sampleText(trainer, tokenizer, prompt.tokens, SAMPLE_TOKENS, random, this.#weights);
    yield { type: 'sample', step: this.#step, prompt: prompt.text, text };
  }

  async *#ask(): AsyncGenerator<TrainProgress, void, void> {
    const score = await this.#answers(this.#options.askOnTheWay ?? 0);
    if (score) yield { type: 'answers', step: this.#step, ...score };
  }

  async #answers(most: number): Promise<AnswerScore | undefined> {
    const { trainer, tokenizer, encoder, questions } = this.#run;
    const score = await askQuestions(trainer, tokenizer, encoder, questions.slice(0, most), this.#options.signal);
    return score.asked > 0 ? score : undefined;
  }

  #checkpointDue(): boolean {
    const { checkpoints, checkpointEvery, checkpointSeconds = CHECKPOINT_SECONDS } = this.#options;
    if (!checkpoints) return false;
    if (checkpointEvery !== undefined) return this.#step % checkpointEvery === 0;
    return performance.now() - this.#checkpointAt > 1000 * checkpointSeconds;
  }

  /** How the model was made, for its file: nothing that differs between two runs of the same. */
  #madeOf(complete: boolean): object {
    const { identity } = this.#run;
    const { codeVersion: version, teacherSha256 } = this.#options;
    return { version, updates: this.#step, complete, ...identity, teacherSha256 };
  }

  /** Writes a checkpoint. A disk that refuses it does not end hours of training: the next try may succeed. */
  async *#checkpoint(): AsyncGenerator<TrainProgress, void, void> {
    const { checkpoints } = this.#options;
    if (!checkpoints || this.#checkpointStep === this.#step) return;
    const { trainer, identity, vocabulary } = this.#run;
    const run = {
      identity,
      vocabulary,
      elapsedSeconds: this.#clock.seconds,
      tokens: this.#tokens,
      progress: this.#clock.progress(this.#step),
      losses: this.#losses.points,
      evaluations: this.#evaluations,
    };
    this.#checkpointAt = performance.now();
    try {
      const name = await writeCheckpoint(checkpoints, { run, trainer: await trainer.save() });
      this.#checkpointStep = this.#step;
      yield { type: 'checkpoint', step: this.#step, name };
    } catch (error) {
      if (!(error instanceof OnebitError)) throw error;
      yield { type: 'notice', message: `no checkpoint at update ${this.#step}: ${error.message} Training goes on.` };
    }
  }

  async *#finish(): AsyncGenerator<TrainProgress, void, void> {
    const { trainer, heldOut, length, batchTokens, tokenizerMetadata } = this.#run;
    yield* this.#checkpoint();
    const complete = this.#clock.isOver(this.#step);
    // After an interruption people wait for the prompt: a quick measurement does.
    const documents = leading(heldOut, complete ? this.#finalBytes : MEASURED_BYTES);
    const validation =
      documents.length > 0 ? await scoreHeldOut(trainer, documents, length, batchTokens, {}) : undefined;
    if (validation) this.#evaluations.push({ step: this.#step, value: validation.bitsPerByte });
    const done: TrainDone = {
      type: 'done',
      model: await modelFile(trainer, this.#options.name ?? 'onebit', tokenizerMetadata, this.#madeOf(complete)),
      answers: await this.#answers(complete ? FINAL_QUESTIONS : 0),
      complete,
      steps: this.#step,
      tokens: this.#tokens,
      loss: this.#lastLoss(),
      validation,
      tokensPerSecond: this.#tokensPerSecond(),
      seconds: this.#clock.seconds,
      losses: this.#losses.points,
      evaluations: this.#evaluations,
    };
    yield done;
  }
}
