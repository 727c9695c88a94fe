// Owns `onebit generate`.
import { Command } from 'commander';
import { OnebitError } from '../errors.ts';
import type { GenerationResult } from '../generate/generation.ts';
import type { LanguageModel } from '../language-model.ts';
import { compileRegexAsync, compileSchemaAsync } from '../structured/compile.ts';
import type { Grammar } from '../structured/grammar.ts';
import { type AbstainFlags, abstainOf, addAbstainOptions } from './calibration-file.ts';
import { addModelOptions, type CommandContext, loadModel, type ModelFlags, wholeNumber } from './context.ts';
import { note, printJson, printModelText } from './print.ts';
import { isInputGiven, readInputText, readSchema } from './read-input.ts';
import { addSamplingOptions, generateOptionsOf, type SamplingFlags } from './sampling-options.ts';

interface GenerateFlags extends ModelFlags, SamplingFlags, AbstainFlags {
  prompt?: string;
  promptFile?: string;
  special?: boolean;
  logprobs?: number;
  json?: boolean;
  jsonSchema?: string;
  regex?: string;
}

const HELP = `
Examples:
  onebit generate -p "Once upon a time"
  onebit generate -m model.gguf -p "def fib(n):" -n 100 --temperature 0
  cat letter.txt | onebit generate -p - --json`;

/** The command `generate`: continues a prompt. */
export function generateCommand(context: CommandContext): Command {
  const command = new Command('generate').description('continue a prompt');
  addAbstainOptions(addSamplingOptions(addModelOptions(command)))
    .option('-p, --prompt <text>', 'what to continue; - reads it from standard input (default: empty)')
    .option('--prompt-file <path>', 'a file with what to continue')
    .option('--special', 'read control tokens such as <|im_start|> in the prompt')
    .option('--logprobs <n>', 'with --json: exact log-probabilities, with n alternatives', wholeNumber(0, 1000))
    .option('--json', 'print one JSON document: text, promptTokens, tokens, finishReason, timings')
    .option('--json-schema <file>', 'allow only JSON of this schema')
    .option('--regex <pattern>', 'allow only text that this regular expression matches as a whole')
    .addHelpText('after', HELP)
    .action((flags: GenerateFlags) => generate(flags, context));
  return command;
}

async function generate(flags: GenerateFlags, { signal, uncaught }: CommandContext): Promise<void> {
  const prompt = await promptOf(flags, signal);
  const abstain = await abstainOf(flags, flags.model, signal);
  const model = await loadModel(flags, signal);
  try {
    const generation = await uncaught(async () =>
      model.generate(prompt, {
        ...generateOptionsOf(flags, signal),
        special: flags.special,
        logprobs: flags.logprobs,
        abstain,
        constraint: await constraintOf(flags, model, signal),
      }),
    );
    if (flags.json) return printJson(await generation.result());
    process.stdout.write(prompt);
    for await (const piece of generation) printModelText(piece.text);
    process.stdout.write('\n');
    note(speedLine(await generation.result()));
  } finally {
    await model.dispose();
  }
}

async function constraintOf(
  { jsonSchema, regex }: GenerateFlags,
  model: LanguageModel,
  signal: AbortSignal,
): Promise<Grammar | undefined> {
  if (jsonSchema !== undefined && regex !== undefined) {
    throw new OnebitError('bad-argument', 'generate: --json-schema or --regex must be given, got both. Leave one out.');
  }
  if (regex !== undefined) return compileRegexAsync(regex, model.tokenizer);
  return jsonSchema === undefined
    ? undefined
    : compileSchemaAsync(await readSchema(jsonSchema, 'generate', signal), model.tokenizer);
}

async function promptOf({ prompt, promptFile }: GenerateFlags, signal: AbortSignal): Promise<string> {
  if (prompt !== undefined && promptFile !== undefined) {
    throw new OnebitError(
      'bad-argument',
      'generate: --prompt or --prompt-file must be given, got both. Leave one out.',
    );
  }
  if (promptFile !== undefined || prompt === '-') return readInputText(promptFile ?? '-', 'read prompt', signal);
  if (prompt === undefined && (await isInputGiven()))
    note('note: the prompt is empty. What comes by standard input is read with: -p -');
  return prompt ?? '';
}

/** One line about how fast it went. */
export function speedLine({ timings, tokens }: GenerationResult): string {
  const prefill = `prompt ${timings.prefillTokens} tokens in ${timings.prefillMs.toFixed(0)} ms`;
  const speed = timings.decodeTokensPerSecond;
  return `[${prefill}; ${tokens.length} tokens at ${speed.toFixed(speed < 100 ? 1 : 0)} tokens/s]`;
}
