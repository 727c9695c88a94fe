// Owns the forms of public choice tasks: what of a row is read, and which continuations are compared. As lm-evaluation-harness 0.4 has them (compared with its
// task files and api/task.py of August 2026); prompts are facts of the tasks. Must not know a model.
import { OnebitError } from '../errors.ts';
import { strip } from './python-text.ts';

/** One question: continuations of one context, or one continuation of several. */
export interface ChoiceItem {
  readonly options: readonly { readonly context: string; readonly continuation: string }[];
  /** By what likelihoods are divided for `acc_norm` and `acc_bytes`: the option's own text (of contexts that differ: the context). */
  readonly texts: readonly string[];
  /** Index of the right option. */
  readonly label: number;
  /** The context with the right answer, as an example for other questions. */
  readonly example: string;
  /** What the task puts before examples and question of itself. */
  readonly description?: string;
}

type Row = Readonly<Record<string, unknown>>;
export type TaskForm = keyof typeof FORMS;

const FORMS = {
  /** `{"context", "choices", "label"}`. */
  choices: (row: Row) => choice(text(row, 'context'), list(row, 'choices'), indexIn(row, 'label')),
  hellaswag: (row: Row) => {
    const ctxB = text(row, 'ctx_b');
    const [first = '', ...rest] = ctxB;
    const capitalized = first.toUpperCase() + rest.join('').toLowerCase();
    const context = `${text(row, 'activity_label')}: ${text(row, 'ctx_a')} ${capitalized}`;
    return choice(withoutMarks(context), list(row, 'endings').map(withoutMarks), indexIn(row, 'label'));
  },
  /** As the hub has it, and as its makers wrote it (`question.stem`, `question.choices`). */
  arc: (row: Row) => {
    const stem = (row.question as Row | null)?.stem === undefined ? row : (row.question as Row);
    const { texts, labels } = labelledChoices(stem.choices);
    const question = text(stem, stem === row ? 'question' : 'stem');
    return choice(`Question: ${question}\nAnswer:`, texts, labels.indexOf(String(row.answerKey)));
  },
  piqa: (row: Row) =>
    choice(`Question: ${text(row, 'goal')}\nAnswer:`, [text(row, 'sol1'), text(row, 'sol2')], indexIn(row, 'label')),
  boolq: (row: Row) => {
    const context = `${text(row, 'passage')}\nQuestion: ${text(row, 'question')}?\nAnswer:`;
    const right = row.label ?? row.answer;
    return choice(
      context,
      ['no', 'yes'],
      typeof right === 'boolean' ? Number(right) : indexIn({ label: right }, 'label'),
    );
  },
  winogrande: (row: Row) => {
    const sentence = text(row, 'sentence');
    const at = sentence.indexOf('_');
    if (at < 0) throw wrongRow('sentence', 'have a _');
    const rest = strip(sentence.slice(at + 1));
    const options = ['option1', 'option2'].map((name) => sentence.slice(0, at) + text(row, name));
    const label = ['1', '2'].indexOf(String(row.answer));
    return {
      options: options.map((context) => ({ context, continuation: ` ${rest}` })),
      texts: options,
      label,
      example: `${options[label]} ${rest}`,
    };
  },
  mmlu: (row: Row) => {
    const choices = list(row, 'choices');
    const letters = choices.map((_, i) => String.fromCharCode(65 + i));
    const lines = choices.map((answer, i) => `${letters[i]}. ${answer}`).join('\n');
    const letter = letters.indexOf(String(row.answer));
    const right = letter < 0 ? indexIn(row, 'answer') : letter;
    const item = choice(`${strip(text(row, 'question'))}\n${lines}\nAnswer:`, letters, right);
    if (typeof row.subject !== 'string') return item;
    const subject = row.subject.replaceAll('_', ' ');
    return { ...item, description: `The following are multiple choice questions (with answers) about ${subject}.\n\n` };
  },
  blimp: (row: Row) => choice('', [text(row, 'sentence_good'), text(row, 'sentence_bad')], 0),
  /** One option: the last word, which is right where it is the likeliest text. */
  lambada: (row: Row) => {
    const whole = text(row, 'text');
    const at = whole.lastIndexOf(' ');
    return choice(whole.slice(0, Math.max(0, at)), [whole.slice(at + 1)], 0);
  },
} satisfies Record<string, (row: Row) => ChoiceItem>;

export const TASK_FORMS = Object.keys(FORMS) as TaskForm[];

/** A row as a question. @throws OnebitError `bad-file` naming the field that is not as the form has it */
export function choiceItem(form: TaskForm, row: unknown): ChoiceItem {
  if (typeof row !== 'object' || row === null) throw wrongRow('the row', 'be a JSON object');
  const item = FORMS[form](row as Row);
  if (item.options[item.label] === undefined) throw wrongRow('the label', `be one of ${item.options.length} options`);
  return item;
}

function choice(context: string, choices: readonly string[], label: number): ChoiceItem {
  return {
    options: choices.map((answer) => ({ context, continuation: ` ${answer}` })),
    texts: choices,
    label,
    example: `${context} ${choices[label]}`,
  };
}

/** The marks that WikiHow's texts have. */
function withoutMarks(raw: string): string {
  return strip(raw)
    .replaceAll(' [title]', '. ')
    .replace(/\[[^\n]*?\]/g, '')
    .replaceAll('  ', ' ');
}

function text(row: Row, name: string): string {
  const value = row[name];
  if (typeof value !== 'string') throw wrongRow(name, 'be a text');
  return value;
}

/** Which one is right, as a number or its digits. Public tests leave it out, as nothing, an empty text or -1: that is an error, not the first option. */
function indexIn(row: Row, name: string): number {
  const value = row[name];
  const isIndex = typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value.trim()));
  if (!isIndex || !(Number(value) >= 0)) throw wrongRow(name, 'say which option is right, counted from 0');
  return Number(value);
}

/** Texts and labels, side by side or together. */
function labelledChoices(choices: unknown): { texts: string[]; labels: string[] } {
  const pairs = Array.isArray(choices) ? choices : undefined;
  const both = pairs
    ? { text: pairs.map((one) => one?.text), label: pairs.map((one) => one?.label) }
    : ((choices ?? {}) as Row);
  return { texts: list(both, 'text'), labels: list(both, 'label') };
}

function list(row: Row, name: string): string[] {
  const value = row?.[name];
  const isList = Array.isArray(value) && value.length > 0 && value.every((entry) => typeof entry === 'string');
  if (!isList) throw wrongRow(name, 'be a list of texts');
  return value;
}

function wrongRow(what: string, requirement: string): OnebitError {
  return new OnebitError(
    'bad-file',
    `evaluate: ${what} must ${requirement}, it is not so. Choose the form that the file has.`,
  );
}
