// Owns looking at JSON while its bytes arrive: how deep it is and how many values it has, before anybody spends memory on them.
import { ApiError, badField } from './api-error.ts';

/** Deeper JSON has no use here, and recursion over it must end. */
const MOST_DEPTH = 64;
/**
 * What the values of a body may cost. Parsed, which is done in one go, a body of the most cost takes some 0.1 s and 20 MB beside its texts: short
 * texts and names are looked up in a table of all that V8 knows. A million token ids are within it.
 */
const MOST_COST = 1_200_000;
const VALUE_COST = 1;
const FRACTION_COST = 2;
const TEXT_COST = 8;
const BRACKET_COST = 12;
const NAME_COST = 8;

/** Of a long text so many are looked at in one go. */
const SCANNED_CHARACTERS = 1 << 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const POINT = 0x2e;
const isOpening = (byte: number) => byte === 0x5b || byte === 0x7b;
const isClosing = (byte: number) => byte === 0x5d || byte === 0x7d;

/** Counts brackets and separators outside of strings. Whether it is JSON at all, it does not say. */
export class JsonScan {
  private readonly mostDepth: number;
  private depth = 0;
  private cost = 0;
  private inString = false;
  private escaped = false;

  constructor(mostDepth = MOST_DEPTH) {
    this.mostDepth = mostDepth;
  }

  /** Looks at the next bytes. @throws ApiError 400 or 413 */
  push(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (this.escaped) this.escaped = false;
      else if (this.inString) {
        if (byte === BACKSLASH) this.escaped = true;
        else if (byte === QUOTE) this.inString = false;
      } else if (byte === QUOTE) {
        this.inString = true;
        this.cost += TEXT_COST;
      } else if (byte === COMMA) this.cost += VALUE_COST;
      else if (byte === POINT) this.cost += FRACTION_COST;
      else if (byte === COLON) this.cost += NAME_COST;
      else if (isOpening(byte)) {
        this.cost += BRACKET_COST;
        if (++this.depth > this.mostDepth) throw tooDeep();
      } else if (isClosing(byte)) this.depth--;
    }
    if (this.cost > MOST_COST) throw tooMany();
  }
}

function tooDeep(): ApiError {
  return new ApiError(400, `The body's JSON must be at most ${MOST_DEPTH} levels deep.`, { code: 'invalid_json' });
}

function tooMany(): ApiError {
  const most = `${MOST_COST} numbers, or ${MOST_COST / TEXT_COST} texts, or ${MOST_COST / (NAME_COST + TEXT_COST)} objects, arrays and fields`;
  return new ApiError(413, `The body's JSON must have at most ${most}. Send less at once.`, {
    code: 'request_too_large',
  });
}

/** Why a line of a batch, which has a body in it, may not be parsed: what holds for bodies holds for it. Undefined where it may. */
export function problemOfLine(json: string): string | undefined {
  const scan = new JsonScan(MOST_DEPTH + 1);
  const encoder = new TextEncoder();
  try {
    for (let at = 0; at < json.length; at += SCANNED_CHARACTERS)
      scan.push(encoder.encode(json.slice(at, at + SCANNED_CHARACTERS)));
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return `got one that is too large: ${error.message.replace(/\.$/, '')}`; // what follows has a full stop
    throw error;
  }
}

/** The JSON of a text that stands in a field of a request. @throws ApiError 400 or 413 */
export function parsedJson(text: string, param: string): unknown {
  new JsonScan().push(new TextEncoder().encode(text));
  try {
    return JSON.parse(text);
  } catch {
    throw badField(param, `${param}: must be a JSON Schema, got a text that is no JSON.`);
  }
}
