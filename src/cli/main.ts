// Owns the program `onebit`: its commands, signals and exit codes. 0 success, 1 failure, 2 bad usage, 130 interrupted.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { OnebitError } from '../errors.ts';
import { benchCommand } from './bench.ts';
import { chatCommand } from './chat.ts';
import type { CommandContext } from './context.ts';
import { demoCommand } from './demo.ts';
import { generateCommand } from './generate.ts';
import { inspectCommand } from './inspect.ts';
import { pullCommand } from './pull.ts';
import { scoreCommand } from './score.ts';
import { serveCommand } from './serve.ts';
import { supportCommand } from './support.ts';
import { trainCommand } from './train.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

/** Runs the program with `args` (without node and script) and gives its exit code. */
export async function main(args: string[]): Promise<number> {
  const interrupt = new AbortController();
  let interrupts = 0;
  let endsBySignal = false;
  const onSignal = () => {
    if (++interrupts > 1) process.exit(EXIT_INTERRUPTED);
    interrupt.abort(new DOMException('Interrupted.', 'AbortError'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0); // the reader has seen enough
    throw error;
  });
  try {
    const context = {
      signal: interrupt.signal,
      endsBySignal: () => {
        endsBySignal = true;
      },
    };
    await program(context).parseAsync(args, { from: 'user' });
    return interrupts > 0 && !endsBySignal ? EXIT_INTERRUPTED : Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error, interrupt.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function program(context: CommandContext): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const root = new Command('onebit')
    .description('Run, train and serve 1-bit language models.')
    .version(version)
    .addHelpText(
      'after',
      '\nExamples:\n  onebit chat\n  onebit generate -p "Once upon a time"\n  onebit COMMAND --help',
    );
  const commands = [
    generateCommand,
    chatCommand,
    scoreCommand,
    inspectCommand,
    benchCommand,
    pullCommand,
    serveCommand,
    trainCommand,
    supportCommand,
    demoCommand,
  ];
  for (const command of commands) root.addCommand(command(context));
  for (const command of [root, ...root.commands]) command.exitOverride().showHelpAfterError('(see --help)');
  return root;
}

function report(error: unknown, signal: AbortSignal): number {
  if (signal.aborted) {
    process.stderr.write('\ninterrupted\n');
    return EXIT_INTERRUPTED;
  }
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE; // it has printed its message
  if (error instanceof OnebitError) process.stderr.write(`error: ${error.message}\n`);
  else process.stderr.write(`internal error, please report it: ${(error as Error)?.stack ?? String(error)}\n`);
  return EXIT_FAILURE;
}
