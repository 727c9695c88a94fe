// Owns `onebit inspect`: what is in a model file, and what it would need, without loading it.
import { Command } from 'commander';
import type { ByteSource } from '../bytes/source.ts';
import { printable } from '../core/printable.ts';
import { storedStrings } from '../gguf/file-metadata.ts';
import { readGguf } from '../gguf/read.ts';
import type { I2sLayout } from '../gguf/tensors.ts';
import type { Gguf, GgufValue } from '../gguf/types.ts';
import type { RopeSpec } from '../kernels/backend.ts';
import { residentBytesOf, weightBytesOf } from '../load.ts';
import { type ModelConfig, readModelConfig } from '../model/config.ts';
import { type MemoryNeed, memoryNeed } from '../model/memory.ts';
import { type CommandContext, i2sLayoutOption, modelNameOf } from './context.ts';
import { print, printJson } from './print.ts';
import { formatBytes } from './progress.ts';
import { withModelFile } from './suggest.ts';

interface InspectFlags {
  model?: string;
  json?: boolean;
  i2sLayout?: I2sLayout;
}

/** Context lengths for which the need is told, where the model has them. */
const CONTEXTS = [512, 2048, 4096, 8192, 16384, 32768, 65536, 131072];
/** Elements of the longest array that is shown whole, and of longer ones those that are. */
const MOST_SHOWN = 16;
const FIRST_SHOWN = 8;
const HELP = `
Examples:
  onebit inspect model.gguf
  onebit inspect -m prism-ml/Bonsai-1.7B-gguf --json
  onebit inspect https://example.com/model.gguf`;

/** The command `inspect`. */
export function inspectCommand({ signal }: CommandContext): Command {
  return new Command('inspect')
    .description('metadata, tensors, sizes and memory needs of a model file, read without loading it')
    .argument('[model]', 'a GGUF file, a URL, or the name of a pulled model')
    .option('-m, --model <path|name>', 'the same')
    .option('--json', 'print one JSON document')
    .addOption(i2sLayoutOption())
    .addHelpText('after', HELP)
    .action((model: string | undefined, flags: InspectFlags) =>
      inspect(modelNameOf({ model: model ?? flags.model }), flags, signal),
    );
}

async function inspect(path: string, flags: InspectFlags, signal: AbortSignal): Promise<void> {
  const read = async (source: ByteSource) => {
    const gguf = await readGguf(source, { signal, i2sLayout: flags.i2sLayout });
    const config = readModelConfig(gguf);
    const weightBytes = residentBytesOf(gguf);
    const contexts = CONTEXTS.filter((context) => context < config.contextLength).concat(config.contextLength);
    const memory = contexts.map((context) => memoryNeed(config, weightBytes, context, 'f16'));
    if (flags.json) printJson(describe(path, source.size, gguf, config, memory));
    else printText(path, source.size, gguf, config, memory);
  };
  await withModelFile(path, read, signal);
}

function describe(path: string, fileBytes: number, gguf: Gguf, config: ModelConfig, memory: MemoryNeed[]) {
  const tensors = [...gguf.tensors.values()];
  const parameters = tensors.reduce((sum, tensor) => sum + elementsOf(tensor.shape), 0);
  const { rope, localRope, architecture, ...numbers } = config;
  const listed = (spec: RopeSpec) => ({ ...spec, frequencies: Array.from(spec.frequencies) });
  return {
    path,
    fileBytes,
    ggufVersion: gguf.version,
    architecture: architecture.name,
    ...numbers,
    rope: listed(rope),
    ...(localRope ? { localRope: listed(localRope) } : {}),
    parameters,
    bitsPerWeight: (weightBytesOf(gguf) * 8) / parameters,
    formats: formatTotals(gguf),
    memory,
    metadata: Object.fromEntries(shownMetadata(gguf)),
    tensors,
  };
}

function printText(path: string, fileBytes: number, gguf: Gguf, config: ModelConfig, memory: MemoryNeed[]): void {
  const lines: string[] = [];
  const described = describe(path, fileBytes, gguf, config, memory);
  lines.push(`${printable(config.name)}  (${printable(path)}, ${formatBytes(fileBytes)}, GGUF ${gguf.version})`);
  lines.push(
    `${described.architecture}: ${config.layers} layers, width ${config.width}, feed-forward ${config.feedForwardWidth}, ` +
      `${config.heads}/${config.kvHeads} heads of ${config.headSize}, vocabulary ${config.vocabulary}, ` +
      `context ${config.contextLength}, ${config.tiedHead ? 'tied' : 'untied'} head` +
      (config.local ? `, ${config.local.layers.filter(Boolean).length} layers see ${config.local.window} tokens` : ''),
  );
  lines.push(`${(described.parameters / 1e6).toFixed(1)} M weights, ${described.bitsPerWeight.toFixed(3)} bits each`);
  lines.push('', 'metadata');
  for (const [key, value] of shownMetadata(gguf)) lines.push(`  ${printable(key)} = ${shortText(value)}`);
  lines.push('', 'tensors');
  for (const tensor of gguf.tensors.values()) {
    lines.push(
      `  ${printable(tensor.name).padEnd(32)} ${tensor.format.padEnd(9)} ${tensor.shape.join(' x ').padEnd(16)} ${formatBytes(tensor.sizeBytes)}`,
    );
  }
  lines.push('', 'formats');
  for (const [format, total] of Object.entries(described.formats)) {
    lines.push(`  ${format.padEnd(9)} ${String(total.tensors).padStart(5)} tensors  ${formatBytes(total.bytes)}`);
  }
  lines.push('', 'memory (weights + cache in f16 + activations; q8 cache: about half, f32: twice)');
  for (const need of memory) {
    lines.push(
      `  context ${String(need.contextTokens).padStart(6)}: ${formatBytes(need.totalBytes).padStart(8)}  (cache ${formatBytes(need.kvBytes)})`,
    );
  }
  lines.push(`  and about ${formatBytes(memory[0].processBytes)} for the process with its vocabulary`);
  print(lines.join('\n'));
}

function formatTotals(gguf: Gguf): Record<string, { tensors: number; bytes: number }> {
  const totals: Record<string, { tensors: number; bytes: number }> = {};
  for (const tensor of gguf.tensors.values()) {
    totals[tensor.format] ??= { tensors: 0, bytes: 0 };
    totals[tensor.format].tensors++;
    totals[tensor.format].bytes += tensor.sizeBytes;
  }
  return totals;
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Long arrays (vocabularies) are told by their length and first elements. */
function shownMetadata({ metadata }: Gguf): [string, unknown][] {
  return Array.from(metadata.keys(), (key) => {
    const strings = storedStrings(metadata, key);
    if (strings && strings.count > MOST_SHOWN)
      return [key, { length: strings.count, first: strings.decode(FIRST_SHOWN) }];
    return [key, jsonValue(metadata.get(key) as GgufValue)];
  });
}

function jsonValue(value: GgufValue): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object') return value;
  const all = value as ArrayLike<GgufValue>;
  if (all.length <= MOST_SHOWN) return Array.from(all, jsonValue);
  return { length: all.length, first: Array.from(value.slice(0, FIRST_SHOWN) as ArrayLike<GgufValue>, jsonValue) };
}

function shortText(value: unknown): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return printable(text.length > 90 ? `${text.slice(0, 87)}...` : text);
}
