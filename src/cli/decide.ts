// Owns `onebit decide`.
import { Command } from 'commander';
import { OnebitError } from '../errors.ts';
import { SUPPORT_ARCHITECTURE } from '../tasks/support/file.ts';
import {
  type Decider,
  type Decision,
  type DecisionQuestion,
  decideAll,
  likelihoodDecider,
  supportDecider,
} from '../tasks/support/index.ts';
import { addModelOptions, type CommandContext, loadModel, type ModelFlags, modelNameOf } from './context.ts';
import { print, printJson } from './print.ts';
import { readInputJson } from './read-input.ts';
import { architectureOf } from './suggest.ts';
import { openSupport } from './support-files.ts';

interface DecideFlags extends ModelFlags {
  ask?: string;
  options?: string;
  levels?: string;
  questions?: string;
  json?: boolean;
}

const HELP = `
Examples:
  onebit decide "My card has not arrived" -m support.gguf --ask "What is it about?" --options "card arrival,refund,other"
  onebit decide "This is the third time!" --ask "How angry is the customer?" --levels "calm,annoyed,furious"
  onebit decide "Where is my parcel?" -m support.gguf --ask "Is it about a delivery?" --json
  onebit decide "Where is my parcel?" --questions questions.json --json

Without --options and --levels the answer is yes or no. QUESTIONS is a JSON list of {type: "yes-no", instructions},
{type: "choice", instructions, options: [{label, description}]} and {type: "score", instructions, levels: [...]}. A support
model answers by its intents; a language model by how likely it finds each label. The order of options changes nothing.`;

/** The command `decide`: fixed questions about a text, answered with probabilities. */
export function decideCommand({ signal }: CommandContext): Command {
  return addModelOptions(new Command('decide').description('answer fixed questions about a text with probabilities'))
    .argument('<text...>', 'the text that the questions are about')
    .option('--ask <question>', 'the question')
    .option('--options <labels>', 'labels to choose from, separated by commas')
    .option('--levels <labels>', 'levels, lowest first, separated by commas')
    .option('--questions <file>', 'a JSON file of questions; - for standard input')
    .option('--json', 'print one JSON document: a list of answers')
    .addHelpText('after', HELP)
    .action(async (words: string[], flags: DecideFlags) => {
      const questions = await questionsOf(flags, signal);
      const { decider, close } = await deciderOf(flags, signal);
      try {
        const answers = await decideAll(decider, words.join(' '), questions);
        if (flags.json) printJson(answers.map((answer, i) => named(questions[i], answer)));
        else
          for (const [i, answer] of answers.entries())
            print(`${questions[i].instructions} ${said(questions[i], answer)}`);
      } finally {
        await close();
      }
    });
}

async function deciderOf(
  flags: DecideFlags,
  signal: AbortSignal,
): Promise<{ decider: Decider; close: () => Promise<void> }> {
  const name = modelNameOf(flags);
  const architecture = await architectureOf(name).catch(() => undefined); // loading says what is wrong with it
  if (architecture === SUPPORT_ARCHITECTURE) {
    const model = await openSupport(name, signal);
    return { decider: supportDecider(model), close: async () => {} };
  }
  const model = await loadModel(flags, signal);
  const decider = likelihoodDecider((texts) => model.scoreDocuments(texts, { signal }));
  return { decider, close: async () => void (await model.dispose()) };
}

async function questionsOf(
  { ask, options, levels, questions }: DecideFlags,
  signal: AbortSignal,
): Promise<DecisionQuestion[]> {
  if ((ask === undefined) === (questions === undefined) || (options !== undefined && levels !== undefined)) {
    throw new OnebitError(
      'bad-argument',
      'decide: there must be --ask with at most one of --options and --levels, or --questions. Give one of them.',
    );
  }
  if (questions !== undefined) {
    const value = await readInputJson(questions, 'read questions', signal);
    if (Array.isArray(value)) return value as DecisionQuestion[]; // decideAll checks them
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

function labelsOf(question: DecisionQuestion): string[] {
  if (question.type === 'yes-no') return [];
  return (question.type === 'choice' ? question.options : question.levels).map(({ label }) => label);
}

function named(question: DecisionQuestion, answer: Decision): object {
  if (answer.type === 'yes-no') return answer;
  const probabilities = labelsOf(question).map((label, i) => ({ label, probability: answer.probabilities[i] }));
  return { ...answer, probabilities };
}

function said(question: DecisionQuestion, answer: Decision): string {
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  if (answer.type === 'yes-no')
    return `${answer.probability >= 0.5 ? 'yes' : 'no'} (yes ${percent(answer.probability)})`;
  const listed = labelsOf(question)
    .map((label, i) => ({ label, share: answer.probabilities[i] }))
    .sort((a, b) => b.share - a.share)
    .slice(0, 5)
    .map(({ label, share }) => `${label} ${percent(share)}`);
  return `${answer.type === 'choice' ? answer.choice : answer.score.toFixed(2)} (${listed.join(', ')})`;
}
