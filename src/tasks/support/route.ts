// Owns what to do with a query: answer it, ask which of two things is meant, or hand it to a person. Must not know who asks.
import { checkArgument, checkOptions } from '../../core/check.ts';
import type { Field } from '../fields/field-model.ts';
import { checkSupportModel, type Prediction, type RankedIntent, type SupportModel } from './support-model.ts';

/**
 * `answer`: the intent is sure enough. `clarify`: two or three intents together are, none alone, or a field is missing that the
 * answer needs. `handover`: a person should take over.
 */
export type SupportAction = 'answer' | 'clarify' | 'handover';

export interface SupportRoute {
  readonly action: SupportAction;
  readonly prediction: Prediction;
  /** The intents to choose from, where the action is `clarify`. */
  readonly options: readonly RankedIntent[];
  /** What to say to who asked. */
  readonly text: string;
  /** Where the text is from, and how likely it answers: of a passage of the documents. */
  readonly source?: string;
  readonly probability?: number;
}

/** An intent much less likely than the best is not asked about. */
const LEAST_OF_BEST = 0.25;
const MOST_OPTIONS = 3;
/** Where an answer takes a field of the query: `{order_number}`. */
const PLACE = /\{([\p{L}_][\p{L}\p{N}_]{0,99})\}/gu;

/** Decides what to do with a query. @param options.fields those that an answer may be filled with; default: what the model has learnt to read */
export function routeQuery(
  model: SupportModel,
  query: string,
  options: { readonly threshold?: number; readonly fields?: readonly Field[] } = {},
): SupportRoute {
  checkSupportModel('routeQuery', model);
  checkArgument('routeQuery', 'query', query, 'text');
  checkOptions('routeQuery', options, { threshold: 'number', fields: 'list' });
  const { threshold = model.facts.threshold } = options;
  const prediction = model.predict(query, { top: MOST_OPTIONS, threshold });
  const { intent, answered, answer, intents, outOfScope } = prediction;
  if (!answered || answer === undefined) {
    const [found] = model.findAnswers(query, 1);
    if (found && found.probability >= model.answerThreshold) {
      const { text, source, probability } = found;
      return { action: 'answer', prediction, options: [], text, source, probability };
    }
  }
  if (answered) {
    const { text, missing } = filled(
      answer ?? `Your question goes to: ${spoken(intent)}.`,
      options.fields ?? prediction.fields,
    );
    if (missing.length === 0) return { action: 'answer', prediction, options: [], text };
    return { action: 'clarify', prediction, options: [], text: `Please tell me: ${missing.map(spoken).join(', ')}.` };
  }
  const close = intents.filter(({ probability }) => probability >= LEAST_OF_BEST * intents[0].probability);
  const together = close.reduce((sum, { probability }) => sum + probability, 0) * (1 - outOfScope);
  if (close.length > 1 && together >= threshold) {
    const names = close.map((option) => spoken(option.intent));
    const listed = `${names.slice(0, -1).join(', ')} or ${names[names.length - 1]}`;
    return { action: 'clarify', prediction, options: close, text: `Do you mean ${listed}?` };
  }
  return {
    action: 'handover',
    prediction,
    options: [],
    text: 'I am not sure that I understand. A person will take over and answer you.',
  };
}

/** An answer with its `{labels}` replaced by the fields of the query, and the labels of which the query has none. */
function filled(answer: string, fields: readonly Field[]): { text: string; missing: string[] } {
  const missing = new Set<string>();
  const text = answer.replace(PLACE, (place, label: string) => {
    const found = fields.find((field) => field.label === label);
    if (!found) missing.add(label);
    return found?.text ?? place;
  });
  return { text, missing: [...missing] };
}

/** A label as people say it: `card_arrival` is "card arrival". */
export function spoken(intent: string): string {
  return intent
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .replace(/[_\-/.:]+/g, ' ')
    .trim()
    .toLowerCase();
}
