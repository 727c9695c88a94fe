// Owns `onebit detect`: whether a text carries the mark of a key.
import { Command } from 'commander';
import { decodePieces } from '../core/decode-text.ts';
import type { Detection } from '../evaluate/watermark.ts';
import { addModelOptions, type CommandContext, loadModel, type ModelFlags } from './context.ts';
import { print, printJson, printJsonLine } from './print.ts';
import { readInputText } from './read-input.ts';
import { watermarkKey } from './watermark-key.ts';

interface DetectFlags extends ModelFlags {
  watermarkKey: string;
  prompt?: string;
  file?: string;
  stream?: boolean;
  json?: boolean;
}

const HELP = `
Examples:
  onebit generate -p "Once upon a time" --watermark @key.txt > story.txt
  onebit detect --file story.txt --watermark-key @key.txt
  onebit detect "The text in question" -m model.gguf --watermark-key @key.txt --json
  tail -f answers.txt | onebit detect - --stream --watermark-key @key.txt

pValue is how likely an unmarked text would look at least as marked: below 0.001, one in a thousand would. The model must be the one that wrote
the text. What a mark cannot do (little choice, JSON, translations): docs/watermark.md.`;

/** The command `detect`. */
export function detectCommand({ signal }: CommandContext): Command {
  return addModelOptions(
    new Command('detect')
      .description('whether a text was marked with --watermark')
      .argument('[text]', '- for standard input'),
  )
    .requiredOption('--watermark-key <key>', 'the secret key, or @FILE', watermarkKey)
    .option('--file <path>', 'a file with the text')
    .option('-p, --prompt <text>', 'what the text may be the answer to: the test sees more with it')
    .option('--stream', 'with -: look again as the text comes, one line of JSON each time')
    .option('--json', 'print one JSON document: pValue, tokens, places, hits, hitsByChance, sampling, segments')
    .addHelpText('after', HELP)
    .action(async (text: string | undefined, flags: DetectFlags, command: Command) => {
      if ((text === undefined) === (flags.file === undefined)) {
        command.error('error: give a text, - or --file, one of them', { exitCode: 2 });
      }
      if (flags.stream && text !== '-') command.error('error: --stream needs -', { exitCode: 2 });
      await detect(text, flags, signal);
    });
}

async function detect(given: string | undefined, flags: DetectFlags, signal: AbortSignal): Promise<void> {
  const text = flags.stream
    ? ''
    : given !== undefined && given !== '-'
      ? given
      : await readInputText(flags.file ?? '-', 'read text', signal);
  const model = await loadModel(flags, signal);
  try {
    const options = { key: flags.watermarkKey, prompt: flags.prompt, signal };
    if (flags.stream) {
      const pieces = decodePieces(process.stdin, 'read text: standard input');
      for await (const look of model.watchWatermark(pieces, options)) printJsonLine(look);
      return;
    }
    const detection = await model.detectWatermark(text, options);
    if (flags.json) printJson(detection);
    else printDetection(detection);
  } finally {
    await model.dispose();
  }
}

function printDetection({ pValue, tokens, places, hits, hitsByChance, segments }: Detection): void {
  print(`p-value ${pValue.toPrecision(3)}: ${meaningOf(pValue)}`);
  print(`${hits} of ${places} places as the key has it, ${hitsByChance.toFixed(1)} by chance (${tokens} tokens)`);
  if (segments.length < 2) return;
  for (const { from, to, pValue } of segments) print(`  characters ${from} to ${to}: p-value ${pValue.toPrecision(3)}`);
}

function meaningOf(pValue: number): string {
  if (pValue < 1e-3) return 'marked with this key, or a coincidence of less than one in a thousand';
  return pValue < 0.05 ? 'perhaps marked; more text would tell' : 'no sign of this mark';
}
