// Owns looking at JSON while its bytes arrive: how deep it is and how many values it has, before anybody spends memory on them.
import { ApiError } from './api-error.ts';

/** Deeper JSON has no use here, and recursion over it must end. */
const MOST_DEPTH = 64;
/**
 * What the values of a body may cost: each object, array and name of a field costs PLAIN_COST; a text, number or word in an array only 1. Parsed and
 * checked, a body of that cost takes some 20 MB and 0.1 s beside its texts; a million token ids are within it.
 */
const MOST_COST = 1_200_000;
const PLAIN_COST = 12;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const isOpening = (byte: number) => byte === 0x5b || byte === 0x7b;
const isClosing = (byte: number) => byte === 0x5d || byte === 0x7d;

/** Counts brackets and separators outside of strings. Whether it is JSON at all, it does not say. */
export class JsonScan {
  private depth = 0;
  private cost = 0;
  private inString = false;
  private escaped = false;

  /** Looks at the next bytes. @throws ApiError 400 or 413 */
  push(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (this.escaped) this.escaped = false;
      else if (this.inString) {
        if (byte === BACKSLASH) this.escaped = true;
        else if (byte === QUOTE) this.inString = false;
      } else if (byte === QUOTE) this.inString = true;
      else if (byte === COMMA) this.cost++;
      else if (byte === COLON) this.cost += PLAIN_COST;
      else if (isOpening(byte)) {
        this.cost += PLAIN_COST;
        if (++this.depth > MOST_DEPTH) throw tooDeep();
      } else if (isClosing(byte)) this.depth--;
    }
    if (this.cost > MOST_COST) throw tooMany();
  }
}

function tooDeep(): ApiError {
  return new ApiError(400, `The body's JSON must be at most ${MOST_DEPTH} levels deep.`, { code: 'invalid_json' });
}

function tooMany(): ApiError {
  const most = MOST_COST / PLAIN_COST;
  return new ApiError(413, `The body's JSON must have at most ${most} objects, arrays and fields. Send less at once.`, {
    code: 'request_too_large',
  });
}
