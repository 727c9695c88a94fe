// Owns what users call to get a grammar: from a JSON schema, from nothing but "JSON", from a regular expression.
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { automatonOf, without } from './automaton.ts';
import { inUtf8 } from './code-points.ts';
import { Grammar } from './grammar.ts';
import { anyObject } from './json-text.ts';
import { type Node, repeat, sequence, textsOf, words } from './language.ts';
import { ANY_CHARACTER, wholeText } from './pattern.ts';
import { schemaLanguage } from './schema.ts';

export interface CompileOptions {
  /** Free text up to and with this comes first, as `</think>` for a model that thinks; then up to two line ends, then the form. Default: none. */
  after?: string;
}

/**
 * The JSON documents of a schema, for option `constraint` of `generate` and `chat`. Compile once and use it for any number of generations.
 *
 * Properties come in the order of the schema. Where `properties` are given, there are others only if `additionalProperties` says so.
 * Strings with a pattern or format are written in the shortest spelling. `oneOf` must have alternatives that exclude each other.
 * @param schema JSON Schema 2020-12 or its older spellings, parsed
 * @throws OnebitError `unsupported` with the JSON pointer of what cannot be kept, `bad-argument` where it is no schema or nothing satisfies it
 */
export function compileSchema(schema: unknown, tokenizer: Tokenizer, options: CompileOptions = {}): Grammar {
  return new Grammar(afterText(schemaLanguage(schema), options.after), tokenizer);
}

/** Any JSON object. */
export function compileJsonObject(tokenizer: Tokenizer, options: CompileOptions = {}): Grammar {
  return new Grammar(afterText(anyObject, options.after), tokenizer);
}

/**
 * Texts that a regular expression (JavaScript's, flag u) matches from beginning to end.
 * @throws OnebitError `unsupported` with the name of what cannot be done, `bad-argument` where it is none or nothing matches
 */
export function compileRegex(pattern: string, tokenizer: Tokenizer, options: CompileOptions = {}): Grammar {
  return new Grammar(afterText(textsOf(wholeText(pattern)), options.after), tokenizer);
}

/** Free text up to the first `marker`, then `language`. */
export function afterText(language: Node, marker: string | undefined): Node {
  if (!marker) return language;
  return sequence(textWithout(marker), words(marker), repeat(words('\n'), 0, 2), language);
}

/** Any text that does not contain `marker`. */
export function textWithout(marker: string): Node {
  const anything = repeat(inUtf8(ANY_CHARACTER), 0, Number.POSITIVE_INFINITY);
  return textsOf(without(automatonOf(anything), automatonOf(sequence(anything, words(marker), anything))));
}
