// Owns writing long answers as JSON: piece by piece, with turns for others, as fast as the client reads.
import type { Budget } from '../core/budget.ts';
import { isSmall } from './json-size.ts';

/** Characters that wait for the client. */
const PIECE_CHARACTERS = 1 << 16;

/** `value` as JSON in pieces of text that together are what JSON.stringify gives. It holds only what JSON can, and no object with a `toJSON`. */
export async function* jsonPieces(value: unknown, budget: Budget): AsyncGenerator<string, void, void> {
  let text = '';
  for (const part of jsonParts(value)) {
    text += part;
    if (budget.isTurnDue) await budget.turn('the answer');
    if (text.length < PIECE_CHARACTERS) continue;
    yield text;
    text = '';
  }
  yield text;
}

function* jsonParts(value: unknown): Generator<string, void, void> {
  if (isSmall(value)) {
    yield JSON.stringify(value);
    return;
  }
  if (Array.isArray(value)) {
    for (const [i, element] of value.entries()) {
      yield i === 0 ? '[' : ',';
      yield* jsonParts(element ?? null);
    }
    yield ']';
    return;
  }
  let separator = '{';
  for (const [name, field] of Object.entries(value as object)) {
    if (field === undefined) continue;
    yield `${separator}${JSON.stringify(name)}:`;
    yield* jsonParts(field);
    separator = ',';
  }
  yield '}';
}
