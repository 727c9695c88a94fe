// Owns flags of a message that a business defines by examples, "urgent" or "legal": one linear function of the evidence each, and its probability. Must not know
// how they are learnt or stored.
import { exp } from '../../core/elementary.ts';
import type { Evidence } from '../support/evidence.ts';
import { TRUNK_WIDTH } from '../support/trunk.ts';

/** A flag that a message raises. */
export interface Flag {
  readonly flag: string;
  readonly probability: number;
}

/** How well a flag was told on rows that had not been learnt. */
export interface FlagFacts {
  readonly flag: string;
  /** Rows that have it. */
  readonly rows: number;
  /** Of the rows that raised it, those that have it; null where none raised it. */
  readonly precision: number | null;
  /** Of the rows that have it, those that raised it. */
  readonly recall: number;
}

/** From this probability on a flag is raised. */
export const RAISED = 0.5;

/** Flags with their weights. */
export class FlagModel {
  readonly facts: readonly FlagFacts[];
  /** [flags, width]: of the vocabulary's rows, the trunk's sense and a constant; the rest are zeros. */
  readonly weights: Float32Array;
  readonly width: number;
  /** Distances times the slope, plus the offset, are log-odds: [flags, 2]. */
  readonly calibration: Float32Array;
  private readonly vocabulary: number;

  constructor(facts: readonly FlagFacts[], weights: Float32Array, calibration: Float32Array, vocabulary: number) {
    this.facts = facts;
    this.weights = weights;
    this.width = flagWidth(vocabulary);
    this.calibration = calibration;
    this.vocabulary = vocabulary;
  }

  /** The probability of every flag. */
  read({ ids, weights, sense }: Evidence): Flag[] {
    return this.facts.map(({ flag }, f) => {
      const from = f * this.width;
      let sum = this.weights[from + this.vocabulary + TRUNK_WIDTH];
      for (let i = 0; i < ids.length; i++) sum += weights[i] * this.weights[from + ids[i]];
      for (let i = 0; i < TRUNK_WIDTH; i++) sum += sense[i] * this.weights[from + this.vocabulary + i];
      const odds = this.calibration[2 * f] * sum + this.calibration[2 * f + 1];
      return { flag, probability: 1 / (1 + exp(-odds)) };
    });
  }
}

/** Weights of a flag: those of the vocabulary, the sense and a constant, filled up to whole blocks of Q8_0. */
export function flagWidth(vocabulary: number): number {
  return Math.ceil((vocabulary + TRUNK_WIDTH + 1) / 32) * 32;
}
