// Owns a trained support model: what it says of a query. Must not know how it was trained or stored.
import { checkArgument, checkGiven, checkOptions, wrong } from '../../core/check.ts';
import type { AnswerModel, FoundAnswer } from '../answers/answer-model.ts';
import type { Field, FieldModel } from '../fields/field-model.ts';
import { type Flag, type FlagModel, RAISED } from '../flags/flag-model.ts';
import { type BusinessTexts, checkTexts } from '../texts/index.ts';
import { type OutlierDetector, outlierProbability, signalsOf } from './calibration.ts';
import type { Evidence, EvidenceSpace } from './evidence.ts';
import { type Network, softmax } from './network.ts';
import type { PhraseNetwork } from './phrase-network.ts';
import type { ThresholdRow } from './promise.ts';
import { OUT_OF_SCOPE, type SupportRow } from './rows.ts';

/** An intent and how likely it is meant. */
export interface RankedIntent {
  readonly intent: string;
  readonly probability: number;
}

/** What a model says of a query. */
export interface Prediction {
  /** The likeliest intent, whether it is sure enough or not. */
  readonly intent: string;
  /** How likely it is, if the query is about any of the intents at all. Calibrated on texts held out from training. */
  readonly probability: number;
  /** How likely the query is about none of the intents. */
  readonly outOfScope: number;
  /** How likely an answer for `intent` is right: probability · (1 − outOfScope). */
  readonly confidence: number;
  /** Whether the confidence reaches the threshold; if not, a person should take over. */
  readonly answered: boolean;
  /** The canned answer of the intent, where it has one and it is answered. */
  readonly answer?: string;
  /** The likeliest intents, best first. */
  readonly intents: readonly RankedIntent[];
  /** The fields that the model has learnt to read, in their order; none where its rows had none. */
  readonly fields: readonly Field[];
  /** The flags that the text raises, likeliest first; none where no row had any. */
  readonly flags: readonly Flag[];
}

/** How the model came to be. */
export interface SupportFacts {
  readonly name: string;
  /** How it was made; none in files of before 0.3. */
  readonly training?: SupportTraining;
  /** From this confidence on it answers; 1: never, as the precision could not be shown. */
  readonly threshold: number;
  /** What the threshold was chosen for. */
  readonly precision: number;
  /** The share of queries out of scope that was expected. */
  readonly expectedOutOfScope: number;
  readonly temperature: number;
  /** Measured by cross-validation: share of held-out texts whose intent came first; at the threshold: share answered, and of these right. */
  readonly heldOut: { readonly accuracy: number; readonly coverage: number; readonly precision: number };
  /** What thresholds for several precisions gave on held-out texts; none in files of before 0.3. */
  readonly thresholds: readonly ThresholdRow[];
  readonly seed: number;
  readonly trainedRows: number;
  readonly notices: readonly string[];
  /** Training rows whose label is probably wrong: networks that had not seen them are sure of another intent. */
  readonly suspects: readonly Suspect[];
}

/** What makes a model again, bit for bit: the same rows, options and version of the program. */
export interface SupportTraining {
  /** Of the program; undefined where nobody said. */
  readonly version?: string;
  /** SHA-256 of the rows as they were given, in JSON. */
  readonly rows: string;
  /** The same of documents and of what customers read, where there were such. */
  readonly documents?: string;
  readonly texts?: string;
  /** The options that were given, and the seed. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
}

/** A row whose label is in doubt. */
export interface Suspect {
  readonly text: string;
  readonly intent: string;
  readonly suggested: string;
  readonly probability: number;
}

/** The networks of a model, whose scores are averaged. */
export interface Networks {
  readonly bags: readonly Network[];
  readonly phrases: readonly PhraseNetwork[];
}

/** A question that a model was trained on: its intents are the answers, levels lowest first. */
export interface TrainedQuestion {
  readonly type: 'yes-no' | 'choice' | 'score';
  readonly instructions: string;
  readonly labels: readonly string[];
}

/** Everything a model consists of. */
export interface SupportParts {
  readonly facts: SupportFacts;
  readonly intents: readonly string[];
  readonly answers: ReadonlyMap<string, string>;
  readonly space: EvidenceSpace;
  /** Weights are ±d already. */
  readonly networks: Networks;
  /** Whether a last class of the networks stands for rows labelled oos. */
  readonly hasOutlierClass: boolean;
  readonly outliers: OutlierDetector;
  /** Reads fields, where rows had any. */
  readonly fields?: FieldModel;
  /** Finds passages that answer, where it was trained with documents. */
  readonly documents?: AnswerModel;
  /** Tells flags, where rows had any. */
  readonly flags?: FlagModel;
  /** What the business has written for its customers. */
  readonly texts?: BusinessTexts;
  /** The question that it was trained to answer, where its intents are answers: `trainDecision`. */
  readonly question?: TrainedQuestion;
  /** Rows it was trained on, as many as were kept: what `update` repeats. */
  readonly examples: readonly SupportRow[];
}

/** What a model of documents alone says: nothing of intents. */
const NOTHING: Prediction = {
  ...{
    intent: OUT_OF_SCOPE,
    probability: 0,
    outOfScope: 1,
    confidence: 0,
    answered: false,
    intents: [],
    fields: [],
    flags: [],
  },
};
const MOST_TOPICS = 3;
const LEAST_TOPIC = 0.05;

/** A trained model. Predictions are synchronous and take well under a millisecond, two where fields are read. */
export class SupportModel {
  readonly facts: SupportFacts;
  readonly intents: readonly string[];
  readonly answers: ReadonlyMap<string, string>;
  /** @internal What the model is made of, to write it or to train on. */
  readonly parts: SupportParts;

  /** @internal Use `trainSupport` or `loadSupport`. */
  constructor(parts: SupportParts) {
    checkGiven('new SupportModel', 'parts', parts, 'trainSupport or loadSupport', ['facts', 'intents', 'answers']);
    this.parts = parts;
    this.facts = parts.facts;
    this.intents = parts.intents;
    this.answers = parts.answers;
  }

  /**
   * The passages of its documents that answer a text most likely, best first, at most `most`: word for word, with their sources. They should be given as an
   * answer from `answerThreshold` on. None where it was trained without documents.
   */
  findAnswers(text: string, most = 3): FoundAnswer[] {
    checkArgument('findAnswers', 'text', text, 'text');
    checkArgument('findAnswers', 'most', most, 'number');
    return this.parts.documents?.find(text, Math.max(1, most)) ?? [];
  }

  /** The probability from which on a passage is an answer. */
  get answerThreshold(): number {
    return this.parts.documents?.threshold ?? 1;
  }

  /** What the business has written for its customers: texts, names, answers per language. */
  get texts(): BusinessTexts {
    return this.parts.texts ?? {};
  }

  /** The flags that it has learnt to tell. */
  get flagLabels(): readonly string[] {
    return this.parts.flags?.facts.map(({ flag }) => flag) ?? [];
  }

  /** The probability of every flag that it has learnt to tell, in the order of `flagLabels`. */
  readFlags(text: string): Flag[] {
    checkArgument('readFlags', 'text', text, 'text');
    return this.parts.flags?.read(this.parts.space.of(text)) ?? [];
  }

  /** Labels of the fields that it has learnt to read. */
  get fieldLabels(): readonly string[] {
    return this.parts.fields?.labels ?? [];
  }

  /** The fields of a text that it has learnt to read, as `predict` gives them. */
  readFields(text: string): readonly Field[] {
    return this.predict(text).fields;
  }

  /**
   * What a query is about. A text without a single word is out of scope.
   * @param options.top how many of the likeliest intents to list; default 3
   * @param options.threshold instead of the model's own
   */
  predict(text: string, options: { readonly top?: number; readonly threshold?: number } = {}): Prediction {
    checkArgument('predict', 'text', text, 'text');
    checkOptions('predict', options, { top: 'number', threshold: 'number' });
    const { top = 3, threshold = this.facts.threshold } = options;
    const { space, outliers, intents } = this.parts;
    if (intents.length === 0) return NOTHING;
    const evidence = space.of(text);
    const { scores, outlierScore } = this.scoresOf(evidence);
    const outOfScope =
      evidence.ids.length === 0 ? 1 : outlierProbability(outliers, signalsOf(scores, outlierScore, evidence.known));
    softmax(scores, this.facts.temperature);
    const fields = this.parts.fields?.read(text, topicsOf(scores, intents), space.trunk) ?? [];
    const flags = this.parts.flags?.read(evidence).filter((flag) => flag.probability >= RAISED) ?? [];
    flags.sort((a, b) => b.probability - a.probability);
    const ranked = best(scores, Math.max(1, Math.min(top, intents.length))).map((i) => ({
      intent: intents[i],
      probability: scores[i],
    }));
    const { intent, probability } = ranked[0];
    const confidence = probability * (1 - outOfScope);
    const answered = confidence >= threshold && threshold < 1;
    const answer = answered ? this.answers.get(intent) : undefined;
    return {
      intent,
      probability,
      outOfScope,
      confidence,
      answered,
      ...(answer === undefined ? {} : { answer }),
      ...{ intents: ranked, fields, flags },
    };
  }

  /** @internal The probability of every intent, as `predict` has it: a fifth of its work where fields are read. */
  chancesOf(text: string): Float32Array {
    const { scores } = this.scoresOf(this.parts.space.of(text));
    softmax(scores, this.facts.temperature);
    return scores;
  }

  private scoresOf(evidence: Evidence) {
    const { networks, intents, hasOutlierClass } = this.parts;
    return meanScores(networks, evidence, intents.length, hasOutlierClass);
  }
}

/** The same model with other texts for customers. Throws `bad-argument`. */
export function withTexts(model: SupportModel, texts: BusinessTexts): SupportModel {
  checkSupportModel('withTexts', model);
  return new SupportModel({ ...model.parts, texts: checkTexts('withTexts', texts) });
}

/** Intents that a text may be about, with their probabilities: what a reader of fields is told. */
export function topicsOf(probabilities: Float32Array, intents: readonly string[]): (readonly [string, number])[] {
  return best(probabilities, MOST_TOPICS)
    .filter((i) => probabilities[i] >= LEAST_TOPIC)
    .map((i) => [intents[i], probabilities[i]]);
}

/** @throws OnebitError `bad-argument` for what is no support model */
export function checkSupportModel(operation: string, model: unknown): void {
  const isModel = typeof model === 'object' && model !== null && 'parts' in model && 'facts' in model;
  if (!isModel) throw wrong(operation, 'model', 'be one that trainSupport or loadSupport gave', model);
}

/** The scores of the intents, a new array, and of the class of rows labelled oos: the mean of the networks of each kind, then of both kinds. */
export function meanScores(
  { bags, phrases }: Networks,
  evidence: Evidence,
  intents: number,
  hasOutlierClass: boolean,
): { scores: Float32Array; outlierScore: number | undefined } {
  const scores = new Float32Array(intents);
  let outlierScore = 0;
  const kinds = [bags, phrases].filter(({ length }) => length > 0);
  for (const kind of kinds) {
    const share = 1 / (kind.length * kinds.length);
    for (const network of kind) {
      const all = network.scoresOf(evidence);
      for (let i = 0; i < intents; i++) scores[i] += share * all[i];
      if (hasOutlierClass) outlierScore += share * all[intents];
    }
  }
  return { scores, outlierScore: hasOutlierClass ? outlierScore : undefined };
}

/** Indices of the `count` largest, largest first. */
function best(values: Float32Array, count: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < values.length; i++) {
    let place = found.length;
    while (place > 0 && values[i] > values[found[place - 1]]) place--;
    if (place < count) found.splice(place, 0, i);
    if (found.length > count) found.pop();
  }
  return found;
}
