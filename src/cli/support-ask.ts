// Owns `onebit support predict`.
import { Command } from 'commander';
import { Budget } from '../core/budget.ts';
import { printable } from '../core/printable.ts';
import {
  type MessageRoute,
  MessageRouter,
  readQueries,
  type SupportModel,
  type Table,
} from '../tasks/support/index.ts';
import { type AnsweredQuery, AnswerTable } from './answer-table.ts';
import { type CommandContext, numberBetween, wholeNumber } from './context.ts';
import { Outputs } from './outputs.ts';
import { print, printJsonLine } from './print.ts';
import { inputLines, readInput } from './read-input.ts';
import { openSupport, supportInputs } from './support-files.ts';

export interface AskFlags {
  model: string;
  threshold?: number;
  top?: number;
  json?: boolean;
}

interface PredictFlags extends AskFlags {
  country?: string;
  language?: string;
  file?: string;
  csv?: boolean;
  output?: string;
}

const PREDICT_HELP = `
Examples:
  onebit support predict "Where is my card?" -m support.gguf
  onebit support predict -m support.gguf --file queries.txt --json
  onebit support predict -m support.gguf --file queries.csv -o answered.csv
  tail -f queries.log | onebit support predict -m support.gguf --json

Without TEXT and --file, queries are read from standard input, one per line, and answered as they come. With --json each
query gives one line: text, intent, probability, outOfScope, confidence, answered, action, answer, intents, fields,
flags, language, wishes. Wishes are the things that a message wants, one after the other, each with its intent, action
and answer: greetings, thanks, signatures and quoted messages are left out. Flags are those that rows had.
Fields are what the model has learnt to read from rows with marks, and e-mail and web addresses, phone numbers, IBANs,
amounts, dates, times and order numbers.
In tables, texts that a spreadsheet would take for a formula get an apostrophe before them.`;

/** The command `support predict`. */
export function predictSupportCommand({ signal }: CommandContext): Command {
  return addModel(new Command('predict').description('say what queries are about'))
    .argument('[text...]', 'the query; without it, lines of standard input')
    .option('--file <path>', 'a file of queries: one per line, CSV or .xlsx with a column text, or JSON lines')
    .option('--top <n>', 'intents to list (default: 3)', wholeNumber(1, 1000))
    .option('--country <code>', 'country of phone numbers without a country code, DE for example')
    .option('--language <code>', 'language of the customers, two letters (default: told from each query)')
    .option('--json', 'print one JSON line per query')
    .option('--csv', 'print a table: the rows of the file with what the model says in columns of their own')
    .option('-o, --output <file>', 'write that table to a file')
    .addHelpText('after', PREDICT_HELP)
    .action(async (words: string[], flags: PredictFlags) => {
      const { output, file } = flags;
      const inputs = await supportInputs([file ?? '-'], flags.model);
      const outputs =
        output === undefined
          ? undefined
          : await Outputs.claim([{ option: '--output', path: output, kind: 'answers' }], inputs);
      try {
        const model = await openSupport(flags.model, signal);
        const asked: Asked = { model, router: await MessageRouter.of(model, flags.country) };
        if (words.length > 0) await answerAll(asked, { queries: [words.join(' ')] }, flags, outputs, signal);
        else if (file !== undefined && file !== '-') {
          const found = await readQueries(await readInput(file, 'read queries', signal), file);
          await answerAll(asked, found, flags, outputs, signal);
        } else await answerAll(asked, { queries: inputLines('read queries', signal) }, flags, outputs, signal);
      } finally {
        await outputs?.release();
      }
    });
}

interface Asked {
  readonly model: SupportModel;
  readonly router: MessageRouter;
}

function routed({ router }: Asked, text: string, { threshold, language }: PredictFlags): MessageRoute {
  return router.route(text, { threshold, language });
}

/** Answers queries as they come. */
async function answerAll(
  asked: Asked,
  { queries, table }: { queries: Iterable<string> | AsyncIterable<string>; table?: Table },
  flags: PredictFlags,
  outputs: Outputs | undefined,
  signal: AbortSignal,
): Promise<void> {
  const isTable = flags.csv || flags.output !== undefined;
  const answers = new AnswerTable(table);
  const written: string[] = [];
  const write = (text: string) => (outputs ? written.push(text) : process.stdout.write(text));
  if (isTable) write(answers.header());
  const budget = new Budget({ signal });
  let i = 0;
  for await (const text of queries) {
    signal.throwIfAborted();
    const row = table?.rows[i++] ?? { fields: [text] };
    if (text.trim() === '' && !table) continue;
    if (isTable) write(answers.row(row, answerOf(asked, text, flags)));
    else show(asked, text, flags);
    await budget.turn('support predict');
  }
  if (outputs) await outputs.writeResult(flags.output!, new TextEncoder().encode(written.join('')));
}

function answerOf(asked: Asked, text: string, flags: PredictFlags): AnsweredQuery {
  const { action, prediction, text: said, isAnswer } = routed(asked, text, flags);
  const { intent, confidence } = prediction;
  return { intent, confidence, action, answer: action === 'answer' && isAnswer ? said : undefined };
}

/** The options that all questions to a model have. */
export function addModel(command: Command): Command {
  return command
    .requiredOption('-m, --model <file>', 'a model of onebit support train')
    .option('--threshold <x>', "confidence from which on it answers (default: the model's)", numberBetween(0, 1));
}

function show(asked: Asked, text: string, flags: PredictFlags): void {
  const route = routed(asked, text, flags);
  const { action, prediction, text: said, source, probability } = route;
  const { fields } = prediction;
  const { intents } = flags.top === undefined ? prediction : asked.model.predict(text, { top: flags.top });
  if (flags.json) {
    const found = source === undefined ? {} : { source, probability };
    const raised = { flags: route.flags, language: route.language, wishes: route.wishes.map(wishLine) };
    printJsonLine({ text, ...prediction, action, answer: answerIn(route), intents, fields, ...raised, ...found });
    return;
  }
  const ranked = intents.map(({ intent, probability }) => `${intent} ${(100 * probability).toFixed(0)} %`).join(', ');
  print(`${action}: ${said}\n  ${printable(ranked)}; out of scope ${(100 * prediction.outOfScope).toFixed(0)} %`);
  for (const { label, text: part, value } of fields) {
    print(printable(`  ${label}: ${part}${value === undefined || value === part ? '' : ` (${value})`}`));
  }
  for (const { flag, probability } of route.flags) print(printable(`  ! ${flag} ${(100 * probability).toFixed(0)} %`));
  if (route.wishes.length < 2) return;
  for (const { query, action, prediction } of route.wishes) {
    print(printable(`  ${action}: ${prediction.intent} (“${query}”)`));
  }
}

function answerIn({ action, isAnswer, text }: Pick<MessageRoute, 'action' | 'isAnswer' | 'text'>): string | null {
  return action === 'answer' && isAnswer ? text : null;
}

function wishLine({ query, parts, prediction, action, text, isAnswer, options }: MessageRoute['wishes'][number]) {
  const { intent, probability, outOfScope, confidence, fields } = prediction;
  const judged = { intent, probability, outOfScope, confidence, fields };
  return { text: query, parts, ...judged, action, answer: answerIn({ action, isAnswer, text }), options };
}
