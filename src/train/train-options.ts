// Owns what a caller asks of a training run and what a run tells, as types. Must not know how it is done.
import type { AnswerScore } from './answers.ts';
import type { CheckpointStore } from './checkpoint.ts';
import type { TrainingDocument } from './corpus-document.ts';
import type { HeldOutScore } from './held-out.ts';
import type { PresetName } from './presets.ts';
import type { Recipe } from './recipe.ts';
import type { CurvePoint } from './report-curve.ts';
import type { ModelShape } from './shape.ts';
import type { StartModel } from './start-model.ts';
import type { Teacher } from './teacher.ts';

export interface TrainOptions {
  /** What to learn from. */
  readonly documents: readonly TrainingDocument[];
  /** What to measure with. Default: some of `documents` are held out (see `splitCorpus`). */
  readonly validation?: readonly TrainingDocument[];
  /** `general.name` of the file. */
  readonly name?: string;
  /** Version of the program that trains, for what the file says of its making (`onebit.training`). Default: not said. */
  readonly codeVersion?: string;
  /** SHA-256 of the teacher's file, for the same. Default: not said. */
  readonly teacherSha256?: string;
  /** Default `auto`: shape and recipe follow from the size of the corpus and the time (defaults.ts). */
  readonly preset?: PresetName;
  /** Numbers in place of the preset's; not with `init`, but for `contextLength`, which then only bounds the sequences. */
  readonly shape?: Partial<ModelShape>;
  /** Numbers in place of the preset's. */
  readonly recipe?: Partial<Recipe>;
  /** Time for everything, in place of `recipe.steps`: schedules follow the clock, and the run ends with its learning rate at zero. */
  readonly minutes?: number;
  /** Positions of one update. */
  readonly batchTokens?: number;
  /** Share of dialogues (`User: ...` lines) that are shown in the chat template. */
  readonly chatShare?: number;
  /** Updates during which sequences grow from an eighth of the context to all of it. Default 0: full length at once. */
  readonly contextWarmup?: number;
  /** Same seed, corpus and options, same model. Default 1. */
  readonly seed?: number;
  readonly threads?: number;
  /** Whether products are float32 throughout, slower: for comparison with other programs. Default: false. */
  readonly exact?: boolean;
  /** Updates between measurements. Default: twenty in all. */
  readonly evaluateEvery?: number;
  /** Updates between samples. Default: four in all. 0: none. */
  readonly sampleEvery?: number;
  /** Questions of the corpus that the model is asked twenty times on the way, always the same ones. Default 0. */
  readonly askOnTheWay?: number;
  readonly checkpoints?: CheckpointStore;
  /** Updates between checkpoints. Default: as `checkpointSeconds` says. */
  readonly checkpointEvery?: number;
  /** Seconds between checkpoints. Default 60. */
  readonly checkpointSeconds?: number;
  /** Go on from the newest checkpoint, if there is one. */
  readonly resume?: boolean;
  /** Start anew although an unfinished run left checkpoints. */
  readonly overwrite?: boolean;
  /** Go on from this model: its shape, weights and tokenizer. */
  readonly init?: StartModel;
  /** Train an adapter of this rank beside the weights of `init`, which stay as they are: the result is the adapter's file. `alpha` is twice the rank unless given. */
  readonly lora?: { readonly rank: number; readonly alpha?: number };
  /** Learn also from what this model predicts; the new model gets its tokenizer. Not disposed here. */
  readonly teacher?: Teacher;
  /** Share of the loss that follows the teacher, 0 to 1. Default 0.5. */
  readonly teacherShare?: number;
  /** Ends the run early but in order: the update is finished, a checkpoint and the model are made. */
  readonly stop?: AbortSignal;
  /** Ends the run at once; it throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Options that are plain data: they can go to a worker, and into storage. */
export type PlainTrainOptions = Omit<
  TrainOptions,
  'checkpoints' | 'resume' | 'overwrite' | 'init' | 'teacher' | 'stop' | 'signal'
>;

/** What a run is about to do. */
export interface TrainStart {
  readonly type: 'start';
  readonly shape: ModelShape;
  readonly recipe: Recipe;
  readonly parameters: number;
  /** Updates in all; undefined when time bounds the run. */
  readonly steps?: number;
  readonly minutes?: number;
  readonly batchTokens: number;
  readonly seed: number;
  readonly documents: number;
  readonly validationDocuments: number;
  /** Tokens of the training documents, and their bytes per token. */
  readonly corpusTokens: number;
  readonly bytesPerToken: number;
  /** Updates that an earlier run of the same command has done. */
  readonly resumedSteps: number;
}

/** One update. */
export interface TrainStep {
  readonly type: 'step';
  /** Updates done. */
  readonly step: number;
  /** Nats a token, of this update. */
  readonly loss: number;
  /** Mean of about the last 30 updates, as bits per byte. */
  readonly bitsPerByte: number;
  readonly gradientNorm: number;
  readonly learningRateFactor: number;
  readonly quantized: boolean;
  readonly tokens: number;
  readonly tokensPerSecond: number;
  /** Share of the run done, 0 to 1. */
  readonly progress: number;
  readonly secondsLeft: number;
}

export interface TrainEvaluation extends HeldOutScore {
  readonly type: 'evaluation';
  readonly step: number;
}

export interface TrainSample {
  readonly type: 'sample';
  readonly step: number;
  readonly prompt: string;
  readonly text: string;
}

/** What the model answers to some questions of the corpus; `askOnTheWay` says how many. */
export interface TrainAnswers extends AnswerScore {
  readonly type: 'answers';
  readonly step: number;
}

export interface TrainCheckpoint {
  readonly type: 'checkpoint';
  readonly step: number;
  readonly name: string;
}

/** Something that the user should know but that stops nothing. */
export interface TrainNotice {
  readonly type: 'notice';
  readonly message: string;
}

/** The last event: the model. */
export interface TrainDone {
  readonly type: 'done';
  /** The GGUF file. */
  readonly model: Uint8Array;
  /** False when `stop` ended the run early. */
  readonly complete: boolean;
  readonly steps: number;
  /** Positions learnt from. */
  readonly tokens: number;
  /** Nats a token, mean of about the last 30 updates. */
  readonly loss: number;
  /** Of the held-out documents with the weights of the file; undefined when none were held out. */
  readonly validation?: HeldOutScore;
  /** Of the questions of a small corpus, up to 100 of them; undefined for corpora without, or with more than can be learnt by heart. */
  readonly answers?: AnswerScore;
  /** While updating, without measurements and checkpoints. */
  readonly tokensPerSecond: number;
  readonly seconds: number;
  readonly losses: readonly CurvePoint[];
  readonly evaluations: readonly CurvePoint[];
}

export type TrainProgress =
  | TrainStart
  | TrainStep
  | TrainEvaluation
  | TrainSample
  | TrainAnswers
  | TrainCheckpoint
  | TrainNotice
  | TrainDone;
