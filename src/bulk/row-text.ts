// Owns where the text of a row is that is judged and not asked about: in a column, or a template. Must not know files.
import { checkCells, checkPlaces, fillTemplate, templateColumns } from './row-template.ts';
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
  const reads = prompt === undefined ? [column] : templateColumns(prompt);
  checkPlaces(reads);
  const textOf = (row: RowTexts) => {
    if (prompt === undefined) return textOrRefuse(row.text(column), column);
    const cellOf = (name: string) => row.text(name);
    checkCells(reads, cellOf);
    return fillTemplate(prompt, cellOf);
  };
  return Object.assign(textOf, { template, reads });
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
