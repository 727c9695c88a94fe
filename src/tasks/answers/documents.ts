// Owns passages that may be an answer, word for word: questions with their answers from JSON or tables, and pages of Markdown cut at headings. Must not know
// how they are found.
import { checkArgument } from '../../core/check.ts';
import { decodeText } from '../../core/decode-text.ts';
import { OnebitError } from '../../errors.ts';
import { columnOf, parseTable } from '../support/table.ts';

/** What is given as an answer, word for word. */
export interface Passage {
  /** Unlike any other's. */
  readonly id: string;
  /** The question that it answers, or the headings that it stands under. */
  readonly question: string;
  readonly answer: string;
  /** Where it is from: a file's name, and the heading. */
  readonly source: string;
}

const MAX_PASSAGES = 2000;
const MAX_CHARACTERS = 20_000;
const COLUMNS = ['question', 'answer'];

/**
 * Passages of a file's bytes, by its name: `.json` has a list of `{id?, question, answer}` (or `{faqs: [...]}`), `.md` is cut at its headings, all else is a table
 * with the columns question and answer, perhaps id. Throws `bad-argument`, naming what is missing.
 */
export function readDocuments(bytes: Uint8Array, name: string): Passage[] {
  checkArgument('readDocuments', 'bytes', bytes, 'bytes');
  checkArgument('readDocuments', 'name', name, 'text');
  const text = decodeText(bytes, `read documents: ${name}`);
  const base = name.replace(/^.*[\\/]/, '');
  if (/\.(md|markdown)$/i.test(name)) return passagesOfPage(text, base);
  const found = /\.json$/i.test(name) ? entriesOf(text, name) : rowsOf(text, name);
  return found.map(({ id, question, answer }, i) => ({
    ...{ id: id || `${base}#${i + 1}`, question, answer },
    source: `${base}#${id || i + 1}`,
  }));
}

/** @throws OnebitError `bad-argument` for what are no passages, ids that repeat, or too much */
export function checkPassages(operation: string, passages: readonly Passage[]): void {
  checkArgument(operation, 'documents', passages, 'list');
  const known = new Set<string>();
  if (passages.length > MAX_PASSAGES) {
    throw new OnebitError(
      'bad-argument',
      `${operation}: at most ${MAX_PASSAGES} documents are taken, got ${passages.length}. Take fewer.`,
    );
  }
  for (const [i, passage] of passages.entries()) {
    checkArgument(operation, `documents[${i}]`, passage, 'object');
    for (const key of ['id', 'question', 'answer', 'source'] as const) {
      checkArgument(operation, `documents[${i}].${key}`, passage[key], 'text');
    }
    const length = passage.question.length + passage.answer.length;
    if (passage.answer.trim() === '' || length > MAX_CHARACTERS) {
      throw new OnebitError(
        'bad-argument',
        `${operation}: document ${passage.id.slice(0, 60)} must have an answer, and at most ${MAX_CHARACTERS} characters, got ${length}. Complete or shorten it.`,
      );
    }
    if (known.has(passage.id)) {
      throw new OnebitError(
        'bad-argument',
        `${operation}: ids of documents must differ, got ${passage.id.slice(0, 60)} twice. Rename one.`,
      );
    }
    known.add(passage.id);
  }
}

interface Entry {
  readonly id: string;
  readonly question: string;
  readonly answer: string;
}

function entriesOf(text: string, name: string): Entry[] {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (cause) {
    throw new OnebitError('bad-argument', `read documents: ${name} must be JSON, got ${(cause as Error).message}.`, {
      cause,
    });
  }
  const list = Array.isArray(value) ? value : (value as { faqs?: unknown } | null)?.faqs;
  if (!Array.isArray(list)) {
    throw new OnebitError(
      'bad-argument',
      `read documents: ${name} must be a list of {id, question, answer}, got ${typeof value}. Put them into [ ].`,
    );
  }
  return list.map((entry, i) => {
    const { id, question, answer } = (entry ?? {}) as Record<string, unknown>;
    const isId = id === undefined || id === null || typeof id === 'string' || typeof id === 'number';
    if (typeof question !== 'string' || typeof answer !== 'string' || !isId) {
      throw new OnebitError(
        'bad-argument',
        `read documents: entry ${i + 1} of ${name} must have the texts question and answer, got ${(JSON.stringify(entry) ?? 'nothing').slice(0, 80)}. Correct it.`,
      );
    }
    return { id: id == null ? '' : String(id), question, answer };
  });
}

function rowsOf(text: string, name: string): Entry[] {
  const table = parseTable(text, name, COLUMNS);
  const [id, question, answer] = ['id', ...COLUMNS].map((column) => columnOf(table, column));
  return table.rows.map(({ fields }) => ({
    ...{ id: id < 0 ? '' : fields[id].trim(), question: fields[question], answer: fields[answer] },
  }));
}

/** The parts of a page between headings; a part's question is its headings from the outermost on. Code blocks are text. */
function passagesOfPage(page: string, base: string): Passage[] {
  const passages: Passage[] = [];
  const headings: string[] = [];
  let lines: string[] = [];
  let isCode = false;
  const close = () => {
    const answer = lines.join('\n').trim();
    lines = [];
    if (answer === '') return;
    const heading = headings.filter((title) => title !== undefined).join(' › ');
    const anchor = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, '-')
      .replace(/^-|-$/g, '');
    const same = passages.filter(({ id }) => id === `${base}#${anchor}` || id.startsWith(`${base}#${anchor}~`)).length;
    const id = `${base}#${anchor}${same > 0 ? `~${same + 1}` : ''}`;
    passages.push({ id, question: heading, answer, source: id });
  };
  for (const line of page.replace(/^\ufeff/, '').split(/\r\n|\n|\r/)) {
    if (/^\s*(```|~~~)/.test(line)) isCode = !isCode;
    const heading = isCode ? null : /^(#{1,6})\s+(.+?)\s*#*\s*$/.exec(line);
    if (!heading) {
      lines.push(line);
      continue;
    }
    close();
    headings.length = Math.min(headings.length, heading[1].length - 1);
    headings[heading[1].length - 1] = heading[2];
  }
  close();
  return passages;
}
