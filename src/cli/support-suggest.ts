// Owns `onebit support suggest`.
import { Command } from 'commander';
import { csvLine, withoutFormula } from '../core/csv-cell.ts';
import { printable } from '../core/printable.ts';
import { readQueries, suggestIntents } from '../tasks/support/index.ts';
import { type CommandContext, wholeNumber } from './context.ts';
import { Outputs } from './outputs.ts';
import { SUGGESTION_COLUMN } from './own-files.ts';
import { print, printJson } from './print.ts';
import { readInput } from './read-input.ts';

interface SuggestFlags {
  groups?: number;
  smallest?: number;
  typical?: number;
  output?: string;
  json?: boolean;
}

const HELP = `
FILE has messages without labels: one per line, CSV or .xlsx with a column text, or JSON lines. Messages that are alike come
together; each group has a name of its own words, which a person replaces by a better one, and typical messages. With -o all
messages are written with the name of their group as intent, those of no group without: rename, correct, delete, and train.

Examples:
  onebit support suggest mails.csv
  onebit support suggest mails.csv --groups 20 -o rows.csv
  onebit support train rows.csv -o support.gguf`;

/** The command `support suggest`: intents from messages without labels. */
export function suggestSupportCommand({ signal }: CommandContext): Command {
  return new Command('suggest')
    .description('propose intents from messages without labels, for a person to name')
    .argument('<file>', 'messages: lines, CSV or .xlsx with a column text, or JSON lines')
    .option('--groups <n>', 'how many to look for (default: as many as the messages fall into)', wholeNumber(2, 1000))
    .option('--smallest <n>', 'messages that a group must have (default: 3)', wholeNumber(1, 1e6))
    .option('--typical <n>', 'typical messages to show of each (default: 3)', wholeNumber(1, 100))
    .option('--json', 'print one JSON document: messages, intents (name, words, typical, count), rest')
    .option('-o, --output <file>', 'a table of all messages with their group as intent')
    .addHelpText('after', HELP)
    .action(async (file: string, flags: SuggestFlags) => {
      const { groups, smallest, typical, output } = flags;
      const outputs =
        output === undefined
          ? undefined
          : await Outputs.claim([{ option: '--output', path: output, kind: 'suggestions' }], [file]);
      try {
        const { queries } = await readQueries(await readInput(file, 'read messages', signal), file);
        const { intents, rest } = await suggestIntents(queries, { groups, smallest, typical, signal });
        if (outputs) {
          const groupOf = new Map(
            intents.flatMap(({ name, members }) => members.map(({ index, likeness }) => [index, { name, likeness }])),
          );
          const lines = queries.map((text, i) => {
            const group = groupOf.get(i);
            const cells = [text, group?.name ?? '', group ? group.likeness.toFixed(3) : ''];
            return csvLine(cells.map(withoutFormula), ',');
          });
          const header = `\ufeff${csvLine(['text', 'intent', SUGGESTION_COLUMN], ',')}`;
          await outputs.writeResult(output!, new TextEncoder().encode(header + lines.join('')));
        }
        if (flags.json) {
          const shown = intents.map(({ members, ...intent }) => ({ ...intent, count: members.length }));
          printJson({ messages: queries.length, intents: shown, rest: rest.length });
          return;
        }
        print(`${queries.length} messages, ${intents.length} groups, ${rest.length} messages in none`);
        for (const { name, words, typical: shown, members } of intents) {
          print(`\n${printable(`${name} (${members.length}): ${words.join(', ')}`)}`);
          for (const text of shown) print(printable(`  “${text.replace(/\s+/g, ' ').slice(0, 160)}”`));
        }
      } finally {
        await outputs?.release();
      }
    });
}
