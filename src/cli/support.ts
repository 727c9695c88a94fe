// Owns `onebit support`: the group of commands for customers' queries.
import { Command } from 'commander';
import type { CommandContext } from './context.ts';
import { predictSupportCommand } from './support-ask.ts';
import { evaluateSupportCommand } from './support-evaluate.ts';
import { redactSupportCommand } from './support-redact.ts';
import { reportSupportCommand } from './support-report.ts';
import { serveSupportCommand } from './support-serve.ts';
import { shadowSupportCommand } from './support-shadow.ts';
import { suggestSupportCommand } from './support-suggest.ts';
import { textsSupportCommand } from './support-texts.ts';
import { trainSupportCommand, updateSupportCommand } from './support-train.ts';

/** The command `support` with its own commands. */
export function supportCommand(context: CommandContext): Command {
  const command = new Command('support').description(
    "say what customers' queries are about, and when a person is needed",
  );
  const commands = [
    trainSupportCommand,
    updateSupportCommand,
    predictSupportCommand,
    evaluateSupportCommand,
    redactSupportCommand,
    reportSupportCommand,
    shadowSupportCommand,
    suggestSupportCommand,
    textsSupportCommand,
    serveSupportCommand,
  ];
  for (const make of commands) command.addCommand(make(context).exitOverride().showHelpAfterError('(see --help)'));
  return command.addHelpText('after', '\nStart with: onebit support train queries.csv -o support.gguf');
}
