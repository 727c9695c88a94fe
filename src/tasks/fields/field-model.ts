// Owns a trained reader of fields: which parts of a text are fields, and how sure that is. Must not know how it was trained or stored.
import { exp, log } from '../../core/elementary.ts';
import { TRUNK_WIDTH, type Trunk } from '../support/trunk.ts';
import { runChance } from './chain.ts';
import type { FeatureSpace, SeenText } from './features.ts';
import { type FieldNetwork, PIECE } from './network.ts';
import { runsOf, type Span, type Token, tokensOf } from './tokens.ts';

/** A named part of a text: `text` is what stands at `start` to `end`, in UTF-16 code units. */
export interface Field extends Span {
  readonly text: string;
  /** How likely exactly this is the field; 1 for what a pattern and its check digits say. */
  readonly probability: number;
  /** The value in a form that programs take, for fields that have one: an ISO date, a number with its currency. */
  readonly value?: string;
}

/** How chances become probabilities that hold on unseen texts: logistic in the log-odds. */
export interface FieldCalibration {
  readonly slope: number;
  readonly offset: number;
}

export class FieldModel {
  readonly labels: readonly string[];
  readonly space: FeatureSpace;
  readonly network: FieldNetwork;
  readonly calibration: FieldCalibration;

  /** @internal Use `trainSupport` or `loadSupport`. */
  constructor(labels: readonly string[], space: FeatureSpace, network: FieldNetwork, calibration: FieldCalibration) {
    this.labels = labels;
    this.space = space;
    this.network = network;
    this.calibration = calibration;
  }

  /** @param topics what the whole text is about, by probability; @param trunk the one it was trained with */
  read(text: string, topics: readonly (readonly [string, number])[], trunk: Trunk): Field[] {
    const fields: Field[] = [];
    const all = tokensOf(text);
    for (let from = 0; from < all.length; from += PIECE) {
      const tokens = all.slice(from, from + PIECE);
      for (const { label, first, last, chance } of this.readTokens(tokens, topics, trunk)) {
        const [start, end] = [tokens[first].start, tokens[last].end];
        const probability = calibrated(this.calibration, chance);
        fields.push({ label: this.labels[label], text: text.slice(start, end), start, end, probability });
      }
    }
    return fields;
  }

  private readTokens(tokens: readonly Token[], topics: readonly (readonly [string, number])[], trunk: Trunk) {
    const seen = this.space.of(tokens, topics);
    const emissions = this.network.emissions(seen, sensesOf(seen, trunk));
    return readRuns(this.network, emissions, tokens.length);
  }
}

/** The runs of the likeliest tags, with the chance of each. */
export function readRuns(network: FieldNetwork, emissions: Float32Array, tokens: number) {
  const runs = runsOf(network.chain.best(emissions, tokens));
  if (runs.length === 0) return [];
  const chances = network.chain.chances(emissions, tokens);
  return runs.map((run) => ({ ...run, chance: runChance(chances, run.label, run.first, run.last) }));
}

const nothing = new Float32Array(TRUNK_WIDTH);

export function sensesOf({ words }: SeenText, trunk: Trunk): Float32Array[] {
  return words.map((word) => {
    const { sense, known } = trunk.senseOf([word]);
    return known > 0 ? sense : nothing;
  });
}

export function logOdds(chance: number): number {
  const held = Math.min(1 - 1e-6, Math.max(1e-6, chance));
  return log(held / (1 - held));
}

function calibrated({ slope, offset }: FieldCalibration, chance: number): number {
  return 1 / (1 + exp(-(slope * logOdds(chance) + offset)));
}
