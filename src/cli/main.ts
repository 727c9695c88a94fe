// Owns the program `onebit`: its commands and exit codes. 0 success, 1 failure, 2 bad usage; stopped: 130 by Ctrl-C, 143 by SIGTERM, 124 by --timeout.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { fileError } from '../bytes/file-source.ts';
import { OnebitError } from '../errors.ts';
import { type CommandContext, numberBetween } from './context.ts';
import { note, printError } from './print.ts';
import { printStop, Stopping } from './stopping.ts';
import { meantByCommand, meantByWords } from './suggest.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** Every command, in the order of `--help`. Only the one that is named is loaded: all of them take a quarter of a second. */
const COMMANDS: Record<string, () => Promise<(context: CommandContext) => Command>> = {
  generate: async () => (await import('./generate.ts')).generateCommand,
  chat: async () => (await import('./chat.ts')).chatCommand,
  score: async () => (await import('./score.ts')).scoreCommand,
  evaluate: async () => (await import('./evaluate.ts')).evaluateCommand,
  detect: async () => (await import('./detect.ts')).detectCommand,
  batch: async () => (await import('./batch.ts')).batchCommand,
  inspect: async () => (await import('./inspect.ts')).inspectCommand,
  doctor: async () => (await import('./doctor.ts')).doctorCommand,
  convert: async () => (await import('./convert.ts')).convertCommand,
  bench: async () => (await import('./bench.ts')).benchCommand,
  publish: async () => (await import('./publish.ts')).publishCommand,
  pull: async () => (await import('./pull.ts')).pullCommand,
  serve: async () => (await import('./serve.ts')).serveCommand,
  worker: async () => (await import('./worker.ts')).workerCommand,
  mcp: async () => (await import('./mcp.ts')).mcpCommand,
  train: async () => (await import('./train.ts')).trainCommand,
  distil: async () => (await import('./distil.ts')).distilCommand,
  support: async () => (await import('./support.ts')).supportCommand,
  decide: async () => (await import('./decide.ts')).decideCommand,
  calibrate: async () => (await import('./calibrate.ts')).calibrateCommand,
  sign: async () => (await import('./sign.ts')).signCommand,
  verify: async () => (await import('./verify.ts')).verifyCommand,
  demo: async () => (await import('./demo.ts')).demoCommand,
  completion: async () => (await import('./completion.ts')).completionCommand,
};

/** Runs the program with `args` (without node and script) and gives its exit code. */
export async function main(args: string[]): Promise<number> {
  const stopping = new Stopping();
  let endsBySignal = false;
  let root: Command | undefined;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0); // the reader has seen enough
    printError(fileError('write', 'standard output', error).message);
    if (!endsBySignal) process.exit(EXIT_FAILURE); // a server answers on
  });
  try {
    const context: CommandContext = {
      signal: stopping.signal,
      endsBySignal: (graceMs) => {
        endsBySignal = true;
        stopping.endsInOrder(graceMs);
      },
      endsInOrder: () => stopping.endsInOrder(),
      uncaught: (work) => stopping.uncaught(work),
      catchInterrupt: (catcher) => stopping.catchInterrupt(catcher),
    };
    root = await program(args, context, stopping);
    await root.parseAsync(args, { from: 'user' });
    return endsBySignal ? 0 : stopping.exitCode || Number(process.exitCode ?? 0);
  } catch (error) {
    const hint = error instanceof CommanderError && root ? await hintFor(error, root) : undefined;
    if (hint) note(hint);
    const code = report(error, stopping);
    return endsBySignal && stopping.signal.aborted ? 0 : code;
  } finally {
    stopping.end();
  }
}

async function program(args: readonly string[], context: CommandContext, stopping: Stopping): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const root = new Command('onebit')
    .description('Run, train and serve 1-bit language models.')
    .version(version)
    .addHelpText(
      'after',
      '\nExamples:\n  onebit chat\n  onebit generate -p "Once upon a time"\n  onebit COMMAND --help',
    );
  // The shells complete all of them.
  const one = args[0] !== undefined && args[0] !== 'completion' && Object.hasOwn(COMMANDS, args[0]);
  for (const name of one ? [args[0]] : Object.keys(COMMANDS)) {
    root.addCommand((await COMMANDS[name]())(context));
  }
  const bounded = new Set(leaves(root).filter(({ options }) => !options.some(({ long }) => long === '--timeout')));
  for (const command of bounded) {
    command.option('--timeout <seconds>', 'end the command after so long', numberBetween(0.001, 1e6));
  }
  root.hook('preAction', (_, command) => stopping.begin(bounded.has(command) ? command.opts().timeout : undefined));
  for (const command of [root, ...root.commands]) command.exitOverride().showHelpAfterError('(see --help)');
  return root;
}

/** What was probably meant where the command line is wrong. */
async function hintFor({ code }: CommanderError, root: Command): Promise<string | undefined> {
  if (code === 'commander.unknownCommand') return meantByCommand(root.args);
  const command = root.commands.find((child) => child.name() === root.args[0]);
  return code === 'commander.excessArguments' && command ? meantByWords(command.name(), command.args) : undefined;
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function report(error: unknown, { signal, exitCode }: Stopping): number {
  if (signal.aborted) {
    printStop(signal.reason);
    return exitCode;
  }
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE; // it has printed its message
  if (error instanceof OnebitError) printError(error.message);
  else note(`internal error, please report it: ${(error as Error)?.stack ?? String(error)}`);
  return EXIT_FAILURE;
}
