// Owns training a support model from labelled queries: choosing the vocabulary that fits the file, cross-validation for everything that must hold on
// unseen queries, and the networks that are kept. Must not know files.
import { checkOptions, type Kind } from '../../core/check.ts';
import { log } from '../../core/elementary.ts';
import { OnebitError } from '../../errors.ts';
import { q1_0 } from '../../quant/q1-0.ts';
import { packPassages } from '../answers/file.ts';
import { AnswerModel, checkPassages, type Passage } from '../answers/index.ts';
import { fieldEpochs } from '../fields/train-fields.ts';
import { flagsOf, learnFlags, MOST_FLAGS } from '../flags/index.ts';
import {
  type BusinessTexts,
  checkTexts,
  DEFAULT_TEXTS,
  languageReader,
  mainLanguage,
  spoken,
  unknownLabels,
} from '../texts/index.ts';
import { SIGNALS } from './calibration.ts';
import { chooseEvidence, EvidenceSpace, wordHashesOf } from './evidence.ts';
import { packExamples } from './examples.ts';
import { fieldVocabulary, labelsOf, learnFields } from './fields-of-rows.ts';
import { calibrate, promiseNotices, scopeNotices, suspectsOf } from './judgements.ts';
import {
  crossValidate,
  crossValidationWork,
  type Example,
  foldsFor,
  type LearningPlan,
  learnNetworks,
} from './learn.ts';
import type { LearningRecipe } from './network.ts';
import { phraseTensors, WORD_WIDTH } from './phrase-network.ts';
import type { PhraseRecipe } from './phrase-training.ts';
import { checkRows, checkSupportRows, OUT_OF_SCOPE, type SupportRow } from './rows.ts';
import { SupportModel } from './support-model.ts';
import { trainingFacts } from './training-facts.ts';
import { embeddedTrunk, TRUNK_ROW_BYTES, TRUNK_WIDTH, type Trunk } from './trunk.ts';
import { likenessKey, wordsOf } from './words.ts';

export interface TrainSupportOptions {
  /** Share of answers that shall be right, from 0.5 to 0.999; the rest goes to people. Default 0.9. */
  readonly precision?: number;
  /** Share of real queries that is about none of the intents. Default: that of the rows, at least 0.05. */
  readonly expectedOutOfScope?: number;
  /** Passages that answer, found and given word for word: see `readDocuments`. There may be no rows then. */
  readonly documents?: readonly Passage[];
  /** What customers read, in the words of the business: see `BusinessTexts`. Its language is that of most rows where it names none. */
  readonly texts?: BusinessTexts;
  /** Same rows, options and seed: the same model, bit for bit. Default 1. */
  readonly seed?: number;
  /** Version of the program that trains, for what the file says of its making. Default: not said. */
  readonly codeVersion?: string;
  /** The model's name in its file. Default `support`. */
  readonly name?: string;
  /** Most bytes of the file. Default 2,000,000; with fields 3,000,000, of which these take a third. */
  readonly maxBytes?: number;
  /** Keep the rows in the file (compressed, as far as they fit), so that `updateSupport` needs nothing else. Default true. */
  readonly keepExamples?: boolean;
  /** False: full precision, to measure what 1 bit costs; such a model cannot be stored. Default true. */
  readonly binary?: boolean;
  /** Networks that sum the evidence of a text. Default 2. */
  readonly networks?: number;
  /** Networks that see its words in order. Default 1; none where there are so many intents that it would take more than a quarter of the file. */
  readonly phraseNetworks?: number;
  /** Length of the hidden vector, a multiple of 128. Default 256. */
  readonly width?: number;
  /** Learn what a linear model in full precision says of the rows, not only their labels. Default true. */
  readonly teacher?: boolean;
  /** Times that each row is learnt. Default: by the number of rows. */
  readonly epochs?: number;
  /** Parts of the recipe to try others. */
  readonly recipe?: Partial<Omit<LearningRecipe, 'binary'>>;
  readonly phraseRecipe?: Partial<Omit<PhraseRecipe, 'binary'>>;
  /** Told the share of the work that is done. */
  readonly onProgress?: (stage: 'reading' | 'checking' | 'learning', done: number, total: number) => void;
  /** Stops the training; it throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What they must be, for functions that take them. */
export const TRAIN_SUPPORT_OPTIONS: Record<keyof TrainSupportOptions, Kind> = {
  precision: 'number',
  expectedOutOfScope: 'number',
  documents: 'list',
  texts: 'object',
  seed: 'number',
  codeVersion: 'text',
  name: 'text',
  maxBytes: 'number',
  keepExamples: 'boolean',
  binary: 'boolean',
  networks: 'number',
  phraseNetworks: 'number',
  width: 'number',
  teacher: 'boolean',
  epochs: 'number',
  recipe: 'object',
  phraseRecipe: 'object',
  onProgress: 'function',
  signal: 'signal',
};
const DEFAULT_PRECISION = 0.9;
const DEFAULT_BYTES = 2_000_000;
const DEFAULT_BYTES_WITH_FIELDS = 3_000_000;
const FIELDS_SHARE = 1 / 3;
const LEAST_FIELD_VOCABULARY = 500;
const LEAST_OUT_OF_SCOPE = 0.05;
/** Every row is learnt so often that this many examples are, within bounds. */
const LEARNT_EXAMPLES = 200_000;
const MOST_EPOCHS = 14;
/** Words of the trunk kept although the rows lack them. */
const COMMON_WORDS = 6000;
/** Bytes of a row of the vocabulary besides its weights: its hash, its rarity. */
const ENTRY_BYTES = 6;
/** Rows whose language is looked at. */
const LANGUAGE_ROWS = 200;
/** Bytes of a flag's weight of one row. */
const FLAG_BYTES = 34 / 32;
/** Bytes for the header, names of keys and tensors, notices and suspects. */
const HEADER_BYTES = 24_000;
const MOST_VOCABULARY = 200_000;

const PHRASE_LEARNING = {
  ...{ rate: 3e-3, decay: 0.1, smoothing: 0.02 },
  ...{ wordDropout: 0.1, vectorDropout: 0.25, hiddenDropout: 0.4 },
};
const LEARNING = { rate: 0.1, evidenceDropout: 0.6, hiddenDropout: 0.3, smoothing: 0.02 };

/**
 * Trains a model from rows of text and intent. Rows labelled `oos` are examples of what is out of scope; without any, what the model says of intents
 * that it was not shown stands for them. Throws `bad-argument` for rows and options that cannot work, the signal's reason when aborted.
 */
export async function trainSupport(
  rows: readonly SupportRow[],
  options: TrainSupportOptions = {},
): Promise<SupportModel> {
  checkSupportRows('trainSupport', rows);
  checkOptions('trainSupport', options, TRAIN_SUPPORT_OPTIONS);
  const { signal, seed = 1, binary = true } = options;
  const precision = within('precision', options.precision ?? DEFAULT_PRECISION, 0.5, 0.999);
  signal?.throwIfAborted();
  const { documents = [] } = options;
  checkPassages('trainSupport', documents);
  const own = options.texts === undefined ? undefined : checkTexts('trainSupport', options.texts);
  if (rows.length === 0 && documents.length > 0)
    return modelOfDocuments(documents, { ...options, texts: own }, precision);
  const checked = checkRows(rows);
  const intents = [...new Set(checked.rows.map(({ intent }) => intent))]
    .filter((intent) => intent !== OUT_OF_SCOPE)
    .sort();
  const outliers = checked.rows.filter(({ intent }) => intent === OUT_OF_SCOPE).length;
  const classes = intents.length + (outliers > 0 ? 1 : 0);
  const labels = labelsOf(checked.rows).size;
  const wholeBytes = options.maxBytes ?? (labels > 0 ? DEFAULT_BYTES_WITH_FIELDS : DEFAULT_BYTES);
  const fieldRows = fieldRowsFor(labels, wholeBytes * FIELDS_SHARE);
  const maxBytes = labels > 0 ? Math.floor(wholeBytes * (1 - FIELDS_SHARE)) : wholeBytes;
  const shape = networksFor(options, classes, maxBytes);
  const flagged = flagsOf(checked.rows);
  if (flagged.labels.length > MOST_FLAGS) {
    throw new OnebitError(
      'bad-argument',
      `trainSupport: at most ${MOST_FLAGS} flags are learnt, got ${flagged.labels.length}. Leave some out.`,
    );
  }
  const texts = checked.rows.map(({ text }) => text);
  const kept = await packExamples(options.keepExamples === false ? [] : checked.rows, maxBytes / 5);
  const answers = new Map(checked.rows.flatMap(({ intent, answer }) => (answer ? [[intent, answer] as const] : [])));
  const language = await languageOfRows(texts, await embeddedTrunk());
  const trunk = (await embeddedTrunk()).subset(
    COMMON_WORDS,
    wordHashesOf([...texts, ...textsOf(documents), ...intents.map(spoken)]),
  );
  const named = JSON.stringify([intents, [...answers]]);
  const documentBytes = (await packPassages(documents)).length + 100 * documents.length;
  const textBytes = new TextEncoder().encode(JSON.stringify(own ?? {})).length;
  const room = maxBytes - documentBytes - textBytes - kept.bytes.length - 2 * new TextEncoder().encode(named).length;
  const space = chooseEvidence(
    [...texts, ...intents.map(spoken)],
    trunk,
    vocabularyFor(room, trunk, classes, shape, flagged.labels.length),
  );
  const examples = examplesOf(checked.rows, intents, space);

  const networkShape = { vocabulary: space.size, width: shape.width, classes };
  const folds = foldsFor(examples.length);
  const epochs = options.epochs ?? Math.max(3, Math.min(MOST_EPOCHS, Math.round(LEARNT_EXAMPLES / examples.length)));
  const plan: LearningPlan = {
    recipe: { ...LEARNING, ...options.recipe, binary },
    bags: shape.bags,
    phraseRecipe: { ...PHRASE_LEARNING, batch: batchFor(examples.length), ...options.phraseRecipe, binary },
    phrases: shape.phrases,
    teacher: options.teacher ?? true,
    epochs,
    seed,
    signal,
    onExamples: (count) => progress(count),
  };
  const checking = crossValidationWork(examples.length, plan, folds);
  const learning = examples.length * epochs * (shape.bags + shape.phrases);
  const reading =
    labels > 0 ? Math.round(1.4 * checked.rows.length * (options.epochs ?? fieldEpochs(checked.rows.length))) : 0;
  let [done, stage]: [number, 'checking' | 'learning'] = [0, 'checking'];
  const progress = (count: number) => {
    done += count;
    options.onProgress?.(stage, done, checking + learning + reading);
  };
  const heldOut = await crossValidate(examples, networkShape, intents.length, folds, plan);
  stage = 'learning';
  done = checking;
  const networks = await learnNetworks(examples, networkShape, plan);

  // So likely the next query is of an intent that no row has (Good 1953): as many of the rows are the only one of theirs.
  const counts = new Map<string, number>();
  for (const { intent } of checked.rows) counts.set(intent, (counts.get(intent) ?? 0) + 1);
  const alone = [...counts.values()].filter((count) => count === 1).length / checked.rows.length;
  const rowShare = Math.min(0.9, Math.max(outliers / checked.rows.length, alone));
  const expectedOutOfScope = within(
    'expectedOutOfScope',
    options.expectedOutOfScope ?? Math.max(rowShare, LEAST_OUT_OF_SCOPE),
    0,
    0.9,
  );
  const { detector, facts } = calibrate(heldOut, precision, Math.max(expectedOutOfScope, 1e-4));
  const fields =
    labels > 0
      ? await learnFields(
          checked.rows,
          heldOut,
          { intents, temperature: facts.temperature, trunk },
          { vocabulary: fieldRows, seed, recipe: { binary }, epochs: options.epochs, onExamples: progress, signal },
        )
      : undefined;
  const flagRows = checked.rows.flatMap(({ flags }, i) => (flags ? [{ flags, evidence: examples[i].evidence }] : []));
  const flags =
    flagged.labels.length > 0 ? await learnFlags(flagRows, flagged.labels, space.size, { seed, signal }) : undefined;
  const spokenTo = language.spoken in DEFAULT_TEXTS && language.spoken !== 'en' ? { language: language.spoken } : {};
  const said = { ...spokenTo, ...own };
  const unknown = unknownLabels(said, [...intents, ...labelsOf(checked.rows), ...flagged.labels]);
  const notices = [
    ...checked.notices,
    ...flagged.notices,
    ...language.notices,
    ...(unknown.length > 0
      ? [`texts name what no row has: ${unknown.slice(0, 5).join(', ')}${unknown.length > 5 ? ' and others' : ''}.`]
      : []),
  ];
  return new SupportModel({
    ...(fields ? { fields } : {}),
    ...(flags ? { flags } : {}),
    ...(Object.keys(said).length > 0 ? { texts: said } : {}),
    ...(documents.length > 0 ? { documents: new AnswerModel(documents, trunk) } : {}),
    facts: {
      ...facts,
      name: options.name ?? 'support',
      training: await trainingFacts(rows, options, seed),
      seed,
      trainedRows: checked.rows.length,
      notices: [...notices, ...promiseNotices(facts, heldOut, intents), ...scopeNotices(heldOut, expectedOutOfScope)],
      suspects: suspectsOf(heldOut, facts.temperature, checked.rows, intents),
    },
    ...{ intents, answers, space, networks, hasOutlierClass: outliers > 0, outliers: detector, examples: kept.rows },
  });
}

function textsOf(documents: readonly Passage[]): string[] {
  return documents.map(({ question, answer }) => `${question} ${answer}`);
}

/** The language of most of the rows, and what the trunk, which only knows English, means for others. */
async function languageOfRows(
  texts: readonly string[],
  trunk: Trunk,
): Promise<{ spoken: string; notices: readonly string[] }> {
  const step = Math.ceil(texts.length / LANGUAGE_ROWS);
  const looked = texts.filter((_, i) => i % step === 0);
  const read = await languageReader().catch(() => undefined);
  if (!read) {
    const notice = 'the language of the rows was not told: the library eld could not be loaded.';
    return { spoken: 'en', notices: [notice] };
  }
  const found = mainLanguage(looked, read);
  if (!found || found.share < 0.5 || found.language === 'en') return { spoken: 'en', notices: [] };
  const words = looked.flatMap(wordsOf);
  const known = words.filter((word) => trunk.weightOf(word) !== undefined).length / Math.max(1, words.length);
  const name = new Intl.DisplayNames('en', { type: 'language' }).of(found.language);
  return {
    spoken: found.language,
    notices: [
      `the rows are ${name}: the trunk learnt English words and has ${Math.round(100 * known)} % of theirs, so that a word is understood by the rows that have it or its pieces. More rows of each intent, said in different words, help more than in English.`,
    ],
  };
}

/** A model without intents: all that it does is to find passages. */
async function modelOfDocuments(
  documents: readonly Passage[],
  options: TrainSupportOptions,
  precision: number,
): Promise<SupportModel> {
  const { name = 'support', seed = 1, texts } = options;
  const trunk = (await embeddedTrunk()).subset(COMMON_WORDS, wordHashesOf(textsOf(documents)));
  const nothing = () => new Float32Array(SIGNALS);
  return new SupportModel({
    facts: {
      ...{ name, threshold: 1, precision, expectedOutOfScope: 0, temperature: 1, seed, trainedRows: 0 },
      training: await trainingFacts([], options, seed),
      ...{ heldOut: { accuracy: 0, coverage: 0, precision: 0 }, thresholds: [], notices: [], suspects: [] },
    },
    ...{ intents: [], answers: new Map(), networks: { bags: [], phrases: [] }, hasOutlierClass: false, examples: [] },
    space: new EvidenceSpace(new Uint32Array(), new Float32Array(), trunk, new Float32Array(TRUNK_WIDTH)),
    outliers: { mean: nothing(), scale: nothing(), weights: nothing(), bias: 0 },
    documents: new AnswerModel(documents, trunk),
    ...(texts ? { texts } : {}),
  });
}

/** Rows of the vocabulary of fields. Throws `bad-argument` where there is no room for them. */
function fieldRowsFor(labels: number, bytes: number): number {
  const rows = labels > 0 ? fieldVocabulary(labels, bytes) : 0;
  if (labels === 0 || rows >= LEAST_FIELD_VOCABULARY) return rows;
  throw new OnebitError(
    'bad-argument',
    `trainSupport: ${labels} fields leave room for ${Math.max(0, rows)} of what is seen of words, at least ${LEAST_FIELD_VOCABULARY} are needed. Allow more maxBytes, or name fewer fields.`,
  );
}

/** How many networks of which width. */
interface NetworksShape {
  readonly bags: number;
  readonly width: number;
  readonly phrases: number;
}

function networksFor(options: TrainSupportOptions, classes: number, maxBytes: number): NetworksShape {
  const { networks = 2, width = 256 } = options;
  const phrases = options.phraseNetworks ?? Number(phraseBytes(classes) <= maxBytes / 4);
  if (!Number.isInteger(width / 128) || width < 128 || width > 1024) {
    throw new OnebitError('bad-argument', `trainSupport: width must be a multiple of 128 up to 1024, got ${width}.`);
  }
  for (const [name, count, least] of [
    ['networks', networks, 1],
    ['phraseNetworks', phrases, 0],
  ] as const) {
    if (!Number.isInteger(count) || count < least || count > 16) {
      throw new OnebitError(
        'bad-argument',
        `trainSupport: ${name} must be a whole number from ${least} to 16, got ${count}.`,
      );
    }
  }
  return { bags: networks, width, phrases };
}

/** Bytes of a phrase network without its rows of the vocabulary. */
function phraseBytes(classes: number): number {
  const bytes = phraseTensors({ vocabulary: 0, classes }).map(([, sizes]) =>
    sizes.length === 1 ? 4 * sizes[0] : bytesOf(sizes[0] * sizes[1]),
  );
  return bytes.reduce((sum, count) => sum + count, 0);
}

function bytesOf(weights: number): number {
  return (weights / q1_0.blockSize) * q1_0.blockBytes;
}

/** Rows of the vocabulary that fit what the rest of the file leaves. */
function vocabularyFor(
  room: number,
  trunk: Trunk,
  classes: number,
  { bags, width, phrases }: NetworksShape,
  flags: number,
): number {
  const fixed =
    HEADER_BYTES +
    flags * FLAG_BYTES * (TRUNK_WIDTH + 64) +
    trunk.size * (TRUNK_ROW_BYTES + ENTRY_BYTES) +
    bags * (bytesOf(width * (TRUNK_WIDTH + classes)) + 4 * classes) +
    phrases * phraseBytes(classes);
  const rowBytes = bags * bytesOf(width) + phrases * bytesOf(WORD_WIDTH) + ENTRY_BYTES + flags * FLAG_BYTES;
  const rows = Math.floor((room - fixed) / rowBytes);
  if (rows < 1000) {
    throw new OnebitError(
      'bad-argument',
      `trainSupport: intents, answers and trunk leave room for ${Math.max(0, rows)} pieces of words, at least 1000 are needed. Allow more maxBytes, or shorten the answers.`,
    );
  }
  return Math.min(rows, MOST_VOCABULARY);
}

/** Evidence of all rows, and of the intents' names: "card_arrival" says something of what it is about. */
function examplesOf(rows: readonly SupportRow[], intents: readonly string[], space: EvidenceSpace): Example[] {
  const numberOf = new Map(intents.map((intent, i) => [intent, i]));
  const examples: Example[] = rows.map(({ text, intent }) => ({
    evidence: space.of(text),
    key: likenessKey(text),
    target: numberOf.get(intent) ?? intents.length,
  }));
  for (const [i, intent] of intents.entries()) {
    const evidence = space.of(spoken(intent));
    if (evidence.ids.length > 0) examples.push({ evidence, target: i, isName: true });
  }
  return examples;
}

/** Few examples are learnt in smaller steps, so that there are enough of them. */
function batchFor(examples: number): number {
  return Math.max(8, Math.min(64, 2 ** Math.round(log(examples / 24) / Math.LN2)));
}

function within(name: string, value: number, low: number, high: number): number {
  if (value >= low && value <= high) return value;
  throw new OnebitError('bad-argument', `trainSupport: ${name} must be from ${low} to ${high}, got ${value}.`);
}
