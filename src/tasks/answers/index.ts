// What other folders may use of answers from documents.
export { AnswerModel, type FoundAnswer } from './answer-model.ts';
export { checkPassages, type Passage, readDocuments } from './documents.ts';
export { type AnswerEvaluation, type JudgedAnswer, measureAnswers } from './measure.ts';
