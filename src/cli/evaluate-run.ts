// Owns judging one model: its tasks, texts and comparisons, with what they cost. Each result is written down as soon as it is there, so that a run that was ended
// in any way goes on where it was. Must not know how results are shown.
import { createHash } from 'node:crypto';
import type { Journal } from '../bulk/journal.ts';
import { OnebitError } from '../errors.ts';
import type { AskResult } from '../evaluate/asks.ts';
import { judgeAnswer, summariseAsks } from '../evaluate/asks.ts';
import { type ChoiceResult, choose, summarise } from '../evaluate/choices.ts';
import type { Comparison } from '../evaluate/compare.ts';
import type { Cost, ModelReport, TaskReport } from '../evaluate/report.ts';
import type { TextScore } from '../evaluate/rolling.ts';
import type { LanguageModel } from '../language-model.ts';
import { type EnergyMeter, energyMeter } from './energy.ts';
import type { Question } from './evaluate-data.ts';
import type { AnswerOptions, Subject } from './evaluate-subjects.ts';
import { progressLine } from './progress.ts';

/** A task with everything that is asked. */
export interface LoadedTask {
  readonly name: string;
  readonly form: string;
  readonly fewShot: number;
  readonly questions: readonly Question[];
  /** What is read before examples; undefined: what the question brings of itself. */
  readonly description?: string;
  /** Examples, one more than `fewShot`: a question is no example of itself. */
  readonly examples: readonly string[];
  /** Of the questions' files. */
  readonly digest: string;
}

export interface RunPlan {
  readonly tasks: readonly LoadedTask[];
  readonly texts: readonly { readonly name: string; readonly text: string }[];
  readonly answers: AnswerOptions;
  /** Options are also chosen by how much the context adds to their likelihood. */
  readonly mutualInfo: boolean;
  readonly against?: { readonly name: string; readonly identity: string; readonly model: LanguageModel };
  readonly watts?: number;
  readonly pricePerKwh?: number;
}

/** What was found of each question, beside the report. */
export interface RunResult {
  readonly report: ModelReport;
  /** As `Subject.identity`. */
  readonly identity: string;
  readonly results: readonly (readonly (ChoiceResult | AskResult)[])[];
}

interface Spent {
  tokens: number;
  seconds: number;
  joules?: number;
}

interface Noted {
  readonly key: string;
  readonly result: unknown;
  readonly spent: Spent;
}

/** Results that an earlier run wrote down, and where new ones are written. */
export class Notes {
  private readonly known = new Map<string, Noted>();
  journal: Journal | undefined;

  /** Takes a record of the journal. */
  add(record: unknown): void {
    const noted = record as Partial<Noted>;
    if (typeof noted?.key === 'string') this.known.set(noted.key, noted as Noted);
  }

  get(key: string): Noted | undefined {
    return this.known.get(key);
  }

  async put(noted: Noted): Promise<void> {
    await this.journal?.append(noted);
  }
}

/** Judges one model. */
export async function judge(subject: Subject, plan: RunPlan, notes: Notes, signal: AbortSignal): Promise<RunResult> {
  const progress = progressLine(process.stderr, (amount) => String(Math.round(amount)));
  const meter = energyMeter(plan.watts);
  const total: Spent = { tokens: 0, seconds: 0 };
  const settings = [subject.identity, subject.backend, ...subject.settings];
  const once = async <Result>(what: unknown[], work: () => Promise<Result>): Promise<Result> => {
    signal.throwIfAborted();
    const key = createHash('sha256')
      .update(JSON.stringify([...settings, ...what]))
      .digest('hex')
      .slice(0, 32);
    const before = notes.get(key);
    if (before) {
      spend(total, before.spent);
      return before.result as Result;
    }
    const [result, spent] = await measured(work, subject, meter);
    await notes.put({ key, result, spent });
    spend(total, spent);
    return result;
  };
  try {
    const tasks: TaskReport[] = [];
    const results: (ChoiceResult | AskResult)[][] = [];
    for (const task of plan.tasks) {
      const found: (ChoiceResult | AskResult)[] = [];
      for (const [i, question] of task.questions.entries()) {
        const examples = readBefore(question, task);
        const asked = ['question', task.digest, task.form, examples, i];
        const judged =
          'ask' in question
            ? once([...asked, plan.answers], () => subject.answer(question.ask, plan.answers)).then((answer) =>
                judgeAnswer(question.ask, answer),
              )
            : once([...asked, plan.mutualInfo], () =>
                choose(question.choice, (context, continuation) => subject.logLikelihood(context, continuation), {
                  ...{ examples, mutualInfo: plan.mutualInfo },
                }),
              );
        found.push(await judged.catch((error) => Promise.reject(ofQuestion(error, task.name, i))));
        progress.update(task.name, found.length, task.questions.length);
      }
      results.push(found);
      tasks.push(taskReport(task, found));
    }
    const texts: ModelReport['texts'][number][] = [];
    const against: NonNullable<ModelReport['against']>[number][] = [];
    for (const { name, text } of plan.texts) {
      const update = (done: number, all: number) => progress.update(name, done, all);
      texts.push({ text: name, ...(await once<TextScore>(['text', text], () => subject.score(text, update))) });
      if (!plan.against) continue;
      const { name: other, identity: digest, model } = plan.against;
      const compared = await once<Comparison>(['against', digest, text], () => subject.compare(text, model, update));
      against.push({ text: name, model: other, ...compared });
    }
    const { name: model, backend, identity } = subject;
    const cost = costOf(total, subject, meter, plan.pricePerKwh);
    const report = { model, backend, cost, tasks, texts, ...(plan.against ? { against } : {}) };
    return { report, identity, results };
  } finally {
    progress.clear();
  }
}

/** Of thousands of questions, which one it was. */
function ofQuestion(error: unknown, task: string, index: number): unknown {
  if (!(error instanceof OnebitError)) return error;
  const said = error.message.replace(/^evaluate: /, '');
  return new OnebitError(error.code, `evaluate: ${task}, question ${index + 1}: ${said}`, { cause: error });
}

/** Description and examples, as lm-evaluation-harness puts them together. */
function readBefore(question: Question, { description, examples, fewShot }: LoadedTask): string {
  if (!('choice' in question)) return '';
  const { choice } = question;
  const others = examples.filter((example) => example !== choice.example).slice(0, fewShot);
  return [description ?? choice.description ?? '', ...others.map((example) => `${example}\n\n`)].join('');
}

function taskReport(
  { name: task, form, fewShot }: LoadedTask,
  found: readonly (ChoiceResult | AskResult)[],
): TaskReport {
  const shared = { task, form, fewShot };
  if (form === 'ask') {
    const asks = found as AskResult[];
    return { ...shared, asks: summariseAsks(asks), right: asks.map(({ loose }) => loose) };
  }
  const choices = found as ChoiceResult[];
  const right = choices.map(({ chosen, label, logLikelihoods, isGreedy }) =>
    logLikelihoods.length === 1 ? isGreedy : (chosen.acc_mutual_info ?? chosen.acc) === label,
  );
  return { ...shared, choices: summarise(choices), right };
}

async function measured<Result>(
  work: () => Promise<Result>,
  subject: Subject,
  meter: EnergyMeter,
): Promise<[Result, Spent]> {
  meter.lap();
  const [tokens, began] = [subject.tokens(), performance.now()];
  const result = await work();
  const spent = { tokens: subject.tokens() - tokens, seconds: (performance.now() - began) / 1000, joules: meter.lap() };
  return [result, spent];
}

function spend(total: Spent, { tokens, seconds, joules }: Spent): void {
  total.tokens += tokens;
  total.seconds += seconds;
  if (joules !== undefined) total.joules = (total.joules ?? 0) + joules;
}

function costOf(
  { tokens, seconds, joules }: Spent,
  { fileBytes, memoryBytes, backend }: Subject,
  { from }: EnergyMeter,
  pricePerKwh: number | undefined,
): Cost {
  const isElsewhere = backend.startsWith('endpoint');
  const perMillion = joules === undefined || tokens === 0 || isElsewhere ? undefined : (joules / tokens) * 1e6;
  return {
    ...{ tokens, seconds, tokensPerSecond: seconds > 0 ? tokens / seconds : 0, fileBytes, memoryBytes },
    ...(perMillion === undefined ? {} : { joules: perMillion, energyFrom: from }),
    ...(perMillion === undefined || pricePerKwh === undefined ? {} : { price: (perMillion / 3.6e6) * pricePerKwh }),
  };
}
