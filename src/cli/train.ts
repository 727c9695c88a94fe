// Owns `onebit train`.

import { Command, Option } from 'commander';
import { OnebitError } from '../errors.ts';
import type { Backend } from '../kernels/backend.ts';
import { architectures } from '../model/arch/index.ts';
import { modelDigest } from '../provenance/index.ts';
import { exportRun } from '../train/export-run.ts';
import { presets } from '../train/presets.ts';
import { readStartModel, type StartModel, withWholeRows } from '../train/start-model.ts';
import { Teacher } from '../train/teacher.ts';
import type { TrainOptions } from '../train/train-options.ts';
import { type CommandContext, modelNameOf, numberBetween, wholeNumber } from './context.ts';
import { fillNewFolder } from './new-folder.ts';
import { Outputs } from './outputs.ts';
import { print } from './print.ts';
import { withModelFile } from './suggest.ts';
import { TrainDisplay } from './train-display.ts';
import { corpusFiles, weightsBeforeRounding } from './train-files.ts';
import { addDataOptions, addRecipeOptions, addRunOptions, recipeOf, shapeOf, type TrainFlags } from './train-flags.ts';
import { follow, modelInputs, outputsOf, readTexts, runOptionsOf } from './train-run.ts';

const HELP = `
Corpora are text files whose documents are separated by blank lines, folders of them, or .jsonl files with one
{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]} a line, of which only
the assistant's turns are learnt.

Examples:
  onebit train notes.txt -o notes.gguf --minutes 2
  onebit train dialogues.txt -o model.gguf --preset seedling --minutes 240
  onebit train dialogues.txt -o model.gguf --preset seedling --minutes 240 --resume
  onebit train shop.txt -o shop.gguf --init seedling --minutes 2
  onebit train chats.jsonl -o tuned.gguf --init model.gguf --steps 200 --lr 0.005
  onebit train chats.jsonl -o adapter.gguf --init model.gguf --lora 8 --steps 200
  onebit chat -m notes.gguf

Beside OUT.gguf: OUT.gguf.ckpt/ with the last two checkpoints, OUT.log.jsonl with every update, OUT.html with curves and samples, OUT.card.md for
onebit publish.
Ctrl-C ends the run in order: a checkpoint and a usable model are written; the same command with --resume goes on.
A run bounded by --steps gives the same file bit for bit however often it was interrupted. One bounded by --minutes
may be resumed with more of them until its learning rate begins to fall.`;

/** The command `train`: makes a model from text. */
export function trainCommand({ signal, endsInOrder }: CommandContext): Command {
  const command = new Command('train')
    .description('make a 1-bit model from text')
    .argument('<corpus...>', 'text files, folders, or .jsonl conversations')
    .requiredOption('-o, --output <file>', 'the GGUF file to write');
  addShapeOptions(command);
  addRecipeOptions(command);
  addDataOptions(command);
  addRunOptions(command);
  return command
    .option(
      '--init <model>',
      'go on from this model (a file, a URL, a pulled model, or seedling): its shape, tokenizer and weights (those before rounding, where its run left checkpoints beside it)',
    )
    .option(
      '--lora <rank>',
      'train an adapter of this rank beside the weights of --init, which stay as they are; OUT is the adapter',
      wholeNumber(1, 1024),
    )
    .option('--lora-alpha <x>', 'what it adds counts x / rank (default: twice the rank)', numberBetween(1e-6, 1e6))
    .option('--teacher <model>', 'learn also from the predictions of this model; takes its tokenizer')
    .option('--teacher-share <x>', 'share of the loss that follows the teacher (default: 0.5)', numberBetween(0, 1))
    .option('--exact', 'products in float32 throughout, slower: for comparison with other programs')
    .option(
      '--export-tokens <folder>',
      'write what the run would read, its start and its recipe into a new folder for interop/pytorch, and train nothing',
    )
    .addHelpText('after', HELP)
    .action((corpora: string[], flags: TrainFlags, command: Command) =>
      run(corpora, { ...flags, codeVersion: command.parent?.version() }, { signal, endsInOrder }),
    );
}

function addShapeOptions(command: Command): void {
  command
    .addOption(
      new Option(
        '--preset <name>',
        'shape and recipe to start from; auto: as the size of the corpus and the time ask for',
      )
        .choices(['auto', ...Object.keys(presets)])
        .default('auto'),
    )
    .option('--width <n>', 'length of the residual vector (a multiple of 128 for binary)', wholeNumber(8, 1 << 16))
    .option('--layers <n>', 'layers', wholeNumber(1, 1024))
    .option('--heads <n>', 'query heads', wholeNumber(1, 1024))
    .option('--kv-heads <n>', 'key/value heads', wholeNumber(1, 1024))
    .option('--head-size <n>', 'size of a head', wholeNumber(8, 1024))
    .option('--ffn <n>', 'width of the feed-forward part', wholeNumber(8, 1 << 18))
    .option('--vocab <n>', 'tokens of the vocabulary, at least 259', wholeNumber(259, 1 << 17))
    .option('--context <n>', 'longest sequence in tokens, a multiple of 8', wholeNumber(8, 1 << 17))
    .addOption(new Option('--kind <kind>', 'what weights become').choices(['binary', 'ternary', 'float']))
    .addOption(
      new Option('--architecture <name>', 'what the model is, by its name in GGUF (default: qwen3)')
        .choices(architectures.map(({ name }) => name))
        .conflicts('init'),
    );
}

type Stops = Pick<CommandContext, 'signal' | 'endsInOrder'>;

async function run(corpora: string[], given: TrainFlags, stopping: Stops): Promise<void> {
  const flags = { ...given, init: modelOf(given.init), teacher: modelOf(given.teacher) };
  const files = await corpusFiles(corpora);
  const valid = await corpusFiles(flags.valid ?? []);
  const outputs = await Outputs.claim(outputsOf(flags), [
    ...corpora,
    ...files,
    ...(flags.valid ?? []),
    ...valid,
    ...(await modelInputs(flags.init)),
    ...(await modelInputs(flags.teacher)),
  ]);
  try {
    await prepare(corpora, { files, valid }, flags, outputs, stopping);
  } finally {
    await outputs.release();
  }
}

async function prepare(
  corpora: string[],
  { files, valid }: { files: string[]; valid: string[] },
  flags: TrainFlags,
  outputs: Outputs,
  { signal, endsInOrder }: Stops,
): Promise<void> {
  const display = new TrainDisplay();
  const texts = await readTexts({ files, valid }, flags, display, signal);
  const init = flags.init === undefined ? undefined : await openInit(flags.init, flags, display);
  const teacher = flags.teacher === undefined ? undefined : await openTeacher(flags.teacher, flags);
  try {
    const options: TrainOptions = {
      ...texts,
      ...runOptionsOf(flags, outputs, signal),
      preset: flags.preset,
      shape: shapeOf(flags),
      recipe: recipeOf(flags),
      minutes: flags.minutes,
      batchTokens: flags.batch,
      chatShare: flags.chatShare,
      exact: flags.exact,
      init,
      lora: flags.lora === undefined ? undefined : { rank: flags.lora, alpha: flags.loraAlpha },
      teacher: teacher?.teacher,
      teacherSha256: teacher?.sha256,
      teacherShare: flags.teacherShare,
    };
    if (flags.exportTokens !== undefined) await exportTokens(options, flags.exportTokens);
    else await follow(options, flags, corpora, outputs, display, endsInOrder);
  } finally {
    display.clear();
    await teacher?.backend.dispose();
  }
}

/** Writes the run for another trainer. */
async function exportTokens(options: TrainOptions, folder: string): Promise<void> {
  if (options.recipe?.steps === undefined) {
    throw new OnebitError('bad-argument', 'train: --export-tokens needs --steps, the number of updates to write.');
  }
  const { files, updates, positions } = await fillNewFolder(folder, 'train', (write) =>
    exportRun({ ...options, checkpoints: undefined, signal: options.stop }, write),
  );
  print(`${folder}: ${files.join(', ')}; ${updates} updates, ${positions} positions`);
}

/** The path of a model, which `seedling` means too. */
function modelOf(name: string | undefined): string | undefined {
  return name === undefined ? undefined : modelNameOf({ model: name });
}

async function openInit(name: string, flags: TrainFlags, display: TrainDisplay): Promise<StartModel> {
  const read = await withModelFile(name, (source) => readStartModel(source, flags.kind));
  // An adapter is for the weights as they are in the file.
  const model = flags.lora === undefined ? withWholeRows(read) : read;
  const weights = flags.lora === undefined ? await weightsBeforeRounding(name, model) : undefined;
  if (!weights) return model;
  display.show({ type: 'notice', message: `goes on from the weights before rounding in ${name}.ckpt` });
  return { ...model, weights };
}

async function openTeacher(
  name: string,
  flags: TrainFlags,
): Promise<{ teacher: Teacher; sha256: string; backend: Backend }> {
  const { wasmBackend } = await import('../kernels/wasm/wasm-backend.ts');
  const backend = await wasmBackend({ threads: flags.threads });
  try {
    const { contextLength } = (flags.preset === 'seedling' ? presets.seedling : presets.tiny).shape;
    const opened = await withModelFile(name, async (source) => ({
      teacher: await Teacher.open(source, backend, flags.context ?? contextLength),
      sha256: await modelDigest(source),
    }));
    return { ...opened, backend };
  } catch (error) {
    await backend.dispose();
    throw error;
  }
}
