// The package's front door: load a model, then generate, chat, score. Everything here runs in Node and in browsers.
export type { ChatMessage, ToolCall } from './chat/messages.ts';
export { type ErrorCode, OnebitError } from './errors.ts';
export type { Score, ScoreOptions } from './evaluate/score.ts';
export type { FinishReason, Generation, GenerationResult, Piece, Timings } from './generate/generation.ts';
export type { GenerateOptions, SamplingOptions } from './generate/options.ts';
export type { ModelStats } from './generate/scheduler.ts';
export { type ChosenToken, Session, type TokenLogprob } from './generate/session.ts';
export { type ChatOptions, LanguageModel } from './language-model.ts';
export { type BackendName, EMBEDDED_MODEL, type LoadOptions, load } from './load.ts';
export { type LearnOptions, type NextWord, OneBitModel, type OneBitModelOptions } from './one-bit-model.ts';
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
export { parseCorpus } from './train/corpus.ts';
export type { TrainingDocument } from './train/corpus-document.ts';
export { train } from './train/train.ts';
export type * from './train/train-options.ts';
