// Owns `onebit convert`: a model file in another weight format, without loss or by --force. What is done to weights is gguf/convert.ts.
import { Command, Option } from 'commander';
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import { type ConvertedTensor, conversionTargets, planConversion } from '../gguf/convert.ts';
import { readGguf } from '../gguf/read.ts';
import type { I2sLayout } from '../gguf/tensors.ts';
import type { WritableValue } from '../gguf/write.ts';
import { modelOfAdapter, writePeftAdapter } from '../hf/adapter.ts';
import { adaptedModelOf, mergedSource } from '../hf/merge.ts';
import { writeFolder } from '../hf/write.ts';
import { openSource } from '../load.ts';
import { readAdapter } from '../load-adapter.ts';
import type { FormatName } from '../quant/formats.ts';
import { MADE_BY, MADE_BY_KEY } from '../train/model-file.ts';
import { type CommandContext, i2sLayoutOption, modelNameOf } from './context.ts';
import { fillNewFolder } from './new-folder.ts';
import { checkSpace, Outputs } from './outputs.ts';
import { note, print, printJson } from './print.ts';
import { formatBytes, progressLine } from './progress.ts';
import { withModelHint } from './suggest.ts';

interface ConvertFlags {
  output: string;
  type?: FormatName | 'same';
  to: 'gguf' | 'hf' | 'mlx' | 'peft';
  force?: boolean;
  lora?: string;
  set: Map<string, WritableValue>;
  json?: boolean;
  i2sLayout?: I2sLayout;
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
        if (flags.to === 'peft') return toPeft(name, flags, signal);
        return toFolder(name, { ...flags, to: flags.to }, signal);
      }
      if (flags.type === undefined) command.error("error: required option '--type <format>' not specified");
      return convert(name, { ...flags, type: flags.type! }, signal);
    });
}

/** Writes an adapter as PEFT saves it: the one that `--lora` names, for the model, or the one that the model's place has. */
async function toPeft(
  name: string,
  { output, lora, json, i2sLayout }: ConvertFlags,
  signal: AbortSignal,
): Promise<void> {
  const source = await openSource(name, { signal });
  try {
    const gguf = await readGguf(source, { signal, i2sLayout });
    const model = lora === undefined ? modelOfAdapter(gguf, name) : adaptedModelOf(gguf);
    const matrices = await readAdapter(lora ?? source, model, { signal });
    if (lora !== undefined) mergedSource(gguf, source, matrices); // says what does not fit
    const files = await fillNewFolder(output, 'convert', (write) => writePeftAdapter(matrices, model, write));
    if (json) printJson({ path: output, files, matrices: matrices.length, lossless: true });
    else print(`${output}: ${files.join(', ')}`);
  } finally {
    await source.close();
  }
}

/** Writes the folder that Transformers loads. */
async function toFolder(
  name: string,
  { output, to, json, i2sLayout, lora }: ConvertFlags & { readonly to: 'hf' | 'mlx' },
  signal: AbortSignal,
): Promise<void> {
  const source = await openMerged(name, { i2sLayout, lora }, signal);
  try {
    const gguf = await readGguf(source, { signal, i2sLayout });
    const line = progressLine();
    let files: string[];
    try {
      const onProgress = (done: number, total: number) => line.update('converting', done, total);
      files = await fillNewFolder(output, 'convert', (write) =>
        writeFolder(gguf, source, write, {
          signal,
          onProgress,
          to,
          onSize: (bytes) => checkSpace(output, output, bytes),
        }),
      );
    } finally {
      line.clear();
    }
    if (json) printJson({ path: output, files, lossless: true });
    else print(`${output}: ${files.join(', ')}`);
  } finally {
    await source.close();
  }
}

/** The model, with the adapter merged where there is one. */
async function openMerged(
  name: string,
  { lora, i2sLayout }: Pick<ConvertFlags, 'lora' | 'i2sLayout'>,
  signal: AbortSignal,
): Promise<ByteSource> {
  const source = await withModelHint(name, 'language', () => openSource(name, { signal }));
  if (lora === undefined) return source;
  try {
    const gguf = await readGguf(source, { signal, i2sLayout });
    return mergedSource(gguf, source, await readAdapter(lora, adaptedModelOf(gguf), { signal }));
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function convert(
  name: string,
  flags: ConvertFlags & { readonly type: FormatName | 'same' },
  signal: AbortSignal,
): Promise<void> {
  const { output, type, force } = flags;
  const source = await openMerged(name, flags, signal);
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
