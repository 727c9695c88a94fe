// Owns `onebit score`.
import { Command, InvalidArgumentError } from 'commander';
import { addModelOptions, type CommandContext, loadModel, type ModelFlags } from './context.ts';
import { print, printJson } from './print.ts';
import { progressLine } from './progress.ts';
import { readInputText } from './read-input.ts';

interface ScoreFlags extends ModelFlags {
  text?: string;
  file?: string;
  tokens?: number[];
  bos?: boolean;
  docs?: boolean;
  json?: boolean;
}

const HELP = `
Examples:
  onebit score --text "The quick brown fox"
  onebit score -m model.gguf --file dialogues.txt --docs --ctx 512 --json
  onebit score --tokens 1,403,407 --json

logprobs[i] belongs to token i+1; with --docs it is null where a document begins.
Documents longer than the context are scored in windows that overlap by half.`;

/** The command `score`: how likely a model finds a text. */
export function scoreCommand({ signal }: CommandContext): Command {
  return addModelOptions(
    new Command('score').description('how likely the model finds a text: bits per byte, log-probabilities'),
  )
    .option('--text <text>', 'the text')
    .option('--file <path>', 'a file with the text; - for standard input')
    .option('--tokens <ids>', 'token ids, separated by commas', parseTokens)
    .option('--bos', "begin with the model's begin token (default for text: as the file says)")
    .option('--no-bos', 'do not')
    .option('--docs', 'documents are separated by blank lines; score each from its own start')
    .option('--json', 'print one JSON document: tokens, logprobs, tokensScored, bytes, natsPerToken, bitsPerByte')
    .addHelpText('after', HELP)
    .action((flags: ScoreFlags, command: Command) => score(flags, command, signal));
}

async function score(flags: ScoreFlags, command: Command, signal: AbortSignal): Promise<void> {
  const given = [flags.text, flags.file, flags.tokens].filter((value) => value !== undefined);
  if (given.length !== 1) command.error('error: give exactly one of --text, --file and --tokens', { exitCode: 2 });
  const documents = await readDocuments(flags, signal);
  const model = await loadModel(flags, signal);
  const progress = progressLine();
  try {
    const scored = await model.scoreDocuments(documents, {
      bos: flags.bos,
      contextTokens: flags.ctx,
      onProgress: (done, total) => progress.update('scoring', done, total),
      signal,
    });
    progress.clear();
    if (flags.json) {
      printJson(scored);
    } else {
      print(
        `${scored.bitsPerByte.toFixed(4)} bits per byte, ${scored.natsPerToken.toFixed(4)} nats per token (${scored.tokensScored} tokens, ${scored.bytes} bytes, ${scored.documents} documents)`,
      );
    }
  } finally {
    progress.clear();
    await model.dispose();
  }
}

async function readDocuments(flags: ScoreFlags, signal: AbortSignal): Promise<(string | number[])[]> {
  if (flags.tokens) return [flags.tokens];
  const text = flags.text ?? (await readInputText(flags.file!, 'read text', signal));
  return flags.docs ? splitDocuments(text) : [text];
}

/** Documents separated by blank lines, without the line ends around them; empty ones are left out. */
function splitDocuments(text: string): string[] {
  return text
    .split(/\n[ \t\r]*\n/)
    .map((document) => document.replace(/^[\r\n]+|[\r\n]+$/g, ''))
    .filter((document) => document !== '');
}

function parseTokens(text: string): number[] {
  const tokens = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (tokens.some((token) => !Number.isInteger(token) || token < 0)) {
    throw new InvalidArgumentError('It must be whole numbers separated by commas.');
  }
  return tokens;
}
