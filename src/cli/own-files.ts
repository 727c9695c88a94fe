// Owns recognising files that this program made, by what is in them: only those may be replaced. Must not write.
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ERROR_COLUMN } from '../bulk/row-writer.ts';
import { fileSource, READ_AT_ONCE } from '../bytes/file-source.ts';
import { readGguf } from '../gguf/read.ts';
import { MADE_BY, MADE_BY_KEY } from '../gguf/write.ts';
import { SUPPORT_ARCHITECTURE } from '../tasks/support/architecture.ts';
import { isZip, readWorkbook } from '../tasks/support/workbook.ts';
import { isModelCard } from '../train/model-card.ts';

/** What a command writes. */
export type OutputKind =
  | 'model'
  | 'support-model'
  | 'log'
  | 'report'
  | 'answers'
  | 'suggestions'
  | 'calibration'
  | 'signature'
  | 'key'
  | 'checkpoints'
  | 'batch'
  | 'journal'
  | 'confidence'
  | 'card';

/** In the head of every report. */
export const REPORT_MARK = '<meta name="generator" content="onebit">';
/** Columns that `support predict` adds to a table. */
export const ANSWER_COLUMNS = ['onebit_intent', 'onebit_confidence', 'onebit_action', 'onebit_answer'];

/** A column that `support suggest` writes. */
export const SUGGESTION_COLUMN = 'onebit_likeness';

const HEAD_BYTES = 64 * 1024;
/** Vectors make long lines, and people long cards. */
const LONG_HEAD_BYTES = 1024 * 1024;

/** Whether the file at `path` is one that this program made as such an output, or an empty one. A folder of checkpoints: whether all that looks like one is. */
export async function isOwnFile(path: string, kind: OutputKind): Promise<boolean> {
  if (kind === 'checkpoints') return holdsOwnCheckpoints(path);
  if (kind === 'batch' && /\.xlsx$/i.test(path)) return isOwnWorkbook(path);
  const head = await headOf(path, kind === 'batch' || kind === 'card' ? LONG_HEAD_BYTES : HEAD_BYTES);
  if (head.length === 0) return true;
  const text = () => new TextDecoder().decode(head);
  if (kind === 'report') return text().includes(REPORT_MARK);
  if (kind === 'signature') return text().includes('application/vnd.in-toto+json');
  if (kind === 'key') return false; // whoever overwrites one loses it
  if (kind === 'log') return isLogLine(text().split('\n', 1)[0]);
  if (kind === 'answers') return ANSWER_COLUMNS.every((column) => text().split('\n', 1)[0].includes(column));
  if (kind === 'suggestions') return text().split('\n', 1)[0].includes(SUGGESTION_COLUMN);
  if (kind === 'calibration') return /^\{\s*"onebit": ?"calibration"/.test(text());
  // Columns that a batch adds come last, and this one after them.
  if (kind === 'batch')
    return /onebit_error"?\r?$|"[^"\\]*onebit_error":(?:null|"(?:[^"\\]|\\.)*")\}$/.test(firstLine(text()));
  if (kind === 'journal') return /^[0-9a-f]{8} \{"onebit":"(?:batch|evaluate)",/.test(text());
  if (kind === 'card') return isModelCard(text());
  if (kind === 'confidence') return text().includes('"kind": "onebit-calibration"');
  return isOwnModel(path, kind);
}

/** A workbook whose last column is that of errors, or an empty file. */
async function isOwnWorkbook(path: string): Promise<boolean> {
  const head = await headOf(path, 8);
  if (head.length === 0) return true;
  if (!isZip(head)) return false;
  try {
    return (
      (await readWorkbook(await readFile(path), path, [ERROR_COLUMN])).columns.at(-1)?.endsWith(ERROR_COLUMN) === true
    );
  } catch {
    return false; // another workbook, or a damaged one: nobody knows whose
  }
}

/** A header may break lines in quotes; then the first record of a table ends where quotes are even. */
function firstLine(text: string): string {
  let end = text.indexOf('\n');
  while (end >= 0 && !text.startsWith('{') && (text.slice(0, end).split('"').length & 1) === 0)
    end = text.indexOf('\n', end + 1);
  return end < 0 ? text : text.slice(0, end);
}

async function headOf(path: string, most = HEAD_BYTES): Promise<Uint8Array> {
  const file = await open(path, READ_AT_ONCE);
  try {
    if ((await file.stat()).isFIFO()) return Uint8Array.of(0); // nobody's: it has no beginning to look at
    const bytes = new Uint8Array(most);
    const { bytesRead } = await file.read(bytes, 0, most, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function isLogLine(line: string): boolean {
  try {
    const entry = JSON.parse(line) as Record<string, unknown> | null;
    return entry?.type === 'start' && 'recipe' in entry && 'shape' in entry;
  } catch {
    return false;
  }
}

async function isOwnModel(path: string, kind: 'model' | 'support-model'): Promise<boolean> {
  const source = await fileSource(path);
  try {
    const { metadata } = await readGguf(source);
    if (kind === 'support-model') return metadata.get('general.architecture') === SUPPORT_ARCHITECTURE;
    return metadata.get(MADE_BY_KEY) === MADE_BY;
  } catch {
    return false; // no GGUF, or a damaged one: nobody knows whose
  } finally {
    await source.close();
  }
}

async function holdsOwnCheckpoints(folder: string): Promise<boolean> {
  for (const name of await readdir(folder)) {
    if (!/^step-\d{9,}\.ckpt$/.test(name)) continue;
    const head = await headOf(join(folder, name));
    if (head.length > 0 && new TextDecoder().decode(head.subarray(0, 8)) !== 'ONEBITCK') return false;
  }
  return true;
}
