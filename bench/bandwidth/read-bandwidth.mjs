// Owns: how fast WebAssembly can read memory on this machine, the ceiling of decoding (every token reads all weights once).
// Plain sequential 128-bit loads, xor-ed together, over a shared memory far larger than the caches. Must not know: models.
// node bench/bandwidth/read-bandwidth.mjs [--threads 1,2] [--megabytes 256] [--rounds 20] [--json]
// Source of the encoding: WebAssembly core specification, binary format; SIMD and threads proposals.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

const PAGE = 65536;

/** Unsigned LEB128. */
function leb(value) {
  const bytes = [];
  do {
    const more = value > 127;
    bytes.push((value & 127) | (more ? 128 : 0));
    value >>>= 7;
  } while (value > 0);
  return bytes;
}
const section = (id, body) => [id, ...leb(body.length), ...body];
const text = (value) => [...leb(value.length), ...Buffer.from(value)];

/**
 * The module `read(start: i32, end: i32) → i32`: a loop of eight v128.load into four accumulators; start and end are
 * multiples of 128 bytes. Written by hand so that what is measured is known to the instruction.
 */
function readModule(pages) {
  const get = (local) => [0x20, local];
  const set = (local) => [0x21, local];
  const XOR = [0xfd, 0x51];
  const loads = Array.from({ length: 8 }, (_, i) => {
    const accumulator = 2 + (i % 4);
    return [...get(accumulator), ...get(0), 0xfd, 0x00, 4, ...leb(16 * i), ...XOR, ...set(accumulator)];
  }).flat();
  const next = [...get(0), 0x41, ...[0x80, 0x01], 0x6a, 0x22, 0, ...get(1), 0x49, 0x0d, 0];
  const loop = [0x03, 0x40, ...loads, ...next, 0x0b];
  const sum = [...get(2), ...get(3), ...XOR, ...get(4), ...XOR, ...get(5), ...XOR, 0xfd, 0x1b, 0];
  const body = [1, 4, 0x7b, ...loop, ...sum, 0x0b];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f]),
    ...section(2, [1, ...text('host'), ...text('memory'), 2, 3, ...leb(pages), ...leb(pages)]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text('read'), 0, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
}

/** control: [round, workers done]; a round below 0 ends the worker. */
const WORKER = `
const { workerData } = require('node:worker_threads');
const { bytes, memory, control, start, end } = workerData;
const { read } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { host: { memory } }).exports;
read(start, end);
Atomics.add(control, 1, 1);
Atomics.notify(control, 1);
for (let round = 0; ; ) {
  while (Atomics.load(control, 0) === round) Atomics.wait(control, 0, round, 1000);
  round = Atomics.load(control, 0);
  if (round < 0) break;
  read(start, end);
  Atomics.add(control, 1, 1);
  Atomics.notify(control, 1);
}`;

/**
 * Measures reading of memory by WebAssembly. Blocks the calling thread while it measures (about a second). `speed` is that of all passes
 * together, what a decode speed of as many tokens compares with; `best` is that of the luckiest pass of a few milliseconds.
 * @param {{ threads?: number, megabytes?: number, rounds?: number }} [options] defaults 1 thread, 256 MB, 20 rounds
 * @returns {Promise<{ threads: number, bytes: number, rounds: number, speed: number, best: number, median: number, min: number }>}
 *   speeds in bytes per second
 */
export async function measureReadBandwidth({ threads = 1, megabytes = 256, rounds = 20 } = {}) {
  const pages = Math.round((megabytes * 2 ** 20) / PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  // written once: pages never written are all the same zero page, which stays in the cache
  new Uint8Array(memory.buffer).fill(1);
  const control = new Int32Array(new SharedArrayBuffer(8));
  const bytes = readModule(pages);
  const share = Math.floor((pages * PAGE) / threads / 128) * 128;
  const workers = Array.from({ length: threads }, (_, i) => {
    const workerData = { bytes, memory, control, start: i * share, end: (i + 1) * share };
    return new Worker(WORKER, { eval: true, workerData });
  });
  const failed = Promise.race(workers.map((worker) => new Promise((_, reject) => worker.once('error', reject))));
  failed.catch(() => {});
  await Promise.race([failed, untilAll(control, threads)]);
  const speeds = [];
  for (let round = 1; round <= rounds; round++) {
    Atomics.store(control, 1, 0);
    const start = performance.now();
    Atomics.store(control, 0, round);
    Atomics.notify(control, 0);
    for (let done = 0; done < threads; done = Atomics.load(control, 1)) Atomics.wait(control, 1, done, 1000);
    speeds.push((share * threads * 1000) / (performance.now() - start));
  }
  Atomics.store(control, 0, -1);
  Atomics.notify(control, 0);
  await Promise.all(workers.map((worker) => worker.terminate()));
  const speed = speeds.length / speeds.reduce((sum, value) => sum + 1 / value, 0);
  speeds.sort((a, b) => a - b);
  const median = speeds[Math.floor(speeds.length / 2)];
  return { threads, bytes: share * threads, rounds, speed, best: speeds.at(-1), median, min: speeds[0] };
}

/** Waits without blocking: a worker needs its parent's event loop to start. */
async function untilAll(control, threads) {
  while (Atomics.load(control, 1) < threads) await new Promise((resolve) => setTimeout(resolve, 5));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { readArguments } = await import('../peers/arguments.mjs');
  const { option, flag } = readArguments(process.argv.slice(2), ['json']);
  const rows = [];
  for (const threads of option('threads', '1,2').split(',').map(Number)) {
    const megabytes = Number(option('megabytes', '256'));
    rows.push(await measureReadBandwidth({ threads, megabytes, rounds: Number(option('rounds', '20')) }));
  }
  if (flag('json')) console.log(JSON.stringify(rows));
  else
    for (const { threads, speed, best } of rows)
      console.log(`${threads} threads: ${gb(speed)} GB/s, fastest pass ${gb(best)}`);
}

function gb(value) {
  return (value / 1e9).toFixed(1);
}
