// `npm run bench`: onebit and the others on the same files, alternating, in one session.
// node bench/run.mjs [--models stories260K,1.7b,8b] [--threads 1,2] [--cases 256:128] [--rounds 5] [--gen-tokens 64]
//   [--prefill-rounds 2] [--engines onebit,chromium,llama,wllama] [--wllama-rounds 1] [--realtime] [--resident] [--flash auto|on|off]
//   [--timeout 300] [--name NAME]
// --cases PROMPT:CONTEXT,…: prefill of PROMPT tokens, decode after CONTEXT tokens. --realtime: every engine under
// `chrt -r 1` (needs root): on busy or small machines the kernel may start llama.cpp's second thread on the core of the
// first, which costs it milliseconds per token; real-time threads are placed at once. Of each second the kernel keeps 50 ms
// from them unless /proc/sys/kernel/sched_rt_runtime_us is -1 (set it as root for the run, 950000 afterwards).
// Cases of more than 512 tokens: engines stay loaded and evaluate the context once, then decode in turns, --rounds times; prefill is measured
// --prefill-rounds times (default 2). wllama takes no part. --resident: shorter cases too, so that a run takes two minutes.
// --flash: llama.cpp's flash attention; default: whichever is faster, found first.
// Writes bench/results/NAME.json, NAME.md (default name: today's date) and decode.svg.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, loadavg, platform, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { canStay, measureOnce, median, readBandwidthOnce, startResident } from './engines.mjs';
import { modelFile } from './models.mjs';
import { readArguments } from './peers/arguments.mjs';
import { decodePicture, markdownTable } from './report.mjs';

if (process.argv.includes('--help')) {
  const head = readFileSync(new URL(import.meta.url), 'utf8').split('import ')[0];
  process.stdout.write(head.replaceAll(/^\/\/ ?/gm, ''));
  process.exit(0);
}
const { option, flag } = readArguments(process.argv.slice(2), ['realtime', 'resident']);
const list = (name, fallback) => option(name, fallback).split(',').filter(Boolean);
const threadCounts = list('threads', '1,2').map(Number);
const rounds = Number(option('rounds', '5'));
const prefillRounds = Number(option('prefill-rounds', '2'));
const genTokens = Number(option('gen-tokens', '64'));
const engines = list('engines', 'onebit,llama,wllama');
const limits = { wllama: Number(option('wllama-rounds', '1')) };
const realtime = flag('realtime');
const resident = flag('resident');
const timeoutMs = 1000 * Number(option('timeout', '300'));
const root = fileURLToPath(new URL('../', import.meta.url));
const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
const date = new Date().toISOString().slice(0, 10);
const machine = {
  date,
  cpu: cpus()[0].model,
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 2 ** 30),
  platform: `${platform()} ${arch()}`,
  node: process.versions.node,
  loadAverage: loadavg()
    .map((value) => value.toFixed(1))
    .join(' '),
  realtime,
  ...(realtime && { realtimeMicroseconds: Number(readFileSync('/proc/sys/kernel/sched_rt_runtime_us', 'utf8')) }),
};
const changed = git('status', '--porcelain', '--', 'src', 'bin').length > 0;
const commit = git('rev-parse', '--short', 'HEAD') + (changed ? '+' : '');

const bandwidthRuns = new Map(threadCounts.map((threads) => [threads, []]));
async function measureBandwidth(threads) {
  bandwidthRuns.get(threads).push(await readBandwidthOnce(threads, { passes: genTokens, realtime, timeoutMs }));
}

/** The faster of llama.cpp's two ways to compute attention, found once a model and thread count. */
async function fasterFlash(job) {
  const short = {
    ...job,
    promptTokens: 16,
    context: Math.min(job.context, 128),
    genTokens: Math.min(job.genTokens, 100),
  };
  const automatic = await measureOnce('llama', { ...short, flash: 'auto' });
  const off = await measureOnce('llama', { ...short, flash: 'off' });
  return off.decode > automatic.decode ? 'off' : 'auto';
}

/** All rounds of one model, thread count and case: every engine once a round, in turns. */
async function measureCase(model, threads, promptTokens, context) {
  // a small model's run is over before it is warm: more runs per process, more tokens per run
  const small = model.fileBytes < 2e7;
  const job = { path: model.path, threads, promptTokens, context, realtime, timeoutMs };
  job.genTokens = small ? Math.max(genTokens, 200) : genTokens;
  job.runs = small ? 3 : 1;
  const answers = Object.fromEntries(engines.map((engine) => [engine, []]));
  const failures = {};
  if (engines.includes('llama')) job.flash = option('flash') ?? (await fasterFlash(job).catch(() => 'auto'));
  for (let round = 0; round < rounds; round++) {
    await measureBandwidth(threads);
    for (const engine of engines) {
      if (round >= (limits[engine] ?? rounds) || failures[engine]) continue;
      try {
        answers[engine].push(await measureOnce(engine, job));
        const { prefill, decode } = answers[engine].at(-1);
        progress(
          `${model.name} ${threads} threads, round ${round + 1}: ${engine} ${prefill.toFixed(1)} / ${decode.toFixed(1)} tok/s`,
        );
      } catch (error) {
        const reason = error.killed ? `no answer within ${timeoutMs / 1000} s` : error.stderr || error.message;
        failures[engine] = String(reason).trim().split('\n').slice(0, 3).join(' ');
        progress(`${model.name} ${threads} threads: ${engine} failed: ${failures[engine]}`);
      }
    }
  }
  return { job, answers, failures };
}

/** Tokens of a prompt or context from which on engines stay loaded. */
const LONG = 512;

/** As measureCase for long prompts and contexts: all engines are loaded, one measures at a time. */
async function measureLong(model, threads, promptTokens, context) {
  const job = { path: model.path, threads, promptTokens, context, realtime, timeoutMs, genTokens };
  const answers = Object.fromEntries(engines.map((engine) => [engine, []]));
  const failures = {};
  const residents = new Map();
  const say = (engine, what) => progress(`${model.name} ${threads} threads: ${engine} ${what}`);
  /** Asks all engines that still take part, in turns; a long evaluation may take ten times the time of a decode. */
  async function each(action, args, limit, use) {
    for (const [engine, resident] of residents) {
      try {
        const { speed } = await resident.ask(action, args, limit);
        say(engine, `${action} ${speed.toFixed(1)} tok/s`);
        use(engine, speed);
      } catch (error) {
        failures[engine] = error.message;
        say(engine, `failed: ${error.message}`);
        residents.delete(engine);
      }
    }
  }
  if (engines.includes('llama')) job.flash = option('flash') ?? (await fasterFlash(job).catch(() => 'auto'));
  const needed = Math.max(promptTokens, context + genTokens) + 64;
  for (const engine of engines.filter(canStay))
    residents.set(engine, await startResident(engine, { ...job, context: needed }));
  const prefills = new Map(engines.map((engine) => [engine, []]));
  for (let round = 0; round < prefillRounds; round++) {
    await each('prefill', { tokens: promptTokens }, 10 * timeoutMs, (engine, speed) =>
      prefills.get(engine).push(speed),
    );
  }
  say('all', `evaluate ${context} tokens`);
  await each('decode', { context, tokens: 8 }, 10 * timeoutMs, () => {});
  for (let round = 0; round < rounds; round++) {
    await measureBandwidth(threads);
    await each('decode', { context, tokens: genTokens }, timeoutMs, (engine, decode) => {
      const { weightBytes, kvBytes, ...ready } = residents.get(engine).ready;
      const prefill = prefills.get(engine)[round] ?? Number.NaN;
      answers[engine].push({ ...ready, prefill, decode, bytesPerToken: weightBytes + kvBytes * context });
    });
  }
  for (const resident of residents.values()) resident.stop();
  return { job, answers, failures };
}

function progress(message) {
  console.error(`${new Date().toISOString().slice(11, 19)} ${message}`);
}

function summary(measured) {
  const values = measured.filter(Number.isFinite);
  return {
    best: Math.max(...values),
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    all: values,
  };
}

function rowsOf(model, { job, answers }) {
  const bytesPerToken = answers.onebit?.[0]?.bytesPerToken ?? model.fileBytes;
  return engines
    .filter((engine) => answers[engine].length > 0)
    .map((engine) => {
      const results = answers[engine];
      const [first] = results;
      const decode = summary(results.map((result) => result.decode));
      return {
        ...{ engine, model: model.name, format: model.format, fileBytes: model.fileBytes, threads: job.threads },
        program: first.program ?? `onebit in Node ${process.versions.node}`,
        ...{ backend: first.backend, commit: engine === 'onebit' ? commit : '–' },
        promptTokens: first.promptTokens ?? job.promptTokens,
        contextTokens: first.contextTokens ?? job.context,
        ...{ context: job.context, genTokens: first.genTokens ?? job.genTokens, rounds: results.length },
        ...(engine === 'llama' ? { flashAttention: job.flash } : {}),
        prefill: summary(results.map((result) => result.prefill)),
        decode,
        loadMs: median(results.map((result) => result.loadMs)),
        peakRssMb: first.peakRssMb,
        bytesPerSecond: decode.best * bytesPerToken,
      };
    });
}

/** Adds to each row what it is compared with: llama.cpp at the same task, and the memory's speed. */
function compare(rows, bandwidth) {
  for (const row of rows) {
    const read = bandwidth.find(({ threads }) => threads === row.threads);
    row.shareOfReadBandwidth = row.bytesPerSecond / read.best; // best round against best round
    const same = (other) => other.engine === 'llama' && other.model === row.model && other.format === row.format;
    const peers = rows.filter((other) => same(other) && other.context === row.context);
    const peer = peers.find(({ threads }) => threads === row.threads);
    if (row.engine === 'llama' || !peer) continue;
    const ratio = (key) => ({ best: row[key].best / peer[key].best, median: row[key].median / peer[key].median });
    row.ratioToLlamaCpp = {
      prefill: row.promptTokens === peer.promptTokens ? ratio('prefill') : undefined,
      decode: ratio('decode'),
    };
    // small models run slower with more threads in llama.cpp: also against its best at any thread count measured
    row.decodeRatioToBestOfLlamaCpp = row.decode.best / Math.max(...peers.map(({ decode }) => decode.best));
  }
}

const results = [];
const failures = [];
for (const name of list('models', 'stories260K,1.7b')) {
  const model = modelFile(name);
  for (const cases of list('cases', '256:128')) {
    const [promptTokens, context] = cases.split(':').map(Number);
    for (const threads of threadCounts) {
      const measure = resident || Math.max(promptTokens, context || 0) > LONG ? measureLong : measureCase;
      const measured = await measure(model, threads, promptTokens, context || promptTokens);
      results.push(...rowsOf(model, measured));
      for (const [engine, reason] of Object.entries(measured.failures))
        failures.push({ engine, model: name, threads, reason });
    }
  }
}
const bandwidth = [...bandwidthRuns].map(([threads, runs]) => ({
  threads,
  best: Math.max(...runs.map((run) => run.speed)),
  median: median(runs.map((run) => run.speed)),
  min: Math.min(...runs.map((run) => run.speed)),
  fastestPass: Math.max(...runs.map((run) => run.best)),
}));
compare(results, bandwidth);
const report = {
  machine,
  command: `node bench/run.mjs ${process.argv.slice(2).join(' ')}`,
  bandwidth,
  rows: results,
  failures,
};
const folder = new URL('results/', import.meta.url);
const file = option('name', date);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL(`${file}.json`, folder), `${JSON.stringify(report, null, 1)}\n`);
writeFileSync(new URL(`${file}.md`, folder), markdownTable(report));
writeFileSync(new URL('decode.svg', folder), decodePicture(report));
console.log(markdownTable(report));
