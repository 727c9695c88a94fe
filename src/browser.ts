// What pages import beside the front door: the engine in a worker, training in a worker, models kept in the browser's storage.
export type { KeptModel } from './bytes/browser-store.ts';
export { listModels, removeModel } from './bytes/kept-models.ts';
export type { ChatMessage } from './chat/messages.ts';
export { type ErrorCode, OnebitError } from './errors.ts';
export type { AttentionMap } from './evaluate/attention.ts';
export type { SpeedReport, SpeedRequest, Spread } from './evaluate/speed.ts';
export type { AdapterTraits, GpuEntry } from './kernels/webgpu/adapter.ts';
export { isRealGpu } from './kernels/webgpu/adapter.ts';
export { EMBEDDED_MODEL } from './load.ts';
export type { MemoryNeed } from './model/memory.ts';
export type { SamplingDefaults } from './model/own-sampling.ts';
export type {
  ModelOutline,
  RemoteModelInfo,
  RemotePiece,
  RemoteProgress,
  RemoteResult,
  RemoteToken,
  RemoteTrainOptions,
} from './remote/protocol.ts';
export {
  loadInWorker,
  outlineModel,
  pullModel,
  type WorkerChatOptions,
  WorkerGeneration,
  type WorkerLoadOptions,
  WorkerModel,
} from './remote/worker-model.ts';
export { resumeTraining, trainInWorker, WorkerTraining } from './remote/worker-training.ts';
export type { AnswerScore } from './train/answers.ts';
export type { KeptTraining } from './train/browser-runs.ts';
export { parseCorpus } from './train/corpus.ts';
export { listTrainings, removeTraining } from './train/kept-trainings.ts';
export type { TrainDone, TrainProgress, TrainSample, TrainStart, TrainStep } from './train/train-options.ts';
