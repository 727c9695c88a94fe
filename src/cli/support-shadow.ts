// Owns `onebit support shadow`.
import { Command } from 'commander';
import { printable } from '../core/printable.ts';
import { type CountedShare, compareWithPeople, judgeRows } from '../tasks/support/index.ts';
import { type CommandContext, numberBetween, wholeNumber } from './context.ts';
import { print, printJson } from './print.ts';
import { type AskFlags, addModel } from './support-ask.ts';
import { openSupport, readLabelled } from './support-files.ts';

interface ShadowFlags extends AskFlags {
  cost?: number;
  errorCost?: number;
  currency: string;
  queries?: number;
}

const HELP = `
LOG has the columns text and intent: what customers wrote, and what people found it to be about. Nothing is changed and
nobody is answered: it says what would have happened. The rows should be newer than those that the model was trained on.

Examples:
  onebit support shadow tickets-may.csv -m support.gguf --cost 6 --queries 20000
  onebit support shadow tickets-may.csv -m support.gguf --threshold 0.9 --json`;

const MOST_SHOWN = 15;

/** The command `support shadow`: what a model would have done, before it is switched on. */
export function shadowSupportCommand({ signal }: CommandContext): Command {
  return addModel(new Command('shadow').description('compare a model with what people did, before it is switched on'))
    .argument('<log>', 'CSV, .xlsx or JSON lines with text and intent')
    .option('--cost <amount>', "what a person's answer to one query costs (default: 4)", numberBetween(0, 1e9))
    .option('--error-cost <amount>', 'what a wrong answer costs (default: twice that)', numberBetween(0, 1e9))
    .option('--currency <sign>', 'before amounts', '€')
    .option('--queries <n>', 'queries a month (default: 1000)', wholeNumber(0, 1e12))
    .option(
      '--json',
      'print one JSON document: rows, agreement, takenOver, rightOfTakenOver, perIntent, unknownIntents, errors, month',
    )
    .addHelpText('after', HELP)
    .action(async (log: string, flags: ShadowFlags) => {
      const { threshold, cost: costPerQuery, errorCost: costPerError, queries: queriesPerMonth } = flags;
      const model = await openSupport(flags.model, signal);
      const { judged } = await judgeRows(model, await readLabelled([log], signal), { threshold, signal });
      const found = compareWithPeople(judged, { costPerQuery, costPerError, queriesPerMonth });
      if (flags.json) {
        printJson(found);
        return;
      }
      const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
      const said = ({ share, count, of, low, high }: CountedShare) =>
        share === null ? 'no such rows' : `${percent(share)} (${count} of ${of}; ${percent(low)} to ${percent(high)})`;
      print(`${found.rows} rows, threshold ${(threshold ?? model.facts.threshold).toFixed(3)}`);
      print(`  it agrees with people            ${said(found.agreement)}`);
      print(`  it would have taken over         ${said(found.takenOver)}`);
      print(`  of these as people did           ${said(found.rightOfTakenOver)}`);
      const { takenOver, wrong, saved } = found.month;
      print(
        `  a month: ${Math.round(takenOver)} taken over, ${Math.round(wrong)} of them wrongly; saves ${flags.currency}${Math.round(saved)}`,
      );
      print('      rows  agrees  taken  wrong  intent of people');
      for (const { intent, rows, agreed, takenOver, erred } of found.perIntent.slice(0, MOST_SHOWN)) {
        const cells = [String(rows), percent(agreed / rows), String(takenOver), String(erred)];
        print(
          printable(`  ${cells.map((cell, i) => cell.padStart(i === 1 ? 8 : i === 0 ? 8 : 7)).join('')}  ${intent}`),
        );
      }
      for (const { text, people, model: says, confidence, row } of found.errors.slice(0, MOST_SHOWN)) {
        print(printable(`  row ${row}: people ${people}, it ${says} (${percent(confidence)}): ${text.slice(0, 100)}`));
      }
      if (found.errors.length > MOST_SHOWN)
        print(`  and ${found.errors.length - MOST_SHOWN} more errors: --json has all`);
      const unknown = found.unknownIntents.slice(0, MOST_SHOWN).map(({ intent, rows }) => `${intent} (${rows})`);
      if (unknown.length > 0) print(printable(`  not known to it: ${unknown.join(', ')}`));
    });
}
