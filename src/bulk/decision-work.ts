// Owns answering fixed questions about each row: columns for every question. Must not know files or who answers.
import { checkOptions } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import type { LanguageModel } from '../language-model.ts';
import {
  calibratedDecider,
  checkQuestions,
  type Decision,
  type DecisionQuestion,
  decideAll,
  type KnownQuestions,
  likelihoodDecider,
  supportDecider,
} from '../tasks/decide/index.ts';
import type { SupportModel } from '../tasks/support/support-model.ts';
import { type RowTextOptions, rounded, rowText, TEXT_OPTIONS } from './row-text.ts';
import type { Json, RowWork } from './row-work.ts';

export interface DecisionWorkOptions extends RowTextOptions {
  /** Their names are those of the columns. Default: `decision`, or `decision_1`, … where there are several. */
  readonly questions: readonly DecisionQuestion[];
  /** What `calibrateDecisions` found. Default 1. */
  readonly temperature?: number;
  /** From which probability on an answer is sure enough, null: none is. Where it is given a column says which are. */
  readonly threshold?: number | null;
}

const OPTIONS = { ...TEXT_OPTIONS, questions: 'list', temperature: 'number', threshold: 'anything' } as const;
const DIGITS = 4;

/**
 * Work that answers questions: for each the columns NAME (yes or no, the label, or the number of a score), NAME_level of a score, NAME_probability: how likely
 * that answer is; NAME_answered where there is a threshold.
 * @throws OnebitError `bad-argument` for questions that cannot be answered
 */
export function decisionWork(model: LanguageModel | SupportModel, options: DecisionWorkOptions): RowWork {
  checkOptions('decisionWork', options, OPTIONS);
  const { questions, temperature, threshold } = options;
  checkQuestions(questions);
  const names = namesOf(questions);
  const textOf = rowText(options);
  const known: KnownQuestions = new Map();
  const hasTokens = 'scoreDocuments' in model;
  const columns = questions.flatMap((question, i) => columnsOf(question, names[i], threshold !== undefined));
  return {
    columns,
    reads: textOf.reads,
    settings: { text: textOf.template, questions: questions as unknown as Json, temperature, threshold },
    sharesBeginning: hasTokens,
    async run(row, signal) {
      const text = textOf(row);
      const used = { prompt: 0, cached: 0, completion: 0 };
      const score = async (documents: readonly string[]) => {
        const all = documents.map((document) => tokensOf(model as LanguageModel, document));
        used.prompt += all.reduce((sum, { length }) => sum + length, 0);
        return (model as LanguageModel).scoreDocuments(all, { signal });
      };
      const own = hasTokens ? likelihoodDecider(score, known) : supportDecider(model);
      const decider = temperature === undefined ? own : calibratedDecider(own, temperature);
      const decisions = await decideAll(decider, text, questions);
      const cells = decisions.flatMap((decision, i) => cellsOf(questions[i], decision, threshold));
      return { cells, ...(hasTokens ? { tokens: used } : {}) };
    },
    preview: (row) => ({ text: textOf(row) }),
  };
}

/** @throws OnebitError `too-long` for what would be read in pieces, each without what is said in the others */
function tokensOf(model: LanguageModel, document: string): Int32Array {
  const tokens = model.tokenize(document);
  if (tokens.length <= model.contextTokens) return tokens;
  throw new OnebitError(
    'too-long',
    `decide: text and question must fit ${model.contextTokens} tokens, they have ${tokens.length}.`,
  );
}

/** @throws OnebitError `bad-argument` for a name that two questions have */
function namesOf(questions: readonly DecisionQuestion[]): string[] {
  const names = questions.map(({ name }, i) => name ?? (questions.length === 1 ? 'decision' : `decision_${i + 1}`));
  const wrong = names.find((name, i) => name.trim() === '' || names.indexOf(name) !== i);
  if (wrong === undefined) return names;
  throw new OnebitError(
    'bad-argument',
    `decide: every question must have a name of its own, got '${wrong.slice(0, 60)}' for one or twice. Correct the name.`,
  );
}

function columnsOf({ type }: DecisionQuestion, name: string, hasThreshold: boolean): string[] {
  const level = type === 'score' ? [`${name}_level`] : [];
  return [name, ...level, `${name}_probability`, ...(hasThreshold ? [`${name}_answered`] : [])];
}

function cellsOf(question: DecisionQuestion, decision: Decision, threshold: number | null | undefined): Json[] {
  const { said, probability } = saidIn(question, decision);
  const isSure = threshold != null && probability >= threshold;
  return [...said, rounded(probability, DIGITS), ...(threshold === undefined ? [] : [isSure])];
}

/** The answer in cells, and how likely it is. */
function saidIn(question: DecisionQuestion, decision: Decision): { said: Json[]; probability: number } {
  if (decision.type === 'yes-no') {
    const isYes = decision.probability >= 0.5;
    return { said: [isYes ? 'yes' : 'no'], probability: isYes ? decision.probability : 1 - decision.probability };
  }
  const probability = Math.max(...decision.probabilities);
  if (decision.type === 'choice') return { said: [decision.choice], probability };
  const levels = question.type === 'score' ? question.levels : [];
  const level = levels[decision.probabilities.indexOf(probability)].label;
  return { said: [rounded(decision.score, DIGITS), level], probability };
}
