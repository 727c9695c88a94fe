// onebit as an engine that stays loaded (peers/resident.mjs says how it is talked to), used as its library is: sessions that generate greedily.
// node bench/resident-onebit.mjs MODEL [--threads 2] [--context 512] [--sequences 1]      (needs dist/ built)
// Actions: prefill { tokens }: speed of evaluating a prompt from nothing. decode { context, tokens }: speed of decoding after `context` tokens, which
// are evaluated at first and then kept. together { sequences, context, tokens }: tokens per second of that many generations at once.
import { resolveOptions } from '../dist/generate/options.js';
import { load } from '../dist/index.js';
import { kvBytesPerToken } from '../dist/model/memory.js';
import { readArguments } from './peers/arguments.mjs';
import { answerCommands, speed } from './peers/resident.mjs';

const { positional, option } = readArguments(process.argv.slice(2));
const contextTokens = Number(option('context', '512'));
const loadStart = performance.now();
const model = await load(positional[0], {
  threads: Number(option('threads', '2')),
  // one pool of memory for all sequences
  contextTokens: contextTokens * Number(option('sequences', '1')),
});
const loadMs = performance.now() - loadStart;
const greedy = resolveOptions({ temperature: 0 });
const text = (from, to) =>
  Array.from({ length: to - from }, (_, i) => ((from + i) * 7919 + 13) % model.config.vocabulary);
let session = model.session();

/** Evaluates what the session lacks of `prompt`, then decodes; gives the milliseconds of both. */
async function generate(held, prompt, tokens) {
  const began = performance.now();
  let prefilled = began;
  let produced = 0;
  const onPrefill = () => {
    prefilled = performance.now();
  };
  for await (const _ of held.generate(prompt, greedy, onPrefill)) if (++produced === tokens) break;
  return { prefillMs: prefilled - began, decodeMs: performance.now() - prefilled };
}

const actions = {
  async prefill({ tokens }) {
    session.dispose();
    session = model.session();
    // one token more than is measured: the last one is fed by the first decode step
    const { prefillMs } = await generate(session, text(0, tokens + 1), 1);
    return { speed: (tokens * 1000) / prefillMs };
  },
  async decode({ context, tokens }) {
    const { decodeMs } = await generate(session, text(0, context + 1), tokens);
    return { speed: (tokens * 1000) / decodeMs };
  },
  async together({ sequences, context, tokens }) {
    session.dispose();
    const sessions = Array.from({ length: sequences }, () => model.session());
    const prompts = sessions.map((_, s) => text(s, s + context));
    for (const [s, prompt] of prompts.entries()) await generate(sessions[s], prompt, 1);
    const measured = await speed(sequences * tokens, () =>
      Promise.all(prompts.map((prompt, s) => generate(sessions[s], prompt, tokens))),
    );
    for (const held of sessions) held.dispose();
    session = model.session();
    return { speed: measured };
  },
};

await actions.decode({ context: 32, tokens: 8 });
const kvBytes = kvBytesPerToken(model.config, 'f16');
const { threads, name: backend } = model.backend;
await answerCommands({ backend, threads, loadMs, weightBytes: model.decodeWeightBytes, kvBytes }, actions);
await model.dispose();
