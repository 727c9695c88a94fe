// Owns `onebit generate`.
import { Command } from 'commander';
import type { GenerationResult } from '../generate/generation.ts';
import { addModelOptions, type CommandContext, loadModel, type ModelFlags, printJson, wholeNumber } from './context.ts';
import { addSamplingOptions, generateOptionsOf, type SamplingFlags } from './sampling-options.ts';
import { readStandardInput } from './standard-input.ts';

interface GenerateFlags extends ModelFlags, SamplingFlags {
  prompt?: string;
  special?: boolean;
  logprobs?: number;
  json?: boolean;
}

const HELP = `
Examples:
  onebit generate -p "Once upon a time"
  onebit generate -m model.gguf -p "def fib(n):" -n 100 --temperature 0
  cat letter.txt | onebit generate -p - --json`;

/** The command `generate`: continues a prompt. */
export function generateCommand({ signal }: CommandContext): Command {
  const command = new Command('generate').description('continue a prompt');
  addSamplingOptions(addModelOptions(command))
    .option('-p, --prompt <text>', 'what to continue; - reads it from standard input (default: empty)')
    .option('--special', 'read control tokens such as <|im_start|> in the prompt')
    .option('--logprobs <n>', 'with --json: exact log-probabilities, with n alternatives', wholeNumber(0, 1000))
    .option('--json', 'print one JSON document: text, promptTokens, tokens, finishReason, timings')
    .addHelpText('after', HELP)
    .action((flags: GenerateFlags) => generate(flags, signal));
  return command;
}

async function generate(flags: GenerateFlags, signal: AbortSignal): Promise<void> {
  const prompt = flags.prompt === '-' ? await readStandardInput() : (flags.prompt ?? '');
  const model = await loadModel(flags, signal);
  try {
    const generation = model.generate(prompt, {
      ...generateOptionsOf(flags, signal),
      special: flags.special,
      logprobs: flags.logprobs,
    });
    if (flags.json) {
      printJson(await generation.result());
      return;
    }
    process.stdout.write(prompt);
    for await (const piece of generation) process.stdout.write(piece.text);
    process.stdout.write('\n');
    process.stderr.write(`${speedLine(await generation.result())}\n`);
  } finally {
    await model.dispose();
  }
}

/** One line about how fast it went. */
export function speedLine({ timings, tokens }: GenerationResult): string {
  const prefill = `prompt ${timings.prefillTokens} tokens in ${timings.prefillMs.toFixed(0)} ms`;
  const speed = timings.decodeTokensPerSecond;
  return `[${prefill}; ${tokens.length} tokens at ${speed.toFixed(speed < 100 ? 1 : 0)} tokens/s]`;
}
