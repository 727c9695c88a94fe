// Owns `onebit support report`.
import { Command } from 'commander';
import { printable } from '../core/printable.ts';
import { compareWithPeople, judgeRows, type ShadowReport, supportReport } from '../tasks/support/index.ts';
import { type CommandContext, numberBetween, wholeNumber } from './context.ts';
import { Outputs } from './outputs.ts';
import { note, print, printJson } from './print.ts';
import { openSupport, readLabelled, supportInputs } from './support-files.ts';

interface ReportFlags {
  model: string;
  output: string;
  cost?: number;
  currency?: string;
  queries?: number;
  json?: boolean;
}

const HELP = `
Examples:
  onebit support report newer.csv -m support.gguf -o report.html --cost 6 --currency '$' --queries 20000

Measure on rows that the model was not trained on: on its own training rows every model looks perfect.`;

/** The command `support report`: one HTML file for whoever is responsible for the queries. */
export function reportSupportCommand({ signal }: CommandContext): Command {
  return new Command('report')
    .description('a report in HTML on labelled queries: quality, confusions, doubtful labels, cost')
    .argument('<file>', 'CSV or JSON lines with text and intent')
    .requiredOption('-m, --model <file>', 'a model of onebit support train')
    .requiredOption('-o, --output <file>', 'the HTML file to write')
    .option('--cost <amount>', "what a person's answer to one query costs (default: 4)", numberBetween(0, 1e9))
    .option('--currency <sign>', 'before amounts (default: €)')
    .option('--queries <n>', 'queries a month (default: 1000)', wholeNumber(0, 1e12))
    .option('--json', 'print one JSON document: file, bytes, rows, unknownIntents')
    .addHelpText('after', HELP)
    .action(async (file: string, flags: ReportFlags) => {
      const { output, cost, currency, queries } = flags;
      const inputs = await supportInputs([file], flags.model);
      const outputs = await Outputs.claim([{ option: '--output', path: output, kind: 'report' }], inputs);
      try {
        const model = await openSupport(flags.model, signal);
        const { judged } = await judgeRows(model, await readLabelled([file], signal), { signal });
        const options = { source: file, costPerQuery: cost, currency, queriesPerMonth: queries };
        const bytes = new TextEncoder().encode(supportReport(model, judged, options));
        const path = await outputs.writeResult(output, bytes);
        const { unknownIntents } = compareWithPeople(judged);
        if (flags.json) printJson({ file: path, bytes: bytes.length, rows: judged.length, unknownIntents });
        else print(`${path}: ${judged.length} rows`);
        if (unknownIntents.length > 0) note(printable(unknownLine(unknownIntents, judged.length, model.intents)));
      } finally {
        await outputs.release();
      }
    });
}

/** Which intents of the rows the model was not trained on, and what becomes of them. */
function unknownLine(unknown: ShadowReport['unknownIntents'], rows: number, known: readonly string[]): string {
  const count = unknown.reduce((sum, { rows }) => sum + rows, 0);
  const named = unknown.slice(0, 5).map(({ intent, rows }) => `${intent} (${rows})`);
  const others = `its own are ${known.slice(0, 5).join(', ')}${known.length > 5 ? ', …' : ''}`;
  return `${count} of ${rows} rows have intents that the model does not know and count as out of scope: ${named.join(', ')}${unknown.length > 5 ? ', …' : ''}; ${others}`;
}
