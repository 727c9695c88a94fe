// Owns: how each engine is started and what its answers mean. Engines share neither heap nor compiled code: each measurement is a process of its own,
// or each engine one that stays loaded over all rounds (residents) where evaluating a context anew for every round would take too long. Must not know how rows are compared or shown.
import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
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

/** Read bandwidth of the memory, measured as the engines are: in a process of its own, by the same scheduler, over as many passes as tokens. */
export async function readBandwidthOnce(threads, { passes, realtime, timeoutMs }) {
  const script = here('bandwidth/read-bandwidth.mjs');
  const [row] = await answer([script, '--threads', String(threads), '--rounds', String(passes), '--json'], {
    realtime,
    timeoutMs,
  });
  return row;
}

const RESIDENTS = { onebit: here('resident-onebit.mjs'), llama: here('peers/resident-llama.mjs') };

/** Whether an engine can stay loaded. */
export const canStay = (engine) => engine in RESIDENTS;

/**
 * Starts an engine that stays loaded and waits while others measure.
 * @param {keyof typeof RESIDENTS} engine
 * @param {{ path: string, threads: number, context: number, sequences?: number, realtime: boolean, flash?: string }} job
 * @returns {Promise<{ ready: any, ask: (action: string, args: object, timeoutMs: number) => Promise<any>, stop: () => void }>}
 */
export async function startResident(engine, { path, threads, context, sequences = 1, realtime, flash = 'auto' }) {
  const options = { threads, context, sequences, ...(engine === 'llama' ? { flash } : {}) };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const command = [...(realtime ? ['chrt', '-r', '1'] : []), process.execPath, RESIDENTS[engine], path, ...args];
  const child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  async function answerWithin(timeoutMs) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${engine}: no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    });
    try {
      const { value, done } = await Promise.race([lines.next(), late]);
      if (done) throw new Error(`${engine}: the process ended`);
      const answer = JSON.parse(value);
      if (answer.error) throw new Error(`${engine}: ${answer.error}`);
      return answer;
    } catch (error) {
      child.kill();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
  return {
    ready: await answerWithin(120_000),
    ask(action, args, timeoutMs) {
      child.stdin.write(`${JSON.stringify({ action, ...args })}\n`);
      return answerWithin(timeoutMs);
    },
    stop: () => child.stdin.end(),
  };
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
