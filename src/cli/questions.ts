// Owns the flags that put fixed questions, for all commands that do. Must not know who answers them.
import type { Command } from 'commander';
import { OnebitError } from '../errors.ts';
import type { DecisionQuestion } from '../tasks/decide/index.ts';
import { readInputJson } from './read-input.ts';

export interface QuestionFlags {
  ask?: string;
  options?: string;
  levels?: string;
  questions?: string;
}

export function addQuestionOptions(command: Command): Command {
  return command
    .option('--ask <question>', 'the question')
    .option('--options <labels>', 'labels to choose from, separated by commas')
    .option('--levels <labels>', 'levels, lowest first, separated by commas')
    .option('--questions <file>', 'a JSON file of questions; - for standard input');
}

/** The questions that the flags mean. @throws OnebitError `bad-argument` where they mean none or several things */
export async function questionsOf(
  operation: string,
  { ask, options, levels, questions }: QuestionFlags,
  signal: AbortSignal,
): Promise<DecisionQuestion[]> {
  if ((ask === undefined) === (questions === undefined) || (options !== undefined && levels !== undefined)) {
    throw new OnebitError(
      'bad-argument',
      `${operation}: there must be --ask with at most one of --options and --levels, or --questions. Give one of them.`,
    );
  }
  if (questions !== undefined) {
    const value = await readInputJson(questions, 'read questions', signal);
    if (Array.isArray(value)) return value.map(withLabels) as DecisionQuestion[]; // decideAll checks them
    throw new OnebitError(
      'bad-argument',
      `read questions: ${questions} must be a JSON list, got ${typeof value}. Put the questions into [ ].`,
    );
  }
  const listed = (labels: string) => labels.split(',').map((label) => ({ label: label.trim() }));
  const instructions = ask ?? '';
  if (options !== undefined) return [{ type: 'choice', instructions, options: listed(options) }];
  if (levels !== undefined) return [{ type: 'score', instructions, levels: listed(levels) }];
  return [{ type: 'yes-no', instructions }];
}

/** A question whose options are texts, as those whose options are objects. */
function withLabels(question: unknown): unknown {
  if (typeof question !== 'object' || question === null) return question;
  const labelled = Object.entries(question).map(([name, value]) => {
    const isList = (name === 'options' || name === 'levels') && Array.isArray(value);
    return [name, isList ? value.map((one) => (typeof one === 'string' ? { label: one } : one)) : value];
  });
  return Object.fromEntries(labelled);
}
