// Owns `onebit support texts`.
import { Command } from 'commander';
import { DEFAULT_TEXTS, saveSupport, withTexts } from '../tasks/support/index.ts';
import type { CommandContext } from './context.ts';
import { Outputs } from './outputs.ts';
import { print, printJson } from './print.ts';
import { openSupport, readTexts, supportInputs } from './support-files.ts';

const HELP = `
Without FILE it prints what a model has, or the defaults in ten languages: a file to begin with. Its parts:
  language   of customers whose own is not known, two letters
  texts      per language: greeting, clarify (with {options}), missing (with {fields}), routed (with {intent}), handover, …
  names      of intents and fields for people: one text, or one per language
  answers    of intents per language; those of the rows hold for all other languages

Examples:
  onebit support texts > texts.json
  onebit support texts texts.json -m support.gguf -o support.gguf`;

/** The command `support texts`: what customers read. */
export function textsSupportCommand({ signal }: CommandContext): Command {
  return new Command('texts')
    .description('what customers read: print it, or put that of a business into a model')
    .argument('[file]', 'JSON with texts')
    .option('-m, --model <file>', 'a model of onebit support train')
    .option('-o, --output <file>', 'the GGUF file to write, which may be the same')
    .addHelpText('after', HELP)
    .action(
      async (
        file: string | undefined,
        { model: path, output }: { model?: string; output?: string },
        command: Command,
      ) => {
        if (file === undefined && output === undefined) {
          printJson(
            path === undefined ? { language: 'en', texts: DEFAULT_TEXTS } : (await openSupport(path, signal)).texts,
          );
          return;
        }
        if (file === undefined || output === undefined || path === undefined) {
          command.error('error: to change a model there must be FILE, -m and -o', { exitCode: 2 });
        }
        const outputs = await Outputs.claim(
          [{ option: '--output', path: output, kind: 'support-model', mayReplace: path }],
          await supportInputs([file], path),
        );
        try {
          const model = withTexts(await openSupport(path, signal), await readTexts(file, signal));
          const bytes = await saveSupport(model);
          print(`${await outputs.writeResult(output, bytes)}: ${(bytes.length / 1e6).toFixed(2)} MB`);
        } finally {
          await outputs.release();
        }
      },
    );
}
