// Owns the options that say how text is generated, for the commands that generate.
import type { Command } from 'commander';
import type { GenerateOptions } from '../generate/options.ts';
import { collect, numberBetween, wholeNumber } from './context.ts';
import { watermarkKey } from './watermark-key.ts';

export interface SamplingFlags {
  maxTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenalty?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  dry?: number;
  seed?: number;
  stop?: string[];
  ignoreEos?: boolean;
  slide?: boolean;
  lookup?: number;
  watermark?: string;
  loopGuard?: boolean;
}

/** Adds -n, --temperature, --top-k and their relatives. */
export function addSamplingOptions(command: Command): Command {
  return command
    .option('-n, --max-tokens <n>', 'most tokens to produce (default: 256)', wholeNumber(0, 1 << 24))
    .option('--temperature <t>', '0 is greedy (default: as the model asks, else 0.5)', numberBetween(0, 100))
    .option(
      '--top-k <k>',
      'keep the k likeliest tokens, 0 for all (default: as the model asks, else 20)',
      wholeNumber(0, 1 << 24),
    )
    .option(
      '--top-p <p>',
      'keep the likeliest tokens of this probability (default: as the model asks, else 0.85)',
      numberBetween(0, 1),
    )
    .option(
      '--min-p <p>',
      'keep tokens this share as likely as the likeliest (default: as the model asks, else 0)',
      numberBetween(0, 1),
    )
    .option('--repeat-penalty <x>', 'weaken recent tokens (default: 1, off)', numberBetween(0.01, 100))
    .option('--presence-penalty <x>', 'weaken tokens that occurred (default: 0)', numberBetween(-100, 100))
    .option('--frequency-penalty <x>', 'weaken tokens for each occurrence (default: 0)', numberBetween(-100, 100))
    .option('--dry <x>', 'weaken repeated passages (DRY multiplier; default: 0, off)', numberBetween(0, 100))
    .option('--seed <n>', 'same seed, same text (default: random)', numberBetween(-1e300, 1e300))
    .option('--stop <text>', 'stop at this text (may be repeated)', collect)
    .option('--ignore-eos', 'go on after the end of the text')
    .option('--lookup <n>', 'greedy: guess n tokens from the text so far, for repetitive text', wholeNumber(0, 15))
    .option('--watermark <key>', 'mark the text by a secret key, or @FILE (see onebit detect)', watermarkKey)
    .option('--loop-guard', 'end a text that only repeats itself (default in chat)')
    .option('--no-loop-guard', 'let it repeat itself')
    .option('--slide', 'when the context is full, forget the oldest text and go on');
}

/** The generation options that the flags mean. */
export function generateOptionsOf(flags: SamplingFlags, signal: AbortSignal): GenerateOptions {
  return {
    maxTokens: flags.maxTokens,
    temperature: flags.temperature,
    topK: flags.topK,
    topP: flags.topP,
    minP: flags.minP,
    repeatPenalty: flags.repeatPenalty,
    presencePenalty: flags.presencePenalty,
    frequencyPenalty: flags.frequencyPenalty,
    dryMultiplier: flags.dry,
    seed: flags.seed,
    stop: flags.stop,
    ignoreEndOfText: flags.ignoreEos,
    lookupTokens: flags.lookup,
    watermark: flags.watermark,
    loopGuard: flags.loopGuard,
    overflow: flags.slide ? 'slide' : 'stop',
    signal,
  };
}
