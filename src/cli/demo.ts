// Owns `npm start`: the embedded model at its main job, three things it does well and one that it declines, its speed, then at a terminal a chat.
import { Command } from 'commander';
import type { ChatMessage } from '../chat/messages.ts';
import { Conversation } from './chat.ts';
import { addModelOptions, type CommandContext, loadModel, type ModelFlags } from './context.ts';
import { speedLine } from './generate.ts';

/** What a customer says: a booking in one message, a correction, a question about the model itself, and one that is none of its business. */
const QUESTIONS = [
  'Table for four on Saturday at 7:30 please, at Le Petit Hibou in Kraków.',
  'No, make it 8:15.',
  'What can you do?',
  'Where is my parcel?',
];

/** The command `demo`. */
export function demoCommand(context: CommandContext): Command {
  return addModelOptions(new Command('demo').description('show the embedded model at work, then chat')).action(
    async (flags: ModelFlags) => {
      const { signal } = context;
      const model = await loadModel(flags, signal);
      try {
        process.stderr.write(`${model.config.name}: ${model.backend.name}, ${model.backend.threads} threads\n\n`);
        const messages: ChatMessage[] = [];
        for (const question of QUESTIONS) {
          messages.push({ role: 'user', content: question });
          process.stdout.write(`> ${question}\n`);
          const generation = model.chat(messages, { temperature: 0, maxTokens: 80, signal });
          for await (const piece of generation) process.stdout.write(piece.text);
          const result = await generation.result();
          messages.push({ role: 'assistant', content: result.text });
          process.stdout.write('\n');
          process.stderr.write(`${speedLine(result)}\n\n`);
        }
        if (process.stdin.isTTY) await new Conversation(model, flags, context).run();
      } finally {
        await model.dispose();
      }
    },
  );
}
