// Runs the HTTP fuzzer on the built package: node test/fuzz/http-run.mjs [--cases 10000] [--seed 1] [--first 0] [--together 8] [--model FILE]
// The server runs in a process of its own, honest clients and the clock of /health in another. A finding's case is repeated with --seed as printed,
// --first its number, --cases 1. A result is one line of JSON; every 10,000 cases say what the server holds.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Random } from '../../dist/core/random.js';
import { fuzzHttp } from './http-fuzz.mjs';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    together: { type: 'string', default: '8' },
    model: { type: 'string', default: '' },
  },
});
/** What must hold: seconds until /health answers and between two pieces of an honest stream; megabytes above idle, in the end and ever. */
const [HEALTH_SECONDS, SILENCE_SECONDS, REST_MB, PEAK_MB] = [0.3, 2, 256, 512];
/** What a server at rest holds after the first tenth of the cases, it may hold in the end, and so many megabytes more. */
const GROWTH_MB = 64;
const file = (name) => fileURLToPath(new URL(name, import.meta.url));
// One arena of the C library: with one per thread a server at rest holds a hundred megabytes more or less by chance, and growth would not be seen.
const server = fork(file('./http-server.mjs'), [values.model], { env: { ...process.env, MALLOC_ARENA_MAX: '1' } });
const told = async () => (await once(server, 'message'))[0];
const { url } = await told();
const asked = async (message) => {
  server.send(message);
  return told();
};
server.on('message', ({ unhandled }) => unhandled && console.log(JSON.stringify({ unhandled })));
server.on('exit', (code) => {
  if (ending) return;
  console.log(JSON.stringify({ crash: code, near: done }));
  process.exit(1);
});
let ending = false;
let done = 0;
const idle = await asked('memory');
const witness = spawn(process.execPath, [file('./http-witness.mjs'), url], { stdio: 'pipe' });
await once(witness.stderr, 'data'); // it is ready
witness.stderr.pipe(process.stderr);
let report = '';
witness.stdout.on('data', (chunk) => {
  report += chunk;
});
const start = performance.now();
const memory = [];
let settledMb;
const { findings, outcomes, ...summary } = await fuzzHttp({
  url,
  Random,
  cases: Number(values.cases),
  seed: Number(values.seed),
  first: Number(values.first),
  together: Number(values.together),
  onProgress: async (count) => {
    done = count;
    process.stderr.write(`\r${count} cases`);
    if (settledMb === undefined && count >= Number(values.cases) / 10)
      settledMb = (await asked('memory after gc')).heldMb;
    if (count % 10_000 === 0) memory.push(await asked('memory'));
  },
});
process.stderr.write('\n');
memory.push(await asked('memory'));
witness.stdin.end();
await once(witness, 'close');
const { heldMb: restMb, used } = await asked('memory after gc');
const honest = JSON.parse(report);
ending = true;
const left = await asked('end');
for (const finding of findings.slice(0, 20)) console.log(JSON.stringify(finding));
for (const cause of left.causes) console.log(cause);
const seconds = Math.round((performance.now() - start) / 1000);
const peakMb = Math.max(...memory.map((one) => one.peakMb));
console.log(JSON.stringify({ outcomes }));
console.log(
  JSON.stringify({
    ...summary,
    ...{ findings: findings.length, running: left.running, kvPagesUsed: left.kvPagesUsed, seconds },
    ...{
      idleMb: idle.rssMb,
      peakMb,
      settledMb,
      restMb,
      used,
      rssMb: memory.map((one) => one.rssMb),
      honest,
      node: process.version,
    },
  }),
);
const broken = {
  findings: findings.length > 0,
  running: left.running > 0,
  health: honest.health > HEALTH_SECONDS,
  healthFailed: honest.healthFailed > 0,
  silence: honest.silence > SILENCE_SECONDS,
  streams: honest.broken.length > 0,
  memory: restMb > idle.rssMb + REST_MB || peakMb > idle.rssMb + PEAK_MB || restMb > settledMb + GROWTH_MB,
};
const failed = Object.keys(broken).filter((name) => broken[name]);
if (failed.length > 0) console.log(JSON.stringify({ failed }));
process.exitCode = failed.length > 0 ? 1 : 0;
