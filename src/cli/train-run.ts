// Owns following a training run: its outputs, log, report, model and summary. `onebit train` and `onebit distil` share it. Must not know what is trained.
import { basename, resolve } from 'node:path';
import { runFacts } from '../train/model-card.ts';
import { htmlReport, type ReportTable, RunRecord } from '../train/report.ts';
import { train } from '../train/train.ts';
import type { TrainDone, TrainOptions, TrainStart } from '../train/train-options.ts';
import { cardOutput, writeCard } from './card-file.ts';
import { modelPathOf } from './file-identity.ts';
import { checkSpace, type Output, type Outputs } from './outputs.ts';
import { print, printJson } from './print.ts';
import { summaryText, type TrainDisplay } from './train-display.ts';
import { folderStore, JsonLog, readCorpora } from './train-files.ts';
import type { TrainFlags } from './train-flags.ts';

/** The flags that say what a run writes. */
export interface RunFlags {
  output: string;
  /** False when switched off. */
  log?: string | false;
  report?: string | false;
  card?: string | false;
  /** The model that it went on from. */
  init?: string;
  json?: boolean;
}

/** Everything that a run writes. */
export function outputsOf(flags: RunFlags): Output[] {
  const { log, report } = pathsOf(flags);
  return [
    { option: '--output', path: flags.output, kind: 'model' },
    { option: 'the checkpoints of --output', path: checkpointsOf(flags.output), kind: 'checkpoints' },
    ...(log === undefined ? [] : [{ option: '--log', path: log, kind: 'log' } as const]),
    ...(report === undefined ? [] : [{ option: '--report', path: report, kind: 'report' } as const]),
    ...cardOutput(flags),
  ];
}

/** Where log and report go, if anywhere. `shop.jsonl -o shop.gguf` is what people write: the log of nobody's choice must not ask for the corpus's name. */
function pathsOf(flags: RunFlags): { log?: string; report?: string } {
  const stem = flags.output.replace(/\.gguf$/i, '');
  return {
    log: flags.log === false ? undefined : (flags.log ?? `${stem}.log.jsonl`),
    report: flags.report === false ? undefined : (flags.report ?? `${stem}.html`),
  };
}

function checkpointsOf(output: string): string {
  return `${output}.ckpt`;
}

/** A model that is read, and the checkpoints beside it. */
export async function modelInputs(name: string | undefined): Promise<string[]> {
  const path = name === undefined ? undefined : await modelPathOf(name);
  return path === undefined ? [] : [path, checkpointsOf(path)];
}

/** The texts of a run, and those that it is measured on where there are such; what is odd in them is shown. */
export async function readTexts(
  { files, valid }: { readonly files: readonly string[]; readonly valid: readonly string[] },
  flags: TrainFlags,
  display: TrainDisplay,
  signal: AbortSignal,
): Promise<Required<Pick<TrainOptions, 'documents'>> & Pick<TrainOptions, 'validation'>> {
  const corpus = await readCorpora(files, flags, signal);
  const measured = flags.valid ? await readCorpora(valid, flags, signal) : undefined;
  for (const message of [...corpus.notices, ...(measured?.notices ?? [])]) display.show({ type: 'notice', message });
  return { documents: corpus.documents, validation: measured?.documents };
}

/** What the flags of `addRunOptions` mean for a training, and those that mean the same for every one. */
export function runOptionsOf(flags: TrainFlags, outputs: Outputs, signal: AbortSignal) {
  return {
    name: flags.name ?? nameFrom(flags.output),
    codeVersion: flags.codeVersion,
    contextWarmup: flags.contextWarmup,
    seed: flags.seed,
    threads: flags.threads,
    evaluateEvery: flags.evalEvery,
    sampleEvery: flags.sampleEvery,
    checkpoints: folderStore(outputs.pathOf(checkpointsOf(flags.output))),
    checkpointEvery: flags.checkpointEvery,
    resume: flags.resume,
    overwrite: flags.overwrite,
    stop: signal,
  } satisfies Partial<TrainOptions>;
}

/** What a command finds out about the finished model: a table for the report, and for terminals; numbers for JSON. */
export interface Verdict {
  readonly table: ReportTable;
  readonly json: object;
}

/** Runs the training, writing log, report and model as it goes. @param judge asked about the finished model */
export async function follow(
  options: TrainOptions,
  flags: RunFlags,
  corpora: string[],
  outputs: Outputs,
  display: TrainDisplay,
  endsInOrder: () => void,
  judge?: (done: TrainDone) => Promise<Verdict | undefined>,
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
    const verdict = await judge?.(event);
    if (verdict) record.tables.push(verdict.table);
    await report();
    const { init } = flags;
    const from = { init: init && basename(init), teacher: options.teacher?.name };
    const made = runFacts({ corpora: corpora.map((name) => basename(name)), ...from }, record);
    const facts = { name: options.name ?? 'onebit', task: 'text-generation', made } as const;
    await writeCard(flags, facts, outputs).catch((error: Error) => note(error.message));
    finish(event, path, flags, display, verdict);
  }
}

/** Bytes that a checkpoint has a weight at least: the weight and one moment of it, in 32 bits each. */
const CHECKPOINT_BYTES = 8;

/** Looks whether the model will fit, and a checkpoint beside the one before it. */
async function checkRoom(output: string, outputs: Outputs, { parameters, resumedSteps }: TrainStart): Promise<void> {
  const checkpoints = resumedSteps > 0 ? 1 : 2;
  const folder = outputs.pathOf(checkpointsOf(output));
  await checkSpace(checkpointsOf(output), folder, checkpoints * CHECKPOINT_BYTES * parameters);
  await outputs.needs(output, parameters >> 2);
}

function finish(
  done: TrainDone,
  path: string,
  flags: RunFlags,
  display: TrainDisplay,
  verdict: Verdict | undefined,
): void {
  if (flags.json) printJson({ ...summaryOf(done, path), ...verdict?.json });
  else {
    print(summaryText(done, path, process.stdout.columns || 100));
    if (verdict) print(tableText(verdict.table));
  }
  if (!done.complete) {
    display.line(`interrupted after update ${done.steps}. Go on with the same command and --resume.`);
  }
}

/** A table in columns. */
export function tableText({ title, columns, rows }: ReportTable): string {
  const all = [columns, ...rows];
  const widths = columns.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  const line = (row: readonly string[]) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join('  ');
  return [title, ...all.map(line)].join('\n');
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
    answers: done.answers ? { right: done.answers.right, asked: done.answers.asked } : null,
    tokensPerSecond: done.tokensPerSecond,
    seconds: done.seconds,
  };
}

/** The model's name, unless one is given: the file's. */
function nameFrom(output: string): string {
  return output.replace(/^.*[\\/]/, '').replace(/\.gguf$/i, '') || 'onebit';
}
