// Owns `onebit bench`: how fast this machine runs a model, measured as a user would feel it.
import { Command } from 'commander';
import { resolveOptions } from '../generate/options.ts';
import type { Session } from '../generate/session.ts';
import type { LanguageModel } from '../language-model.ts';
import { kvBytesPerToken } from '../model/memory.ts';
import { addModelOptions, type CommandContext, loadModel, type ModelFlags, printJson, wholeNumber } from './context.ts';
import { formatBytes } from './progress.ts';

interface BenchFlags extends ModelFlags {
  promptTokens: number;
  genTokens: number;
  context?: number;
  runs: number;
  json?: boolean;
}

interface RunResult {
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
}

const HELP = `
Examples:
  onebit bench
  onebit bench -m model.gguf --prompt-tokens 256 --gen-tokens 64 --threads 2 --json
  onebit bench -m model.gguf --gen-tokens 32 --context 8192 --ctx 16384`;

/** The command `bench`. */
export function benchCommand({ signal }: CommandContext): Command {
  return addModelOptions(new Command('bench').description('measure prefill and decode speed'))
    .option('--prompt-tokens <n>', 'tokens of the prompt whose prefill is measured', wholeNumber(1, 1 << 20), 256)
    .option('--gen-tokens <n>', 'tokens whose decode is measured', wholeNumber(1, 1 << 20), 64)
    .option(
      '--context <n>',
      'tokens in the cache before decode is measured (default: the prompt)',
      wholeNumber(1, 1 << 20),
    )
    .option('--runs <n>', 'measured runs after one warm-up; the median is told', wholeNumber(1, 1000), 3)
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action((flags: BenchFlags) => bench(flags, signal));
}

async function bench(flags: BenchFlags, signal: AbortSignal): Promise<void> {
  const decodeContext = flags.context ?? flags.promptTokens;
  const needed = Math.max(decodeContext, flags.promptTokens) + flags.genTokens + 1;
  const began = performance.now();
  const model = await loadModel({ ...flags, ctx: flags.ctx ?? needed }, signal);
  const loadMs = performance.now() - began;
  try {
    const runs: RunResult[] = [];
    for (let run = 0; run <= flags.runs; run++) {
      const result = await measure(model, flags, decodeContext, signal);
      if (run > 0) runs.push(result);
    }
    report(flags, model, runs, loadMs, decodeContext);
  } finally {
    await model.dispose();
  }
}

async function measure(
  model: LanguageModel,
  flags: BenchFlags,
  decodeContext: number,
  signal: AbortSignal,
): Promise<RunResult> {
  const session = model.session();
  try {
    const first = await time(model, session, flags.promptTokens, flags.genTokens, signal);
    const { decodeMs } =
      decodeContext === flags.promptTokens ? first : await time(model, session, decodeContext, flags.genTokens, signal);
    return {
      prefillTokensPerSecond: (flags.promptTokens / first.prefillMs) * 1000,
      decodeTokensPerSecond: (flags.genTokens / decodeMs) * 1000,
    };
  } finally {
    session.dispose();
  }
}

/** Evaluates `context` tokens, then decodes `genTokens` greedily. */
async function time(
  model: LanguageModel,
  session: Session,
  context: number,
  genTokens: number,
  signal: AbortSignal,
): Promise<{ prefillMs: number; decodeMs: number }> {
  // One token more than the context: the last one is fed by the first decode step.
  const prompt = Array.from({ length: context + 1 }, (_, i) => (i * 7919 + 13) % model.config.vocabulary);
  const began = performance.now();
  let prefilled = began;
  const onPrefill = () => {
    prefilled = performance.now();
  };
  let produced = 0;
  for await (const _ of session.generate(prompt, resolveOptions({ temperature: 0, signal }), onPrefill)) {
    if (++produced === genTokens) break;
  }
  return { prefillMs: prefilled - began, decodeMs: performance.now() - prefilled };
}

function report(
  flags: BenchFlags,
  model: LanguageModel,
  runs: RunResult[],
  loadMs: number,
  decodeContext: number,
): void {
  const prefill = spread(runs.map((run) => run.prefillTokensPerSecond));
  const decode = spread(runs.map((run) => run.decodeTokensPerSecond));
  const kvBytes = kvBytesPerToken(model.config, flags.kv) * decodeContext;
  const bytesPerToken = model.decodeWeightBytes + kvBytes;
  const result = {
    prefillTokensPerSecond: prefill.median,
    decodeTokensPerSecond: decode.median,
    loadMs,
    peakRssMb: process.resourceUsage().maxRSS / 1024,
    threads: model.backend.threads,
    backend: model.backend.name,
    bytesPerToken,
    decodeBytesPerSecond: decode.median * bytesPerToken,
    promptTokens: flags.promptTokens,
    genTokens: flags.genTokens,
    context: decodeContext,
    runs: flags.runs,
    prefill,
    decode,
  };
  if (flags.json) {
    printJson(result);
    return;
  }
  const line = (name: string, values: Spread) =>
    `${name.padEnd(8)} ${values.median.toFixed(1).padStart(9)} tokens/s   (${values.min.toFixed(1)} to ${values.best.toFixed(1)} in ${flags.runs} runs)\n`;
  process.stdout.write(
    `${model.config.name}: ${result.backend}, ${result.threads} threads, loaded in ${loadMs.toFixed(0)} ms, peak memory ${result.peakRssMb.toFixed(0)} MB\n` +
      line('prefill', prefill) +
      line('decode', decode) +
      `decode reads ${formatBytes(bytesPerToken)} a token: ${formatBytes(result.decodeBytesPerSecond)}/s\n`,
  );
}

interface Spread {
  readonly median: number;
  readonly min: number;
  readonly best: number;
}

function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], best: sorted[sorted.length - 1] };
}
