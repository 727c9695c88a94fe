// The package's front door: load a model, then generate, chat, score. Everything here runs in Node and in browsers.
export type { ChatInput, ChatMessage, ToolCall } from './chat/messages.ts';
// Types of what the above takes and gives.
export type { ChatTemplateOptions } from './chat/template.ts';
export type { Budget, InPieces } from './core/budget.ts';
export { type ErrorCode, OnebitError } from './errors.ts';
export type { DetectionSoFar, DetectOptions } from './evaluate/detect.ts';
export type { Score, ScoreOptions } from './evaluate/score.ts';
export type { Detection, MarkedSegment, SamplingGuess } from './evaluate/watermark.ts';
export type { Abstain, Calibration, ConfidenceMeasure } from './generate/abstain.ts';
export type { FinishReason, Generation, GenerationResult, Piece, Timings } from './generate/generation.ts';
export type { GenerateOptions, ResolvedOptions, SamplingOptions } from './generate/options.ts';
export type { ModelStats } from './generate/scheduler.ts';
export { type ChosenToken, Session, type TokenLogprob } from './generate/session.ts';
export type { I2sLayout } from './gguf/tensors.ts';
export type { GateActivation, KvFormat, RopeSpec } from './kernels/backend.ts';
export { type ChatOptions, LanguageModel } from './language-model.ts';
export type { ModelInput } from './load.ts';
export { type BackendName, EMBEDDED_MODEL, type LoadOptions, load } from './load.ts';
export type { Architecture, Pooling, Traits } from './model/architecture.ts';
export type { ModelConfig } from './model/config.ts';
export type { LocalLayers } from './model/local-layers.ts';
export type { SamplingDefaults } from './model/own-sampling.ts';
export type { RopeScaling, YarnScaling } from './model/rope-scaling.ts';
export type { LoadProgress } from './model/weights.ts';
export { type LearnOptions, type NextWord, OneBitModel, type OneBitModelOptions } from './one-bit-model.ts';
export * from './provenance/index.ts';
export {
  type CompileOptions,
  compileJsonObject,
  compileRegex,
  compileRegexAsync,
  compileSchema,
  compileSchemaAsync,
} from './structured/compile.ts';
export type { Constraint, Matcher } from './structured/constraint.ts';
export { Grammar } from './structured/grammar.ts';
export {
  compileToolCalls,
  compileToolCallsAsync,
  type ToolCallOptions,
  type ToolDescription,
} from './structured/tool-calls.ts';
export * from './tasks/support/index.ts';
export type { Answer, AnswerScore } from './train/answers.ts';
export type { CheckpointStore } from './train/checkpoint.ts';
export type { ParsedCorpus, ParseOptions } from './train/corpus.ts';
export { parseCorpus } from './train/corpus.ts';
export type { TrainingDocument } from './train/corpus-document.ts';
export type { HeldOutScore } from './train/held-out.ts';
export type { PresetName } from './train/presets.ts';
export type { Recipe } from './train/recipe.ts';
export type { CurvePoint } from './train/report-curve.ts';
export type { ModelShape, WeightKind } from './train/shape.ts';
export type { StartModel, TokenizerMetadata } from './train/start-model.ts';
export type { Teacher } from './train/teacher.ts';
export { train } from './train/train.ts';
export type * from './train/train-options.ts';
export type { Batch, TeacherTargets } from './train/trainer-types.ts';
