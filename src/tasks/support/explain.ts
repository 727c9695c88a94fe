// Owns why a model says what it says of a text: which words speak for its intent, and which of its rows are most like it. Must not know who asks.

import { Budget } from '../../core/budget.ts';
import { checkArgument, checkOptions } from '../../core/check.ts';
import type { Evidence } from './evidence.ts';
import { checkSupportModel, type RankedIntent, type SupportModel } from './support-model.ts';

export interface Explanation {
  readonly intent: string;
  readonly intents: readonly RankedIntent[];
  /** From which confidence on the model answers. */
  readonly threshold: number;
  /** Words in their order (UTF-16 places): how much less likely the intent is without the word; below 0: more likely. */
  readonly words: readonly { readonly start: number; readonly end: number; readonly weight: number }[];
  /** Rows that it was trained on and that are most like the text, most alike first; none where the file holds none. */
  readonly like: readonly { readonly text: string; readonly intent: string; readonly likeness: number }[];
}

const WORD = /[\p{L}\p{M}\p{N}]+(?:['’]\p{L}+)?/gu;
/** Further words are not looked at: each is one more prediction. */
const MOST_WORDS = 80;
const MOST_ROWS = 3000;
const SHOWN = 5;
const TOP = 5;

/** Rows with their evidence, made once a model. */
const rowsOf = new WeakMap<SupportModel, { text: string; intent: string; evidence: Evidence }[]>();

/** Explains what `predict` says. Throws `bad-argument`, the signal's reason when aborted. */
export async function explainQuery(
  model: SupportModel,
  text: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Explanation> {
  checkSupportModel('explainQuery', model);
  checkArgument('explainQuery', 'text', text, 'text');
  checkOptions('explainQuery', options, { signal: 'signal' });
  return explainInTurns(model, text, new Budget({ signal: options.signal }));
}

/** The same within the budget of who asked. Throws as `spend` does. */
export async function explainInTurns(model: SupportModel, text: string, budget: Budget): Promise<Explanation> {
  const { intent, intents, probability } = model.predict(text, { top: TOP });
  const asked = model.intents.indexOf(intent);
  const words: { start: number; end: number; weight: number }[] = [];
  for (const { 0: word, index } of model.intents.length > 0 ? text.matchAll(WORD) : []) {
    if (words.length >= MOST_WORDS) break;
    const without = `${text.slice(0, index)} ${text.slice(index + word.length)}`;
    const left = model.chancesOf(without)[asked];
    words.push({ start: index, end: index + word.length, weight: probability - left });
    await budget.turn('explain');
  }
  const own = model.parts.space.of(text);
  const like: { text: string; intent: string; likeness: number }[] = [];
  for (const row of await examplesOf(model, budget)) {
    like.push({ text: row.text, intent: row.intent, likeness: likenessOf(own, row.evidence) });
  }
  like.sort((a, b) => b.likeness - a.likeness);
  return { intent, intents, threshold: model.facts.threshold, words, like: like.slice(0, SHOWN) };
}

async function examplesOf(model: SupportModel, budget: Budget) {
  const known = rowsOf.get(model);
  if (known) return known;
  const { examples, space } = model.parts;
  const step = Math.max(1, Math.ceil(examples.length / MOST_ROWS));
  const rows: { text: string; intent: string; evidence: Evidence }[] = [];
  for (const [i, { text, intent }] of examples.entries()) {
    if (i % step !== 0) continue;
    rows.push({ text, intent, evidence: space.of(text) });
    await budget.turn('explain');
  }
  rowsOf.set(model, rows);
  return rows;
}

/** The cosine of the evidence, words and pieces alike. */
function likenessOf(a: Evidence, b: Evidence): number {
  const weights = new Map(Array.from(a.ids, (id, i) => [id, a.weights[i]]));
  let shared = 0;
  for (const [i, id] of b.ids.entries()) shared += b.weights[i] * (weights.get(id) ?? 0);
  return shared / 2;
}
