// Owns `onebit evaluate`: choice tasks and texts for several models, side by side.
import { basename } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { exp } from '../core/elementary.ts';
import { OnebitError } from '../errors.ts';
import {
  type ChoiceReader,
  type ChoiceResult,
  type ChoiceSummary,
  choose,
  type Estimate,
  summarise,
} from '../evaluate/choices.ts';
import { type ChoiceItem, choiceItem, TASK_FORMS, type TaskForm } from '../evaluate/task-forms.ts';
import type { LanguageModel } from '../language-model.ts';
import { addComputeOptions, type CommandContext, type ComputeFlags, loadModel, wholeNumber } from './context.ts';
import { print, printJson } from './print.ts';
import { progressLine } from './progress.ts';
import { readInputText } from './read-input.ts';

interface TaskFile {
  readonly form: TaskForm;
  readonly path: string;
}

interface EvaluateFlags extends ComputeFlags {
  task?: TaskFile[];
  text?: string[];
  fewShot: number;
  fewShotFile?: string;
  description?: string;
  limit?: number;
  samples?: boolean;
  json?: boolean;
}

/** What is known of one model. */
interface ModelReport {
  readonly model: string;
  readonly backend: string;
  readonly tasks: readonly (ChoiceSummary & {
    readonly task: string;
    readonly form: TaskForm;
    readonly fewShot: number;
  })[];
  readonly texts: readonly {
    readonly text: string;
    readonly bitsPerByte: number;
    readonly perplexity: number;
    readonly tokens: number;
    readonly bytes: number;
    readonly windowTokens: number;
    readonly strideTokens: number;
  }[];
}

const HELP = `
Examples:
  onebit evaluate model.gguf --task arc=ARC-Easy-test.jsonl --limit 500
  onebit evaluate small.gguf large.gguf --task hellaswag=hellaswag_val.jsonl --text book.txt --json
  onebit evaluate model.gguf --task choices=mine.jsonl --few-shot 2 --few-shot-file examples.jsonl

Forms, as lm-evaluation-harness 0.4 has them: ${TASK_FORMS.join(', ')}; choices is {"context", "choices", "label"}.
acc: the likeliest option; acc_norm: by character; acc_bytes: by byte. Intervals are of 95 % (Wilson). Texts are read in windows that overlap by half.`;

/** The command `evaluate`. */
export function evaluateCommand({ signal }: CommandContext): Command {
  const collect =
    <Value>(parse: (value: string) => Value) =>
    (value: string, previous: Value[] = []) => [...previous, parse(value)];
  const command = new Command('evaluate')
    .description('multiple choice by likelihood, perplexity and bits per byte, models side by side')
    .argument('<model...>', 'GGUF files or names of pulled models')
    .option('--task <form=file>', 'questions, a JSON object a line (may be repeated)', collect(taskFile))
    .option(
      '--text <file>',
      'a text (may be repeated)',
      collect((path) => path),
    )
    .option('--few-shot <n>', 'so many examples before each question', wholeNumber(0, 1000), 0)
    .option('--few-shot-file <file>', 'where examples come from, the first ones of it, in the form of the task')
    .option('--description <text>', 'what stands before examples and question')
    .option('--limit <n>', 'only the first n questions of each task', wholeNumber(1, 1 << 30));
  return addComputeOptions(command)
    .option('--samples', 'with --json: what the model made of each question')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action(async (models: string[], flags: EvaluateFlags, self: Command) => {
      if (!flags.task && !flags.text) self.error('error: give --task or --text', { exitCode: 2 });
      if (flags.fewShot > 0 && !flags.fewShotFile)
        self.error('error: --few-shot needs --few-shot-file', { exitCode: 2 });
      const reports: ModelReport[] = [];
      for (const model of models) reports.push(await evaluateModel(model, flags, signal));
      if (flags.json)
        printJson({ conventions: 'lm-evaluation-harness 0.4', limit: flags.limit ?? null, models: reports });
      else printReports(reports);
    });
}

async function evaluateModel(name: string, flags: EvaluateFlags, signal: AbortSignal): Promise<ModelReport> {
  const model = await loadModel({ ...flags, model: name }, signal);
  const progress = progressLine();
  try {
    const tasks = [];
    for (const task of flags.task ?? []) {
      const items = await itemsOf(task, signal, flags.limit);
      const examples = await examplesOf(task.form, flags, signal);
      const results: ChoiceResult[] = [];
      for (const item of items) {
        results.push(await choose(item, readerOf(model, signal), examples));
        progress.update(basename(task.path), results.length, items.length);
      }
      tasks.push({
        task: basename(task.path),
        form: task.form,
        fewShot: flags.fewShot,
        ...summarise(results),
        ...(flags.samples ? { samples: results } : {}),
      });
    }
    const texts = [];
    for (const path of flags.text ?? []) {
      const score = await model.score(await readInputText(path, 'read text', signal), { signal });
      const { bitsPerByte, natsPerToken, tokensScored: tokens, bytes } = score;
      const windowTokens = model.contextTokens;
      const strideTokens = windowTokens >> 1;
      const perplexity = exp(natsPerToken);
      texts.push({ text: basename(path), bitsPerByte, perplexity, tokens, bytes, windowTokens, strideTokens });
    }
    const { name: backend, threads } = model.backend;
    return { model: name, backend: `${backend}, ${threads} threads`, tasks, texts };
  } finally {
    progress.clear();
    await model.dispose();
  }
}

/** How `model` reads questions. */
function readerOf(model: LanguageModel, signal: AbortSignal): ChoiceReader {
  const { tokenizer, contextTokens } = model;
  const { bos, eos, addBos } = tokenizer;
  return {
    encode: (text) => tokenizer.encode(text),
    begin: addBos && bos !== undefined ? [bos] : [],
    empty: [bos ?? eos].filter((token) => token !== undefined),
    contextTokens,
    rank: (tokens) => model.tokenLogprobs(tokens, { alternatives: 1, signal }),
  };
}

async function itemsOf(
  { form, path }: TaskFile,
  signal: AbortSignal,
  limit = Number.POSITIVE_INFINITY,
): Promise<ChoiceItem[]> {
  const lines = (await readInputText(path, 'read questions', signal)).split(/\r?\n/);
  const items: ChoiceItem[] = [];
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '' || items.length >= limit) continue;
    try {
      items.push(choiceItem(form, JSON.parse(line)));
    } catch (cause) {
      throw new OnebitError('bad-file', `evaluate: ${path}, line ${i + 1}: ${(cause as Error).message}`, { cause });
    }
  }
  if (items.length > 0) return items;
  throw new OnebitError('bad-file', `evaluate: ${path} must have questions, a JSON object a line, it has none.`);
}

/** What stands before each question. */
async function examplesOf(
  form: TaskForm,
  { fewShot, fewShotFile, description }: EvaluateFlags,
  signal: AbortSignal,
): Promise<string> {
  const head = description ? `${description}\n\n` : '';
  if (fewShot === 0 || !fewShotFile) return head;
  const items = await itemsOf({ form, path: fewShotFile }, signal, fewShot);
  return head + items.map(({ example }) => `${example}\n\n`).join('');
}

function taskFile(given: string): TaskFile {
  const [, form, path] = /^([a-z]+)=(.+)$/s.exec(given) ?? [];
  if (TASK_FORMS.includes(form as TaskForm)) return { form: form as TaskForm, path };
  throw new InvalidArgumentError(`It must be FORM=FILE, with one of ${TASK_FORMS.join(', ')}.`);
}

function printReports(reports: readonly ModelReport[]): void {
  const shown = ({ value, from, to }: Estimate) =>
    `${(100 * value).toFixed(1)} % (${(100 * from).toFixed(1)} to ${(100 * to).toFixed(1)})`;
  for (const { model, tasks, texts } of reports) {
    print(model);
    for (const { task, items, acc, acc_norm, acc_bytes, perplexity } of tasks) {
      const more =
        perplexity === undefined
          ? `acc_norm ${shown(acc_norm)}, acc_bytes ${shown(acc_bytes)}`
          : `perplexity ${perplexity.toFixed(3)}`;
      print(`  ${task}, ${items} questions: acc ${shown(acc)}, ${more}`);
    }
    for (const { text, bitsPerByte, perplexity, windowTokens, strideTokens } of texts) {
      print(
        `  ${text}: ${bitsPerByte.toFixed(4)} bits per byte, perplexity ${perplexity.toFixed(3)} (windows of ${windowTokens}, ${strideTokens} new)`,
      );
    }
  }
}
