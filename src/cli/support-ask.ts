// Owns `onebit support predict` and `onebit support evaluate`.
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import { calibrationError, judgeRows, parseQueries, type SupportModel, summarise } from '../tasks/support/index.ts';
import { routeQuery } from '../tasks/support/route.ts';
import { type CommandContext, numberBetween, printJson, wholeNumber } from './context.ts';
import { openSupport, readRows, readText } from './support-files.ts';

interface AskFlags {
  model: string;
  file?: string;
  threshold?: number;
  top?: number;
  json?: boolean;
}

const PREDICT_HELP = `
Examples:
  onebit support predict "Where is my card?" -m support.gguf
  onebit support predict -m support.gguf --file queries.txt --json
  tail -f queries.log | onebit support predict -m support.gguf --json

Without TEXT and --file, queries are read from standard input, one per line, and answered as they come. With --json each
query gives one line: text, intent, probability, outOfScope, confidence, answered, action, answer, intents.`;

const EVALUATE_HELP = `
Examples:
  onebit support evaluate newer.csv -m support.gguf --json

Rows of the intent oos, and of intents that the model does not know, count as out of scope.`;

/** The command `support predict`. */
export function predictSupportCommand({ signal }: CommandContext): Command {
  return addModel(new Command('predict').description('say what queries are about'))
    .argument('[text...]', 'the query; without it, lines of standard input')
    .option('--file <path>', 'a file of queries: a line each, CSV with a column text, or JSON lines')
    .option('--top <n>', 'intents to list (default: 3)', wholeNumber(1, 1000))
    .option('--json', 'print one JSON line per query')
    .addHelpText('after', PREDICT_HELP)
    .action(async (words: string[], flags: AskFlags) => {
      const model = await openSupport(flags.model, signal);
      if (words.length > 0) return show(model, words.join(' '), flags);
      if (flags.file !== undefined && flags.file !== '-') {
        for (const text of parseQueries(await readText(flags.file), flags.file)) {
          signal.throwIfAborted();
          show(model, text, flags);
        }
        return;
      }
      const lines = createInterface({ input: process.stdin, signal });
      for await (const line of lines) if (line.trim() !== '') show(model, line, flags);
      signal.throwIfAborted();
    });
}

/** The command `support evaluate`. */
export function evaluateSupportCommand({ signal }: CommandContext): Command {
  return addModel(new Command('evaluate').description('measure a model on labelled queries'))
    .argument('<file>', 'CSV or JSON lines with text and intent')
    .option(
      '--json',
      'print one JSON document: accuracy, inScopeAccuracy, macroF1, coverage, precisionAtThreshold, outOfScopeRecall, outOfScopeAuroc, perIntent, confusion, queriesPerSecond',
    )
    .addHelpText('after', EVALUATE_HELP)
    .action(async (file: string, flags: AskFlags) => {
      const model = await openSupport(flags.model, signal);
      const { judged, seconds } = await judgeRows(model, await readRows([file]), {
        threshold: flags.threshold,
        signal,
      });
      const result = summarise(judged, seconds);
      if (flags.json) return printJson(result);
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
      ];
      process.stdout.write(
        `${judged.length} rows, threshold ${(flags.threshold ?? model.facts.threshold).toFixed(3)}\n`,
      );
      for (const [name, value] of lines) process.stdout.write(`  ${name.padEnd(32)}${value}\n`);
      for (const { intent, predicted, count } of result.confusion.slice(0, 10)) {
        process.stdout.write(`  ${String(count).padStart(4)} × ${intent} taken for ${predicted}\n`);
      }
    });
}

function addModel(command: Command): Command {
  return command
    .requiredOption('-m, --model <file>', 'a model of onebit support train')
    .option('--threshold <x>', "confidence from which on it answers (default: the model's)", numberBetween(0, 1));
}

function show(model: SupportModel, text: string, flags: AskFlags): void {
  const { action, prediction, text: said } = routeQuery(model, text, { threshold: flags.threshold });
  const { intents } = flags.top === undefined ? prediction : model.predict(text, { top: flags.top });
  if (flags.json) {
    process.stdout.write(
      `${JSON.stringify({ text, ...prediction, action, answer: prediction.answer ?? null, intents })}\n`,
    );
    return;
  }
  const ranked = intents.map(({ intent, probability }) => `${intent} ${(100 * probability).toFixed(0)} %`).join(', ');
  process.stdout.write(`${action}: ${said}\n  ${ranked}; out of scope ${(100 * prediction.outOfScope).toFixed(0)} %\n`);
}
