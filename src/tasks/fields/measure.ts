// Owns measuring fields: spans that are found exactly, as conlleval counts them. Must not know models.
import type { Span } from './tokens.ts';

/** Shares lie between 0 and 1; null where there is nothing to measure on. */
export interface FieldScore {
  readonly f1: number | null;
  /** Fields found that are right: label, start and end. */
  readonly precision: number | null;
  /** Fields there that were found. */
  readonly recall: number | null;
}

export interface FieldEvaluation extends FieldScore {
  /** Texts all of whose fields were found, and no others. */
  readonly exactMatch: number | null;
  readonly perField: Readonly<Record<string, FieldScore & { readonly count: number }>>;
}

/** Compares spans found with those wanted, text by text. */
export function measureFields(
  texts: readonly { readonly wanted: readonly Span[]; readonly found: readonly Span[] }[],
): FieldEvaluation {
  const counts = new Map<string, { right: number; found: number; wanted: number }>();
  const of = (label: string) => {
    const known = counts.get(label) ?? { right: 0, found: 0, wanted: 0 };
    counts.set(label, known);
    return known;
  };
  let exact = 0;
  const keyOf = ({ label, start, end }: Span) => JSON.stringify([label, start, end]);
  for (const { wanted, found } of texts) {
    const there = new Set(wanted.map(keyOf));
    for (const span of wanted) of(span.label).wanted++;
    let right = 0;
    for (const span of found) {
      of(span.label).found++;
      if (!there.delete(keyOf(span))) continue;
      of(span.label).right++;
      right++;
    }
    if (right === found.length && there.size === 0) exact++;
  }
  const all = { right: 0, found: 0, wanted: 0 };
  for (const one of counts.values()) {
    for (const key of ['right', 'found', 'wanted'] as const) all[key] += one[key];
  }
  const labels = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...scoreOf(all),
    exactMatch: texts.length > 0 ? exact / texts.length : null,
    perField: Object.fromEntries(labels.map(([label, one]) => [label, { ...scoreOf(one), count: one.wanted }])),
  };
}

function scoreOf({ right, found, wanted }: { right: number; found: number; wanted: number }): FieldScore {
  return {
    f1: found + wanted > 0 ? (2 * right) / (found + wanted) : null,
    precision: found > 0 ? right / found : null,
    recall: wanted > 0 ? right / wanted : null,
  };
}
