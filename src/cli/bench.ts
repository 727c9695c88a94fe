// Owns `onebit bench`: how fast this machine runs a model, measured as a user would feel it.
import { Command } from 'commander';
import { printable } from '../core/printable.ts';
import { measureSpeed, type SpeedReport, type Spread } from '../evaluate/speed.ts';
import type { LanguageModel } from '../language-model.ts';
import { kvBytesPerToken } from '../model/memory.ts';
import { addModelOptions, type CommandContext, loadModel, type ModelFlags, wholeNumber } from './context.ts';
import { print, printJson } from './print.ts';
import { formatBytes } from './progress.ts';

interface BenchFlags extends ModelFlags {
  promptTokens: number;
  genTokens: number;
  context?: number;
  runs: number;
  json?: boolean;
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
    const { promptTokens, genTokens, runs } = flags;
    const request = { promptTokens, genTokens, contextTokens: decodeContext, runs };
    const speed = await measureSpeed(() => model.session(), model.config.vocabulary, request, signal);
    report(flags, model, speed, loadMs, decodeContext);
  } finally {
    await model.dispose();
  }
}

function report(
  flags: BenchFlags,
  model: LanguageModel,
  { prefill, decode }: SpeedReport,
  loadMs: number,
  decodeContext: number,
): void {
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
    `${name.padEnd(8)} ${values.median.toFixed(1).padStart(9)} tokens/s   (${values.min.toFixed(1)} to ${values.best.toFixed(1)} in ${flags.runs} runs)`;
  print(
    `${printable(model.config.name)}: ${result.backend}, ${result.threads} threads, loaded in ${loadMs.toFixed(0)} ms, peak memory ${result.peakRssMb.toFixed(0)} MB`,
  );
  print(line('prefill', prefill));
  print(line('decode', decode));
  print(`decode reads ${formatBytes(bytesPerToken)} a token: ${formatBytes(result.decodeBytesPerSecond)}/s`);
}
