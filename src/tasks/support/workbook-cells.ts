// Owns what the parts of a workbook say that its values do not: which sheets are hidden, how far cells reach, from which day dates count, and cells of which
// nobody knows what they show. Must not know ZIP files.
// Source: ECMA-376, part 1, 18.2.19 (sheet), 18.3.1.4 (cell), 18.3.1.55 (merged cell).

/** A sheet as the workbook lists it. */
export interface ListedSheet {
  /** Its part of the archive; undefined where none is named. */
  readonly part?: string;
  readonly hidden: boolean;
}

/** The sheets of a workbook. @param workbook `xl/workbook.xml` @param relations `xl/_rels/workbook.xml.rels` */
export function listedSheets(workbook: string, relations: string): ListedSheet[] {
  const targets = targetsOf(relations);
  return tagsOf(workbook, 'sheet').map((tag) => ({
    part: targets.get(attribute(tag, '(?:\\w+:)?id') ?? ''),
    hidden: /hidden/i.test(attribute(tag, 'state') ?? ''),
  }));
}

/** The parts that a workbook names, by their identifiers. */
export function targetsOf(relations: string): Map<string, string> {
  const targets = new Map<string, string>();
  for (const tag of tagsOf(relations, 'Relationship')) {
    const [id, target] = [attribute(tag, 'Id'), attribute(tag, 'Target')];
    if (id !== undefined && target !== undefined)
      targets.set(id, target.startsWith('/') ? target.slice(1) : `xl/${target.replace(/^\.\//, '')}`);
  }
  return targets;
}

/** How the workbook says that its dates count from 1904; undefined where they count from 1900. */
export function countsFrom1904(workbook: string): '1' | 'true' | undefined {
  const said = tagsOf(workbook, 'workbookPr').map((tag) => attribute(tag, 'date1904'))[0];
  return said === '1' || said === 'true' ? said : undefined;
}

/**
 * How many cells a sheet has, with the empty ones before its furthest ones: those of each row, or of the rectangle of all that are filled, whatever is more; and
 * which cell is the furthest. What is no place is infinitely far.
 */
export function reachOf(sheet: string): { cells: number; furthest: string } {
  let [rows, columns, furthest] = [0, 0, 'A1'];
  let seen = { row: 0, column: -1 };
  let [inRows, row, width] = [0, 0, 0];
  for (const [, kind, attributes] of sheet.matchAll(/<(?:\w+:)?(row|c)\s([^>]*)>/g)) {
    const place = attribute(` ${attributes}`, 'r');
    if (place === undefined) continue;
    const at = kind === 'row' ? { row: Number(place), column: -1 } : placeOf(place);
    if (!at || !(at.row <= MOST_ROWS) || at.column >= MOST_COLUMNS) return { cells: Infinity, furthest: place };
    if (at.row !== row) [inRows, row, width] = [inRows + width, at.row, 0];
    width = Math.max(width, at.column + 1);
    if (kind === 'row') continue;
    if (at.row > seen.row || at.column > seen.column) furthest = place;
    seen = { row: Math.max(seen.row, at.row), column: Math.max(seen.column, at.column) };
    if (attributes.endsWith('/')) continue;
    [rows, columns] = [Math.max(rows, at.row), Math.max(columns, at.column + 1)];
  }
  return { cells: Math.max(inRows + width, rows * columns), furthest };
}
/** As many as a sheet of Excel has. */
const [MOST_ROWS, MOST_COLUMNS] = [1_048_576, 16_384];

/** Cells that say nothing of what they show, in plain words and in order: "row 3: B3 is …". */
export function unclearCells(sheet: string): string[] {
  const found: { row: number; problem: string }[] = [];
  const note = (place: string, what: string) => {
    const at = placeOf(place);
    if (at) found.push({ row: at.row, problem: `row ${at.row}: ${place} ${what}` });
  };
  const cell = /<((?:\w+:)?)c(?=[\s>])([^>]*)>/g;
  for (let match = cell.exec(sheet); match; match = cell.exec(sheet)) {
    const [, prefix, attributes] = match;
    if (attributes.endsWith('/')) continue;
    const end = sheet.indexOf(`</${prefix}c>`, cell.lastIndex);
    if (end < 0) break;
    const content = sheet.slice(cell.lastIndex, end);
    cell.lastIndex = end;
    const type = attribute(attributes, 't');
    const what =
      type === 'e'
        ? `shows the error ${/>(#[^<]{1,20})</.exec(content)?.[1] ?? 'of its formula'}`
        : isOpen(content, type);
    if (what) note(attribute(attributes, 'r') ?? '', what);
  }
  for (const tag of tagsOf(sheet, 'mergeCell')) {
    const [first, last] = (attribute(tag, 'ref') ?? '').split(':').map(placeOf);
    if (first && last && last.row > first.row)
      note(`${letters(first.column)}${first.row + 1}`, `is merged with ${letters(first.column)}${first.row}`);
  }
  return found.sort((a, b) => a.row - b.row).map(({ problem }) => problem);
}

/** A formula whose program did not compute it. The value of a text may be empty, that of nothing else. */
function isOpen(content: string, type: string | undefined): string | undefined {
  if (!/<(?:\w+:)?f[\s/>]/.test(content)) return undefined;
  const hasValue = type === 'str' ? /<(?:\w+:)?v[\s/>]/ : /<(?:\w+:)?v(?:\s[^>]*)?>[^<]/;
  return hasValue.test(content) ? undefined : 'is a formula whose value is not in the file';
}

/** The attributes of all tags of a name, as they are written. */
function tagsOf(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<(?:\\w+:)?${name}\\s([^>]*)>`, 'g'))].map(([, attributes]) => ` ${attributes}`);
}

function attribute(attributes: string, name: string): string | undefined {
  const [, double, single] = new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)')`).exec(attributes) ?? [];
  return (double ?? single)?.replace(/&(amp|lt|gt|quot|apos);/g, (_, entity) => ENTITIES[entity]);
}
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** "B3": its row from 1, its column from 0. */
function placeOf(place: string): { row: number; column: number } | undefined {
  const [, name, row] = /^([A-Z]{1,3})(\d{1,7})$/.exec(place) ?? [];
  if (name === undefined) return undefined;
  return { row: Number(row), column: [...name].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1 };
}

function letters(column: number): string {
  return (column >= 26 ? letters(Math.floor(column / 26) - 1) : '') + String.fromCharCode(65 + (column % 26));
}
