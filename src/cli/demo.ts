// Owns `npm start`: the embedded model at its main job, a sample answer and its speed, then at a terminal a chat.
import { Command } from 'commander';
import { Conversation } from './chat.ts';
import { addModelOptions, type CommandContext, loadModel, type ModelFlags } from './context.ts';
import { speedLine } from './generate.ts';

/** What the small story model was trained to continue. */
const STORY = 'Once upon a time';

/** The command `demo`. */
export function demoCommand({ signal }: CommandContext): Command {
  return addModelOptions(new Command('demo').description('show the embedded model at work, then chat')).action(
    async (flags: ModelFlags) => {
      const model = await loadModel(flags, signal);
      try {
        process.stderr.write(`${model.config.name}: ${model.backend.name}, ${model.backend.threads} threads\n\n`);
        process.stdout.write(STORY);
        const generation = model.generate(STORY, { temperature: 0, maxTokens: 120, signal });
        for await (const piece of generation) process.stdout.write(piece.text);
        process.stdout.write('\n');
        process.stderr.write(`${speedLine(await generation.result())}\n\n`);
        if (process.stdin.isTTY) await new Conversation(model, flags, signal).run();
      } finally {
        await model.dispose();
      }
    },
  );
}
