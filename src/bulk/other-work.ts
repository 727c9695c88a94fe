// Owns the work with rows that generates no text: what a support model says of them, and vectors. Must not know files.
import { checkOptions } from '../core/check.ts';
import type { LanguageModel } from '../language-model.ts';
import { routeQuery } from '../tasks/support/route.ts';
import { checkSupportModel, type SupportModel } from '../tasks/support/support-model.ts';
import { fillTemplate, templateColumns } from './row-template.ts';
import { type RowTexts, type RowWork, textOrRefuse } from './row-work.ts';

/** Where the text of a row is. */
export interface RowTextOptions {
  /** The column. Default `text`. */
  readonly column?: string;
  /** A text with `{{column}}` in it, instead. */
  readonly prompt?: string;
}

export interface SupportWorkOptions extends RowTextOptions {
  /** Confidence from which on the model answers. Default: the model's. */
  readonly threshold?: number;
}

const TEXT_OPTIONS = { column: 'text', prompt: 'text' } as const;

/** Work that says what each row is about: columns intent, confidence, action, and answer where the model has canned answers. */
export function supportWork(model: SupportModel, options: SupportWorkOptions = {}): RowWork {
  checkSupportModel('supportWork', model);
  checkOptions('supportWork', options, { ...TEXT_OPTIONS, threshold: 'number' });
  const { threshold } = options;
  const hasAnswers = model.answers.size > 0;
  const textOf = rowText(options);
  return {
    columns: ['intent', 'confidence', 'action', ...(hasAnswers ? ['answer'] : [])],
    reads: textOf.reads,
    settings: { text: textOf.template, threshold },
    sharesBeginning: false,
    async run(row) {
      const { action, prediction } = routeQuery(model, textOf(row), { threshold });
      const { intent, confidence, answer } = prediction;
      const said = action === 'answer' ? (answer ?? null) : null;
      return { cells: [intent, rounded(confidence, 4), action, ...(hasAnswers ? [said] : [])] };
    },
    preview: (row) => ({ text: textOf(row) }),
  };
}

/** Work that turns each row into a vector: column embedding, a list of numbers. */
export function embeddingWork(model: LanguageModel, options: RowTextOptions = {}): RowWork {
  checkOptions('embeddingWork', options, TEXT_OPTIONS);
  const textOf = rowText(options);
  return {
    columns: ['embedding'],
    reads: textOf.reads,
    settings: { text: textOf.template, embedding: true },
    sharesBeginning: false,
    async run(row, signal) {
      const tokens = model.tokenize(textOf(row));
      const vector = await model.embed(tokens, { signal });
      const used = { prompt: tokens.length, cached: 0, completion: 0 };
      return { cells: [Array.from(vector, (value) => rounded(value, 6))], tokens: used };
    },
    preview(row) {
      const text = textOf(row);
      return { text, tokens: model.tokenize(text).length };
    },
  };
}

function rowText({ column = 'text', prompt }: RowTextOptions) {
  const template = prompt ?? `{{${column}}}`;
  const textOf = (row: RowTexts) =>
    prompt === undefined ? textOrRefuse(row.text(column), column) : fillTemplate(prompt, (name) => row.text(name));
  return Object.assign(textOf, { template, reads: templateColumns(template) });
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
