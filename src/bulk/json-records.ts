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
 * @param at told the line that is read
 */
export async function* jsonRecords(
  pieces: AsyncIterable<string>,
  name: string,
  at: { line: number } = { line: 0 },
): AsyncGenerator<JsonRecord, void> {
  for await (const text of linesOf(pieces, name, at)) {
    const line = ++at.line;
    const json = text.trim();
    if (json === '') continue;
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

async function* linesOf(
  pieces: AsyncIterable<string>,
  name: string,
  at: { line: number },
): AsyncGenerator<string, void> {
  let rest = '';
  for await (const piece of pieces) {
    const lines = `${rest}${piece}`.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > MOST_LINE_CHARACTERS) {
      at.line++;
      throw refusal(name, at.line, `got one of more than ${MOST_LINE_CHARACTERS} characters`);
    }
  }
  if (rest !== '') yield rest;
}

function refusal(name: string, line: number, got: string, cause?: unknown): OnebitError {
  return new OnebitError('bad-argument', `read ${name}: row ${line} must be a JSON object, ${got}. Correct the line.`, {
    cause,
  });
}
