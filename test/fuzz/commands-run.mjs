// Ends every command that writes at random moments, fills its disk, or runs it twice at once, on small inputs, by the built package:
// node test/fuzz/commands-run.mjs [--how kill,stop,full,twice] [--times 10] [--only 'train,convert'] [--seed 1]
// Nothing half-written may be taken for whole, no other file be touched, and the next run must work. `full` mounts a small tmpfs: Linux, as root.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, statSync, watch, writeFileSync } from 'node:fs'; // biome-ignore format: one line
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Random } from '../../dist/core/random.js';
import { COMMANDS, FIRST, flawOf, writeInputs } from './commands.mjs';

const { values } = parseArgs({
  options: {
    how: { type: 'string', default: 'kill,stop,twice' },
    times: { type: 'string', default: '10' },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const program = fileURLToPath(new URL('../../bin/onebit.js', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'onebit-commands-'));
const inputs = join(root, 'inputs');
const random = new Random(Number(values.seed));
const findings = [];
/** Longest that a command may take to end after a signal, on a busy machine. */
const END_MS = 4000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const files = new Map();

/** Runs the program in `folder`; `ended` gives code or signal, what it said, and how long it took. */
function start(folder, args) {
  const env = { ...process.env, ONEBIT_CACHE: join(folder, 'cache') };
  const began = performance.now();
  const child = spawn(process.execPath, [program, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.resume();
  child.stderr.on('data', (piece) => {
    said += piece;
  });
  const ended = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ end: code ?? signal, said, ms: performance.now() - began }));
  });
  return { child, ended };
}

/** What is wrong in `folder` after a run; `whole` says that all outputs must be there and nothing else. */
async function flaws(folder, { outputs, kept = [] }, whole) {
  const found = [];
  for (const [name, bytes] of files) {
    if (outputs.includes(name)) continue;
    if (!existsSync(join(folder, name))) found.push(`${name} is gone`);
    else if (!readFileSync(join(folder, name)).equals(bytes)) found.push(`${name} was changed`);
  }
  for (const name of outputs) {
    const flaw = await flawOf(join(folder, name));
    if (flaw !== undefined) found.push(`${name} is not whole: ${flaw}`);
    if (whole && !existsSync(join(folder, name))) found.push(`${name} is missing`);
  }
  const model = readFileSync(join(inputs, 'model.gguf'));
  for (const name of existsSync(join(folder, 'cache')) ? readdirSync(join(folder, 'cache'), { recursive: true }) : [])
    if (name.endsWith('.gguf') && !readFileSync(join(folder, 'cache', name)).equals(model))
      found.push(`${name} in the cache is not what was pulled`);
  if (!whole) return found;
  const own = new Set([...files.keys(), ...outputs.map((name) => name.split('/')[0]), ...kept]);
  for (const name of readdirSync(folder, { recursive: true }))
    if (!own.has(name.split('/')[0]) || (/\.(part|lock|partial)$/.test(name) && !files.has(name)))
      found.push(`${name} was left`);
  return found;
}

let count = 0;
function newFolder() {
  const folder = join(root, `case-${count++}`);
  cpSync(inputs, folder, { recursive: true });
  return folder;
}

/** The moment at which something happens to the child: a time, or one of the changes in its folder and a little later. */
async function moment(folder, ended, wholeMs) {
  const over = ended.then(() => {});
  if (random.below(2) === 0) return Promise.race([over, sleep(Math.max(50, random.uniform() * wholeMs))]);
  let left = 1 + random.below(12);
  const changed = new Promise((resolve) => {
    const watcher = watch(folder, { recursive: true }, () => {
      if (--left === 0) resolve();
    });
    over.then(() => watcher.close());
  });
  await Promise.race([over, changed]);
  if (random.below(2) === 0) await Promise.race([over, sleep(random.below(8))]);
}

/** A command's arguments; with `folder`, its outputs (`out`, `out.gguf`; what `-o` names) go there. */
function argsOf({ args }, folder) {
  return args.map((arg, i) => {
    if (arg === 'URL') return `${url}/m.gguf`;
    return folder && (/^(x|out)(\..*)?$/.test(arg) || args[i - 1] === '-o') ? `${folder}/${arg}` : arg;
  });
}

async function again(folder, command, what) {
  const isDone = command.once && command.outputs.every((name) => existsSync(join(folder, name)));
  const second = await start(folder, [...argsOf(command), ...(command.again ?? [])]).ended;
  if (isDone && second.end === 1 && /must be a new/.test(second.said)) return;
  if (second.end !== 0)
    return findings.push(`${what}: the next run ended with ${second.end}: ${second.said.slice(-300)}`);
  for (const flaw of await flaws(folder, command, true)) findings.push(`${what}: after the next run ${flaw}`);
}

async function ended(command, wholeMs, signal) {
  const folder = newFolder();
  const { child, ended } = start(folder, argsOf(command));
  await moment(folder, ended, wholeMs);
  const began = performance.now();
  child.kill(signal);
  const outcome = await ended;
  const ms = performance.now() - began;
  const what = `${command.name}, ${signal} after ${Math.round(outcome.ms - ms)} ms`;
  for (const flaw of await flaws(folder, command, false)) findings.push(`${what}: ${flaw}`);
  if (signal !== 'SIGKILL') {
    const right = { SIGINT: [0, 130, 'SIGINT'], SIGTERM: [0, 143, 'SIGTERM'] }[signal];
    if (!right.includes(outcome.end)) findings.push(`${what}: ended with ${outcome.end}: ${outcome.said.slice(-300)}`);
    if (ms > END_MS) findings.push(`${what}: took ${Math.round(ms)} ms to end`);
    slowest = Math.max(slowest, ms);
    for (const name of readdirSync(folder, { recursive: true }))
      if (/\.(part|lock)$/.test(name) && !files.has(name) && outcome.end !== signal)
        findings.push(`${what}: ${name} was left`);
  }
  await again(folder, command, what);
  rmSync(folder, { recursive: true });
}
let slowest = 0;

async function twice(command) {
  const folder = newFolder();
  const first = start(folder, argsOf(command));
  await sleep(random.below(400));
  const both = await Promise.all([first.ended, start(folder, argsOf(command)).ended]);
  const what = `${command.name}, twice at once`;
  if (!both.some(({ end }) => end === 0))
    findings.push(`${what}: none ended well: ${both.map(({ said }) => said.slice(-200)).join(' | ')}`);
  for (const { end, said } of both)
    if (end !== 0 && !/(busy|another run|must not be|is unfinished|has files|made this file|must be a new|it is at its end|--resume)/.test(said)) findings.push(`${what}: ended with ${end}: ${said.slice(-300)}`); // biome-ignore format: one line
  for (const flaw of await flaws(folder, command, true)) findings.push(`${what}: ${flaw}`);
  rmSync(folder, { recursive: true });
}

/** The outputs on a disk that is small from the beginning, or full when the work is done. */
async function full(command, wholeMs) {
  const folder = newFolder();
  const disk = join(folder, 'full');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]);
  const env = command.name === 'pull';
  if (env) execFileSync('ln', ['-s', 'full', join(folder, 'cache')]);
  const early = random.below(2) === 0;
  const fill = (left) => {
    const { bavail, bsize } = statfsSync(disk);
    const bytes = bavail * bsize - left;
    if (bytes > 0) try { writeFileSync(join(disk, 'mine.bin'), Buffer.alloc(bytes)); } catch {} // biome-ignore format: one line
  };
  try {
    if (early) fill(4096 * random.below(20));
    const { ended } = start(folder, argsOf(command, 'full'));
    if (!early) {
      await Promise.race([ended, sleep(random.uniform() * wholeMs)]);
      fill(4096 * random.below(4));
    }
    const { end, said } = await ended;
    const what = `${command.name}, a disk that is full ${early ? 'at the start' : 'later'}`;
    if (end !== 0 && (end !== 1 || !/error: /.test(said) || /internal error/.test(said))) findings.push(`${what}: ended with ${end}: ${said.slice(-400)}`); // biome-ignore format: one line
    const kept = /is kept in (\S+): move/.exec(said)?.[1];
    if (kept && (await flawOf(kept)) !== undefined) findings.push(`${what}: what is kept is not whole`);
    if (kept) rmSync(join(kept, '..'), { recursive: true });
    const there = { ...command, outputs: command.outputs.map((name) => `full/${name}`) };
    for (const flaw of await flaws(folder, there, false)) findings.push(`${what}: ${flaw}`);
    const missing = there.outputs.filter((name) => !env && !existsSync(join(folder, name)));
    if (end === 0 && missing.length > 0 && !/write|disk/.test(said)) findings.push(`${what}: ended with 0 without ${missing}: ${said.slice(-300)}`); // biome-ignore format: one line
    for (const name of readdirSync(disk, { recursive: true }))
      if (/\.(part|lock)$/.test(name)) findings.push(`${what}: ${name} was left`);
    rmSync(join(disk, 'mine.bin'), { force: true });
    const next = await start(folder, [...argsOf(command, 'full'), ...(command.again ?? [])]).ended;
    if (next.end !== 0 && end !== 0) findings.push(`${what}: the next run ended with ${next.end}: ${next.said.slice(-300)}`); // biome-ignore format: one line
  } finally {
    execFileSync('umount', [disk]);
    rmSync(folder, { recursive: true });
  }
}

let model;
const server = createServer(async (request, response) => {
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const head = { etag: '"one"', 'accept-ranges': 'bytes', 'content-length': model.length - from };
  response.writeHead(from > 0 ? 206 : 200, from > 0 ? { ...head, 'content-range': `bytes ${from}-${model.length - 1}/${model.length}` } : head); // biome-ignore format: one line
  if (request.method === 'HEAD') return response.end();
  for (let at = from; at < model.length && !response.destroyed; at += 4000) {
    response.write(model.subarray(at, at + 4000));
    await sleep(15);
  }
  response.end();
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const url = `http://127.0.0.1:${server.address().port}`;

const tally = {};
try {
  mkdirSync(inputs);
  writeInputs(inputs);
  for (const args of FIRST) {
    const { end, said } = await start(inputs, args).ended;
    if (end !== 0) throw new Error(`${args.join(' ')}: ${said}`);
  }
  model = readFileSync(join(inputs, 'model.gguf'));
  for (const name of readdirSync(inputs)) {
    if (statSync(join(inputs, name)).isFile()) files.set(name, readFileSync(join(inputs, name)));
    else rmSync(join(inputs, name), { recursive: true });
  }
  const only = values.only?.split(',');
  for (const command of COMMANDS.filter(({ name }) => !only || only.includes(name))) {
    const folder = newFolder();
    const first = await start(folder, argsOf(command)).ended;
    if (first.end !== 0) findings.push(`${command.name}: ended with ${first.end}: ${first.said.slice(-300)}`);
    for (const flaw of await flaws(folder, command, true)) findings.push(`${command.name}, undisturbed: ${flaw}`);
    rmSync(folder, { recursive: true });
    for (const how of values.how.split(',')) {
      for (let i = 0; i < Number(values.times); i++) {
        if (how === 'kill') await ended(command, first.ms, 'SIGKILL');
        else if (how === 'stop') await ended(command, first.ms, i % 2 === 0 ? 'SIGINT' : 'SIGTERM');
        else if (how === 'twice') await twice(command);
        else await full(command, first.ms);
        tally[how] = (tally[how] ?? 0) + 1;
      }
    }
    console.log(`${command.name} (${Math.round(first.ms)} ms): ${findings.length} findings so far`);
    for (const finding of findings.splice(0)) {
      console.log(`  ${finding}`);
      process.exitCode = 1;
    }
  }
} finally {
  server.close();
  rmSync(root, { recursive: true, force: true });
}
console.log(JSON.stringify({ ...tally, slowestEndMs: Math.round(slowest) }));
