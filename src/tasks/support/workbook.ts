// Owns reading the first fitting sheet of an .xlsx workbook. The library is loaded only for that. A workbook is a ZIP file of XML: how much it unpacks
// to is measured before the library sees it. Must not know what columns mean. Source: PKWARE's APPNOTE 6.3.10; ECMA-376.
import { crc32 } from '../../core/crc32.ts';
import { OnebitError } from '../../errors.ts';
import { checkColumns, columnOf, type Table } from './table.ts';
import { countsFrom1904, type ListedSheet, listedSheets, reachOf, targetsOf, unclearCells } from './workbook-cells.ts';

/** More would be no table of queries, and unpack to more than a machine should hold. */
const MOST = { bytes: 64e6, entries: 2000, unpackedBytes: 128e6, cells: 16e6 };
const MOST_LISTED = 5;
const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const DEFLATED = 8;
const WORKBOOK = 'xl/workbook.xml';
const RELATIONS = 'xl/_rels/workbook.xml.rels';
/** Dates of workbooks before this are times of a day; those of Macs before 2011 count from another day. */
const FIRST_DAY = { 1900: Date.UTC(1899, 11, 31), 1904: Date.UTC(1904, 0, 2) };
const DAYS_FROM_1900_TO_1904 = 1462;
const DAY_MS = 86_400_000;

/** Whether bytes are of a ZIP file, as those of a workbook are. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 0x03 && bytes[3] === 0x04;
}

/** Whether a workbook is read from bytes. @throws OnebitError `bad-file` for Excel's format before 2007, and where only the name is a workbook's */
export function isWorkbook(bytes: Uint8Array, name: string): boolean {
  if (isZip(bytes)) return true;
  if ([0xd0, 0xcf, 0x11, 0xe0].every((byte, i) => bytes[i] === byte))
    throw new OnebitError('bad-file', `read ${name}: the format of Excel before 2007 is not read. Save it as .xlsx.`);
  if (!/\.xls[xm]?$/i.test(name)) return false;
  throw refusal(name, 'got another kind of file. Save it as .xlsx, or name it .csv if it is that');
}

/**
 * The first sheet whose first row names all of `wanted`; hidden ones only where no other does. Throws `bad-argument` where there is none, or with the rows
 * in which cells do not say what they show; `bad-file` for what is no workbook.
 */
export async function readWorkbook(bytes: Uint8Array, name: string, wanted: readonly string[]): Promise<Table> {
  const parts = await checkArchive(bytes, name);
  const textOfPart = async (part: string) => (parts.has(part) ? await xmlOf(bytes, parts.get(part)!, name) : '');
  const [workbook, relations] = [await textOfPart(WORKBOOK), await textOfPart(RELATIONS)];
  const listed = listedSheets(workbook, relations);
  await checkParts(relations, listed, textOfPart, name);
  const { default: readSheets } = await import('read-excel-file/universal');
  let sheets: { sheet: string; data?: unknown[][] }[];
  try {
    sheets = (await readSheets(new Uint8Array(bytes).buffer, { parseNumber: (text) => text })) as never;
  } catch (cause) {
    const what = cause instanceof TypeError ? 'one that is not laid out as Excel does' : (cause as Error).message;
    throw refusal(name, `got ${what}. Save it as .xlsx or CSV anew`, cause);
  }
  // Sheets come as the workbook lists them; those of charts alone have no cells.
  if (sheets.length !== listed.length) throw refusal(name, 'got a list of sheets that is unclear. Save it anew');
  const dates = countsFrom1904(workbook);
  const tables = listed
    .flatMap(({ hidden, part }, i) => {
      const { data } = sheets[i];
      return data ? [{ hidden, part, ...tableOf(data, dates) }] : [];
    })
    .sort((a, b) => Number(a.hidden) - Number(b.hidden));
  const fits = ({ table }: { table: Table }) => wanted.every((column) => columnOf(table, column) >= 0);
  const found = tables.find(fits) ?? tables[0];
  checkColumns(found?.table.columns ?? [], name, wanted);
  if (!found?.part || !parts.has(found.part)) throw refusal(name, 'got a sheet whose part is unclear. Save it anew');
  checkCells([...unclearCells(await textOfPart(found.part)), ...found.problems], name);
  return found.table;
}

/** Throws `bad-file` for parts that the library would misread, and for sheets whose cells are spread over more than it should make rows of. */
async function checkParts(
  relations: string,
  listed: readonly ListedSheet[],
  textOfPart: (part: string) => Promise<string>,
  name: string,
): Promise<void> {
  const sheets = new Set(listed.map(({ part }) => part));
  let left = MOST.cells;
  for (const part of new Set(targetsOf(relations).values())) {
    const text = part.endsWith('.xml') ? await textOfPart(part) : '';
    if (!sheets.has(part)) continue;
    const { cells, furthest } = reachOf(text);
    left -= cells;
    if (!(left >= 0))
      throw refusal(
        name,
        `got one whose cells reach to ${furthest}: ${MOST.cells} are taken, empty ones included. Delete what is far from the table, formats too, or save the table as CSV`,
      );
  }
}

function checkCells(problems: readonly string[], name: string): void {
  if (problems.length === 0) return;
  const listed = problems.slice(0, MOST_LISTED);
  const more = problems.length > listed.length ? `, and ${problems.length - listed.length} more` : '';
  throw new OnebitError(
    'bad-argument',
    `read ${name}: every cell must hold its value, but in ${listed.join(', ')}${more}. Open it in a spreadsheet program, mend or separate these cells and save it, or save it as CSV.`,
    { problems },
  );
}

/** Rows of a sheet are as long as its widest one, so none is too short or too long. */
function tableOf(data: readonly (readonly unknown[])[], dates: Dates1904): { table: Table; problems: string[] } {
  const problems: string[] = [];
  const filled = data.map((cells, i) => ({
    line: i + 1,
    fields: cells.map((cell) => {
      const text = textOf(cell, dates);
      if (text === undefined) problems.push(`row ${i + 1}: a date is none of the calendar`);
      return text ?? '';
    }),
  }));
  const [header, ...rows] = filled.filter(({ fields }) => fields.some((field) => field.trim() !== ''));
  return { table: { columns: header?.fields.map((field) => field.trim()) ?? [], rows }, problems };
}

type Dates1904 = ReturnType<typeof countsFrom1904>;

/** What a cell says; undefined for a date that there is not. */
function textOf(cell: unknown, dates: Dates1904): string | undefined {
  if (cell === null || cell === undefined) return '';
  return cell instanceof Date ? dateText(cell, dates) : String(cell);
}

/**
 * A date as it stands in a cell: a day, a day with a time, or a time alone, which workbooks count from 1899-12-30, or from 1904. The library knows the
 * latter where "1" says it, not where "true" does. Undefined before the first day, and where spreadsheets have no date any more.
 */
function dateText(read: Date, dates: Dates1904): string | undefined {
  const date = dates === 'true' ? new Date(read.getTime() + DAYS_FROM_1900_TO_1904 * DAY_MS) : read;
  const firstTime = FIRST_DAY[dates === undefined ? 1900 : 1904] - DAY_MS;
  if (!(date.getTime() >= firstTime - 500 && date.getUTCFullYear() < 10_000)) return undefined;
  const [day, time] = new Date(Math.round(date.getTime() / 1000) * 1000).toISOString().slice(0, 19).split('T');
  if (date.getTime() < firstTime + DAY_MS) return time;
  return time === '00:00:00' ? day : `${day}T${time}`;
}

/** The parts, every one of which was unpacked for its size alone. Throws `bad-file` where that is too much, or the archive is damaged. */
async function checkArchive(bytes: Uint8Array, name: string): Promise<Map<string, Entry>> {
  if (bytes.length > MOST.bytes) throw refusal(name, `got ${bytes.length} bytes, ${MOST.bytes} are taken. Split it`);
  let left = MOST.unpackedBytes;
  const parts = new Map<string, Entry>();
  for (const entry of entriesOf(bytes, name)) {
    parts.set(entry.name, entry);
    left -= await unpackedSize(bytes, entry, left, name);
    if (left < 0) throw refusal(name, `got one that unpacks to more than ${MOST.unpackedBytes} bytes. Split it`);
  }
  if (!parts.has(WORKBOOK)) throw refusal(name, 'got another kind of file. Save it as .xlsx or CSV');
  return parts;
}

interface Entry {
  readonly name: string;
  readonly deflated: boolean;
  readonly dataAt: number;
  readonly packedBytes: number;
  readonly crc: number;
}

function* entriesOf(bytes: Uint8Array, name: string): Generator<Entry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const damaged = () => refusal(name, 'got a damaged one. Save it anew');
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== END_SIGNATURE) end--;
  if (end < 0) throw damaged();
  const count = view.getUint16(end + 10, true);
  if (count > MOST.entries) throw refusal(name, `got one of ${count} parts. Save it anew without pictures`);
  let at = view.getUint32(end + 16, true);
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== ENTRY_SIGNATURE) throw damaged();
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const local = view.getUint32(at + 42, true);
    if (local + 30 > bytes.length) throw damaged();
    const dataAt = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const packedBytes = view.getUint32(at + 20, true);
    if (dataAt + packedBytes > bytes.length) throw damaged();
    yield {
      name: new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameBytes)),
      deflated: view.getUint16(at + 10, true) === DEFLATED,
      dataAt,
      packedBytes,
      crc: view.getUint32(at + 16, true),
    };
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
}

/** Bytes that an entry has unpacked; counting ends beyond `most`. */
async function unpackedSize(bytes: Uint8Array, entry: Entry, most: number, name: string): Promise<number> {
  const packed = bytes.slice(entry.dataAt, entry.dataAt + entry.packedBytes);
  if (!entry.deflated) return packed.length;
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  let size = 0;
  try {
    while (size <= most) {
      const { done, value } = await reader.read();
      if (done) return size;
      size += value.length;
    }
  } catch (cause) {
    throw refusal(name, 'got a damaged one. Save it anew', cause);
  }
  return size; // the reader is left as it is: in Node, to cancel a DecompressionStream can end the process
}

/** The text of a part that `checkArchive` found to be small enough, without comments. Throws `bad-file` for what the library would misread without a word. */
async function xmlOf(
  bytes: Uint8Array,
  { dataAt, packedBytes, deflated, name, crc }: Entry,
  file: string,
): Promise<string> {
  const packed = new Blob([bytes.slice(dataAt, dataAt + packedBytes)]).stream();
  const unpacked = new Response(deflated ? packed.pipeThrough(new DecompressionStream('deflate-raw')) : packed);
  const anew = 'Open it in a spreadsheet program and save it as .xlsx or CSV anew';
  const xml = new Uint8Array(await unpacked.arrayBuffer());
  if (crc32(xml) !== crc) throw refusal(file, 'got a damaged one. Save it anew');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(xml);
  } catch (cause) {
    throw refusal(file, `got one whose part ${name} is not UTF-8. ${anew}`, cause);
  }
  if (text.includes('\0')) throw refusal(file, `got one whose part ${name} is not UTF-8. ${anew}`);
  const unread = ['<![CDATA[', '<!DOCTYPE'].find((mark) => text.includes(mark));
  if (unread) throw refusal(file, `got one whose part ${name} has '${unread}', which is not read. ${anew}`);
  for (const [reference, hex, digits] of text.matchAll(/&#(x?)([0-9a-f]+);/gi)) {
    if (Number.parseInt(digits, hex ? 16 : 10) > 0xffff)
      throw refusal(file, `got one whose part ${name} has '${reference}', which is not read. ${anew}`);
  }
  return text.replace(/<!--[\s\S]*?-->/g, '');
}

function refusal(name: string, got: string, cause?: unknown): OnebitError {
  return new OnebitError('bad-file', `read ${name}: it must be an Excel workbook (.xlsx), ${got}.`, { cause });
}
