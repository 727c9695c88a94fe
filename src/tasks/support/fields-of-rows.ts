// Owns learning fields beside intents: what each text is about, as networks say that have not learnt it, goes with it. Must not know files.

import type { FieldModel } from '../fields/field-model.ts';
import { fieldBytes } from '../fields/file.ts';
import { type FieldPlan, trainFields } from '../fields/train-fields.ts';
import type { HeldOut } from './calibration.ts';
import { softmax } from './network.ts';
import type { SupportRow } from './rows.ts';
import { topicsOf } from './support-model.ts';
import type { Trunk } from './trunk.ts';

/** How many different fields rows have. */
export function labelsOf(rows: readonly SupportRow[]): Set<string> {
  return new Set(rows.flatMap(({ slots = [] }) => slots.map(({ label }) => label)));
}

/** Rows of the vocabulary of fields that `maxBytes` leave room for. */
export function fieldVocabulary(labels: number, maxBytes: number): number {
  const { fixed, row } = fieldBytes(1 + 2 * labels);
  return Math.floor((maxBytes - fixed) / row);
}

export async function learnFields(
  rows: readonly SupportRow[],
  heldOut: readonly HeldOut[],
  {
    intents,
    temperature,
    trunk,
  }: { readonly intents: readonly string[]; readonly temperature: number; readonly trunk: Trunk },
  plan: FieldPlan,
): Promise<FieldModel> {
  const topics = rows.map(({ intent }): (readonly [string, number])[] => [[intent, 1]]);
  for (const { example, scores, intent } of heldOut) {
    // A text whose intent was hidden from the networks that judged it says nothing of how intents are found.
    if (intent < 0 && intents.includes(rows[example].intent)) continue;
    const probabilities = Float32Array.from(scores);
    softmax(probabilities, temperature);
    topics[example] = topicsOf(probabilities, intents);
  }
  const labelled = rows.map(({ text, slots = [] }, i) => ({ text, spans: slots, topics: topics[i] }));
  return trainFields(labelled, trunk, plan);
}
