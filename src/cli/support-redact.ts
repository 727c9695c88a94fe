// Owns `onebit support redact`.
import { Command } from 'commander';
import { atOnce, Budget } from '../core/budget.ts';
import { printable } from '../core/printable.ts';
import { OnebitError } from '../errors.ts';
import { READY_FIELDS, redactFields } from '../tasks/fields/index.ts';
import { fieldReader } from '../tasks/messages/index.ts';
import { readQueries } from '../tasks/support/index.ts';
import type { CommandContext } from './context.ts';
import { Outputs } from './outputs.ts';
import { printJsonLine } from './print.ts';
import { inputLines, readInput } from './read-input.ts';
import { openSupport, supportInputs } from './support-files.ts';

interface RedactFlags {
  model?: string;
  file?: string;
  fields?: string;
  country?: string;
  language?: string;
  json?: boolean;
  output?: string;
}

const HELP = `
Examples:
  onebit support redact "Write to ann@example.com or call +49 30 901820"
  onebit support redact -m support.gguf --fields name,address,email --file mails.txt -o redacted.txt

Without a model the fields that need no examples are hidden: ${READY_FIELDS.join(', ')}. A model of rows with
fields hides those that it has learnt too, names and addresses for example. Each field becomes its label in brackets.
What no pattern and no model finds stays: look at a sample before you rely on it.`;

/** The command `support redact`: texts without what should not leave the machine. */
export function redactSupportCommand({ signal }: CommandContext): Command {
  return new Command('redact')
    .description('replace names, addresses, numbers and other fields in texts by their labels')
    .argument('[text...]', 'the text; without it, lines of standard input')
    .option('-m, --model <file>', 'a model of onebit support train whose rows had fields')
    .option('--file <path>', 'a file of texts: one per line, CSV or .xlsx with a column text, or JSON lines')
    .option('--fields <labels>', 'only these, separated by commas (default: all)')
    .option('--country <code>', 'country of phone numbers without a country code, DE for example')
    .option('--language <code>', 'language of dates, two letters (default: told from each text)')
    .option('--json', 'print one JSON line per text: text, fields that were replaced (label, start, end)')
    .option('-o, --output <file>', 'write to a file')
    .addHelpText('after', HELP)
    .action(async (words: string[], flags: RedactFlags) => {
      const { output, file } = flags;
      const inputs = await supportInputs(file ? [file] : [], flags.model);
      const outputs =
        output === undefined
          ? undefined
          : await Outputs.claim([{ option: '--output', path: output, kind: 'answers' }], inputs);
      try {
        const written: string[] = [];
        const hide = await hiderFor(flags, signal);
        const budget = new Budget({ signal });
        for await (const text of await textsFor(words, file, signal)) {
          const hidden = hide(text);
          if (outputs) written.push(flags.json ? JSON.stringify(hidden) : hidden.text);
          else if (flags.json) printJsonLine(hidden);
          else process.stdout.write(`${printable(hidden.text)}\n`);
          await budget.turn('support redact');
        }
        if (outputs)
          await outputs.writeResult(output!, new TextEncoder().encode(written.map((x) => `${x}\n`).join('')));
      } finally {
        await outputs?.release();
      }
    });
}

async function hiderFor(flags: RedactFlags, signal: AbortSignal) {
  const { model: path, fields: names, country, language } = flags;
  const model = path === undefined ? undefined : await openSupport(path, signal);
  const labels = names?.split(',').map((label) => label.trim());
  const known = new Set<string>([...READY_FIELDS, ...(model?.fieldLabels ?? [])]);
  const unknown = labels?.find((label) => !known.has(label));
  if (unknown !== undefined) {
    throw new OnebitError(
      'bad-argument',
      `--fields: labels must be of ${[...known].join(', ')}, got '${unknown}'. Correct it${model ? '' : ', or give a model that reads it with -m'}.`,
    );
  }
  const read = await fieldReader(model, { country, language });
  return (text: string) => {
    const replaced = atOnce(read(text)).filter(({ label }) => labels === undefined || labels.includes(label));
    return {
      text: redactFields(text, replaced),
      fields: replaced.map(({ label, start, end }) => ({ label, start, end })),
    };
  };
}

async function textsFor(words: readonly string[], file: string | undefined, signal: AbortSignal) {
  if (words.length > 0) return [words.join(' ')];
  if (file === undefined || file === '-') return inputLines('read texts', signal);
  return (await readQueries(await readInput(file, 'read texts', signal), file)).queries;
}
