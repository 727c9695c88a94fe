// Owns `onebit support predict`.
import { Command } from 'commander';
import { Budget } from '../core/budget.ts';
import { printable } from '../core/printable.ts';
import {
  type ReadyReader,
  readQueries,
  readyFields,
  type SupportModel,
  type Table,
  withReadyFields,
} from '../tasks/support/index.ts';
import { routeQuery } from '../tasks/support/route.ts';
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
query gives one line: text, intent, probability, outOfScope, confidence, answered, action, answer, intents, fields.
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
        const read = await readyFields({ country: flags.country });
        if (words.length > 0) await answerAll({ model, read }, { queries: [words.join(' ')] }, flags, outputs, signal);
        else if (file !== undefined && file !== '-') {
          const found = await readQueries(await readInput(file, 'read queries', signal), file);
          await answerAll({ model, read }, found, flags, outputs, signal);
        } else
          await answerAll({ model, read }, { queries: inputLines('read queries', signal) }, flags, outputs, signal);
      } finally {
        await outputs?.release();
      }
    });
}

/** A model, and what reads the fields that need none. */
interface Asked {
  readonly model: SupportModel;
  readonly read: ReadyReader;
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

function answerOf({ model, read }: Asked, text: string, { threshold }: AskFlags): AnsweredQuery {
  const fields = withReadyFields(model.readFields(text), read(text));
  const { action, prediction, text: said, source } = routeQuery(model, text, { threshold, fields });
  const { intent, confidence, answer } = prediction;
  const hasAnswer = action === 'answer' && (answer !== undefined || source !== undefined);
  return { intent, confidence, action, answer: hasAnswer ? said : undefined };
}

/** The options that all questions to a model have. */
export function addModel(command: Command): Command {
  return command
    .requiredOption('-m, --model <file>', 'a model of onebit support train')
    .option('--threshold <x>', "confidence from which on it answers (default: the model's)", numberBetween(0, 1));
}

function show({ model, read }: Asked, text: string, flags: AskFlags): void {
  const fields = withReadyFields(model.readFields(text), read(text));
  const {
    action,
    prediction,
    text: said,
    source,
    probability,
  } = routeQuery(model, text, {
    ...{ threshold: flags.threshold, fields },
  });
  const { intents } = flags.top === undefined ? prediction : model.predict(text, { top: flags.top });
  if (flags.json) {
    const hasAnswer = action === 'answer' && (source !== undefined || prediction.answer !== undefined);
    const found = source === undefined ? {} : { source, probability };
    printJsonLine({ text, ...prediction, action, answer: hasAnswer ? said : null, intents, fields, ...found });
    return;
  }
  const ranked = intents.map(({ intent, probability }) => `${intent} ${(100 * probability).toFixed(0)} %`).join(', ');
  print(`${action}: ${said}\n  ${printable(ranked)}; out of scope ${(100 * prediction.outOfScope).toFixed(0)} %`);
  for (const { label, text: part, value } of fields) {
    print(printable(`  ${label}: ${part}${value === undefined || value === part ? '' : ` (${value})`}`));
  }
}
