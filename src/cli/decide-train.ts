// Owns `onebit decide train`.
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { saveSupport, trainDecision } from '../tasks/support/index.ts';
import { CARD_OPTION, cardOutput, supportFacts, writeCard } from './card-file.ts';
import { type CommandContext, wholeNumber } from './context.ts';
import { Outputs } from './outputs.ts';
import { note, print, printJson } from './print.ts';
import { readLabelRows } from './support-files.ts';
import { nameFrom, shareLine, versionOf } from './support-train.ts';

interface DecideTrainFlags {
  output: string;
  type?: 'yes-no' | 'choice' | 'score';
  ask?: string;
  levels?: string;
  name?: string;
  seed?: number;
  examples?: boolean;
  json?: boolean;
  card?: string | false;
}

const HELP = `
FILE has the columns text and label: CSV, .xlsx, or JSON lines. Where all labels say yes or no (true, 1, ja, oui, …) the model
answers yes or no; where --levels are given, or all labels are whole numbers, it gives a score; else one of the labels.

Examples:
  onebit decide train angry.csv --ask "Is the customer angry?" -o angry.gguf
  onebit decide train mood.csv --levels calm,annoyed,furious -o mood.gguf
  onebit decide "This is the third time!" -m angry.gguf --ask "Is the customer angry?"
  onebit calibrate newer.csv -m angry.gguf --accuracy 0.95`;

/** The command `decide train`. */
export function trainDecisionCommand({ signal }: CommandContext): Command {
  return new Command('train')
    .description(
      'make a model that answers one question, from texts with the right answer: at most 2 MB, 1-bit weights',
    )
    .argument('<file...>', 'CSV, .xlsx or JSON lines with text and label; - for CSV on standard input')
    .requiredOption('-o, --output <file>', 'the GGUF file to write')
    .addOption(new Option('--type <kind>', 'kind of answer').choices(['yes-no', 'choice', 'score']))
    .option('--ask <question>', 'the question, kept in the file')
    .option('--levels <labels>', 'labels of a score, lowest first, separated by commas')
    .option('--name <text>', "the model's name (default: the file's name)")
    .option('--seed <n>', 'same seed, rows and options, same model (default: 1)', wholeNumber(0, 2 ** 32))
    .option('--no-examples', 'do not keep the rows in the file')
    .option(...CARD_OPTION)
    .option('--no-card', 'no such file')
    .option('--json', 'print one JSON document at the end: file, bytes, type, labels, rows, accuracy, temperature')
    .addHelpText('after', HELP)
    .action(async (files: string[], _: DecideTrainFlags, self: Command) => {
      // `decide` has --ask, --levels and --json too, and takes them though they stand behind "train".
      const flags = self.optsWithGlobals<DecideTrainFlags>();
      const { output, type, ask, levels, seed } = flags;
      const claimed = [{ option: '--output', path: output, kind: 'support-model' } as const, ...cardOutput(flags)];
      const outputs = await Outputs.claim(claimed, files);
      const progress = shareLine();
      try {
        const model = await trainDecision(await readLabelRows(files, signal), {
          ...{ type, instructions: ask, levels: levels?.split(',').map((label) => label.trim()) },
          ...{ name: flags.name ?? nameFrom(output), seed, codeVersion: versionOf(self) },
          ...{ keepExamples: flags.examples, signal },
          onProgress: (stage, done, total) => progress.show(stage, done / total),
        }).finally(() => progress.clear());
        const bytes = await saveSupport(model);
        const path = await outputs.writeResult(output, bytes);
        const names = files.map((file) => basename(file));
        await writeCard(flags, supportFacts(model, names, bytes.length), outputs);
        const { facts, parts } = model;
        const question = parts.question!;
        if (flags.json) {
          printJson({
            ...{ file: path, bytes: bytes.length, type: question.type, labels: question.labels },
            ...{ rows: facts.trainedRows, accuracy: facts.heldOut.accuracy, temperature: facts.temperature },
          });
          return;
        }
        print(
          `${path}: ${question.type} (${question.labels.join(', ').slice(0, 200)}) from ${facts.trainedRows} rows, ${(bytes.length / 1e6).toFixed(2)} MB; ${(100 * facts.heldOut.accuracy).toFixed(1)} % right on rows held out from training`,
        );
        note('how sure an answer must be to be taken: onebit calibrate ROWS, with rows that were not trained on');
      } finally {
        await outputs.release();
      }
    });
}
