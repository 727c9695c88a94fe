// Owns how JSON values are written: white space, numbers, literals, lists and objects of given parts. Knows no schemas. Source: RFC 8259.
import { JsonString } from './json-string.ts';
import {
  byte,
  call,
  choice,
  followed,
  type GraphEdge,
  type Node,
  nothing,
  optional,
  type Rule,
  repeat,
  sequence,
  words,
} from './language.ts';

/**
 * White space between parts: none or one space, as in what models were trained on when it is on one line. No line ends: a small model that is unsure
 * would go on with them until its tokens run out.
 */
export const white = optional(words(' '));

const digit = byte([0x30, 0x39]);
const digits = (min: number, max: number) => repeat(digit, min, max);
const wholePart = (most: number) => choice(words('0'), sequence(byte([0x31, 0x39]), digits(0, most - 1)));
/** Together with 21 digits before the point at most 10^300: a number that JavaScript can hold. */
const exponent = sequence(
  byte([0x45, 0x45], [0x65, 0x65]),
  choice(
    sequence(
      optional(words('+')),
      choice(digits(1, 2), sequence(byte([0x30, 0x31]), digits(2, 2)), sequence(words('2'), byte([0x30, 0x37]), digit)),
    ),
    sequence(words('-'), digits(1, 3)),
  ),
);

/** Any whole number of up to 21 digits, without exponent and not −0. */
export const anyInteger: Node = choice(words('0'), sequence(optional(words('-')), byte([0x31, 0x39]), digits(0, 20)));
/** Any number below about 10^300. */
export const anyNumber: Node = sequence(
  optional(words('-')),
  wholePart(21),
  optional(sequence(words('.'), digits(1, 40))),
  optional(exponent),
);
/** A string with `min` to `max` characters. */
export const stringOf = (min: number, max: number): Node => sequence(words('"'), followed(new JsonString(min, max)));

/** One part of a list. */
export interface ListPart {
  readonly node: Node;
  readonly optional: boolean;
}

/** What follows the parts: from `least` to `most` times (may be Infinity). */
export interface ListRest {
  readonly node: Node;
  readonly least: number;
  readonly most: number;
  /** Whether there must be something in the list. Default false. */
  readonly filled?: boolean;
}

export const noRest: ListRest = { node: nothing, least: 0, most: 0 };

/**
 * `open`, the parts in order with commas between those that are there, then `rest`, and `close`.
 * @param isPrefix whether a part can only be there when all before it are (as in arrays), rather than each on its own (as in objects)
 */
export function list(
  [open, close]: readonly [string, string],
  parts: readonly ListPart[],
  rest: ListRest,
  isPrefix: boolean,
): Node {
  const edges: GraphEdge[] = [];
  let places = 1;
  const comma = sequence(words(','), white);
  const [before, end] = [places++, places++];
  edges.push([0, sequence(words(open), white), before]);
  // Two ways run side by side: nothing written so far, or something, after which a comma must come.
  let empty: number | undefined = before;
  let filled: number | undefined;
  const finish = (from: number | undefined) => {
    if (from !== undefined && !(rest.filled && from === before)) edges.push([from, nothing, end]);
  };
  const add = (node: Node, mayEnd: boolean): number => {
    const [item, next] = [places++, places++];
    if (empty !== undefined) edges.push([empty, nothing, item]);
    if (filled !== undefined) edges.push([filled, comma, item]);
    edges.push([item, node, next]);
    if (mayEnd) {
      finish(empty);
      finish(filled);
    }
    return next;
  };
  for (const part of parts) {
    const next: number = add(part.node, part.optional && isPrefix);
    if (part.optional && !isPrefix && filled !== undefined) edges.push([filled, nothing, next]);
    filled = next;
    if (!part.optional || isPrefix) empty = undefined;
  }
  for (let i = 0; i < (rest.most === Number.POSITIVE_INFINITY ? rest.least : rest.most); i++) {
    filled = add(rest.node, i >= rest.least);
    empty = undefined;
  }
  if (rest.most === Number.POSITIVE_INFINITY) {
    const next: number = add(rest.node, true);
    edges.push([next, comma, next + 1], [next + 1, rest.node, next]);
    places++;
    filled = next;
    empty = undefined;
  }
  finish(empty);
  finish(filled);
  const last = places++;
  edges.push([end, sequence(white, words(close)), last]);
  return { kind: 'graph', end: last, edges };
}

/** `"key": value`, with the key as it is written. */
export function pair(key: Node, value: Node): Node {
  return sequence(key, words(':'), white, value);
}

/** A given value, as `JSON.stringify` writes it, with white space where it may be. */
export function literal(value: unknown): Node {
  if (Array.isArray(value)) {
    const parts = value.map((item) => ({ node: literal(item), optional: false }));
    return list(['[', ']'], parts, noRest, true);
  }
  if (typeof value === 'object' && value !== null) {
    const parts = Object.entries(value).map(([key, item]) => ({
      node: pair(words(JSON.stringify(key)), literal(item)),
      optional: false,
    }));
    return list(['{', '}'], parts, noRest, false);
  }
  return words(JSON.stringify(value));
}

const valueRule: Rule = { node: nothing };
/** Any JSON value. */
export const anyValue: Node = call(valueRule);
const forever = { least: 0, most: Number.POSITIVE_INFINITY };
/** Any JSON object, of any depth. */
export const anyObject: Node = call({
  node: list(['{', '}'], [], { node: pair(stringOf(0, Number.POSITIVE_INFINITY), anyValue), ...forever }, false),
});
export const anyArray: Node = call({ node: list(['[', ']'], [], { node: anyValue, ...forever }, true) });
valueRule.node = choice(
  anyObject,
  anyArray,
  stringOf(0, Number.POSITIVE_INFINITY),
  anyNumber,
  words('true', 'false', 'null'),
);
