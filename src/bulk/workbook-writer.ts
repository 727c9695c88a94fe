// Owns writing rows as a workbook, .xlsx: all of them in memory, for its parts are compressed together. The package write-excel-file is optional and loaded only here.
import { OnebitError } from '../errors.ts';
import type { BulkRow, RowFile } from './row-file.ts';
import type { Json, RowAnswer } from './row-work.ts';

type Cell = string | number | boolean | null;

/** What Excel holds. */
const MOST_ROWS = 1_048_576;
const MOST_CHARACTERS = 32_767;
/** What XML 1.0 cannot hold, not even escaped. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these are meant
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu;

/**
 * A writer of a workbook. A text that is longer than a cell holds is cut, and the error column says so.
 * @throws OnebitError `bad-argument` for more rows than a sheet holds
 */
export function workbookWriter({ columns, count }: RowFile, names: readonly string[]) {
  if (count + 1 > MOST_ROWS) {
    throw new OnebitError(
      'bad-argument',
      `batch: a workbook holds ${MOST_ROWS} rows with the header, got ${count + 1}. Write .csv.`,
    );
  }
  const sheet: Cell[][] = [[...columns, ...names].map((name) => cut(name)[0])];
  return {
    head: '',
    line({ cells }: BulkRow, { cells: found, error }: RowAnswer) {
      const long: string[] = [];
      const cell = (value: Json | undefined, name: string) => {
        const [text, isCut] = cut(value);
        if (isCut) long.push(name);
        return text;
      };
      const row = [
        ...columns.map((name, i) => cell(cells[i], name)),
        ...found.map((value, i) => cell(value, names[i])),
      ];
      const cutOff = long.map((name) => `${name} was cut off at ${MOST_CHARACTERS} characters, which a cell holds`);
      sheet.push([...row, cut([error, ...cutOff].filter((text) => text !== undefined).join('; ') || null)[0]]);
      return '';
    },
    async finish() {
      const { default: write } = await library();
      return new Uint8Array(await write(sheet, { stickyRowsCount: 1 }).toBuffer());
    },
  };
}

/** A value as a cell, and whether it was cut. Texts stay texts: none is a formula. */
function cut(value: Json | undefined): [Cell, boolean] {
  if (value === undefined || value === null || typeof value === 'boolean') return [value ?? null, false];
  if (typeof value === 'number' && Number.isFinite(value)) return [value, false];
  const text = (typeof value === 'string' ? value : JSON.stringify(value)).replace(NOT_XML, '\ufffd');
  return [text === '' ? null : text.slice(0, MOST_CHARACTERS), text.length > MOST_CHARACTERS];
}

/** @throws OnebitError `unsupported` where it is not installed */
async function library() {
  try {
    return await import('write-excel-file/node');
  } catch (cause) {
    const message =
      'batch: for .xlsx the package write-excel-file must be installed, it is not. Run: npm install write-excel-file';
    throw new OnebitError('unsupported', message, { cause });
  }
}

/** Says now, and not when all is done, where the package is missing. @throws OnebitError `unsupported` */
export async function checkWorkbookLibrary(): Promise<void> {
  await library();
}
