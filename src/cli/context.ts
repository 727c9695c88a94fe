// Owns what every command is given, and the options that all commands which load a model share.
import { fileURLToPath } from 'node:url';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { I2sLayout } from '../gguf/tensors.ts';
import type { KvFormat } from '../kernels/backend.ts';
import type { LanguageModel } from '../language-model.ts';
import type { BackendName, LoadOptions } from '../load-options.ts';
import { EMBEDDED_MODEL } from '../open-source.ts';
import { progressLine } from './progress.ts';
import { withModelHint } from './suggest.ts';

/** What the program gives to each command. */
export interface CommandContext {
  /** Aborted by Ctrl-C, SIGTERM and --timeout. */
  readonly signal: AbortSignal;
  /** Says that the command runs until a signal comes: ending then is success, and may take so many milliseconds. */
  readonly endsBySignal: (graceMs: number) => void;
  /** Says that the command has something to save when a signal comes, and takes its time for that. */
  readonly endsInOrder: () => void;
  /** Does work that may keep the event loop for long, for a file or a prompt asks for it: meanwhile signals end the process at once. */
  readonly uncaught: <Result>(work: () => Result | Promise<Result>) => Promise<Result>;
  /** Sends the next Ctrl-C to `catcher`; without one they stop the command again. */
  readonly catchInterrupt: (catcher?: () => void) => void;
}

/** How models are run. */
export interface ComputeFlags {
  backend: BackendName;
  threads?: number;
  ctx?: number;
  kv: KvFormat;
  i2sLayout?: I2sLayout;
}

export interface ModelFlags extends ComputeFlags {
  model?: string;
  lora?: string;
}

/** Refuses options that mean nothing without another one: who gives them relies on what would not be there. Names as in flags. */
export function refuseAlone(command: Command, names: readonly string[], needed: string): Command {
  const spelt = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return command.hook('preAction', (_, asked) => {
    const alone = names.find((name) => asked.getOptionValueSource(name) === 'cli');
    if (alone === undefined || asked.getOptionValue(needed) !== undefined) return;
    asked.error(`error: ${spelt(alone)} needs ${spelt(needed)}`, { exitCode: 2 });
  });
}

/** Adds -m, --lora and what `addComputeOptions` adds. */
export function addModelOptions(command: Command): Command {
  return addComputeOptions(
    command
      .option(
        '-m, --model <path|name>',
        'a GGUF file, a URL, or the name of a pulled model (default: the embedded seedling)',
      )
      .option('--lora <path>', 'a low-rank adapter of the model: a GGUF file or a folder of PEFT'),
  );
}

/** The order of I2_S weights, which no file says. */
export function i2sLayoutOption(): Option {
  return new Option(
    '--i2s-layout <width>',
    'groups of I2_S weights: 64 for files of ARM builds of BitNet (default: 128, or what rows allow)',
  ).choices(['128', '64']);
}

/** Adds --backend, --threads, --ctx, --kv and --i2s-layout. */
export function addComputeOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--backend <name>', 'what computes').choices(['auto', 'wasm', 'webgpu', 'reference']).default('auto'),
    )
    .option(
      '--threads <n>',
      'threads of the wasm backend (default: all cores up to four, half of more, at most eight)',
      wholeNumber(1, 256),
    )
    .option('--ctx <tokens>', "context length (default: the model's, at most 4096)", wholeNumber(1, 1 << 28))
    .addOption(
      new Option('--kv <format>', 'format of the key/value cache').choices(['f32', 'f16', 'q8']).default('f16'),
    )
    .addOption(i2sLayoutOption());
}

/** Path, URL or name of the model that the flags mean. */
export function modelNameOf({ model = 'seedling' }: { model?: string }): string {
  return model === 'seedling' ? fileURLToPath(EMBEDDED_MODEL) : model;
}

/** Loads the model with a progress bar on a terminal. */
export async function loadModel(
  flags: ModelFlags,
  signal: AbortSignal,
  more: Pick<LoadOptions, 'parallel'> = {},
): Promise<LanguageModel> {
  const progress = progressLine();
  try {
    const name = modelNameOf(flags);
    const options: LoadOptions = {
      ...more,
      backend: flags.backend,
      threads: flags.threads,
      contextTokens: flags.ctx,
      kvFormat: flags.kv,
      i2sLayout: flags.i2sLayout,
      signal,
      onProgress: (done, total) => progress.update('loading', done, total),
    };
    const { load } = await import('../load.ts'); // the engine, which commands that only look at files do not wait for
    const model = await withModelHint(name, 'language', () => load(name, options));
    if (flags.lora !== undefined) await useAdapter(model, flags.lora, signal);
    return model;
  } finally {
    progress.clear();
  }
}

async function useAdapter(model: LanguageModel, path: string, signal: AbortSignal): Promise<void> {
  try {
    await model.addAdapter(path, path, { signal });
    model.defaultAdapter = path;
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

/** For options that may be repeated: the values in order. */
export function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

/** A parser of option values: whole numbers in a range. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** A parser of option values: numbers in a range. */
export function numberBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
    }
    return value;
  };
}
