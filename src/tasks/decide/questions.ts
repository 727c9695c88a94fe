// Owns fixed questions about a text and their answers with probabilities. Must not know who answers them, nor wire formats.
import { checkArgument } from '../../core/check.ts';
import { OnebitError } from '../../errors.ts';

/** One of the answers that a question allows. */
export interface DecisionOption {
  readonly label: string;
  /** What it means, in words. */
  readonly description?: string;
}

/** Yes or no; one of several labels; or a level, worst or lowest first. `name` is what programs and columns call it. */
export type DecisionQuestion =
  | { readonly type: 'yes-no'; readonly instructions: string; readonly name?: string }
  | {
      readonly type: 'choice';
      readonly instructions: string;
      readonly name?: string;
      readonly options: readonly DecisionOption[];
    }
  | {
      readonly type: 'score';
      readonly instructions: string;
      readonly name?: string;
      readonly levels: readonly DecisionOption[];
    };

/** Probabilities are in the order of the question's options; confidence is 0 where all are alike and 1 where one is sure. */
export type Decision =
  | { readonly type: 'yes-no'; readonly probability: number }
  | {
      readonly type: 'choice';
      readonly choice: string;
      readonly probabilities: readonly number[];
      readonly confidence: number;
    }
  | {
      readonly type: 'score';
      readonly score: number;
      readonly probabilities: readonly number[];
      readonly confidence: number;
    };

/** Who answers: a probability for each option, which sum to 1. What it gives must not depend on the options' order. */
export interface Decider {
  probabilities(text: string, instructions: string, options: readonly DecisionOption[]): Promise<readonly number[]>;
  yes(text: string, instructions: string): Promise<number>;
}

export const MOST_QUESTIONS = 200;
export const MOST_OPTIONS = 255;

/** Answers each question about `text` on its own. Throws `bad-argument` for questions that cannot be answered. */
export async function decideAll(
  decider: Decider,
  text: string,
  questions: readonly DecisionQuestion[],
): Promise<Decision[]> {
  checkArgument('decide', 'text', text, 'text');
  checkQuestions(questions);
  const decisions: Decision[] = [];
  for (const question of questions) decisions.push(await decideOne(decider, text, question));
  return decisions;
}

async function decideOne(decider: Decider, text: string, question: DecisionQuestion): Promise<Decision> {
  if (question.type === 'yes-no')
    return { type: 'yes-no', probability: await decider.yes(text, question.instructions) };
  const options = question.type === 'choice' ? question.options : question.levels;
  const probabilities = await decider.probabilities(text, question.instructions, options);
  if (question.type === 'score') {
    return {
      type: 'score',
      score: probabilities.reduce((sum, p, level) => sum + level * p, 0),
      ...{ probabilities, confidence: scoreConfidence(probabilities) },
    };
  }
  // Of equals the one whose label comes first, wherever it stands.
  const best = probabilities.reduce((top, p, i) => {
    const isEqual = p === probabilities[top] && options[i].label < options[top].label;
    return p > probabilities[top] || isEqual ? i : top;
  }, 0);
  return { type: 'choice', choice: options[best].label, probabilities, confidence: choiceConfidence(probabilities) };
}

/** (max p − 1/k) / (1 − 1/k), between 0 and 1. */
export function choiceConfidence(probabilities: readonly number[]): number {
  const even = 1 / probabilities.length;
  if (probabilities.length === 1) return 1;
  return Math.min(1, Math.max(0, (Math.max(...probabilities) - even) / (1 - even)));
}

/** 1 − Σ pᵢ·|i − argmax| / D, D the mean over levels of |i − (k − 1) / 2|; not below 0. */
export function scoreConfidence(probabilities: readonly number[]): number {
  const count = probabilities.length;
  if (count === 1) return 1;
  const best = probabilities.indexOf(Math.max(...probabilities));
  const spread = probabilities.reduce((sum, p, i) => sum + p * Math.abs(i - best), 0);
  const even = probabilities.reduce((sum, _, i) => sum + Math.abs(i - (count - 1) / 2), 0) / count;
  return Math.max(0, 1 - spread / even);
}

/** @throws OnebitError `bad-argument` with the first question that cannot be answered */
export function checkQuestions(questions: readonly DecisionQuestion[]): void {
  checkArgument('decide', 'questions', questions, 'list');
  if (questions.length === 0 || questions.length > MOST_QUESTIONS) {
    throw new OnebitError(
      'bad-argument',
      `decide: questions must be 1 to ${MOST_QUESTIONS}, got ${questions.length}. Ask in several calls.`,
    );
  }
  for (const [i, question] of questions.entries()) {
    const where = `questions[${i}]`;
    checkArgument('decide', where, question, 'object');
    checkArgument('decide', `${where}.type`, question.type, ['yes-no', 'choice', 'score']);
    checkArgument('decide', `${where}.instructions`, question.instructions, 'text');
    checkArgument('decide', `${where}.name`, question.name, 'text', false);
    if (question.type === 'yes-no') continue;
    const name = question.type === 'choice' ? 'options' : 'levels';
    const options = question.type === 'choice' ? question.options : question.levels;
    checkArgument('decide', `${where}.${name}`, options, 'list');
    for (const [place, option] of options.entries())
      checkArgument('decide', `${where}.${name}[${place}]`, option, 'object');
    const labels = options.map(({ label }) => label);
    if (
      labels.length < 1 ||
      labels.length > MOST_OPTIONS ||
      new Set(labels).size < labels.length ||
      labels.some((label) => typeof label !== 'string')
    ) {
      throw new OnebitError(
        'bad-argument',
        `decide: ${where}.${name} must be 1 to ${MOST_OPTIONS} different labels, got ${labels.length}. Correct the list.`,
      );
    }
  }
}
