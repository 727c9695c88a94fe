// Owns: how each engine is started for one measurement and what its answer means. Each measurement is a process of its own,
// so that engines share neither heap nor compiled code. Must not know how rows are compared or shown.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * @typedef {object} Job one measurement
 * @property {string} path the model's file
 * @property {number} threads
 * @property {number} promptTokens
 * @property {number} genTokens
 * @property {number} context tokens in the cache when decode is measured
 * @property {number} runs measurements inside the process; their median counts
 * @property {boolean} realtime run under the kernel's real-time scheduler
 * @property {number} timeoutMs after which the engine counts as hanging
 * @property {'auto' | 'on' | 'off'} [flash] llama.cpp's flash attention
 */

export const ENGINES = {
  onebit: {
    script: here('../bin/onebit.js'),
    arguments: (job) => ['bench', '-m', job.path, '--context', job.context, ...common(job)],
    read: (row) => ({ ...row, prefill: row.prefillTokensPerSecond, decode: row.decodeTokensPerSecond }),
  },
  chromium: {
    script: here('chromium-bench.mjs'),
    arguments: (job) => [job.path, '--context', job.context, ...common(job)],
    read: (row) => ({ ...row, prefill: row.prefillTokensPerSecond, decode: row.decodeTokensPerSecond }),
  },
  llama: {
    script: here('peers/llama-bench.mjs'),
    arguments: (job) => [job.path, '--context', job.context, '--flash', job.flash ?? 'auto', ...common(job)],
    read: ({ runs, ...rest }) => ({ prefill: median(runs.prefill), decode: median(runs.decode), ...rest }),
  },
  wllama: {
    script: here('peers/wllama-bench.mjs'),
    // its products for 1-bit weights are scalar: a short prompt and a few tokens, or a round takes minutes
    arguments: (job) => [
      ...[job.path, '--threads', job.threads, '--runs', job.runs, '--json'],
      ...['--prompt-tokens', Math.min(32, job.promptTokens), '--gen-tokens', Math.min(8, job.genTokens)],
    ],
    read: ({ runs, ...rest }) => ({ prefill: median(runs.prefill), decode: median(runs.decode), ...rest }),
  },
};

function common({ threads, promptTokens, genTokens, runs }) {
  return ['--threads', threads, '--prompt-tokens', promptTokens, '--gen-tokens', genTokens, '--runs', runs, '--json'];
}

/**
 * One measurement by one engine.
 * @param {keyof typeof ENGINES} engine
 * @param {Job} job
 * @returns {Promise<{ prefill: number, decode: number, loadMs: number, peakRssMb?: number, backend: string, program?: string, bytesPerToken?: number }>}
 */
export async function measureOnce(engine, job) {
  const { script, arguments: args, read } = ENGINES[engine];
  return read(await answer([script, ...args(job).map(String)], job));
}

/** Read bandwidth of the memory, measured as the engines are: in a process of its own, by the same scheduler. */
export async function readBandwidthOnce(threads, { realtime, timeoutMs }) {
  const script = here('bandwidth/read-bandwidth.mjs');
  const [row] = await answer([script, '--threads', String(threads), '--rounds', '10', '--json'], {
    realtime,
    timeoutMs,
  });
  return row;
}

async function answer(command, { realtime, timeoutMs }) {
  const whole = [...(realtime ? ['chrt', '-r', '1'] : []), process.execPath, ...command];
  const { stdout } = await run(whole[0], whole.slice(1), { maxBuffer: 2 ** 24, timeout: timeoutMs });
  return JSON.parse(stdout);
}

export function median(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}
