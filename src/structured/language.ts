// Owns the building blocks of byte languages: what a text may be, as a tree with named rules where it is recursive. Knows neither JSON nor tokens.

import { byteString } from '../tokenizer/text-bytes.ts';

/** From and to, both included. */
export type Range = readonly [from: number, to: number];

/** A language over bytes. */
export type Node =
  /** One byte out of `ranges`. */
  | { readonly kind: 'byte'; readonly ranges: readonly Range[] }
  /** One of `words`, each as a string of one byte per character. */
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'sequence'; readonly items: readonly Node[] }
  | { readonly kind: 'choice'; readonly items: readonly Node[] }
  /** `item` at least `min` and at most `max` times (may be Infinity). */
  | { readonly kind: 'repeat'; readonly item: Node; readonly min: number; readonly max: number }
  /** Paths from place 0 to place `end`. */
  | { readonly kind: 'graph'; readonly end: number; readonly edges: readonly GraphEdge[] }
  | { readonly kind: 'automaton'; readonly automaton: Automaton }
  /** Whatever `rule` says: the only way to recursion. */
  | { readonly kind: 'call'; readonly rule: Rule }
  | { readonly kind: 'followed'; readonly language: Followed };

/** A deterministic automaton: state 0 is the start. */
export interface Automaton {
  /** By state, flat triples in the order of their bytes: from byte, to byte, next state. Other bytes cannot come. */
  readonly edges: readonly (readonly number[])[];
  /** By state: whether the text may end here. */
  readonly accepts: readonly boolean[];
}

/** Where a text stands in a `Followed`. */
export type Standing = object | number;

/**
 * A language that is followed by code, because it would have too many states: numbers by arithmetic, counted characters, long lists of words.
 * It has a text, and from every standing that `start` and `step` give there is a way to the end.
 */
export interface Followed {
  readonly start: Standing;
  /** Where the text stands after another byte; undefined where it cannot come. */
  step(standing: Standing, byte: number): Standing | undefined;
  mayEnd(standing: Standing): boolean;
  /** Equal keys are equal standings. */
  key(standing: Standing): string;
}

export type GraphEdge = readonly [from: number, node: Node, to: number];

/** A language with a name, defined after it is referred to. */
export interface Rule {
  node: Node;
}

/** The empty text. */
export const nothing: Node = { kind: 'sequence', items: [] };
/** No text at all. */
export const never: Node = { kind: 'choice', items: [] };

export const byte = (...ranges: Range[]): Node => ({ kind: 'byte', ranges });
export const sequence = (...items: Node[]): Node => ({ kind: 'sequence', items });
export const choice = (...items: Node[]): Node => (items.length === 1 ? items[0] : { kind: 'choice', items });
export const repeat = (item: Node, min: number, max: number): Node => ({ kind: 'repeat', item, min, max });
export const optional = (item: Node): Node => repeat(item, 0, 1);
export const textsOf = (automaton: Automaton): Node => ({ kind: 'automaton', automaton });
export const call = (rule: Rule): Node => ({ kind: 'call', rule });
export const followed = (language: Followed): Node => ({ kind: 'followed', language });

/** Exactly one of `texts`, in UTF-8. */
export function words(...texts: string[]): Node {
  return oneOf(texts);
}

/** As `words`, for lists that may be long. */
export function oneOf(texts: readonly string[]): Node {
  return { kind: 'words', words: texts.map(byteString) };
}
