// The subpath onebit/support: models that say what a customer's query is about, and when they do not know.

export {
  type AnswerEvaluation,
  type FoundAnswer,
  type JudgedAnswer,
  measureAnswers,
  type Passage,
  readDocuments,
} from '../answers/index.ts';
export {
  calibrateDecisions,
  calibratedDecider,
  type Decider,
  type Decision,
  type DecisionCalibration,
  type DecisionOption,
  type DecisionQuestion,
  type DecisionRow,
  decide,
  decideAll,
  type JudgedDecision,
  type KnownQuestions,
  likelihoodDecider,
  type ScoreDocuments,
  supportDecider,
  type TrainDecisionOptions,
  trainDecision,
} from '../decide/index.ts';
export {
  type Field,
  type FieldEvaluation,
  type FieldScore,
  markedText,
  READY_FIELDS,
  type ReadyField,
  type ReadyFieldsOptions,
  type ReadyReader,
  readyFields,
  redactFields,
  type Span,
  withReadyFields,
} from '../fields/index.ts';
export type { Flag, FlagFacts } from '../flags/index.ts';
export {
  type MessagePart,
  type MessageRoute,
  MessageRouter,
  routeMessage,
  sentencesOf,
  type Wish,
} from '../messages/index.ts';
export {
  type BusinessTexts,
  type CustomerTexts,
  DEFAULT_TEXTS,
  type LanguageReader,
  languageReader,
  type TextByLanguage,
  type Voice,
  voiceOf,
} from '../texts/index.ts';
export {
  type Confusion,
  calibrationError,
  evaluateSupport,
  type IntentScore,
  type JudgedRow,
  judgeRows,
  type SupportEvaluation,
  summarise,
} from './evaluate.ts';
export { type Explanation, explainQuery } from './explain.ts';
export { loadSupport, saveSupport } from './file.ts';
export type { LearningRecipe } from './network.ts';
export type { PhraseRecipe } from './phrase-training.ts';
export type { ThresholdRow } from './promise.ts';
export { type ReportOptions, supportReport } from './report.ts';
export { type RouteOptions, routeQuery, type SupportAction, type SupportRoute } from './route.ts';
export {
  OUT_OF_SCOPE,
  parseQueries,
  parseRows,
  type ReadRowsOptions,
  readLabels,
  readQueries,
  readRows,
  type SupportRow,
} from './rows.ts';
export {
  type CountedShare,
  compareWithPeople,
  type ShadowError,
  type ShadowIntent,
  type ShadowOptions,
  type ShadowReport,
} from './shadow.ts';
export { type SuggestedIntent, type SuggestOptions, suggestIntents } from './suggest.ts';
export type { Suspect } from './support-model.ts';
export {
  type Prediction,
  type RankedIntent,
  type SupportFacts,
  SupportModel,
  type SupportTraining,
  type TrainedQuestion,
  withTexts,
} from './support-model.ts';
export type { Table, TableRow } from './table.ts';
export { type TrainSupportOptions, trainSupport } from './train-support.ts';
export { updateSupport } from './update-support.ts';
