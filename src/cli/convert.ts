// Owns `onebit convert`: a model file in another weight format, without loss or by --force. What is done to weights is gguf/convert.ts.
import { Command, Option } from 'commander';
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import { type ConvertedTensor, conversionTargets, planConversion } from '../gguf/convert.ts';
import { readGguf } from '../gguf/read.ts';
import { MADE_BY, MADE_BY_KEY, type WritableValue } from '../gguf/write.ts';
import { openSource } from '../open-source.ts';
import type { FormatName } from '../quant/formats.ts';
import { type CommandContext, i2sLayoutOption, modelNameOf } from './context.ts';
import type { FolderFlags } from './convert-hf.ts';
import { Outputs } from './outputs.ts';
import { note, print, printJson } from './print.ts';
import { formatBytes, progressLine } from './progress.ts';
import { withModelHint } from './suggest.ts';

interface ConvertFlags extends FolderFlags {
  type?: FormatName | 'same';
  to: 'gguf' | 'hf' | 'mlx' | 'peft';
  force?: boolean;
  set: Map<string, WritableValue>;
}

const HELP = `
Every weight is compared with what it becomes. Weights that would change are refused with their tensors, or rounded with --force. Vectors stay as they are, and so do
embedding and head where a format of one or two bits does not hold them. The file is written as it is read, a piece at a time.

Examples:
  onebit convert model-128.gguf -o model.gguf --type q2_0      the older 128-wide Q2_0 becomes the one that llama.cpp reads
  onebit convert bitnet-i2_s.gguf -o bitnet.gguf --type tq2_0 --force
  onebit convert ./from-transformers/ -o model.gguf --type q1_0
  onebit convert model.gguf -o folder --to hf
  onebit convert model.gguf -o folder --to mlx
  onebit convert model.gguf --lora adapter.gguf -o merged.gguf --type f16 --force
  onebit convert adapter.gguf -o adapter --to peft
  onebit convert model.gguf -o mended.gguf --type same --set bitnet.hidden_activation=relu2`;

/** The command `convert`. */
export function convertCommand({ signal }: CommandContext): Command {
  return new Command('convert')
    .description('write a model file in another weight format, without loss where the weights allow')
    .argument('<model>', 'a GGUF file, a URL, the name of a pulled model, or a folder of Transformers or MLX')
    .requiredOption('-o, --output <path>', 'the file to write; with --to hf, mlx and peft the folder')
    .addOption(
      new Option('--type <format>', 'format of the matrices; same: as they are').choices([...conversionTargets]),
    )
    .addOption(
      new Option(
        '--to <container>',
        'a GGUF file, a folder that Transformers loads, one that MLX does (1 and 2 bits), or an adapter as a folder of PEFT',
      )
        .choices(['gguf', 'hf', 'mlx', 'peft'])
        .default('gguf'),
    )
    .option(
      '--lora <path>',
      'merge this low-rank adapter (a GGUF file or a folder of PEFT) into the weights first; with --to peft: write it',
    )
    .option('--force', 'round weights that the format does not hold exactly')
    .option(
      '--set <key=value>',
      'put a value into the metadata; type as u32:1, f32:1, bool:true, text:1',
      collect,
      new Map(),
    )
    .option('--json', 'print one JSON document')
    .addOption(i2sLayoutOption())
    .addHelpText('after', HELP)
    .action(async (model: string, flags: ConvertFlags, command: Command) => {
      const name = modelNameOf({ model });
      if (flags.to !== 'gguf') {
        if (flags.type !== undefined && flags.type !== 'same')
          command.error(
            `error: a folder holds weights as they are; convert to that --type first, then the result --to ${flags.to}`,
          );
        const { toFolder, toPeft } = await import('./convert-hf.ts');
        if (flags.to === 'peft') return toPeft(name, flags, signal);
        return toFolder(name, { ...flags, to: flags.to }, signal);
      }
      if (flags.type === undefined) command.error("error: required option '--type <format>' not specified");
      return convert(name, { ...flags, type: flags.type! }, signal);
    });
}

async function convert(
  name: string,
  flags: ConvertFlags & { readonly type: FormatName | 'same' },
  signal: AbortSignal,
): Promise<void> {
  const { output, type, force } = flags;
  const source = await openModel(name, flags, signal);
  try {
    const outputs = await Outputs.claim(
      [{ option: '-o', path: output, kind: 'model' }],
      [name, source.name, ...(flags.lora === undefined ? [] : [flags.lora])],
      source.size,
    );
    try {
      const gguf = await readGguf(source, { signal, i2sLayout: flags.i2sLayout });
      const line = progressLine();
      let tensors: readonly ConvertedTensor[] = [];
      try {
        const conversion = await planConversion(source, gguf, {
          ...{ type, force, signal, metadata: new Map([[MADE_BY_KEY, MADE_BY], ...flags.set]) },
          onProgress: (done, total) => line.update('converting', done, total),
        });
        await outputs.needs(output, conversion.sizeBytes);
        await outputs.produce(output, async (append) => {
          tensors = await conversion.write(append);
        });
      } finally {
        line.clear();
      }
      report(output, tensors, flags);
    } finally {
      await outputs.release();
    }
  } finally {
    await source.close();
  }
}

async function openModel(name: string, flags: ConvertFlags, signal: AbortSignal): Promise<ByteSource> {
  if (flags.lora === undefined) return withModelHint(name, 'language', () => openSource(name, { signal }));
  const { openMerged } = await import('./convert-hf.ts');
  return openMerged(name, flags, signal);
}

function report(path: string, tensors: readonly ConvertedTensor[], { json }: ConvertFlags): void {
  const sizeBytes = tensors.reduce((sum, tensor) => sum + tensor.sizeBytes, 0);
  const changed = tensors.reduce((sum, tensor) => sum + tensor.changed, 0);
  if (json) {
    printJson({ path, tensorBytes: sizeBytes, lossless: changed === 0, changed, tensors });
    return;
  }
  const groups = new Map<string, ConvertedTensor[]>();
  for (const tensor of tensors) {
    const key = tensor.from === tensor.to ? `stay ${tensor.to}` : `from ${tensor.from} to ${tensor.to}`;
    groups.set(key, [...(groups.get(key) ?? []), tensor]);
  }
  for (const [key, some] of groups) {
    const lost = some.filter((tensor) => tensor.changed > 0);
    const worst = Math.max(0, ...lost.map(({ relativeError }) => relativeError));
    const how =
      lost.length === 0
        ? 'without loss'
        : `${lost.length} of them rounded, by up to ${(100 * worst).toPrecision(2)} % of their weights' root mean square`;
    note(`${some.length} ${some.length === 1 ? 'tensor' : 'tensors'} ${key}: ${how}`);
  }
  for (const { name, to, kept } of tensors) if (kept) note(`${name} is ${to}: ${kept}`);
  note(changed === 0 ? 'Every weight is what it was.' : `${changed} weights are not what they were.`);
  print(`${path} (${formatBytes(sizeBytes)} of weights)`);
}

function collect(text: string, sofar: Map<string, WritableValue>): Map<string, WritableValue> {
  const [, key, type, value] = /^([^=]+)=(?:(u32|i32|f32|bool|text):)?([\s\S]*)$/.exec(text) ?? [];
  if (key === undefined) throw refusal('be key=value', text);
  return new Map([...sofar, [key, metadataValue(value, type, text)]]);
}

/** A value of the type that is named, or that it looks like: whole numbers u32, others f32. */
function metadataValue(value: string, type: string | undefined, text: string): WritableValue {
  const number = value.trim() === '' ? Number.NaN : Number(value);
  const isWhole = Number.isInteger(number) && number >= 0 && number < 2 ** 32;
  const meant =
    type ??
    (Number.isFinite(number) ? (isWhole ? 'u32' : 'f32') : value === 'true' || value === 'false' ? 'bool' : 'text');
  if (meant === 'text') return value;
  if (meant === 'bool') {
    if (value !== 'true' && value !== 'false') throw refusal('have true or false as a bool', text);
    return value === 'true';
  }
  const fits =
    meant === 'f32'
      ? Number.isFinite(number)
      : meant === 'u32'
        ? isWhole
        : Number.isInteger(number) && Math.abs(number) < 2 ** 31;
  if (!fits) throw refusal(`have a number as ${meant}`, text);
  return { type: meant as 'u32' | 'i32' | 'f32', value: number };
}

function refusal(requirement: string, text: string): OnebitError {
  return new OnebitError('bad-argument', `convert: --set must ${requirement}, got ${JSON.stringify(text)}.`);
}
