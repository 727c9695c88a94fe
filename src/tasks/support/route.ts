// Owns what to do with a query: answer it, ask which of two things is meant, or hand it to a person. Must not know who asks.
import { checkArgument, checkOptions } from '../../core/check.ts';
import { OnebitError } from '../../errors.ts';
import type { Field } from '../fields/field-model.ts';
import { filledIn, voiceOf } from '../texts/index.ts';
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
  /** The language of that text. */
  readonly language: string;
  /** Whether the text is an answer that was written, of the intent or of a document. */
  readonly isAnswer: boolean;
  /** Where the text is from, and how likely it answers: of a passage of the documents. */
  readonly source?: string;
  readonly probability?: number;
}

export interface RouteOptions {
  /** Instead of the model's own. */
  readonly threshold?: number;
  /** Those that an answer may be filled with. Default: what the model has learnt to read. */
  readonly fields?: readonly Field[];
  /** Of the customer, two letters: see `languageReader`. Default: that of the business. */
  readonly language?: string;
  /** The intent that the customer has chosen of several: it is what is meant. */
  readonly intent?: string;
}

export const ROUTE_OPTIONS = { threshold: 'number', fields: 'list', language: 'text', intent: 'text' } as const;

/** An intent much less likely than the best is not asked about. */
const LEAST_OF_BEST = 0.25;
const MOST_OPTIONS = 3;
/** Where an answer takes a field of the query: `{order_number}`. */
const PLACE = /\{([\p{L}_][\p{L}\p{N}_]{0,99})\}/gu;

/** Decides what to do with a query. Throws `bad-argument`. */
export function routeQuery(model: SupportModel, query: string, options: RouteOptions = {}): SupportRoute {
  checkSupportModel('routeQuery', model);
  checkArgument('routeQuery', 'query', query, 'text');
  checkOptions('routeQuery', options, ROUTE_OPTIONS);
  const { threshold = model.facts.threshold } = options;
  return routePrediction(model, query, predictionOf(model, query, threshold, options.intent), options);
}

/** The same for a query that was judged already. */
export function routePrediction(
  model: SupportModel,
  query: string,
  prediction: Prediction,
  options: RouteOptions,
): SupportRoute {
  const { threshold = model.facts.threshold } = options;
  const voice = voiceOf(model.texts, options.language);
  const { language } = voice;
  const { intent, answered, intents, outOfScope } = prediction;
  const written = answered ? (voice.answer(intent) ?? model.answers.get(intent)) : undefined;
  if (written === undefined) {
    const [found] = model.findAnswers(query, 1);
    if (found && found.probability >= model.answerThreshold) {
      const { text, source, probability } = found;
      return { action: 'answer', prediction, options: [], text, language, isAnswer: true, source, probability };
    }
  }
  if (answered) {
    const routed = filledIn(voice.texts.routed, { intent: voice.name(intent) });
    const { text, missing } = filled(written ?? routed, options.fields ?? prediction.fields);
    const isAnswer = written !== undefined;
    if (missing.length === 0) return { action: 'answer', prediction, options: [], text, language, isAnswer };
    const asked = filledIn(voice.texts.missing, { fields: missing.map(voice.field).join(', ') });
    return { action: 'clarify', prediction, options: [], text: asked, language, isAnswer: false };
  }
  const close = intents.filter(({ probability }) => probability >= LEAST_OF_BEST * intents[0].probability);
  const together = close.reduce((sum, { probability }) => sum + probability, 0) * (1 - outOfScope);
  if (close.length > 1 && together >= threshold) {
    const names = close.map((option) => voice.name(option.intent));
    const text = filledIn(voice.texts.clarify, { options: voice.either(names) });
    return { action: 'clarify', prediction, options: close, text, language, isAnswer: false };
  }
  return { action: 'handover', prediction, options: [], text: voice.texts.handover, language, isAnswer: false };
}

/** What the model says of a query, or that it means the intent that was chosen. */
function predictionOf(model: SupportModel, query: string, threshold: number, intent?: string): Prediction {
  const prediction = model.predict(query, { top: MOST_OPTIONS, threshold });
  if (intent === undefined) return prediction;
  if (!model.intents.includes(intent)) {
    throw new OnebitError(
      'bad-argument',
      `routeQuery: intent must be one of the model's, got '${intent.slice(0, 60)}'. Give one of the options.`,
    );
  }
  const { answer: _, ...rest } = prediction;
  const answer = model.answers.get(intent);
  return {
    ...rest,
    ...{ intent, probability: 1, outOfScope: 0, confidence: 1, answered: true },
    ...(answer === undefined ? {} : { answer }),
    intents: [{ intent, probability: 1 }],
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
