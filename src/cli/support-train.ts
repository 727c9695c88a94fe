// Owns `onebit support train` and `onebit support update`.
import { basename } from 'node:path';
import { Command } from 'commander';
import { OnebitError } from '../errors.ts';
import {
  type SupportModel,
  saveSupport,
  type TrainSupportOptions,
  trainSupport,
  updateSupport,
} from '../tasks/support/index.ts';
import { CARD_OPTION, cardOutput, supportFacts, writeCard } from './card-file.ts';
import { type CommandContext, numberBetween, wholeNumber } from './context.ts';
import { Outputs } from './outputs.ts';
import { note, print, printJson } from './print.ts';
import { openSupport, readLabelled, readPassages, readTexts, supportInputs } from './support-files.ts';

/** Rows left out of which it is told why. */
const MOST_TOLD = 5;

interface TrainSupportFlags {
  documents?: string[];
  output: string;
  model: string;
  precision?: number;
  outOfScope?: number;
  seed?: number;
  examples?: boolean;
  name?: string;
  json?: boolean;
  texts?: string;
  card?: string | false;
  /** Of the program. */
  codeVersion?: string;
  skipBadRows?: boolean;
}

const TRAIN_HELP = `
FILE is CSV with a header naming the columns text and intent (optionally answer, the canned text of the intent), or
JSON lines with these fields. Parts of the text that have a name, [tomorrow](date), or "slots": [{label, start, end}] of
JSON lines, are learnt as fields; the file has at most 3 MB then. A column flags ("urgent; legal", empty for none; a list in
JSON lines) teaches flags. Rows of the intent oos are examples of what the model should not answer.

Examples:
  onebit support train queries.csv -o support.gguf
  onebit support train queries.csv -o support.gguf --precision 0.97 --json
  onebit support train export.jsonl -o support.gguf --skip-bad-rows
  onebit support evaluate newer.csv -m support.gguf
  onebit support train queries.csv --documents faq.json terms.md -o support.gguf
  onebit support train --documents faq.csv -o answers.gguf

TEXTS is JSON with what customers read: {"language": "de", "texts": {"de": {"handover": …}}, "names": {intent: {"de": …}},
"answers": {intent: {"de": …}}}. What it leaves out is taken from defaults in ten languages: see onebit support texts.

DOCUMENTS are a JSON list of {id, question, answer}, a table with these columns, or Markdown, which is cut at headings.

The threshold is chosen so that answers are right as often as --precision says; all else goes to people. It is measured
on rows that the measuring model was not trained on.`;

const UPDATE_HELP = `
FILE has rows of new intents, and corrections: what people who took over found a query to be about. A row whose text
the model was trained on replaces that row. The rows are learnt again together with those in the model's file.

Examples:
  onebit support update corrections.csv -m support.gguf -o support.gguf`;

/** The command `support train`. */
export function trainSupportCommand({ signal }: CommandContext): Command {
  const command = new Command('train')
    .description('make a model from labelled queries: at most 2 MB (3 with fields), 1-bit weights')
    .argument('[file...]', 'CSV or JSON lines with text, intent and perhaps answer; - for CSV on standard input')
    .requiredOption('-o, --output <file>', 'the GGUF file to write')
    .option(
      '--documents <file...>',
      'questions with answers (JSON, CSV) or pages (Markdown) to answer from, word for word',
    )
    .option('--name <text>', "the model's name (default: the file's name)");
  return addTrainingOptions(command)
    .addHelpText('after', TRAIN_HELP)
    .action(async (files: string[], given: TrainSupportFlags, self: Command) => {
      const flags = { ...given, codeVersion: versionOf(self) };
      const { documents: paths = [] } = flags;
      if (files.length === 0 && paths.length === 0) {
        throw new OnebitError(
          'bad-argument',
          'support train: there must be rows or --documents, got neither. Give a file of rows.',
        );
      }
      await make(
        flags,
        [...files, ...paths],
        await supportInputs([...files, ...paths, ...(flags.texts ? [flags.texts] : [])]),
        signal,
        async () => {
          const rows = await labelledRows(files, flags, signal);
          const documents = await readPassages(paths, signal);
          return (options) => trainSupport(rows, { name: nameFrom(flags.output), documents, ...options });
        },
      );
    });
}

/** The command `support update`. */
export function updateSupportCommand({ signal }: CommandContext): Command {
  const command = new Command('update')
    .description('add intents and corrections to a model, without forgetting')
    .argument('<file...>', 'CSV or JSON lines with text, intent and perhaps answer; - for CSV on standard input')
    .requiredOption('-m, --model <file>', 'the model to start from')
    .requiredOption('-o, --output <file>', 'the GGUF file to write, which may be the same');
  return addTrainingOptions(command)
    .addHelpText('after', UPDATE_HELP)
    .action(async (files: string[], given: TrainSupportFlags, self: Command) => {
      const flags = { ...given, codeVersion: versionOf(self) };
      const texts = [...files, flags.model];
      await make(flags, texts, await supportInputs(files, flags.model), signal, async () => {
        const model = await openSupport(flags.model, signal);
        const rows = await labelledRows(files, flags, signal);
        return (options) => updateSupport(model, rows, options);
      });
    });
}

async function labelledRows(files: readonly string[], flags: TrainSupportFlags, signal: AbortSignal) {
  if (!flags.skipBadRows) return readLabelled(files, signal);
  const problems: string[] = [];
  const rows = await readLabelled(files, signal, { problems });
  const rest = problems.length - MOST_TOLD;
  const told = [...problems.slice(0, MOST_TOLD), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ');
  if (problems.length > 0) note(`note: rows left out: ${problems.length} (${told})`);
  return rows;
}

function addTrainingOptions(command: Command): Command {
  return command
    .option('--skip-bad-rows', 'leave out rows that cannot be learnt (no text, no intent, wrong fields), and say which')
    .option('--precision <share>', 'share of answers that shall be right (default: 0.9)', numberBetween(0.5, 0.999))
    .option(
      '--out-of-scope <share>',
      'share of real queries expected to be about none of the intents (default: that of the rows, at least 0.05)',
      numberBetween(0, 0.9),
    )
    .option('--seed <n>', 'same seed, rows and options, same model (default: 1)', wholeNumber(0, 2 ** 32))
    .option('--no-examples', 'do not keep the rows in the file; support update then forgets what it is not given')
    .option('--texts <file>', 'JSON with what customers read, per language: see onebit support texts')
    .option(...CARD_OPTION)
    .option('--no-card', 'no such file')
    .option('--json', 'print one JSON document at the end: file, bytes, intents, rows, threshold, heldOut, ...');
}

/** Of the program, for a command within a command. */
export function versionOf(command: Command): string | undefined {
  return command.parent?.parent?.version();
}

type Training = (options: TrainSupportOptions) => Promise<SupportModel>;

/** Claims the output, prepares the training, trains, writes the model and tells about it. */
async function make(
  flags: TrainSupportFlags,
  texts: readonly string[],
  inputs: readonly string[],
  signal: AbortSignal,
  prepare: () => Promise<Training>,
): Promise<void> {
  const { output, model: mayReplace } = flags;
  const outputs = await Outputs.claim(
    [{ option: '--output', path: output, kind: 'support-model', mayReplace }, ...cardOutput(flags)],
    inputs,
  );
  try {
    const start = performance.now();
    const model = await trained(flags, await prepare(), signal);
    const bytes = await saveSupport(model);
    const path = await outputs.writeResult(output, bytes);
    const names = texts.map((text) => basename(text));
    await writeCard(flags, supportFacts(model, names, bytes.length), outputs);
    tell(flags, model, { path, bytes: bytes.length, seconds: (performance.now() - start) / 1000 });
  } finally {
    await outputs.release();
  }
}

async function trained(flags: TrainSupportFlags, train: Training, signal: AbortSignal): Promise<SupportModel> {
  const progress = shareLine();
  const texts = flags.texts === undefined ? undefined : await readTexts(flags.texts, signal);
  return train({
    texts,
    ...(flags.name === undefined ? {} : { name: flags.name }),
    precision: flags.precision,
    expectedOutOfScope: flags.outOfScope,
    seed: flags.seed,
    codeVersion: flags.codeVersion,
    keepExamples: flags.examples,
    onProgress: (stage, done, total) => progress.show(stage, done / total),
    signal,
  }).finally(() => progress.clear());
}

function tell(
  flags: TrainSupportFlags,
  { facts, intents, answers, fieldLabels, parts }: SupportModel,
  { path, bytes, seconds }: { path: string; bytes: number; seconds: number },
): void {
  for (const notice of facts.notices) note(`note: ${notice}`);
  if (flags.json) {
    const { notices, name, ...figures } = facts;
    printJson({
      file: path,
      name,
      bytes,
      intents: intents.length,
      answers: answers.size,
      fields: fieldLabels,
      flags: parts.flags?.facts ?? [],
      documents: parts.documents?.index.passages.length ?? 0,
      ...figures,
      notices,
      seconds,
    });
    return;
  }
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const { accuracy, coverage, precision } = facts.heldOut;
  if (parts.documents) print(`${path}: answers from ${parts.documents.index.passages.length} passages`);
  if (intents.length === 0) return;
  print(
    `${path}: ${intents.length} intents${fieldLabels.length > 0 ? ` and ${fieldLabels.length} fields` : ''} from ${facts.trainedRows} rows, ${(bytes / 1e6).toFixed(2)} MB, ${seconds.toFixed(0)} s\n` +
      `on rows held out from training: ${percent(accuracy)} right; from the threshold ${facts.threshold.toFixed(3)} on ${percent(coverage)} are answered, ${percent(precision)} of them rightly`,
  );
  for (const { flag, rows, precision, recall } of parts.flags?.facts ?? []) {
    print(
      `  flag ${flag}: ${rows} rows; held out, ${percent(recall)} of them raised it${precision === null ? '' : `, and ${percent(precision)} of what raised it had it`}`,
    );
  }
  for (const row of facts.thresholds) {
    const gives =
      row.threshold === null
        ? 'cannot be shown with these rows'
        : `${percent(row.answered)} answered, ${percent(row.right ?? 0)} of them rightly (${percent(row.low ?? 0)} to ${percent(row.high ?? 1)}), from ${row.threshold.toFixed(3)} on`;
    print(`  for ${percent(row.precision)}: ${gives}`);
  }
}

const REDRAW_MS = 100;

/** A line on a terminal with the share that is done; nothing elsewhere. */
export function shareLine(stream = process.stderr) {
  let drawnAt = 0;
  return {
    show(label: string, share: number): void {
      const now = performance.now();
      if (!stream.isTTY || now - drawnAt < REDRAW_MS) return;
      drawnAt = now;
      const full = Math.round(30 * share);
      stream.write(
        `\r\x1b[K${label.padEnd(9)} [${'#'.repeat(full)}${'.'.repeat(30 - full)}] ${Math.floor(100 * share)} %`,
      );
    },
    clear(): void {
      if (drawnAt > 0) stream.write('\r\x1b[K');
    },
  };
}

/** The name of a model from that of its file. */
export function nameFrom(output: string): string {
  return basename(output).replace(/\.gguf$/i, '') || 'support';
}
