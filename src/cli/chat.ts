// Owns `onebit chat`: a conversation at the terminal, or one message after the other from a pipe.
import { createInterface, type Interface } from 'node:readline';
import { Command } from 'commander';
import type { ChatMessage } from '../chat/messages.ts';
import { printable } from '../core/printable.ts';
import type { Abstain } from '../generate/abstain.ts';
import type { GenerationResult } from '../generate/generation.ts';
import type { LanguageModel } from '../language-model.ts';
import { type AbstainFlags, abstainOf, addAbstainOptions } from './calibration-file.ts';
import { addModelOptions, type CommandContext, loadModel, type ModelFlags } from './context.ts';
import { speedLine } from './generate.ts';
import { note, printJson, printModelText } from './print.ts';
import { inputLines } from './read-input.ts';
import { addSamplingOptions, generateOptionsOf, type SamplingFlags } from './sampling-options.ts';

export interface ChatFlags extends ModelFlags, SamplingFlags, Partial<AbstainFlags> {
  prompt?: string;
  system?: string;
  thinking?: boolean;
  json?: boolean;
}

const HELP = `
Examples:
  onebit chat
  onebit chat -m prism-ml/Bonsai-1.7B-gguf --system "Answer in one sentence."
  onebit chat -p "Where is my parcel?" --json
  echo "Book a table for two" | onebit chat

In a chat: end a line with \\ to go on in the next one; Ctrl-C stops the answer, at an empty prompt it leaves.
  /system TEXT  set the system message    /reset  start anew    /help  this    /exit  leave`;

/** The command `chat`. */
export function chatCommand(context: CommandContext): Command {
  return addAbstainOptions(addSamplingOptions(addModelOptions(new Command('chat').description('talk to the model'))))
    .option('-p, --prompt <text>', 'one message to answer, instead of a conversation')
    .option('--system <text>', 'system message')
    .option('--thinking', 'let a model that can think do so first')
    .option('--json', 'with -p: print one JSON document, as generate does')
    .addHelpText('after', HELP)
    .action(async (flags: ChatFlags, command: Command) => {
      if (flags.json && flags.prompt === undefined) command.error('error: --json needs -p', { exitCode: 2 });
      const abstain = await abstainOf(flags as AbstainFlags, flags.model, context.signal);
      const model = await loadModel(flags, context.signal);
      try {
        if (flags.prompt === undefined) await new Conversation(model, flags, context, abstain).run();
        else await answerOnce(model, flags, flags.prompt, context, abstain);
      } finally {
        await model.dispose();
      }
    });
}

async function answerOnce(
  model: LanguageModel,
  flags: ChatFlags,
  prompt: string,
  { signal, uncaught }: CommandContext,
  abstain: Abstain | undefined,
): Promise<void> {
  const messages = withSystem(flags.system, [{ role: 'user', content: prompt }]);
  const generation = await uncaught(() =>
    model.chat(messages, { ...generateOptionsOf(flags, signal), thinking: flags.thinking, abstain }),
  );
  if (flags.json) return printJson(await generation.result());
  for await (const piece of generation) printModelText(piece.text);
  process.stdout.write('\n');
}

function withSystem(system: string | undefined, messages: ChatMessage[]): ChatMessage[] {
  return system ? [{ role: 'system', content: system }, ...messages] : messages;
}

/** A conversation over standard input and output. */
export class Conversation {
  private readonly model: LanguageModel;
  private readonly flags: ChatFlags;
  private readonly context: CommandContext;
  private readonly abstain: Abstain | undefined;
  private readonly interactive = Boolean(process.stdin.isTTY && process.stdout.isTTY);
  private messages: ChatMessage[] = [];
  private system: string | undefined;

  constructor(model: LanguageModel, flags: ChatFlags, context: CommandContext, abstain?: Abstain) {
    this.model = model;
    this.flags = flags;
    this.context = context;
    this.abstain = abstain;
    this.system = flags.system;
  }

  /** Reads messages and answers them until the input ends, `/exit`, or Ctrl-C at an empty prompt. */
  async run(): Promise<void> {
    const { signal } = this.context;
    if (!this.interactive) {
      for await (const line of inputLines('read messages', signal)) if (!(await this.handle(line.trim()))) return;
      return;
    }
    const lines = createInterface({ input: process.stdin, output: process.stdout });
    const close = () => lines.close();
    signal.addEventListener('abort', close, { once: true });
    lines.on('SIGINT', () => this.interrupt(lines));
    note(printable(`${this.model.config.name} - /help for help, Ctrl-D to leave`));
    lines.setPrompt('> ');
    lines.prompt();
    try {
      let text = '';
      for await (const line of lines) {
        if (line.endsWith('\\')) {
          text += `${line.slice(0, -1)}\n`;
          continue;
        }
        text += line;
        if (!(await this.handle(text.trim()))) break;
        text = '';
        signal.throwIfAborted();
        lines.prompt();
      }
      signal.throwIfAborted();
    } finally {
      signal.removeEventListener('abort', close);
      lines.close();
    }
  }

  private interrupt(lines: Interface): void {
    if (lines.line !== '') {
      process.stdout.write('\n');
      lines.write(null, { ctrl: true, name: 'e' });
      lines.write(null, { ctrl: true, name: 'u' });
      lines.prompt();
    } else {
      process.stdout.write('\n');
      lines.close();
    }
  }

  /** Answers a message or obeys a command; false to leave. */
  private async handle(text: string): Promise<boolean> {
    if (text === '') return true;
    if (!text.startsWith('/')) {
      await this.reply(text);
      return true;
    }
    const [command, ...words] = text.split(' ');
    if (command === '/exit' || command === '/quit') return false;
    if (command === '/reset') this.messages = [];
    else if (command === '/system') {
      this.system = words.join(' ') || undefined;
      this.messages = [];
    } else process.stderr.write(`${HELP.slice(HELP.indexOf('In a chat'))}\n`);
    return true;
  }

  private async reply(text: string): Promise<void> {
    this.messages.push({ role: 'user', content: text });
    const stopped = new AbortController();
    let answer = '';
    this.answering(() => stopped.abort());
    try {
      const generation = await this.context.uncaught(() => {
        return this.model.chat(withSystem(this.system, this.messages), {
          ...generateOptionsOf(this.flags, AbortSignal.any([this.context.signal, stopped.signal])),
          thinking: this.flags.thinking,
          abstain: this.abstain,
        });
      });
      for await (const piece of generation) {
        answer += piece.text;
        printModelText(piece.text);
      }
      this.finishLine(await generation.result());
    } catch (error) {
      if (!stopped.signal.aborted || this.context.signal.aborted) throw error;
      process.stdout.write('\n');
    } finally {
      this.answering();
    }
    this.messages.push({ role: 'assistant', content: answer });
  }

  /**
   * Lets Ctrl-C stop the answer that is being written. Meanwhile the terminal must make a signal of it (which it does not while lines are edited): a
   * signal is heard even where the program stands still.
   */
  private answering(stop?: () => void): void {
    if (!this.interactive) return;
    process.stdin.setRawMode(stop === undefined);
    this.context.catchInterrupt(stop);
  }

  private finishLine(result: GenerationResult): void {
    process.stdout.write('\n');
    if (this.interactive) process.stderr.write(`\x1b[2m${speedLine(result)}\x1b[0m\n`);
  }
}
