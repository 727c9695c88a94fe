// Owns `onebit doctor`: what a model file is, whether it can be what it says, what it will need here, and what to do. The checks are doctor-checks.ts and
// doctor-weights.ts.
import { freemem } from 'node:os';
import { Command } from 'commander';
import { printable } from '../core/printable.ts';
import { OnebitError } from '../errors.ts';
import { factsOf } from '../gguf/facts.ts';
import { readGguf } from '../gguf/read.ts';
import type { I2sLayout } from '../gguf/tensors.ts';
import type { Gguf } from '../gguf/types.ts';
import { defaultContextTokens, openSource, residentBytesOf } from '../load.ts';
import { readModelConfig } from '../model/config.ts';
import { type MemoryNeed, memoryNeed } from '../model/memory.ts';
import { SUPPORT_ARCHITECTURE } from '../tasks/support/architecture.ts';
import { type CommandContext, i2sLayoutOption, modelNameOf } from './context.ts';
import { checkHeader, type Finding, problemsOf, quoted } from './doctor-checks.ts';
import { checkI2sOrder, checkWeights } from './doctor-weights.ts';
import { print, printJson } from './print.ts';
import { formatBytes, progressLine } from './progress.ts';
import { withModelHint } from './suggest.ts';

interface DoctorFlags {
  json?: boolean;
  weights: boolean;
  i2sLayout?: I2sLayout;
}

/** What WebAssembly addresses. */
const WASM_BYTES = 2 ** 32;
const HELP = `
Exit code 1 where something is wrong. All weights are read once, of a URL too; --no-weights looks at the header only.

Examples:
  onebit doctor model.gguf
  onebit doctor https://example.com/model.gguf --no-weights --json`;

/** The command `doctor`. */
export function doctorCommand({ signal }: CommandContext): Command {
  return new Command('doctor')
    .description('whether a model file is what it says, what it needs here, and what to do')
    .argument('<model>', 'a GGUF file, a URL, or the name of a pulled model')
    .option('--json', 'print one JSON document')
    .option('--no-weights', 'do not read the weights')
    .addOption(i2sLayoutOption())
    .addHelpText('after', HELP)
    .action((model: string, flags: DoctorFlags) => doctor(modelNameOf({ model }), flags, signal));
}

async function doctor(name: string, flags: DoctorFlags, signal: AbortSignal): Promise<void> {
  const source = await withModelHint(name, 'language', () => openSource(name, { signal }));
  try {
    const findings: Finding[] = [];
    const problems: string[] = [];
    let gguf: Gguf | undefined;
    try {
      gguf = await readGguf(source, { signal, i2sLayout: flags.i2sLayout, problems });
    } catch (error) {
      if (!(error instanceof OnebitError) || !['bad-file', 'unsupported'].includes(error.code)) throw error;
      problems.push(...problemsOf(error));
    }
    for (const what of problems) findings.push({ severity: 'wrong', check: 'file', what });
    // Of a model in several files one tells nothing about the others.
    const isPart = Number(gguf?.metadata.get('split.count') ?? 1) > 1;
    const isSupport = gguf?.metadata.get('general.architecture') === SUPPORT_ARCHITECTURE;
    if (gguf && isSupport) {
      const what = 'it is a model that sorts queries, not a language model';
      findings.push({ severity: 'note', check: 'model', what, advice: `onebit support serve -m ${quoted(name)}` });
    } else if (gguf && !isPart) {
      findings.push(...checkHeader({ name, gguf }).filter((finding) => !follows(finding, problems)));
    }
    if (gguf && flags.weights) {
      const line = progressLine();
      const update = (done: number, total: number) => line.update('reading', done, total);
      const patient = { name, gguf: within(gguf, source.size) };
      findings.push(...(await checkWeights(source, patient, signal, update).finally(() => line.clear())));
      findings.push(...(await checkI2sOrder(source, patient, signal)));
    }
    const need = gguf && !isSupport && !isPart ? needOf(gguf, findings) : undefined;
    await report(name, source.size, gguf, findings, need, flags);
    if (findings.some(({ severity }) => severity === 'wrong')) process.exitCode = 1;
  } finally {
    await source.close();
  }
}

/** Whether it is only because a tensor could not be read, which has been said, that the model lacks it. */
function follows({ check, what }: Finding, problems: readonly string[]): boolean {
  const [, tensor] = /^load: tensor '(.+?)' .* is missing/.exec(check === 'model' ? what : '') ?? [];
  return tensor !== undefined && problems.some((problem) => problem.startsWith(`tensor ${tensor}:`));
}

/** The tensors that lie in the file wholly: the others are among the problems. */
function within(gguf: Gguf, fileBytes: number): Gguf {
  const whole = [...gguf.tensors].filter(([, { offsetBytes, sizeBytes }]) => offsetBytes + sizeBytes <= fileBytes);
  return { ...gguf, tensors: new Map(whole) };
}

/** What it takes to run it here; undefined where nothing runs it. */
function needOf(gguf: Gguf, findings: Finding[]): MemoryNeed | undefined {
  let need: MemoryNeed;
  try {
    const config = readModelConfig(gguf);
    need = memoryNeed(config, residentBytesOf(gguf), defaultContextTokens(config.contextLength), 'f16');
  } catch {
    return undefined; // the checks say why
  }
  const size = formatBytes(need.totalBytes);
  if (need.totalBytes > WASM_BYTES) {
    const what = `it needs ${size} with a context of ${need.contextTokens}, WebAssembly addresses ${formatBytes(WASM_BYTES)}`;
    findings.push({ severity: 'wrong', check: 'memory', what, advice: 'Use --backend webgpu on a GPU with that much memory, or a smaller model.' }); // biome-ignore format: short
  } else if (need.totalBytes + need.processBytes > freemem()) {
    const what = `it needs ${size} with a context of ${need.contextTokens}, ${formatBytes(freemem())} are free here`;
    findings.push({ severity: 'note', check: 'memory', what });
  }
  return need;
}

async function report(
  path: string,
  fileBytes: number,
  gguf: Gguf | undefined,
  findings: readonly Finding[],
  need: MemoryNeed | undefined,
  { json }: DoctorFlags,
): Promise<void> {
  const ok = findings.every(({ severity }) => severity !== 'wrong');
  const facts = gguf && (await factsOf(gguf));
  const name = gguf?.metadata.get('general.name');
  if (json) {
    const model = facts && { name: name === undefined ? undefined : String(name), ...facts };
    printJson({ path, fileBytes, ok, ...model, need, findings });
    return;
  }
  const lines = [`${printable(path)} (${formatBytes(fileBytes)})`];
  if (facts) {
    const what = `${printable(facts.architecture)}, ${(facts.parameters / 1e6).toFixed(1)} M weights, mostly ${facts.format}`;
    lines.push(`${name === undefined ? '' : `${printable(String(name))}: `}${what}`);
  }
  if (need) {
    const { totalBytes, contextTokens, processBytes } = need;
    lines.push(
      `needs ${formatBytes(totalBytes)} with a context of ${contextTokens} tokens, and about ${formatBytes(processBytes)} for the process`,
    );
  }
  for (const { severity, what, advice } of findings) {
    lines.push('', `${severity}: ${printable(what)}`);
    if (advice) lines.push(`  ${printable(advice)}`);
  }
  lines.push('', ok ? 'Nothing is wrong with it.' : 'Something is wrong with it.');
  print(lines.join('\n'));
}
