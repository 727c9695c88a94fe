// Owns `onebit calibrate`.
import { basename } from 'node:path';
import { Command } from 'commander';
import { Budget } from '../core/budget.ts';
import { OnebitError } from '../errors.ts';
import { yesOrNo } from '../tasks/decide/train-decision.ts';
import {
  calibrateDecisions,
  type DecisionCalibration,
  type JudgedDecision,
  type SupportModel,
} from '../tasks/support/index.ts';
import { identityOf } from './calibration-file.ts';
import { addModelOptions, type CommandContext, type ModelFlags, modelNameOf, numberBetween } from './context.ts';
import { openDecider } from './deciders.ts';
import { Outputs } from './outputs.ts';
import { print, printJson } from './print.ts';
import { readInputJson } from './read-input.ts';
import { readLabelRows, supportInputs } from './support-files.ts';

/** What `--output` holds. */
interface CalibrationFile extends DecisionCalibration {
  readonly model?: { readonly name: string; readonly identity: string };
}

interface CalibrateFlags extends ModelFlags {
  ask?: string;
  options?: string;
  accuracy: number;
  json?: boolean;
  output?: string;
}

const HELP = `
FILE has the columns text and label (or intent): texts with the right answer, which no model was trained on. The model answers
each; what comes out is how much its probabilities must be softened to hold (the temperature), what share can be answered at
which risk, and from which probability on answers are as accurate as asked. That threshold is only given where the rows show
it by an exact binomial bound: few rows, however right, show little.

Examples:
  onebit calibrate newer.csv -m support.gguf --accuracy 0.95
  onebit calibrate newer.csv --ask "What is it about?" --options "delivery,refund,other" -o calibration.json
  onebit decide "Where is it?" --ask "What is it about?" --options "delivery,refund,other" --calibration calibration.json`;

/** The command `calibrate`. */
export function calibrateCommand({ signal }: CommandContext): Command {
  return addModelOptions(
    new Command('calibrate').description('make the probabilities of decisions hold, on labelled texts'),
  )
    .argument('<file...>', 'CSV, .xlsx or JSON lines with text and label; - for CSV on standard input')
    .option('--ask <question>', 'the question (default: that of the model, or none)')
    .option('--options <labels>', 'labels to choose from, separated by commas (default: those of the rows)')
    .option('--accuracy <share>', 'of what is answered, so much shall be right', numberBetween(0.5, 0.999), 0.95)
    .option(
      '--json',
      'print one JSON document: model, rows, accuracy, temperature, calibrationError, riskCoverage, target',
    )
    .option('-o, --output <file>', 'write it to a file, for onebit decide --calibration')
    .addHelpText('after', HELP)
    .action(async (files: string[], flags: CalibrateFlags) => {
      const { output } = flags;
      const outputs =
        output === undefined
          ? undefined
          : await Outputs.claim(
              [{ option: '--output', path: output, kind: 'calibration' }],
              await supportInputs(files, flags.model),
            );
      try {
        const rows = await readLabelRows(files, signal);
        const { decider, support, close } = await openDecider(flags, signal);
        try {
          const labels = flags.options?.split(',').map((label) => label.trim()) ?? labelsFor(rows, support);
          const judged: JudgedDecision[] = [];
          const budget = new Budget({ signal });
          const options = labels.map((label) => ({ label }));
          const instructions = flags.ask ?? support?.parts.question?.instructions ?? '';
          for (const [i, { text, label, row = i + 1 }] of rows.entries()) {
            const right = labels.indexOf(answerFor(label, labels));
            if (right < 0) throw unknownLabel(row, label, labels);
            judged.push({ probabilities: await decider.probabilities(text, instructions, options), right });
            await budget.turn('calibrate');
          }
          const name = modelNameOf(flags);
          const model = { name: basename(name), identity: await identityOf(name, signal) };
          const calibration = calibrateDecisions(judged, { accuracy: flags.accuracy });
          const found = { onebit: 'calibration', model, labels, ...calibration };
          const json = `${JSON.stringify(found, null, 2)}\n`;
          if (outputs) await outputs.writeResult(output!, new TextEncoder().encode(json));
          if (flags.json) printJson(found);
          else tell(found);
        } finally {
          await close();
        }
      } finally {
        await outputs?.release();
      }
    });
}

/**
 * What a file of `calibrate` says that decisions of the model in `flags` need.
 * @throws OnebitError `bad-argument` where it is none, or was made for another model
 */
export async function readCalibration(
  path: string,
  flags: ModelFlags,
  signal: AbortSignal,
): Promise<{ temperature: number; threshold: number | null }> {
  const value = (await readInputJson(path, 'read calibration', signal)) as Partial<CalibrationFile> | null;
  const temperature = value?.temperature;
  const threshold = value?.target?.threshold ?? null;
  const isShare = threshold === null || (typeof threshold === 'number' && threshold >= 0 && threshold <= 1);
  if (typeof temperature === 'number' && temperature >= 0.01 && temperature <= 100 && isShare) {
    await checkModel(path, value?.model, modelNameOf(flags), signal);
    return { temperature, threshold };
  }
  throw new OnebitError(
    'bad-argument',
    `read calibration: ${path} must be written by onebit calibrate, it has no temperature and target. Make it again.`,
  );
}

/** What one model's probabilities mean says nothing of another's; earlier files do not say whose they are. */
async function checkModel(
  path: string,
  made: CalibrationFile['model'],
  name: string,
  signal: AbortSignal,
): Promise<void> {
  if (typeof made?.identity !== 'string' || made.identity === (await identityOf(name, signal))) return;
  throw new OnebitError(
    'bad-argument',
    `read calibration: ${path} must be made for ${basename(name)}, it was made for ${String(made.name).slice(0, 60)} or another version of it. Run onebit calibrate with this model.`,
  );
}

function labelsFor(rows: readonly { label: string }[], support: SupportModel | undefined): string[] {
  return [...(support?.parts.question?.labels ?? new Set(rows.map(({ label }) => label)))];
}

/** The label as the options write it; yes and no may be said as in the rows of `decide train`. */
function answerFor(label: string, labels: readonly string[]): string {
  if (labels.includes(label) || !(labels.length === 2 && labels.includes('yes') && labels.includes('no'))) return label;
  return yesOrNo(label) ?? label;
}

function unknownLabel(row: number, label: string, labels: readonly string[]): OnebitError {
  return new OnebitError(
    'bad-argument',
    `calibrate: the label of row ${row} must be one of ${labels.slice(0, 10).join(', ')}, got '${label.slice(0, 60)}'. Correct the row, or give --options.`,
  );
}

function tell({
  rows,
  accuracy,
  temperature,
  calibrationError,
  riskCoverage,
  target,
  rowsNeeded,
}: DecisionCalibration): void {
  const percent = (share: number | null) => (share === null ? '–' : `${(100 * share).toFixed(1)} %`);
  print(`${rows} rows, ${percent(accuracy)} right; temperature ${temperature.toFixed(3)}`);
  print(
    `calibration error ${percent(calibrationError.before)}, with this temperature ${percent(calibrationError.after)}`,
  );
  print('  answered   right   from probability');
  for (const { answered, right, threshold } of riskCoverage) {
    print(`  ${percent(answered).padStart(8)}${percent(right).padStart(8)}${threshold.toFixed(3).padStart(9)}`);
  }
  const wanted = percent(target.precision);
  print(
    target.threshold === null
      ? `${wanted} cannot be shown with these rows: nothing should be answered by itself. It takes at least ${rowsNeeded} rows that are answered without an error; a lower --accuracy may be shown.`
      : `for ${wanted}: from ${target.threshold.toFixed(3)} on, ${percent(target.answered)} answered, ${percent(target.right)} of them rightly (${percent(target.low)} to ${percent(target.high)})`,
  );
}
