// Tokens per second of several generations at once, onebit and llama.cpp in turns, each loaded once: what a server gains by evaluating them in one step.
// node bench/together.mjs [MODEL|1.7b] [--sequences 1,8] [--threads 2] [--rounds 5] [--gen-tokens 32] [--context 64] [--engines onebit,llama] [--realtime]
import { startResident } from './engines.mjs';
import { modelFile } from './models.mjs';
import { readArguments } from './peers/arguments.mjs';

const { positional, option, flag } = readArguments(process.argv.slice(2), ['realtime']);
const model = modelFile(positional[0] ?? '1.7b');
const counts = option('sequences', '1,8').split(',').map(Number);
const engines = option('engines', 'onebit,llama').split(',');
const tokens = Number(option('gen-tokens', '32'));
const context = Number(option('context', '64'));
const job = {
  path: model.path,
  threads: Number(option('threads', '2')),
  context: context + tokens + 64,
  sequences: Math.max(...counts),
  realtime: flag('realtime'),
};
const rows = [];
for (const engine of engines) {
  const resident = await startResident(engine, job);
  for (const sequences of counts) rows.push({ engine, sequences, resident, speeds: [] });
}
for (let round = 0; round < Number(option('rounds', '5')); round++) {
  for (const { sequences, resident, speeds } of rows) {
    speeds.push((await resident.ask('together', { sequences, context, tokens }, 300_000)).speed);
  }
}
for (const { resident } of rows) resident.stop();
const best = (row) => Math.max(...row.speeds);
for (const row of rows) {
  const alone = rows.find((other) => other.engine === row.engine && other.sequences === counts[0]);
  const peer = rows.find((other) => other.engine === 'llama' && other.sequences === row.sequences);
  console.log(
    JSON.stringify({
      model: model.name,
      engine: row.engine,
      threads: job.threads,
      sequences: row.sequences,
      tokensPerSecond: Number(best(row).toFixed(1)),
      all: row.speeds.map((speed) => Number(speed.toFixed(1))),
      timesOne: Number((best(row) / best(alone)).toFixed(2)),
      timesLlama: peer ? Number((best(row) / best(peer)).toFixed(2)) : undefined,
    }),
  );
}
