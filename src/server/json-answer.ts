// Owns writing long answers as JSON: piece by piece, with turns for others, as fast as the client reads.
import { Budget } from '../core/budget.ts';
import { isSmall } from './json-size.ts';

/** Characters that wait for the client. */
const PIECE_CHARACTERS = 1 << 16;

/** A response with an answer, in one piece where it is short. */
export async function jsonAnswer(answer: object, signal: AbortSignal): Promise<Response> {
  if (isSmall(answer)) return Response.json(answer);
  const encoder = new TextEncoder();
  const pieces: Uint8Array[] = [];
  for await (const piece of jsonPieces(answer, new Budget({ signal }))) pieces.push(encoder.encode(piece));
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const piece = pieces.shift();
      if (piece) controller.enqueue(piece);
      else controller.close();
    },
  });
  return new Response(body, { headers: { 'content-type': 'application/json' } });
}

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
