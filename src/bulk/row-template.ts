// Owns texts with the cells of a row put in: `Summarise: {{message}}`. Must not know files or models.
import { OnebitError } from '../errors.ts';

/** A name may hold braces in pairs, but not begin with one: `{{{a}}}` is a in braces. */
const PLACE = /\{\{\s*([^{}](?:[^{}]|\{[^{}]*\})*?|)\s*\}\}/g;

/** Names of the columns that a template names, each once. */
export function templateColumns(template: string): string[] {
  return [...new Set(Array.from(template.matchAll(PLACE), ([, name]) => name))];
}

/** @throws OnebitError `bad-argument` for templates that name no column at all: every row would be asked the same */
export function checkPlaces(columns: readonly string[]): void {
  if (columns.length > 0) return;
  throw new OnebitError(
    'bad-argument',
    'batch: the prompt must name a column, as {{text}}, got none: every row would be asked the same. Put one where its text goes.',
  );
}

/** The template with every `{{column}}` replaced by the text of the cell; what stands in cells is not read as a template. @throws OnebitError `bad-argument` where the row has no such cell */
export function fillTemplate(template: string, cellOf: (column: string) => string | undefined): string {
  return template.replace(PLACE, (_, column: string) => {
    const text = cellOf(column);
    if (text !== undefined) return text;
    throw new OnebitError('bad-argument', `the row must have ${column}, got nothing there`);
  });
}

/** @throws OnebitError `bad-argument` where all cells that a template names are empty: there is nothing to ask about */
export function checkCells(columns: readonly string[], cellOf: (column: string) => string | undefined): void {
  if (columns.some((column) => cellOf(column)?.trim() !== '')) return;
  throw new OnebitError('bad-argument', `the row must have a text in ${columns.join(' or ')}, it is empty`);
}
