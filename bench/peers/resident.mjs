// Owns: the conversation between a benchmark and an engine that stays loaded over all rounds: JSON, a command per line in, an answer per line out. While it
// waits for a command the process does nothing. Must not know engines.
import { createInterface } from 'node:readline';

/**
 * Says that the engine is ready, then answers `{ action, ...arguments }` until standard input ends. An action that throws is answered with `{ error }`.
 * @param {object} ready what the benchmark should know of the engine
 * @param {Record<string, (args: any) => Promise<object>>} actions
 */
export async function answerCommands(ready, actions) {
  const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  say(ready);
  for await (const line of createInterface({ input: process.stdin })) {
    const { action, ...args } = JSON.parse(line);
    try {
      say(await actions[action](args));
    } catch (error) {
      say({ error: String(error?.message ?? error) });
    }
  }
}

/** Tokens per second of `work`, which handles `count` tokens. */
export async function speed(count, work) {
  const start = performance.now();
  await work();
  return (count * 1000) / (performance.now() - start);
}
