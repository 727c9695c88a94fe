// Owns `onebit evaluate`: what is asked of which models, and where the results go. How models are judged: evaluate-run.ts.
import { Command, InvalidArgumentError } from 'commander';
import { Journal } from '../bulk/journal.ts';
import { OnebitError } from '../errors.ts';
import { type AskResult, judgedOf } from '../evaluate/asks.ts';
import { calibrationReport, fitCalibration } from '../evaluate/calibration.ts';
import type { ModelReport } from '../evaluate/report.ts';
import { evaluateReport } from '../evaluate/report.ts';
import { SUITES } from '../evaluate/suites.ts';
import { calibrationFile, identityOf } from './calibration-file.ts';
import {
  addComputeOptions,
  type CommandContext,
  type ComputeFlags,
  collect,
  loadModel,
  modelNameOf,
  numberBetween,
  wholeNumber,
} from './context.ts';
import { ALL_FORMS, type AnyForm, questionsOf, shortName, suiteSource, type TaskSource } from './evaluate-data.ts';
import { judge, type LoadedTask, Notes, type RunPlan, type RunResult } from './evaluate-run.ts';
import { printReports, shownOf } from './evaluate-shown.ts';
import { openSubject } from './evaluate-subjects.ts';
import { type Output, Outputs } from './outputs.ts';
import { note, printJson } from './print.ts';
import { readInputText } from './read-input.ts';

interface EvaluateFlags extends ComputeFlags {
  task?: TaskSource[];
  suite?: string[];
  text?: string[];
  fewShot: number;
  fewShotFile?: string;
  description?: string;
  limit?: number;
  mutualInfo?: boolean;
  against?: string;
  maxTokens: number;
  temperature: number;
  agreement?: number;
  calibrate?: string;
  journal?: string;
  report?: string;
  watts?: number;
  priceKwh?: number;
  currency: string;
  samples?: boolean;
  json?: boolean;
}

const CONVENTIONS =
  'As lm-evaluation-harness 0.4: contexts and continuations are tokenized together; acc is the likeliest option, acc_norm by character, acc_bytes by byte, acc_mutual_info less the likelihood of the option alone; loose_match: written answers, whatever the case, the punctuation and the articles. Texts are read in windows in which every token is predicted once.';

const HELP = `
Examples:
  onebit evaluate model.gguf --task arc=ARC-Easy-test.jsonl --limit 500
  onebit evaluate small.gguf large.gguf --suite blimp --limit 50 --report judged.html --journal judged.journal
  onebit evaluate q1.gguf --text book.txt --against q8.gguf
  onebit evaluate model.gguf --task ask=questions.jsonl --calibrate model.calibration.json
  onebit evaluate http://127.0.0.1:8080/v1#model --task piqa=piqa.jsonl
  onebit evaluate model.gguf --task choices=mine.jsonl --few-shot 2 --few-shot-file examples.jsonl

Forms: ${ALL_FORMS.join(', ')}. choices is {"context", "choices", "label"}; ask is {"prompt" or "messages", "answer" or "answers", "schema"?}.
A FILE may be an address with its hash: https://…/x.jsonl#sha256=…; suites: ${Object.keys(SUITES).join(', ')}.
acc: the likeliest option; acc_norm: by character; acc_bytes: by byte. Intervals are of 95 % (Wilson). --journal: killed in any way, the same command
goes on. Endpoints must give log-probabilities of the prompt (echo); their key is OPENAI_API_KEY.`;

/** The command `evaluate`. */
export function evaluateCommand({ signal }: CommandContext): Command {
  const command = new Command('evaluate')
    .description('multiple choice by likelihood, answers, perplexity; calibration; energy; models side by side')
    .argument('<model...>', 'GGUF files, names of pulled models, or endpoints as http://host/v1#model')
    .option('--task <form=file>', 'questions, a JSON object a line (may be repeated)', taskSources)
    .option('--suite <name>', `a public data set, fetched once: ${Object.keys(SUITES).join(', ')}`, collect)
    .option('--text <file>', 'a text (may be repeated)', collect)
    .option('--few-shot <n>', 'so many examples before each question', wholeNumber(0, 1000), 0)
    .option('--few-shot-file <file>', 'where examples come from, the first ones of it, in the form of the task')
    .option(
      '--description <text>',
      'what stands before examples and question (default: nothing; of mmlu with subjects, theirs)',
    )
    .option('--limit <n>', 'only the first n questions of each file', wholeNumber(1, 1 << 30))
    .option('--mutual-info', 'also choose by what the context adds to an option (acc_mutual_info); twice the work')
    .option('--against <model>', 'with --text: divergence from this model, and agreement on the likeliest token')
    .option('--max-tokens <n>', 'of answers to ask', wholeNumber(1, 1 << 20), 64)
    .option('--temperature <t>', 'of answers to ask; 0 is greedy', numberBetween(0, 100), 0)
    .option(
      '--agreement <n>',
      'write n more answers to each ask, and take their agreement as a confidence',
      wholeNumber(1, 32),
    )
    .option('--calibrate <file>', 'what the confidence of answers to ask is worth, for --abstain of other commands')
    .option('--journal <file>', 'write each result down at once, and go on with those of an earlier run')
    .option('--report <file>', 'one HTML page of it all')
    .option('--watts <w>', 'what the machine draws at work, where it does not say (RAPL)', numberBetween(0.001, 1e6))
    .option('--price-kwh <price>', 'of a kilowatt-hour, for what a million tokens cost', numberBetween(0, 1e6))
    .option('--currency <text>', 'of the price', 'EUR');
  return addComputeOptions(command)
    .option('--samples', 'with --json: what the model made of each question')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action(async (models: string[], flags: EvaluateFlags, self: Command) => {
      const wrong = wrongFlags(flags, models.length);
      if (wrong) self.error(`error: ${wrong}`, { exitCode: 2 });
      await evaluate(models, flags, signal);
    });
}

function wrongFlags(flags: EvaluateFlags, models: number): string | undefined {
  if (!flags.task && !flags.text && !flags.suite) return 'give --task, --suite or --text';
  if (flags.fewShot > 0 && !flags.fewShotFile) return '--few-shot needs --few-shot-file';
  if (flags.against && !flags.text) return '--against needs --text';
  const asks = flags.task?.some(({ form }) => form === 'ask');
  if (flags.calibrate && (!asks || models > 1)) return '--calibrate needs one model and --task ask=FILE';
  return undefined;
}

async function evaluate(models: string[], flags: EvaluateFlags, signal: AbortSignal): Promise<void> {
  const sources = [...(flags.task ?? []), ...(flags.suite ?? []).map(suiteSource)];
  const inputs = [...models, ...sources.flatMap(({ files }) => files.filter((file) => typeof file === 'string'))];
  const more = [flags.fewShotFile, flags.against, ...(flags.text ?? [])].filter((path) => path !== undefined);
  const outputs = await Outputs.claim(outputsOf(flags), [...inputs, ...more]);
  const notes = new Notes();
  try {
    if (flags.journal !== undefined) notes.journal = await openJournal(outputs.pathOf(flags.journal), notes);
    const plan = await planOf(sources, flags, signal);
    const runs: RunResult[] = [];
    try {
      for (const model of models) runs.push(await judgeModel(model, flags, plan, notes, signal));
    } finally {
      await plan.against?.model.dispose();
    }
    await writeFiles(runs, plan, flags, outputs, models[0]);
    const reports = runs.map(({ report }) => report);
    if (flags.json) {
      const shown = runs.map(({ report, results }) => jsonOf(report, flags.samples ? results : undefined));
      printJson({ conventions: 'lm-evaluation-harness 0.4', limit: flags.limit ?? null, models: shown });
    } else printReports(reports, flags.currency);
  } finally {
    await notes.journal?.close();
    await outputs.release();
  }
}

async function judgeModel(
  name: string,
  flags: EvaluateFlags,
  plan: RunPlan,
  notes: Notes,
  signal: AbortSignal,
): Promise<RunResult> {
  const subject = await openSubject(name, flags, signal);
  try {
    return await judge(subject, plan, notes, signal);
  } finally {
    await subject.close();
  }
}

function outputsOf({ journal, report, calibrate }: EvaluateFlags): Output[] {
  const named = (option: string, path: string | undefined, kind: Output['kind']) =>
    path === undefined ? [] : [{ option, path, kind }];
  return [
    ...named('--journal', journal, 'journal'),
    ...named('--report', report, 'report'),
    ...named('--calibrate', calibrate, 'confidence'),
  ];
}

async function openJournal(path: string, notes: Notes): Promise<Journal> {
  let isEmpty = true;
  const journal = await Journal.open(path, (record) => {
    isEmpty = false;
    notes.add(record);
  });
  if (isEmpty) await journal.append({ onebit: 'evaluate', version: 1 });
  return journal;
}

async function planOf(sources: readonly TaskSource[], flags: EvaluateFlags, signal: AbortSignal): Promise<RunPlan> {
  const tasks: LoadedTask[] = [];
  for (const source of sources) {
    const { questions, digest } = await questionsOf(source, signal, flags.limit);
    const isAsk = source.form === 'ask';
    const fewShot = isAsk ? 0 : flags.fewShot;
    const examples = await examplesOf(source.form, fewShot, flags.fewShotFile, signal);
    const description = isAsk ? '' : descriptionOf(flags);
    tasks.push({ name: source.name, form: source.form, fewShot, questions, examples, description, digest });
  }
  const texts = [];
  for (const path of flags.text ?? []) {
    texts.push({ name: shortName(path), text: await readInputText(path, 'read text', signal) });
  }
  const { maxTokens, temperature, agreement: samples = 0, watts, priceKwh: pricePerKwh, against } = flags;
  return {
    ...{ tasks, texts, answers: { maxTokens, temperature, samples }, watts, pricePerKwh },
    mutualInfo: flags.mutualInfo ?? false,
    ...(against === undefined
      ? {}
      : {
          against: {
            name: against,
            identity: await identityOf(modelNameOf({ model: against }), signal),
            model: await loadModel({ ...flags, model: against }, signal),
          },
        }),
  };
}

/** A description as the harness has it: apart from what comes next. */
function descriptionOf({ description }: EvaluateFlags): string | undefined {
  return !description || /\s$/.test(description) ? description : `${description}\n\n`;
}

/** The first questions of a file with their answers, one more than is wanted. */
async function examplesOf(
  form: AnyForm,
  fewShot: number,
  file: string | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  if (fewShot === 0 || file === undefined) return [];
  const { questions } = await questionsOf({ name: file, form, files: [file] }, signal, fewShot + 1);
  if (questions.length < fewShot) {
    const got = `${file} has ${questions.length}`;
    throw new OnebitError('bad-file', `evaluate: --few-shot must be at most the questions of its file, ${got}.`);
  }
  return questions.flatMap((question) => ('choice' in question ? [question.choice.example] : []));
}

async function writeFiles(
  runs: readonly RunResult[],
  plan: RunPlan,
  flags: EvaluateFlags,
  outputs: Outputs,
  model: string,
): Promise<void> {
  const write = (path: string, text: string) => outputs.writeResult(path, new TextEncoder().encode(text));
  if (flags.report !== undefined) {
    const { limit, currency, priceKwh: pricePerKwh } = flags;
    const title = `Judged: ${runs.map(({ report }) => shortName(report.model)).join(', ')}`;
    const shown = (task: number, question: number) => shownOf(plan, runs, task, question);
    const names = runs.map(({ report }) => shortName(report.model));
    const areDifferent = new Set(names).size === names.length;
    // A report is shown to others: folders of this machine are nothing to them.
    const reports = runs.map(({ report }, i) => (areDifferent ? { ...report, model: names[i] } : report));
    await write(
      flags.report,
      evaluateReport(reports, { title, conventions: CONVENTIONS, limit, currency, pricePerKwh, shown }),
    );
  }
  if (flags.calibrate === undefined) return;
  const asks = plan.tasks.flatMap(({ form }, t) => (form === 'ask' ? (runs[0].results[t] as AskResult[]) : []));
  const measure = flags.agreement === undefined ? 'likelihood' : 'agreement';
  if (asks.some(({ confidence }) => confidence[measure] === undefined)) {
    throw new OnebitError(
      'unsupported',
      'evaluate: --calibrate needs log-probabilities of answers, got none. Ask a model that gives them.',
    );
  }
  const judged = judgedOf(asks, measure);
  const report = calibrationReport(judged);
  const calibration = {
    measure,
    ...(flags.agreement === undefined ? {} : { samples: flags.agreement }),
    ...fitCalibration(judged),
  } as const;
  await write(flags.calibrate, calibrationFile(calibration, { name: model, identity: runs[0].identity, report }));
  if (calibration.slope === 0)
    note('note: this confidence says nothing about who is right; with it, all answers are given or none.');
}

/** A report as it was printed before there were others: numbers of a task beside its name. */
function jsonOf(report: ModelReport, results: RunResult['results'] | undefined): object {
  const tasks = report.tasks.map(({ right: _, choices, asks, ...task }, t) => ({
    ...{ ...task, ...choices, ...asks },
    ...(results ? { samples: results[t] } : {}),
  }));
  return { ...report, tasks };
}

function taskSources(given: string, previous: TaskSource[] = []): TaskSource[] {
  const [, form, path] = /^([a-z]+)=(.+)$/s.exec(given) ?? [];
  if (ALL_FORMS.includes(form as AnyForm)) {
    return [...previous, { name: shortName(path), form: form as AnyForm, files: [path] }];
  }
  throw new InvalidArgumentError(`It must be FORM=FILE, with one of ${ALL_FORMS.join(', ')}.`);
}
