// Owns tasks that are answered by writing: what a row asks, whether an answer is right, and what is reported. Must not know a model.
import { OnebitError } from '../errors.ts';
import { CONFIDENCE_MEASURES, type ConfidenceMeasure } from '../generate/abstain.ts';
import { type CalibrationReport, calibrationReport } from './calibration.ts';
import { type Estimate, shareOf } from './choices.ts';
import { strip } from './python-text.ts';

/** A turn of a conversation. */
export interface Turn {
  readonly role: string;
  readonly content: string;
}

/** One question. */
export interface AskItem {
  /** A text to go on with, or a conversation to answer. */
  readonly prompt: string | readonly Turn[];
  /** Right answers. Of a schema: JSON values. */
  readonly answers: readonly unknown[];
  /** JSON Schema that the answer is held to. */
  readonly schema?: unknown;
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
}

/** What a model wrote. */
export interface AskAnswer {
  readonly text: string;
  readonly finishReason: string;
  readonly confidence: Readonly<Partial<Record<ConfidenceMeasure, number>>>;
}

export interface AskResult extends AskAnswer {
  /** The answer is one of the right ones, white space around it aside; of a schema: the same JSON value. */
  readonly exact: boolean;
  /** The same, whatever the case, the punctuation and the articles. */
  readonly loose: boolean;
  /** Of a schema: the answer is whole. */
  readonly isWhole?: boolean;
}

export interface AskSummary {
  readonly items: number;
  readonly exact_match: Estimate;
  /** Case, punctuation and articles aside. */
  readonly loose_match: Estimate;
  /** Of questions with a schema: how many answers were whole. */
  readonly valid?: Estimate;
  /** What confidence is worth, right being `loose_match`. */
  readonly calibration: Readonly<Partial<Record<ConfidenceMeasure, CalibrationReport>>>;
}

/** A row as a question. @throws OnebitError `bad-file` naming the field */
export function askItem(row: unknown): AskItem {
  const { prompt, question, messages, answer, answers, schema, max_tokens, stop } = (row ?? {}) as Record<
    string,
    unknown
  >;
  const asked = messages ?? prompt ?? question;
  const isConversation =
    Array.isArray(asked) &&
    asked.length > 0 &&
    asked.every((turn) => typeof turn?.role === 'string' && typeof turn.content === 'string');
  if (typeof asked !== 'string' && !isConversation)
    throw wrongRow('prompt or messages', 'be a text, or messages with role and content');
  const right = answers ?? (answer === undefined ? [] : [answer]);
  if (!Array.isArray(right) || right.length === 0) throw wrongRow('answer or answers', 'say what is right');
  if (schema === undefined && right.some((one) => typeof one !== 'string'))
    throw wrongRow('answers', 'be texts where there is no schema');
  if (max_tokens !== undefined && !(Number.isInteger(max_tokens) && (max_tokens as number) > 0))
    throw wrongRow('max_tokens', 'be a whole number above 0');
  const stops = stop === undefined ? undefined : [stop].flat();
  if (stops?.some((one) => typeof one !== 'string' || one === '')) throw wrongRow('stop', 'be a text or texts');
  return {
    ...{ prompt: asked as AskItem['prompt'], answers: right, schema },
    ...{ maxTokens: max_tokens as number | undefined, stop: stops as string[] | undefined },
  };
}

/** Whether an answer is right. */
export function judgeAnswer(item: AskItem, answer: AskAnswer): AskResult {
  if (item.schema !== undefined) {
    const value = jsonOf(answer.text);
    const isWhole = value !== undefined && answer.finishReason !== 'length';
    const exact = isWhole && item.answers.some((right) => sameJson(right) === sameJson(value));
    return { ...answer, exact, loose: exact, isWhole };
  }
  const texts = item.answers as readonly string[];
  return {
    ...answer,
    exact: texts.some((right) => strip(right) === strip(answer.text)),
    loose: texts.some((right) => plain(right) === plain(answer.text)),
  };
}

export function summariseAsks(results: readonly AskResult[]): AskSummary {
  const forms = results.filter(({ isWhole }) => isWhole !== undefined);
  const measures = CONFIDENCE_MEASURES.filter((measure) =>
    results.every(({ confidence }) => confidence[measure] !== undefined),
  );
  return {
    items: results.length,
    exact_match: shareOf(results.map(({ exact }) => exact)),
    loose_match: shareOf(results.map(({ loose }) => loose)),
    ...(forms.length > 0 ? { valid: shareOf(forms.map(({ isWhole }) => isWhole!)) } : {}),
    calibration: Object.fromEntries(
      measures.map((measure) => [measure, calibrationReport(judgedOf(results, measure))]),
    ),
  };
}

/** Confidences and whether the answers were right. */
export function judgedOf(results: readonly AskResult[], measure: ConfidenceMeasure) {
  return results.map(({ confidence, loose }) => ({ confidence: confidence[measure]!, right: loose }));
}

/** Lower case, letters and digits alone, without English articles: as the field compares short answers. */
function plain(text: string): string {
  const words =
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  return words.filter((word) => !['a', 'an', 'the'].includes(word)).join(' ');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A JSON value as a text that does not depend on the order of fields. */
function sameJson(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function wrongRow(what: string, requirement: string): OnebitError {
  return new OnebitError('bad-file', `evaluate: ${what} must ${requirement}, it is not so. Correct the row.`);
}
