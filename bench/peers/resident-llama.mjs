// llama.cpp's native CPU code through node-llama-cpp as an engine that stays loaded (resident.mjs says how it is talked to).
// node bench/peers/resident-llama.mjs MODEL [--threads 2] [--context 512] [--sequences 1] [--flash auto|on|off]
// --context: tokens of each sequence. Actions as in bench/resident-onebit.mjs.
import { readArguments } from './arguments.mjs';
import { judgeVersion, openLlama } from './llama.mjs';
import { answerCommands, speed } from './resident.mjs';

const BATCH = 512;
const { positional, option } = readArguments(process.argv.slice(2));
const loadStart = performance.now();
const judge = await openLlama(positional[0], {
  threads: Number(option('threads', '2')),
  contextSize: Number(option('context', '512')),
  sequences: Number(option('sequences', '1')),
  batchSize: BATCH,
  flashAttention: { auto: 'auto', on: true, off: false }[option('flash', 'auto')],
});
const loadMs = performance.now() - loadStart;
const text = (from, to) =>
  Array.from({ length: to - from }, (_, i) => 1 + (((from + i) * 7919) % (judge.vocabSize - 1)));
let cached = 0;

/** Evaluates what is missing of the first `count` tokens. */
async function fill(count) {
  while (cached < count) {
    const end = Math.min(count, cached + BATCH);
    await judge.evaluate(text(cached, end), end === count ? Uint32Array.of(end - cached - 1) : undefined);
    cached = end;
  }
}

function cut(length) {
  judge.truncate(length);
  cached = length;
}

const actions = {
  async prefill({ tokens }) {
    cut(0);
    return { speed: await speed(tokens, () => fill(tokens)) };
  },
  async decode({ context, tokens }) {
    await fill(context);
    cut(context - 1);
    const lastOnly = Uint32Array.of(0);
    let slots = await judge.evaluate([1], lastOnly);
    const measured = await speed(tokens, async () => {
      for (let i = 0; i < tokens; i++) slots = await judge.evaluate([await judge.greedy(slots[0])], lastOnly);
    });
    cut(context);
    return { speed: measured };
  },
  async together({ sequences, context, tokens }) {
    cut(0);
    let slots = [];
    for (let s = 0; s < sequences; s++)
      slots.push((await judge.evaluateTogether([{ sequence: s, tokens: text(s, s + context) }]))[0]);
    // the logits of a batch are gone with the next: the first token of each sequence is any
    let next = slots.map((_, s) => 1 + s);
    const measured = await speed(sequences * tokens, async () => {
      for (let i = 0; i < tokens; i++) {
        slots = await judge.evaluateTogether(next.map((token, sequence) => ({ sequence, tokens: [token] })));
        next = await Promise.all(slots.map((slot) => judge.greedy(slot)));
      }
    });
    for (let s = 0; s < sequences; s++) judge.forget(s);
    return { speed: measured };
  },
};

// Warm-up: the weights are mapped from the file and read into memory by the first evaluation.
await actions.decode({ context: 32, tokens: 4 });
const program = await judgeVersion(judge.llama);
await answerCommands({ program, backend: 'native', loadMs }, actions);
process.exit(0);
