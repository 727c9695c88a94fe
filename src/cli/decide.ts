// Owns `onebit decide`.
import { Command } from 'commander';
import { printable } from '../core/printable.ts';
import { keyOf } from '../tasks/decide/trained-decider.ts';
import { calibratedDecider, type Decision, type DecisionQuestion, decideAll } from '../tasks/support/index.ts';
import type { TrainedQuestion } from '../tasks/support/support-model.ts';
import { readCalibration } from './calibrate.ts';
import { addModelOptions, type CommandContext, type ModelFlags } from './context.ts';
import { trainDecisionCommand } from './decide-train.ts';
import { openDecider } from './deciders.ts';
import { note, print, printJson } from './print.ts';
import { addQuestionOptions, type QuestionFlags, questionsOf } from './questions.ts';

interface DecideFlags extends ModelFlags, QuestionFlags {
  calibration?: string;
  json?: boolean;
}

const HELP = `
Examples:
  onebit decide "My card has not arrived" -m support.gguf --ask "What is it about?" --options "card arrival,refund,other"
  onebit decide "This is the third time!" --ask "How angry is the customer?" --levels "calm,annoyed,furious"
  onebit decide "Where is my parcel?" -m support.gguf --ask "Is it about a delivery?" --json
  onebit decide "Where is my parcel?" --questions questions.json --json

Without --options and --levels the answer is yes or no; a model that was trained for one question needs none of them. QUESTIONS is a JSON list of {type: "yes-no", instructions},
{type: "choice", instructions, options: [{label, description}]} and {type: "score", instructions, levels: [...]}; a name may
stand beside. A support model answers by its intents and flags; a language model by how likely it finds each label. The order of options changes
nothing. A model of your own for one question: onebit decide train --help`;

/** The command `decide`: fixed questions about a text, answered with probabilities. */
export function decideCommand(context: CommandContext): Command {
  const { signal } = context;
  const command = addQuestionOptions(
    addModelOptions(new Command('decide').description('answer fixed questions about a text with probabilities')),
  )
    .argument('<text...>', 'the text that the questions are about')
    .option('--calibration <file>', 'what onebit calibrate wrote: its temperature, and which answers are sure enough')
    .option('--json', 'print one JSON document: a list of answers')
    .addHelpText('after', HELP)
    .action(async (words: string[], flags: DecideFlags) => {
      const calibration =
        flags.calibration === undefined ? undefined : await readCalibration(flags.calibration, flags, signal);
      const isAsked = flags.ask !== undefined || flags.questions !== undefined;
      const asked = isAsked ? await questionsOf('decide', flags, signal) : undefined;
      const { decider, support, close } = await openDecider(flags, signal);
      try {
        const own = support?.parts.question;
        const questions = asked ?? (own ? [questionOf(own)] : await questionsOf('decide', flags, signal));
        const others = own?.instructions && questions.some((question) => !isSame(question, own));
        if (others) note(`the model was trained for one question, and answers that: ${printable(own.instructions)}`);
        const calibrated = calibration ? calibratedDecider(decider, calibration.temperature) : decider;
        const answers = await decideAll(calibrated, words.join(' '), questions);
        const sure = (answer: Decision) => calibration && isSure(answer, calibration.threshold);
        if (flags.json)
          printJson(answers.map((answer, i) => ({ ...named(questions[i], answer), answered: sure(answer) })));
        else
          for (const [i, answer] of answers.entries())
            print(
              `${questions[i].instructions} ${said(questions[i], answer)}${sure(answer) === false ? ' – not sure enough' : ''}`,
            );
      } finally {
        await close();
      }
    });
  return command.addCommand(trainDecisionCommand(context).exitOverride().showHelpAfterError('(see --help)'));
}

/** The question that a model was trained for. */
function questionOf({ type, instructions, labels }: TrainedQuestion): DecisionQuestion {
  if (type === 'yes-no') return { type, instructions };
  const listed = labels.map((label) => ({ label }));
  return type === 'choice' ? { type, instructions, options: listed } : { type, instructions, levels: listed };
}

/** Whether a question is put in the words of the one that the model was trained for. */
function isSame(question: DecisionQuestion, own: TrainedQuestion): boolean {
  const wordsOf = (text: string) =>
    keyOf(text)
      .replace(/[^\p{L}\p{N}]+/gu, ' ')
      .trim();
  return wordsOf(question.instructions) === wordsOf(own.instructions);
}

/** Whether the likeliest answer reaches the threshold of a calibration; null: none does. */
function isSure(answer: Decision, threshold: number | null): boolean {
  const most =
    answer.type === 'yes-no' ? Math.max(answer.probability, 1 - answer.probability) : Math.max(...answer.probabilities);
  return threshold !== null && most >= threshold;
}

function labelsOf(question: DecisionQuestion): string[] {
  if (question.type === 'yes-no') return [];
  return (question.type === 'choice' ? question.options : question.levels).map(({ label }) => label);
}

function named(question: DecisionQuestion, decision: Decision): object {
  const answer = { ...(question.name === undefined ? {} : { name: question.name }), ...decision };
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
