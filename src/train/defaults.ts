// Owns what follows from the size of the corpus and the time given: the one place where a model's shape and the recipe of its training are chosen for
// people who chose nothing. The page, `onebit train` and OneBitModel all come here. Must not know kernels or files.
//
// What the choices rest on (docs/training.md has the measurements): in minutes a small model learns more than a large one, since it sees its text more
// often; AdamW makes twice the updates of Muon in the same time while the model is small, and Muon wins where each update is large.
import { shuffleDocuments } from './corpus.ts';
import { turnsOf } from './corpus-chat.ts';
import { documentText, type TrainingDocument } from './corpus-document.ts';
import { type Preset, type PresetName, presetOf, presets } from './presets.ts';
import type { Recipe } from './recipe.ts';
import type { WeightKind } from './shape.ts';

/** What of a corpus decides. */
export interface CorpusSize {
  readonly characters: number;
  readonly documents: number;
  /** Share of the characters that are conversations. */
  readonly talk: number;
  /** Of the documents that hold most of the text: nine tenths of all characters are in documents no longer. */
  readonly longCharacters: number;
}

/** Below this a model learns its text by heart at best. */
export const LEAST_CORPUS = 20_000;
/** Corpora that are seen often enough in minutes to be learnt nearly by heart. */
const SMALL_CORPUS = 400_000;

export function corpusSize(documents: readonly TrainingDocument[]): CorpusSize {
  const lengths = documents.map((document) => documentText(document).length);
  const characters = lengths.reduce((sum, length) => sum + length, 0);
  let talking = 0;
  for (const [i, document] of documents.entries()) if (turnsOf(document)) talking += lengths[i];
  let rest = 0.9 * characters;
  const long = [...lengths]
    .sort((a, b) => a - b)
    .find((length) => {
      rest -= length;
      return rest <= 0;
    });
  return {
    characters,
    documents: documents.length,
    talk: talking / Math.max(1, characters),
    longCharacters: long ?? 0,
  };
}

/**
 * As many of the documents as a run of so many minutes can read, drawn evenly: turning the rest into tokens would take time from learning.
 * @param minutes undefined: the run is bounded otherwise, and all are taken
 */
export function readableDocuments(
  documents: readonly TrainingDocument[],
  minutes: number | undefined,
  seed: number,
): readonly TrainingDocument[] {
  let room = Math.max(1, minutes ?? Number.POSITIVE_INFINITY) * CHARACTERS_PER_MINUTE;
  const lengths = documents.map((document) => documentText(document).length);
  if (lengths.reduce((sum, length) => sum + length, 0) <= room) return documents;
  return shuffleDocuments(documents, seed).filter((document) => {
    const take = room > 0;
    room -= documentText(document).length;
    return take;
  });
}

/** What the caller said. */
interface Wishes {
  readonly preset?: PresetName;
  /** Updates, where they bound the run. */
  readonly steps?: number;
  /** Minutes, where they do. */
  readonly minutes?: number;
  /** What the run goes on from, where it does: a model's weights, which bring their shape, or those with an adapter beside them. */
  readonly from?: WeightKind | 'adapter';
}

/** The named preset, or with `auto` what the corpus and the time ask for. @throws OnebitError `bad-argument` for a name that there is not */
export function presetFor({ preset = 'auto', steps, minutes, from }: Wishes, size: CorpusSize): Preset {
  if (preset !== 'auto') return presetOf(preset);
  const time = minutes ?? (steps === undefined ? USUAL_MINUTES : steps / UPDATES_PER_MINUTE);
  const isSmall = size.characters <= SMALL_CORPUS;
  const { shape, recipe, batchTokens } = isSmall
    ? smallRung(size, time)
    : (ladder.find(({ most }) => time <= most) ?? ladder[ladder.length - 1]);
  return {
    name: 'auto',
    shape: { ...shape, contextLength: contextFor(size, shape.contextLength) },
    recipe: {
      ...(from ? recipeFor(from, isSmall) : recipe),
      steps: steps ?? Math.round(USUAL_MINUTES * UPDATES_PER_MINUTE),
    },
    batchTokens: from ? Math.min(batchTokens, 512) : batchTokens,
    // A small text of conversations is learnt to be talked to; of much text the plain form teaches as well, and is what its score is read from.
    chatShare: size.talk < 0.5 ? 0.25 : isSmall ? 0.9 : 0.5,
  };
}

/** What small models read in a minute at most. */
const CHARACTERS_PER_MINUTE = 1_500_000;
/** Minutes that a run takes when nobody says how long: enough for a small corpus. */
const USUAL_MINUTES = 2;
/** Updates of a small model in a minute of two cores: how runs bounded by updates are compared with those bounded by time. */
const UPDATES_PER_MINUTE = 1500;

interface Rung {
  /** For runs of at most so many minutes. */
  readonly most: number;
  readonly shape: Preset['shape'];
  readonly recipe: Partial<Recipe>;
  readonly batchTokens: number;
}

/**
 * A head of its own: with the embedding for a head, which is as binary, 71 of 79 questions were right, with one of its own 79. Larger initial weights and
 * rates than a long run bears, since the first hundred updates are a tenth of the run.
 */
const QUICK: Partial<Recipe> = { optimizer: 'adamw', learningRate: 0.006, adamLearningRate: 0.01, initDeviation: 0.05 };
/** Latent weights of a finished model are as large as its scales: steps must be small against them, and nothing is gained by exact weights first. */
const GOING_ON: Partial<Recipe> = {
  optimizer: 'adamw',
  learningRate: 0.002,
  adamLearningRate: 0.002,
  fullPrecisionShare: 0,
};
/**
 * A small text is to be known in minutes: 40 questions of a shop, 150 updates of 512 positions from the seedling, are answered 40 of 40; with the
 * small steps of `GOING_ON` none was after 74.
 */
const GOING_ON_SOON: Partial<Recipe> = {
  optimizer: 'muon',
  learningRate: 0.02,
  adamLearningRate: 0.01,
  fullPrecisionShare: 0,
};
const recipeFor = (from: WeightKind | 'adapter', isSmall: boolean) =>
  isSmall && (from === 'binary' || from === 'ternary') ? GOING_ON_SOON : GOING_ON;
const narrow = {
  vocabulary: 1024,
  width: 128,
  heads: 4,
  headSize: 32,
  kvHeads: 4,
  feedForwardWidth: 384,
  contextLength: 256,
} as const;

/** Few texts, seen hundreds of times: the more updates, the sooner they are known. An update should hold a few documents, though. */
function smallRung(size: CorpusSize, minutes: number): Omit<Rung, 'most'> {
  return {
    shape: { ...narrow, layers: minutes <= 10 ? 2 : 4, tiedHead: false },
    recipe: QUICK,
    batchTokens: size.longCharacters < 400 ? 256 : 512,
  };
}

/** Much text: the longer the run, the larger the model that has learnt most at its end (docs/training.md, quality against size). */
const ladder: readonly Rung[] = [
  { most: 4, shape: { ...narrow, layers: 2, tiedHead: false }, recipe: QUICK, batchTokens: 1024 },
  { most: 30, shape: { ...narrow, layers: 4 }, recipe: {}, batchTokens: 2048 },
  {
    most: 120,
    shape: { vocabulary: 1024, layers: 4, width: 256, contextLength: 256 },
    recipe: {},
    batchTokens: 2048,
  },
  { most: Number.POSITIVE_INFINITY, ...presets.seedling },
];

/** Room for most documents and as much again to go on, and no more: what was never seen at a place is not known there. */
function contextFor(size: CorpusSize, most: number): number {
  let length = 64;
  // A token has two characters or more.
  while (length < most && 2 * length < size.longCharacters) length *= 2;
  return Math.min(most, 2 * length);
}
