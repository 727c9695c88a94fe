// Owns the fuzz loop: damaged files go through a chain of consumers, which may only succeed or throw the package's own error, fast and with
// bounded memory. Knows nothing of what the consumers do.
import { findFields, mutate } from './mutate.mjs';

/**
 * @typedef {object} Consumer One stage that damaged bytes go through.
 * @property {string} name
 * @property {(bytes: Uint8Array, results: Record<string, unknown>) => unknown} consume Gets the bytes and the results of the stages before it, by name;
 *   when it throws the package's error, the later stages are skipped.
 *
 * @typedef {object} Finding
 * @property {number} index Case number; with the run's seed it repeats the case.
 * @property {string} file The seed file's name.
 * @property {string} stage
 * @property {string} what
 */

/**
 * Runs `cases` damaged files.
 * @param {object} options
 * @param {{ name: string, bytes: Uint8Array }[]} options.seeds Valid files.
 * @param {Consumer[]} options.consumers
 * @param {(error: unknown) => boolean} options.isTyped Whether an error is the package's own.
 * @param {Function} options.Random
 * @param {number} options.cases
 * @param {number} options.seed
 * @param {number} [options.first] Number of the first case, to repeat one.
 * @param {number} [options.caseLimitMs] A case that takes longer, twice, is a finding.
 * @param {number} [options.memoryLimitBytes] A case after which the process holds more above the start than this is a finding.
 * @param {(done: number) => void} [options.onProgress]
 */
export async function fuzz(options) {
  const { consumers, isTyped, Random, cases, seed, first = 0, caseLimitMs = 1000, memoryLimitBytes = 512e6 } = options;
  const seeds = options.seeds.map((file) => ({ ...file, fields: findFields(file.bytes) }));
  for (const file of seeds) await checkSeed(file, consumers);
  /** @type {Finding[]} */
  const findings = [];
  const outcomes = {};
  const base = heldBytes();
  let slowestMs = 0;
  let peakBytes = 0;
  for (let index = first; index < first + cases; index++) {
    const random = new Random(seed * 1e9 + index);
    const file = seeds[random.below(seeds.length)];
    const bytes = mutate(file, seeds[random.below(seeds.length)].bytes, random);
    const report = (stage, what) => findings.push({ index, file: file.name, stage, what });
    const timed = async () => {
      const start = performance.now();
      const result = await runCase(bytes, consumers, isTyped);
      return { ...result, elapsedMs: performance.now() - start };
    };
    const { outcome, stage, error, elapsedMs: firstMs } = await timed();
    // A machine that does other work can make any case slow once.
    const elapsedMs = firstMs > caseLimitMs ? Math.min(firstMs, (await timed()).elapsedMs) : firstMs;
    if (error) report(stage, `untyped error: ${error instanceof Error ? error.stack : error}`);
    if (elapsedMs > caseLimitMs) report(stage, `took ${elapsedMs.toFixed(0)} ms`);
    const held = heldBytes() - base;
    if (held > memoryLimitBytes) report(stage, `held ${(held / 1e6).toFixed(0)} MB`);
    slowestMs = Math.max(slowestMs, elapsedMs);
    peakBytes = Math.max(peakBytes, held);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if ((index + 1) % 1000 === 0) options.onProgress?.(index + 1 - first);
  }
  return { cases, seed, findings, outcomes, slowestMs, peakBytes };
}

/** A fuzzer whose undamaged files are refused would test nothing. */
async function checkSeed(file, consumers) {
  const results = {};
  for (const consumer of consumers) results[consumer.name] = await consumer.consume(file.bytes, results);
}

async function runCase(bytes, consumers, isTyped) {
  const results = {};
  let stage = '';
  try {
    for (const consumer of consumers) {
      stage = consumer.name;
      results[stage] = await consumer.consume(bytes, results);
    }
    return { outcome: 'accepted', stage };
  } catch (error) {
    if (isTyped(error)) return { outcome: `${stage}: ${error.code}`, stage };
    return { outcome: `${stage}: untyped`, stage, error: error ?? new Error('threw nothing') };
  }
}

function heldBytes() {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external; // `external` includes array buffers
}
