// Owns `onebit support evaluate`.
import { Command } from 'commander';
import { Budget } from '../core/budget.ts';
import { decodeText } from '../core/decode-text.ts';
import { printable } from '../core/printable.ts';
import { OnebitError } from '../errors.ts';
import {
  type AnswerEvaluation,
  calibrationError,
  type JudgedAnswer,
  judgeRows,
  measureAnswers,
  readRows,
  type SupportModel,
  summarise,
} from '../tasks/support/index.ts';
import type { CommandContext } from './context.ts';
import { print, printJson } from './print.ts';
import { readInput } from './read-input.ts';
import { type AskFlags, addModel } from './support-ask.ts';
import { openSupport } from './support-files.ts';

const EVALUATE_HELP = `
Examples:
  onebit support evaluate newer.csv -m support.gguf --json

Rows of the intent oos, and of intents that the model does not know, count as out of scope. JSON lines {"text", "id"}
measure answers from documents: id names the right one, null that there is none; with --json then answers (top1, top3,
mrr, answeredShare, precisionAtThreshold, unanswerableRejected).`;

/** The command `support evaluate`. */
export function evaluateSupportCommand({ signal }: CommandContext): Command {
  return addModel(new Command('evaluate').description('measure a model on labelled queries'))
    .argument('<file>', 'CSV or JSON lines with text and intent; - for CSV on standard input')
    .option(
      '--json',
      'print one JSON document: accuracy, inScopeAccuracy, macroF1, coverage, precisionAtThreshold, outOfScopeRecall, outOfScopeAuroc, perIntent, confusion, queriesPerSecond, and fields (f1, precision, recall, exactMatch, perField) of rows with fields',
    )
    .addHelpText('after', EVALUATE_HELP)
    .action(async (file: string, flags: AskFlags) => {
      const model = await openSupport(flags.model, signal);
      const bytes = await readInput(file, 'read queries', signal); // once: a pipe has no second time
      const name = file === '-' ? 'standard input' : file;
      const asked = askedIn(bytes, name);
      if (asked) {
        tellAnswers(await judgeAnswers(model, asked, signal), flags);
        return;
      }
      const { judged, seconds } = await judgeRows(model, await readRows(bytes, name), {
        threshold: flags.threshold,
        signal,
      });
      const result = summarise(judged, seconds);
      if (flags.json) {
        printJson(result);
        return;
      }
      const percent = (share: number | null) => (share === null ? 'no such rows' : `${(100 * share).toFixed(1)} %`);
      const lines: [string, string][] = [
        ['top intent right, in scope', percent(result.accuracy)],
        ['answered and right, in scope', percent(result.inScopeAccuracy)],
        ['macro F1', percent(result.macroF1)],
        ['answered, in scope', percent(result.coverage)],
        ['answers that are right', percent(result.precisionAtThreshold)],
        ['out of scope and not answered', percent(result.outOfScopeRecall)],
        ['calibration error', percent(calibrationError(judged))],
        ['queries per second', String(result.queriesPerSecond)],
        ...(result.fields ? [['fields, F1 of exact spans', percent(result.fields.f1)] as [string, string]] : []),
      ];
      print(`${judged.length} rows, threshold ${(flags.threshold ?? model.facts.threshold).toFixed(3)}`);
      for (const [name, value] of lines) print(`  ${name.padEnd(32)}${value}`);
      for (const { intent, predicted, count } of result.confusion.slice(0, 10)) {
        print(printable(`  ${String(count).padStart(4)} × ${intent} taken for ${predicted}`));
      }
    });
}

/** Queries with the ids of their passages, where the file has such rows. */
function askedIn(bytes: Uint8Array, file: string): { text: string; id: string | null }[] | undefined {
  if (!/\.(jsonl|ndjson)$/i.test(file)) return undefined;
  const lines = decodeText(bytes, `read queries: ${file}`)
    .replace(/^\ufeff/, '')
    .split('\n');
  const rows = lines.filter((line) => line.trim() !== '').map((line, i) => askedOf(line, file, i + 1));
  return rows.some((row) => row === undefined) ? undefined : (rows as { text: string; id: string | null }[]);
}

function askedOf(line: string, file: string, row: number): { text: string; id: string | null } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined; // rows of intents say better what is wrong
  }
  if (typeof value !== 'object' || value === null || !('id' in value) || 'intent' in value) return undefined;
  const { text, id } = value as Record<string, unknown>;
  if (typeof text === 'string' && (id === null || typeof id === 'string')) return { text, id };
  throw new OnebitError(
    'bad-argument',
    `read ${file}: row ${row} must have a text and the id of its document or null. Correct the row.`,
  );
}

async function judgeAnswers(
  model: SupportModel,
  rows: readonly { text: string; id: string | null }[],
  signal: AbortSignal,
): Promise<AnswerEvaluation> {
  if (!model.parts.documents) {
    throw new OnebitError(
      'bad-argument',
      'support evaluate: rows with ids of documents need a model that has some, it has none. Train it with --documents.',
    );
  }
  const budget = new Budget({ signal });
  const judged: JudgedAnswer[] = [];
  for (const { text, id } of rows) {
    const found = model.findAnswers(text, model.parts.documents.index.passages.length);
    judged.push({ id, found: found.map((one) => one.id), answered: found[0]?.probability >= model.answerThreshold });
    await budget.turn('support evaluate');
  }
  return measureAnswers(judged);
}

function tellAnswers(answers: AnswerEvaluation, { json }: AskFlags): void {
  if (json) {
    printJson({ answers });
    return;
  }
  for (const [name, share] of Object.entries(answers)) {
    print(`  ${name.padEnd(24)}${share === null ? 'no such rows' : `${(100 * share).toFixed(1)} %`}`);
  }
}
