// Owns what a whole message wants: its sentences sorted apart, those of one wish put together, and one decision on all. Must not know who asks.
import { atOnce, type InPieces } from '../../core/budget.ts';
import { checkArgument, checkOptions } from '../../core/check.ts';
import { type Flag, RAISED } from '../flags/flag-model.ts';
import {
  ROUTE_OPTIONS,
  type RouteOptions,
  routePrediction,
  routeQuery,
  type SupportAction,
  type SupportRoute,
} from '../support/route.ts';
import { checkSupportModel, type Prediction, type SupportModel } from '../support/support-model.ts';
import { type MessagePart, sentencesOf } from './sentences.ts';

/** One of the things that a message wants, with what to do about it. */
export interface Wish extends SupportRoute {
  /** The sentences that want it, and what goes with them. */
  readonly query: string;
  /** Where they stand in the message (UTF-16 code units), in their order. */
  readonly parts: readonly { readonly start: number; readonly end: number }[];
}

/** What to do with a whole message. Where it wants one thing, that is what `routeQuery` says of its sentences. */
export interface MessageRoute extends SupportRoute {
  readonly wishes: readonly Wish[];
  /** Flags that the message or one of its sentences raises, likeliest first. */
  readonly flags: readonly Flag[];
}

/** A sentence that is surer than this of what it wants is a wish; others go with their neighbours. */
const CLEAR = 0.5;
/** More sentences are not sorted apart: the rest goes with the last wish. */
const MOST_SENTENCES = 60;
const TOP = 3;

/** A sentence, alone. */
interface Judged {
  readonly part: MessagePart;
  readonly prediction: Prediction;
}

/** Decides what to do with a message: greetings, thanks, signatures and quoted messages are left out, several wishes sorted apart. Throws `bad-argument`. */
export function routeMessage(model: SupportModel, message: string, options: RouteOptions = {}): MessageRoute {
  return atOnce(routeInPieces(model, message, options));
}

/** The same, a sentence at a time, for who has others to serve. */
export function* routeInPieces(
  model: SupportModel,
  message: string,
  options: RouteOptions = {},
): InPieces<MessageRoute> {
  checkSupportModel('routeMessage', model);
  checkArgument('routeMessage', 'message', message, 'text');
  checkOptions('routeMessage', options, ROUTE_OPTIONS);
  if (options.intent !== undefined || model.intents.length === 0) {
    const route = routeQuery(model, message, options);
    return { ...route, wishes: [wishOf(route, message, sentencesOf(message))], flags: route.prediction.flags };
  }
  const parts = sentencesOf(message);
  const threshold = options.threshold ?? model.facts.threshold;
  // Most messages are one sentence and nothing else: each text is judged once.
  const known = new Map<string, Prediction>();
  const judge = (text: string) => {
    const prediction = known.get(text) ?? model.predict(text, { top: TOP, threshold });
    known.set(text, prediction);
    return prediction;
  };
  const judged: Judged[] = [];
  for (const part of parts.slice(0, MOST_SENTENCES)) {
    judged.push({ part, prediction: judge(part.text) });
    yield;
  }
  const whole = judge(message);
  const flags = raisedBy(model, [whole, ...judged.map(({ prediction }) => prediction)]);
  const groups = yield* grouped(judged, judge);
  const rest = parts.slice(MOST_SENTENCES);
  const all = options.fields ?? whole.fields;
  const fieldsIn = (places: readonly MessagePart[]) =>
    all.filter((field) => places.some(({ start, end }) => start <= field.start && field.end <= end));
  if (groups.length < 2) {
    // A message of one sentence is judged as it stands, as it was before there were wishes.
    const query = parts.length === 1 ? message : joined(parts);
    const prediction = { ...judge(query), fields: whole.fields };
    const route = routePrediction(model, query, prediction, options);
    const own = { ...route, prediction: { ...prediction, fields: fieldsIn(parts) } };
    return { ...route, wishes: [wishOf(own, joined(parts), parts)], flags };
  }
  groups[groups.length - 1].push(...rest.map((part) => ({ part, prediction: whole })));
  const wishes: Wish[] = [];
  for (const group of groups) {
    const inOrder = group.map(({ part }) => part).sort((a, b) => a.start - b.start);
    const query = joined(inOrder);
    // The sentence that says it decides: what goes with it would only blur it, and the surer of both would promise too much.
    const prediction = { ...group[0].prediction, fields: fieldsIn(inOrder) };
    // An order number may stand in another sentence than the wish that needs it: answers take any field of the message, those of the wish first.
    const fields = [...new Set([...prediction.fields, ...all])];
    wishes.push(wishOf(routePrediction(model, query, prediction, { ...options, fields }), query, inOrder));
    yield;
  }
  return { ...togetherOf(wishes, whole), wishes, flags };
}

/** Sentences by what they want, the sentence that says it first; those that want nothing go with a neighbour. */
function* grouped(judged: readonly Judged[], judge: (text: string) => Prediction): InPieces<Judged[][]> {
  const isClear = ({ prediction }: Judged) => prediction.confidence >= CLEAR;
  const groups = new Map<string, Judged[]>();
  for (const one of judged.filter(isClear)) {
    const known = groups.get(one.prediction.intent);
    if (!known) groups.set(one.prediction.intent, [one]);
    else if (one.prediction.confidence > known[0].prediction.confidence) known.unshift(one);
    else known.push(one);
  }
  if (groups.size < 2) return [[...judged]];
  for (const [i, one] of judged.entries()) {
    if (isClear(one)) continue;
    const [before, after] = [judged.slice(0, i).findLast(isClear), judged.slice(i + 1).find(isClear)];
    const gain = (other: Judged | undefined, text: (other: Judged) => string) => {
      if (!other) return Number.NEGATIVE_INFINITY;
      const { intent, confidence } = judge(text(other));
      return (intent === other.prediction.intent ? confidence : 0) - other.prediction.confidence;
    };
    const goesBack =
      gain(before, (other) => `${other.part.text} ${one.part.text}`) >=
      gain(after, (other) => `${one.part.text} ${other.part.text}`);
    groups.get((goesBack ? before : after)!.prediction.intent)!.push(one);
    yield;
  }
  return [...groups.values()].sort((a, b) => a[0].part.start - b[0].part.start);
}

/** One decision on several wishes: a person where one needs one, a question where one is open; what can be said of each stands in the text. */
function togetherOf(wishes: readonly Wish[], prediction: Prediction): SupportRoute {
  const has = (action: SupportAction) => wishes.some((wish) => wish.action === action);
  const action = has('handover') ? 'handover' : has('clarify') ? 'clarify' : 'answer';
  const surest = wishes.reduce((a, b) => (b.prediction.confidence > a.prediction.confidence ? b : a));
  const texts = [...wishes].sort((a, b) => Number(a.action === 'handover') - Number(b.action === 'handover'));
  return {
    action,
    // Of the whole, with the surest wish in front.
    prediction: { ...surest.prediction, fields: prediction.fields, flags: prediction.flags },
    options: wishes.find((wish) => wish.action === 'clarify')?.options ?? [],
    text: [...new Set(texts.map(({ text }) => text))].join('\n\n'),
    language: surest.language,
    isAnswer: wishes.every(({ isAnswer }) => isAnswer),
  };
}

function wishOf(route: SupportRoute, query: string, parts: readonly MessagePart[]): Wish {
  return { ...route, query, parts: parts.map(({ start, end }) => ({ start, end })) };
}

function joined(parts: readonly MessagePart[]): string {
  return parts.map(({ text }) => text.replace(/\s+/g, ' ')).join(' ');
}

/** The most that the whole or a part says of each flag: a long message must not hide one angry sentence. */
function raisedBy(model: SupportModel, predictions: readonly Prediction[]): Flag[] {
  return model.flagLabels
    .map((flag) => ({
      flag,
      probability: Math.max(
        0,
        ...predictions.flatMap(({ flags }) => flags.filter((one) => one.flag === flag).map((one) => one.probability)),
      ),
    }))
    .filter(({ probability }) => probability >= RAISED)
    .sort((a, b) => b.probability - a.probability);
}
