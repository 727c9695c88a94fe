// What other folders may use of decisions.
import type { SupportModel } from '../support/support-model.ts';
import { checkSupportModel } from '../support/support-model.ts';
import { type Decision, type DecisionQuestion, decideAll } from './questions.ts';
import { supportDecider } from './support-decider.ts';

export {
  calibrateDecisions,
  calibratedDecider,
  type DecisionCalibration,
  type JudgedDecision,
} from './calibrate.ts';
export { type KnownQuestions, likelihoodDecider, type ScoreDocuments } from './likelihood-decider.ts';
export {
  checkQuestions,
  type Decider,
  type Decision,
  type DecisionOption,
  type DecisionQuestion,
  decideAll,
  MOST_OPTIONS,
  MOST_QUESTIONS,
} from './questions.ts';
export { supportDecider } from './support-decider.ts';
export { type DecisionRow, type TrainDecisionOptions, trainDecision } from './train-decision.ts';

/** Answers fixed questions about a text by a support model. Throws `bad-argument`. */
export function decide(model: SupportModel, text: string, questions: readonly DecisionQuestion[]): Promise<Decision[]> {
  checkSupportModel('decide', model);
  return decideAll(supportDecider(model), text, questions);
}
