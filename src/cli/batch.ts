// Owns `onebit batch`: the same work on every row of a file.
import { rm } from 'node:fs/promises';
import { Command } from 'commander';
import { type BatchOptions, type BatchSummary, journalPath, rowChooser, rowTexts, runBatch } from '../bulk/batch.ts';
import { openRows, type RowFile } from '../bulk/row-file.ts';
import type { RowWork } from '../bulk/row-work.ts';
import { rowWriter } from '../bulk/row-writer.ts';
import { holdsRowsOf } from '../bulk/whole-output.ts';
import { OnebitError } from '../errors.ts';
import { type BatchWorkFlags, inputsOf, openWork } from './batch-work.ts';
import { addComputeOptions, type CommandContext, numberBetween, wholeNumber } from './context.ts';
import { identityOf } from './file-identity.ts';
import { Outputs } from './outputs.ts';
import { note, print, printJson } from './print.ts';
import { formatSeconds, progressLine } from './progress.ts';
import { addQuestionOptions } from './questions.ts';
import { addSamplingOptions } from './sampling-options.ts';

interface BatchFlags extends BatchWorkFlags {
  output?: string;
  prefix?: string;
  limit?: number;
  sample?: number;
  dryRun?: boolean;
  resume?: boolean;
  overwrite?: boolean;
  costPerHour?: number;
  json?: boolean;
}

const HELP = `
Examples:
  onebit batch mails.csv -o sorted.csv -m support.gguf
  onebit batch mails.xlsx -o short.csv -m model.gguf --prompt "Summarise: {{message}}"
  onebit batch mails.csv -o orders.csv -m model.gguf --prompt "{{message}}" --json-schema order.json
  onebit batch mails.jsonl -o vectors.jsonl -m model.gguf --embed
  onebit batch mails.csv -o asked.csv -m model.gguf --ask "How angry is it?" --levels "calm,annoyed,furious"

IN is CSV, .xlsx or JSON lines; OUT gets the same rows in the same order with new columns: answer, or the properties of the
schema; intent, confidence, action (and answer, fields) of a support model; embedding; decision and decision_probability (or the
names of --questions, see onebit decide --help); and onebit_error, what went wrong with a row.
Each row is a conversation of its own. What is finished lies in OUT.journal until OUT is whole: after kill -9, a full disk or
Ctrl-C the same command with --resume goes on from there.`;

/** Rows that --dry-run shows. */
const SHOWN_ROWS = 3;
const SHOWN_ERRORS = 5;
const MOST_PARALLEL = 64;

/** The command `batch`. */
export function batchCommand(context: CommandContext): Command {
  const command = new Command('batch')
    .description('do the same with every row of a table: ask, classify, decide, extract, embed')
    .argument('<file>', 'CSV, .xlsx or JSON lines')
    .option('-o, --output <file>', 'where the rows go: .csv, .tsv, .jsonl, .ndjson or .xlsx')
    .option(
      '-m, --model <path|name>',
      'a GGUF file, a URL, the name of a pulled model, or a support model (default: the embedded seedling)',
    )
    .option('--column <name>', 'the column that is read (default: text)')
    .option('--prompt <template>', 'what is asked, {{column}} stands for the cell of the row')
    .option('--system <template>', 'what the system says first')
    .option('--messages <file>', 'a JSON list of messages {role, content} as the template')
    .option('--json-schema <file>', 'answers are JSON of this schema, its properties become columns')
    .option('--regex <pattern>', 'answers match this regular expression')
    .option('--embed', 'give a vector instead of an answer')
    .option('--calibration <file>', 'what onebit calibrate wrote: a column says which answers are sure enough')
    .option('--threshold <x>', 'support and questions: confidence from which on it answers', numberBetween(0, 1))
    .option('--prefix <text>', 'put before the names of the new columns')
    .option('--limit <n>', 'only the first n rows', wholeNumber(1, 1e9))
    .option('--sample <n>', 'only n rows by chance (see --seed), in their order', wholeNumber(1, 1e9))
    .option('--parallel <n>', 'rows at once (default: 8)', wholeNumber(1, MOST_PARALLEL))
    .option('--dry-run', 'check everything, show what would be asked, and end')
    .option('--resume', 'go on with the run that was ended before its end; begin where there is none')
    .option('--overwrite', 'forget what an unfinished run has done, and begin anew')
    .option('--cost-per-hour <x>', 'what the machine costs: the summary says what that makes', numberBetween(0, 1e9))
    .option('--json', 'print the summary as JSON: rows, done, doneBefore, failed, errors, tokens, seconds, cost')
    .addHelpText('after', HELP);
  addSamplingOptions(addComputeOptions(addQuestionOptions(command))).action((path: string, flags: BatchFlags) =>
    batch(path, flags, context),
  );
  return command;
}

async function batch(path: string, flags: BatchFlags, { signal, endsInOrder }: CommandContext): Promise<void> {
  const { output, dryRun, resume, overwrite } = flags;
  if (output === undefined && !dryRun) {
    throw new OnebitError('bad-argument', 'batch: --output must name a file, got none. Give one: -o out.csv');
  }
  if (resume && overwrite) {
    throw new OnebitError('bad-argument', 'batch: --resume or --overwrite must be given, got both. Leave one out.');
  }
  if (dryRun) return preview(path, flags, signal);
  const isFinished = resume && (await identityOf(output!)) && !(await identityOf(journalPath(output!)));
  const outputs = await Outputs.claim(
    [
      { option: '--output', path: output!, kind: 'batch' },
      { option: '--output', path: journalPath(output!), kind: 'journal' },
    ],
    [path, ...(await inputsOf(flags))],
  );
  try {
    if (isFinished) return await leaveWhole(path, outputs.pathOf(output!), flags, signal);
    const real = outputs.pathOf(output!);
    if (overwrite) await rm(journalPath(real), { force: true });
    endsInOrder();
    const opened = await openWork(flags, signal);
    try {
      const file = await openRows(path, opened.work.reads, signal);
      const summary = await watched(file, opened.work, { ...optionsOf(flags, real, signal), model: opened.model });
      report(summary, flags);
    } finally {
      await opened.dispose();
    }
  } finally {
    await outputs.release();
  }
}

/** Nothing is left to do for an output that is whole. @throws OnebitError `bad-argument` where it is of other rows */
async function leaveWhole(path: string, real: string, { output, ...chosen }: BatchFlags, signal: AbortSignal) {
  if (await holdsRowsOf(real, await openRows(path, [], signal), { ...chosen, signal })) {
    note(
      `${output} is whole already: no run of it is unfinished. For another model or other options, make it anew without --resume.`,
    );
    return;
  }
  throw new OnebitError(
    'bad-argument',
    `batch: with --resume the output must be of the same rows, ${output} is whole and of others than ${path}. Make it anew without --resume, or name another.`,
  );
}

function optionsOf(
  { prefix, parallel, limit, sample, seed, resume }: BatchFlags,
  output: string,
  signal: AbortSignal,
): BatchOptions {
  return { output, prefix, parallel, limit, sample, seed, resume, signal };
}

/** Runs with a progress line, and says how to go on where it ends early. */
async function watched(file: RowFile, work: RowWork, options: BatchOptions): Promise<BatchSummary> {
  const progress = progressLine(
    process.stderr,
    (rows) => `${rows < 100 && !Number.isInteger(rows) ? rows.toFixed(1) : Math.round(rows)} rows`,
  );
  let last: BatchSummary | undefined;
  try {
    return await runBatch(file, work, {
      ...options,
      onProgress: (summary) => {
        last = summary;
        progress.update('batch', summary.done, summary.rows);
      },
    });
  } catch (error) {
    progress.clear();
    if (last)
      note(`${last.done} of ${last.rows} rows are finished and kept. Go on with the same command and --resume.`);
    throw error;
  } finally {
    progress.clear();
  }
}

function report(summary: BatchSummary, { output, costPerHour, json }: BatchFlags): void {
  const { rows, failed, errors, tokens, seconds, doneBefore } = summary;
  if (rows > 0 && failed === rows) process.exitCode = 1;
  const cost = costPerHour === undefined ? undefined : (costPerHour * seconds) / 3600;
  if (json) {
    printJson({ output, ...summary, ...(cost === undefined ? {} : { cost }) });
    return;
  }
  const now = rows - doneBefore;
  const before = doneBefore > 0 ? ` (${doneBefore} by an earlier run)` : '';
  const speed = seconds > 0 && now > 0 ? `, ${(now / seconds).toFixed(1)} rows/s` : '';
  note(`${output}: ${rows} rows${before} in ${formatSeconds(seconds)}${speed}`);
  if (tokens.prompt > 0) {
    const known = tokens.cached > 0 ? ` (${tokens.cached} of them known already)` : '';
    note(`  tokens: ${tokens.prompt} read${known}, ${tokens.completion} written`);
  }
  if (cost !== undefined) note(`  cost: ${cost.toFixed(4)} at ${costPerHour} an hour`);
  if (failed > 0) note(`  rows with an error: ${failed}; see the column onebit_error`);
  for (const { error, rows } of errors.slice(0, SHOWN_ERRORS)) note(`  ${String(rows).padStart(6)} × ${error}`);
}

/** What would be done, without writing anything. */
async function preview(path: string, flags: BatchFlags, signal: AbortSignal): Promise<void> {
  const { work, dispose } = await openWork(flags, signal);
  try {
    const file = await openRows(path, work.reads, signal);
    const columns = work.columns.map((name) => (flags.prefix ?? '') + name);
    rowWriter(flags.output ?? 'out.csv', file, work.columns, flags.prefix);
    const isChosen = rowChooser(file.count, flags);
    const shown: { row: number; text?: string; tokens?: number; error?: string }[] = [];
    let rows = 0;
    for await (const row of file.rows(signal)) {
      if (!isChosen(row.index)) continue;
      if (rows++ >= SHOWN_ROWS) continue;
      try {
        shown.push({ row: row.line, ...work.preview(rowTexts(file, row)) });
      } catch (error) {
        if (!(error instanceof OnebitError)) throw error;
        shown.push({ row: row.line, error: error.message });
      }
    }
    if (flags.json) return printJson({ rows, columns: [...file.columns, ...columns, 'onebit_error'], shown });
    print(`${rows} rows; new columns: ${columns.join(', ')}, onebit_error`);
    for (const { row, text, tokens, error } of shown) {
      print(`row ${row}${tokens === undefined ? '' : ` (${tokens} tokens)`}: ${error ?? text}`);
    }
  } finally {
    await dispose();
  }
}
