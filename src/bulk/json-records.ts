// Owns reading JSON lines from a stream of text. Must not know files.
import { OnebitError } from '../errors.ts';

/** An object in a line of its own. */
export interface JsonRecord {
  /** From 1. */
  readonly line: number;
  /** The line as it is written, without blanks around it. */
  readonly json: string;
  readonly value: Record<string, unknown>;
}

const MOST_LINE_CHARACTERS = 16e6;

/**
 * The objects of JSON lines; blank lines are left out. Throws `bad-argument` with the line that is none, and what `pieces` throws.
 * @param options.problemOf says what is wrong with a line before it is parsed: "got more than …"; for lines of strangers
 * @param options.at told the line that is read
 */
export async function* jsonRecords(
  pieces: AsyncIterable<string>,
  name: string,
  { problemOf, at = { line: 0 } }: { problemOf?: (json: string) => string | undefined; at?: { line: number } } = {},
): AsyncGenerator<JsonRecord, void> {
  for await (const { line, json } of linesOf(pieces, name, at)) {
    const problem = problemOf?.(json);
    if (problem !== undefined) throw refusal(name, line, problem);
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch (cause) {
      throw refusal(name, line, 'got what is no JSON', cause);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw refusal(name, line, 'got another value');
    yield { line, json, value: value as Record<string, unknown> };
  }
}

/** The text of a value in a cell: texts as they are, numbers and truth values as JSON; nothing for null; all else as JSON. */
export function textOfJson(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Lines that are not blank, without blanks around them. Costs no more than the characters, however long lines are and however many are blank. */
async function* linesOf(
  pieces: AsyncIterable<string>,
  name: string,
  at: { line: number },
): AsyncGenerator<Omit<JsonRecord, 'value'>, void> {
  let begun = ''; // strings are put together when somebody looks into them
  for await (const piece of pieces) {
    let from = 0;
    for (let end = piece.indexOf('\n'); end >= 0; end = piece.indexOf('\n', from)) {
      const json = (begun + piece.slice(from, end)).trim();
      begun = '';
      from = end + 1;
      at.line++;
      if (json !== '') yield { line: at.line, json };
    }
    begun += piece.slice(from);
    if (begun.length <= MOST_LINE_CHARACTERS) continue;
    throw refusal(name, ++at.line, `got one of more than ${MOST_LINE_CHARACTERS} characters`);
  }
  const json = begun.trim();
  if (json !== '') yield { line: ++at.line, json };
}

function refusal(name: string, line: number, got: string, cause?: unknown): OnebitError {
  return new OnebitError('bad-argument', `read ${name}: row ${line} must be a JSON object, ${got}. Correct the line.`, {
    cause,
  });
}
