// Owns training a model that answers one question: yes or no, one of several labels, or a level, from texts with the right answer. It is a support model whose
// intents are the answers. Must not know files.
import { checkArgument, checkOptions, type Kind } from '../../core/check.ts';
import { OnebitError } from '../../errors.ts';
import { OUT_OF_SCOPE, type SupportRow } from '../support/rows.ts';
import { SupportModel, type TrainedQuestion } from '../support/support-model.ts';
import { type TrainSupportOptions, trainSupport } from '../support/train-support.ts';
import { textKey } from '../support/words.ts';

/** A text with the right answer. */
export interface DecisionRow {
  readonly text: string;
  readonly label: string;
  /** Where it was read: the line, counted from 1. Default: its place in the list. */
  readonly row?: number;
}

export interface TrainDecisionOptions
  extends Pick<
    TrainSupportOptions,
    'name' | 'seed' | 'codeVersion' | 'keepExamples' | 'epochs' | 'networks' | 'onProgress' | 'signal'
  > {
  /** Default: yes-no where all labels say yes or no, score where levels are given or all labels are whole numbers, else choice. */
  readonly type?: TrainedQuestion['type'];
  /** The question, in words. Default: none. */
  readonly instructions?: string;
  /** Of a score: the labels, lowest first. */
  readonly levels?: readonly string[];
}

const OPTIONS: Record<keyof TrainDecisionOptions, Kind> = {
  type: ['yes-no', 'choice', 'score'],
  instructions: 'text',
  levels: 'list',
  name: 'text',
  seed: 'number',
  codeVersion: 'text',
  keepExamples: 'boolean',
  epochs: 'number',
  networks: 'number',
  onProgress: 'function',
  signal: 'signal',
};
const YES = new Set(['yes', 'true', '1', 'y', 'ja', 'oui', 'sí', 'si', 'sim', 'tak', 'evet']);
const NO = new Set(['no', 'false', '0', 'n', 'nein', 'non', 'não', 'nee', 'nie', 'nej', 'hayır']);
/** Levels and labels that are offered at once. */
const MOST_LABELS = 255;

/** Trains a model that answers one question. Throws `bad-argument` for rows whose label is none of the answers, and as `trainSupport`. */
export async function trainDecision(
  rows: readonly DecisionRow[],
  options: TrainDecisionOptions = {},
): Promise<SupportModel> {
  checkArgument('trainDecision', 'rows', rows, 'list');
  for (const [i, row] of rows.entries()) {
    checkArgument('trainDecision', `rows[${i}]`, row, 'object');
    checkArgument('trainDecision', `rows[${i}].text`, row.text, 'text');
    checkArgument('trainDecision', `rows[${i}].label`, row.label, 'text');
  }
  checkOptions('trainDecision', options, OPTIONS);
  const { type: _, instructions = '', levels: __, ...training } = options;
  const given = rows.map(({ label }) => label.trim());
  const type = options.type ?? typeOf(given, options.levels);
  const labels = labelsOf(type, given, options.levels);
  const known = new Map(labels.map((label) => [textKey(label), label]));
  const taught = rows.map(({ text, label, row }, i): SupportRow => {
    const intent = type === 'yes-no' ? yesOrNo(label) : known.get(textKey(label));
    if (intent !== undefined) return { text, intent, row: row ?? i + 1 };
    throw new OnebitError(
      'bad-argument',
      `trainDecision: the label of row ${row ?? i + 1} must be one of ${labels.slice(0, 10).join(', ')}, got '${label.slice(0, 60)}'. Correct the row.`,
    );
  });
  const taughtLabels = new Set(taught.map(({ intent }) => intent));
  const missing = labels.filter((label) => !taughtLabels.has(label) || label === OUT_OF_SCOPE);
  if (missing.length > 0) {
    throw new OnebitError(
      'bad-argument',
      `trainDecision: every answer needs rows, there are none of ${missing.join(', ')}. Add some.`,
    );
  }
  // What is out of scope plays no part: every text has one of the answers.
  const model = await trainSupport(taught, { ...training, expectedOutOfScope: 0 });
  return new SupportModel({ ...model.parts, question: { type, instructions, labels } });
}

function typeOf(given: readonly string[], levels: readonly string[] | undefined): TrainedQuestion['type'] {
  if (levels) return 'score';
  if (given.every((label) => yesOrNo(label) !== undefined)) return 'yes-no';
  return given.every((label) => /^-?\d{1,6}$/.test(label)) ? 'score' : 'choice';
}

/** The answers in their order. */
function labelsOf(
  type: TrainedQuestion['type'],
  given: readonly string[],
  levels: readonly string[] | undefined,
): string[] {
  if (type === 'yes-no') return ['no', 'yes'];
  const different = [...new Set(given)];
  const isNumbered = different.every((label) => /^-?\d{1,6}$/.test(label));
  if (type === 'score' && !levels && !isNumbered) {
    throw new OnebitError(
      'bad-argument',
      `trainDecision: levels of a score must be in an order, got ${different.slice(0, 5).join(', ')}. Give levels, the lowest first.`,
    );
  }
  const order = type === 'choice' ? different.sort() : (levels ?? different.sort((a, b) => Number(a) - Number(b)));
  const labels = order.map((label) => {
    checkArgument('trainDecision', 'levels', label, 'text');
    return label.trim();
  });
  if (labels.length <= MOST_LABELS && new Set(labels.map(textKey)).size === labels.length) return labels;
  throw new OnebitError(
    'bad-argument',
    `trainDecision: labels must be at most ${MOST_LABELS} and differ, got ${labels.length}. Correct them.`,
  );
}

/** A label as yes or no, in whichever language of rows; undefined where it is neither. */
export function yesOrNo(label: string): 'yes' | 'no' | undefined {
  const key = textKey(label);
  return YES.has(key) ? 'yes' : NO.has(key) ? 'no' : undefined;
}
