// Owns where the text of a row is that is judged and not asked about: in a column, or a template. Must not know files.
import { checkPlaces, fillTemplate, templateColumns } from './row-template.ts';
import { type RowTexts, textOrRefuse } from './row-work.ts';

/** Where the text of a row is. */
export interface RowTextOptions {
  /** The column. Default `text`. */
  readonly column?: string;
  /** A text with `{{column}}` in it, instead. */
  readonly prompt?: string;
}

export const TEXT_OPTIONS = { column: 'text', prompt: 'text' } as const;

/** A function that gives the text of a row, with the template behind it and the columns that it reads. */
export function rowText({ column = 'text', prompt }: RowTextOptions) {
  const template = prompt ?? `{{${column}}}`;
  const textOf = (row: RowTexts) =>
    prompt === undefined ? textOrRefuse(row.text(column), column) : fillTemplate(prompt, (name) => row.text(name));
  const reads = prompt === undefined ? [column] : templateColumns(prompt);
  checkPlaces(reads);
  return Object.assign(textOf, { template, reads });
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
