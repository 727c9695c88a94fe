// Owns what to do with a query: answer it, ask which of two things is meant, or hand it to a person. Must not know who asks.
import { checkArgument, checkOptions } from '../../core/check.ts';
import { checkSupportModel, type Prediction, type RankedIntent, type SupportModel } from './support-model.ts';

/**
 * `answer`: the intent is sure enough. `clarify`: two or three intents together are, none alone. `handover`: a person should take over.
 */
export type SupportAction = 'answer' | 'clarify' | 'handover';

export interface SupportRoute {
  readonly action: SupportAction;
  readonly prediction: Prediction;
  /** The intents to choose from, where the action is `clarify`. */
  readonly options: readonly RankedIntent[];
  /** What to say to who asked. */
  readonly text: string;
}

/** An intent much less likely than the best is not asked about. */
const LEAST_OF_BEST = 0.25;
const MOST_OPTIONS = 3;

/** Decides what to do with a query. */
export function routeQuery(
  model: SupportModel,
  query: string,
  options: { readonly threshold?: number } = {},
): SupportRoute {
  checkSupportModel('routeQuery', model);
  checkArgument('routeQuery', 'query', query, 'text');
  checkOptions('routeQuery', options, { threshold: 'number' });
  const { threshold = model.facts.threshold } = options;
  const prediction = model.predict(query, { top: MOST_OPTIONS, threshold });
  const { intent, answered, answer, intents, outOfScope } = prediction;
  if (answered)
    return { action: 'answer', prediction, options: [], text: answer ?? `Your question goes to: ${spoken(intent)}.` };
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

/** A label as people say it: `card_arrival` is "card arrival". */
export function spoken(intent: string): string {
  return intent
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .replace(/[_\-/.:]+/g, ' ')
    .trim()
    .toLowerCase();
}
