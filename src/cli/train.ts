// Owns `onebit train`.
import { dirname, resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import type { Backend } from '../kernels/backend.ts';
import { openSource } from '../load.ts';
import { architectures } from '../model/arch/index.ts';
import { exportRun } from '../train/export-run.ts';
import { presets } from '../train/presets.ts';
import { htmlReport, RunRecord } from '../train/report.ts';
import { readStartModel, type StartModel } from '../train/start-model.ts';
import { Teacher } from '../train/teacher.ts';
import { train } from '../train/train.ts';
import type { TrainDone, TrainOptions, TrainStart } from '../train/train-options.ts';
import { type CommandContext, numberBetween, wholeNumber } from './context.ts';
import { modelPathOf } from './file-identity.ts';
import { newFolder } from './new-folder.ts';
import { checkSpace, type Output, Outputs } from './outputs.ts';
import { print, printJson } from './print.ts';
import { summaryText, TrainDisplay } from './train-display.ts';
import { corpusFiles, folderStore, JsonLog, readCorpora, weightsBeforeRounding } from './train-files.ts';
import { recipeOf, shapeOf, type TrainFlags } from './train-flags.ts';

const HELP = `
Corpora are text files whose documents are separated by blank lines, folders of them, or .jsonl files with one
{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]} a line, of which only
the assistant's turns are learnt.

Examples:
  onebit train notes.txt -o notes.gguf --minutes 2
  onebit train dialogues.txt -o model.gguf --preset seedling --minutes 240
  onebit train dialogues.txt -o model.gguf --preset seedling --minutes 240 --resume
  onebit train chats.jsonl -o tuned.gguf --init model.gguf --steps 200 --lr 0.005
  onebit chat -m notes.gguf

Beside OUT: OUT.ckpt/ with the last two checkpoints, OUT.jsonl with every update, OUT.html with curves and samples.
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
  return command
    .option(
      '--checkpoint-every <updates>',
      'write a checkpoint after so many updates (default: one per minute)',
      wholeNumber(1, 1e9),
    )
    .option('--resume', 'go on from the newest checkpoint')
    .option('--overwrite', 'start anew although an unfinished run left checkpoints')
    .option(
      '--init <model>',
      'go on from this model: its shape, tokenizer and weights (those before rounding, where its run left checkpoints beside it)',
    )
    .option('--teacher <model>', 'learn also from the predictions of this model; takes its tokenizer')
    .option('--teacher-share <x>', 'share of the loss that follows the teacher (default: 0.5)', numberBetween(0, 1))
    .option('--threads <n>', 'threads (default: as many as help)', wholeNumber(1, 256))
    .option(
      '--eval-every <updates>',
      'measure held-out text after so many updates (default: 20 times)',
      wholeNumber(1, 1e9),
    )
    .option(
      '--sample-every <updates>',
      'write a sample after so many updates, 0 for none (default: 4 times)',
      wholeNumber(0, 1e9),
    )
    .option('--log <file>', 'JSON lines of every update (default: OUT.jsonl)')
    .option('--no-log', 'no such file')
    .option('--report <file>', 'HTML report (default: OUT.html)')
    .option('--no-report', 'no such file')
    .option('--exact', 'products in float32 throughout, slower: for comparison with other programs')
    .option(
      '--export-tokens <folder>',
      'write what the run would read, its start and its recipe into a new folder for interop/pytorch, and train nothing',
    )
    .option('--name <text>', "the model's name in the file (default: the file's name)")
    .option('--json', 'print one JSON document at the end: file, bytes, steps, tokens, loss, bitsPerByte, ...')
    .addHelpText('after', HELP)
    .action((corpora: string[], flags: TrainFlags) => run(corpora, flags, { signal, endsInOrder }));
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

function addRecipeOptions(command: Command): void {
  command
    .addOption(new Option('--optimizer <name>', 'of the matrices').choices(['muon', 'adamw']))
    .option('--lr <x>', 'learning rate of the matrices', numberBetween(0, 1))
    .option('--adam-lr <x>', 'learning rate of embedding, head and norms', numberBetween(0, 1))
    .addOption(new Option('--schedule <name>', 'of the learning rate').choices(['constant', 'cosine']))
    .option('--decay <share>', 'share of the run in which a constant rate falls to zero', numberBetween(0, 1))
    .option('--warmup <updates>', 'updates over which rates rise', wholeNumber(0, 1e9))
    .option('--full-precision <share>', 'share of the run before weights are quantised', numberBetween(0, 1))
    .option('--clip <x>', 'longest gradient, 0 for any', numberBetween(0, 1e9))
    .option(
      '--context-warmup <updates>',
      'updates during which sequences grow to their full length',
      wholeNumber(0, 1e9),
    )
    .option('--batch <tokens>', 'positions of one update', wholeNumber(8, 1 << 22))
    .addOption(
      new Option('--minutes <m>', 'time for everything').argParser(numberBetween(0.01, 1e6)).conflicts('steps'),
    )
    .option('--steps <n>', 'updates', wholeNumber(1, 1e9))
    .option('--seed <n>', 'same seed, corpus and options, same model (default: 1)', wholeNumber(0, 2 ** 32));
}

function addDataOptions(command: Command): void {
  const collect = (value: string, previous: string[] = []) => [...previous, value];
  command
    .option('--valid <file>', 'measure with these texts instead of holding out some (may be repeated)', collect)
    .option(
      '--chat-share <x>',
      'share of dialogues (lines User: ... and Agent: ...) shown in the chat template',
      numberBetween(0, 1),
    )
    .option('--whole', 'a file is one document, blank lines or not')
    .option('--replace-invalid', 'put U+FFFD where bytes are not UTF-8');
}

type Stops = Pick<CommandContext, 'signal' | 'endsInOrder'>;

async function run(corpora: string[], flags: TrainFlags, stopping: Stops): Promise<void> {
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

/** Everything that a run writes. */
function outputsOf(flags: TrainFlags): Output[] {
  const { log, report } = pathsOf(flags);
  return [
    { option: '--output', path: flags.output, kind: 'model' },
    { option: 'the checkpoints of --output', path: checkpointsOf(flags.output), kind: 'checkpoints' },
    ...(log === undefined ? [] : [{ option: '--log', path: log, kind: 'log' } as const]),
    ...(report === undefined ? [] : [{ option: '--report', path: report, kind: 'report' } as const]),
  ];
}

/** Where log and report go, if anywhere. */
function pathsOf(flags: TrainFlags): { log?: string; report?: string } {
  const stem = flags.output.replace(/\.gguf$/i, '');
  return {
    log: flags.log === false ? undefined : (flags.log ?? `${stem}.jsonl`),
    report: flags.report === false ? undefined : (flags.report ?? `${stem}.html`),
  };
}

function checkpointsOf(output: string): string {
  return `${output}.ckpt`;
}

/** A model that is read, and the checkpoints beside it. */
async function modelInputs(name: string | undefined): Promise<string[]> {
  const path = name === undefined ? undefined : await modelPathOf(name);
  return path === undefined ? [] : [path, checkpointsOf(path)];
}

async function prepare(
  corpora: string[],
  { files, valid }: { files: string[]; valid: string[] },
  flags: TrainFlags,
  outputs: Outputs,
  { signal, endsInOrder }: Stops,
): Promise<void> {
  const display = new TrainDisplay();
  const corpus = await readCorpora(files, flags, signal);
  const measured = flags.valid ? await readCorpora(valid, flags, signal) : undefined;
  for (const message of [...corpus.notices, ...(measured?.notices ?? [])]) display.show({ type: 'notice', message });
  const init = flags.init === undefined ? undefined : await openInit(flags.init, flags, display);
  const teacher = flags.teacher === undefined ? undefined : await openTeacher(flags.teacher, flags);
  try {
    const options: TrainOptions = {
      documents: corpus.documents,
      validation: measured?.documents,
      name: flags.name ?? nameFrom(flags.output),
      preset: flags.preset,
      shape: shapeOf(flags),
      recipe: recipeOf(flags),
      minutes: flags.minutes,
      batchTokens: flags.batch,
      chatShare: flags.chatShare,
      contextWarmup: flags.contextWarmup,
      seed: flags.seed,
      threads: flags.threads,
      exact: flags.exact,
      evaluateEvery: flags.evalEvery,
      sampleEvery: flags.sampleEvery,
      checkpoints: folderStore(outputs.pathOf(checkpointsOf(flags.output))),
      checkpointEvery: flags.checkpointEvery,
      resume: flags.resume,
      overwrite: flags.overwrite,
      init,
      teacher: teacher?.teacher,
      teacherShare: flags.teacherShare,
      stop: signal,
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
  const write = await newFolder(folder, 'train');
  const { files, updates, positions } = await exportRun(
    { ...options, checkpoints: undefined, signal: options.stop },
    write,
  );
  print(`${folder}: ${files.join(', ')}; ${updates} updates, ${positions} positions`);
}

/** Runs the training, writing log, report and model as it goes. */
async function follow(
  options: TrainOptions,
  flags: TrainFlags,
  corpora: string[],
  outputs: Outputs,
  display: TrainDisplay,
  endsInOrder: () => void,
): Promise<void> {
  const paths = pathsOf(flags);
  const note = (message: string) => display.show({ type: 'notice', message });
  const log =
    paths.log === undefined ? undefined : new JsonLog(outputs.pathOf(paths.log), (error) => note(error.message));
  const record = new RunRecord();
  const report = async () => {
    if (paths.report === undefined) return;
    const text = htmlReport(record, { title: options.name ?? 'onebit', corpora });
    await outputs.write(paths.report, new TextEncoder().encode(text)).catch((error: Error) => note(error.message));
  };
  for await (const event of train(options)) {
    record.add(event);
    if (event.type === 'start') {
      endsInOrder();
      await checkRoom(flags.output, outputs, event);
      log?.begin(event.resumedSteps);
    }
    log?.add(event.type === 'done' ? summaryOf(event, flags.output) : event);
    display.show(event);
    if (event.type === 'evaluation') await report();
    if (event.type !== 'done') continue;
    const path = await outputs.writeResult(flags.output, event.model);
    await report();
    finish(event, path, flags, display);
  }
}

/** Bytes that a checkpoint has a weight at least: the weight and one moment of it, in 32 bits each. */
const CHECKPOINT_BYTES = 8;

/** Looks whether the model will fit, and a checkpoint beside the one before it. */
async function checkRoom(output: string, outputs: Outputs, { parameters, resumedSteps }: TrainStart): Promise<void> {
  const checkpoints = resumedSteps > 0 ? 1 : 2;
  const folder = outputs.pathOf(checkpointsOf(output));
  await checkSpace(checkpointsOf(output), folder, checkpoints * CHECKPOINT_BYTES * parameters);
  await checkSpace(output, dirname(outputs.pathOf(output)), parameters >> 2);
}

function finish(done: TrainDone, path: string, flags: TrainFlags, display: TrainDisplay): void {
  if (flags.json) printJson(summaryOf(done, path));
  else print(summaryText(done, path, process.stdout.columns || 100));
  if (!done.complete) {
    display.line(`interrupted after update ${done.steps}. Go on with the same command and --resume.`);
  }
}

function summaryOf(done: TrainDone, path: string): object {
  return {
    type: 'done',
    file: resolve(path),
    bytes: done.model.length,
    complete: done.complete,
    steps: done.steps,
    step: done.steps,
    tokens: done.tokens,
    loss: done.loss,
    bitsPerByte: done.validation?.bitsPerByte ?? null,
    trainingBitsPerByte: done.losses[done.losses.length - 1]?.value ?? null,
    validation: done.validation ?? null,
    tokensPerSecond: done.tokensPerSecond,
    seconds: done.seconds,
  };
}

async function readModel<T>(name: string, read: (source: ByteSource) => Promise<T>): Promise<T> {
  const source = await openSource(name);
  try {
    return await read(source);
  } finally {
    await source.close();
  }
}

async function openInit(name: string, flags: TrainFlags, display: TrainDisplay): Promise<StartModel> {
  const model = await readModel(name, (source) => readStartModel(source, flags.kind));
  const weights = await weightsBeforeRounding(name, model);
  if (!weights) return model;
  display.show({ type: 'notice', message: `goes on from the weights before rounding in ${name}.ckpt` });
  return { ...model, weights };
}

async function openTeacher(name: string, flags: TrainFlags): Promise<{ teacher: Teacher; backend: Backend }> {
  const { wasmBackend } = await import('../kernels/wasm/wasm-backend.ts');
  const backend = await wasmBackend({ threads: flags.threads });
  try {
    const teacher = await readModel(name, (source) =>
      Teacher.open(
        source,
        backend,
        flags.context ?? (flags.preset === 'seedling' ? presets.seedling : presets.tiny).shape.contextLength,
      ),
    );
    return { teacher, backend };
  } catch (error) {
    await backend.dispose();
    throw error;
  }
}

function nameFrom(output: string): string {
  return output.replace(/^.*[\\/]/, '').replace(/\.gguf$/i, '') || 'onebit';
}
