// Owns what users call to get a grammar: from a JSON schema, from nothing but "JSON", from a regular expression.
import type { Budget } from '../core/budget.ts';
import { checkArgument, checkOptions, type Options, wrong } from '../core/check.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { automatonOf, without } from './automaton.ts';
import { inUtf8 } from './code-points.ts';
import { type Grammar, grammarOf } from './grammar.ts';
import { anyObject } from './json-text.ts';
import { type Node, repeat, sequence, textsOf, words } from './language.ts';
import { ANY_CHARACTER, wholeText } from './pattern.ts';
import { schemaLanguage } from './schema.ts';
import { finish, finishInTurns, Meter, type Work } from './work.ts';

export interface CompileOptions {
  /** Free text up to and with this comes first, as `</think>` for a model that thinks; then up to two line ends, then the form. Default: none. */
  after?: string;
  /** What compiling may cost; one budget can go through several calls. Default: a few seconds and 200 MB. */
  budget?: Budget;
}

/**
 * The JSON documents of a schema, for option `constraint` of `generate` and `chat`. Compile once and use it for any number of generations.
 *
 * Properties come in the order of the schema. Where `properties` are given, there are others only if `additionalProperties` says so.
 * Strings with a pattern or format are written in the shortest spelling.
 * @param schema JSON Schema 2020-12 or its older spellings, parsed
 * @throws OnebitError `unsupported` with the JSON pointer of what cannot be kept, `bad-argument` where it is no schema or nothing satisfies it,
 * `over-budget` where it is too large
 */
export function compileSchema(schema: unknown, tokenizer: Tokenizer, options: CompileOptions = {}): Grammar {
  checkCompile('compileSchema', tokenizer, options);
  return finish(schemaWork(schema, tokenizer, options));
}

/** Checks what all functions that compile are given. @throws OnebitError `bad-argument` */
export function checkCompile(operation: string, tokenizer: unknown, options: object, more: Options = {}): void {
  const isTokenizer = typeof tokenizer === 'object' && tokenizer !== null && 'encode' in tokenizer;
  if (!isTokenizer) throw wrong(operation, 'tokenizer', 'be that of a model (model.tokenizer)', tokenizer);
  checkOptions(operation, options, { after: 'text', budget: 'object', ...more });
}

/** As `compileSchema`, with turns of the event loop in between where it takes longer than some 10 ms. */
export async function compileSchemaAsync(
  schema: unknown,
  tokenizer: Tokenizer,
  options: CompileOptions = {},
): Promise<Grammar> {
  checkCompile('compileSchemaAsync', tokenizer, options);
  return inTurns(schemaWork, schema, tokenizer, options);
}

/** Any JSON object. */
export function compileJsonObject(tokenizer: Tokenizer, options: CompileOptions = {}): Grammar {
  checkCompile('compileJsonObject', tokenizer, options);
  return finish(languageWork(anyObject, tokenizer, options));
}

/**
 * Texts that a regular expression (JavaScript's, flag u) matches from beginning to end.
 * @throws OnebitError `unsupported` with the name of what cannot be done, `bad-argument` where it is none or nothing matches, `over-budget` where it
 * is too large
 */
export function compileRegex(pattern: string, tokenizer: Tokenizer, options: CompileOptions = {}): Grammar {
  checkArgument('compileRegex', 'pattern', pattern, 'text');
  checkCompile('compileRegex', tokenizer, options);
  return finish(regexWork(pattern, tokenizer, options));
}

/** As `compileRegex`, with turns of the event loop in between where it takes longer than some 10 ms. */
export async function compileRegexAsync(
  pattern: string,
  tokenizer: Tokenizer,
  options: CompileOptions = {},
): Promise<Grammar> {
  checkArgument('compileRegexAsync', 'pattern', pattern, 'text');
  checkCompile('compileRegexAsync', tokenizer, options);
  return inTurns(regexWork, pattern, tokenizer, options);
}

/** Runs a compilation with turns of the event loop. */
export async function inTurns<T>(
  work: (what: T, tokenizer: Tokenizer, options: CompileOptions) => Work<Grammar>,
  what: T,
  tokenizer: Tokenizer,
  options: CompileOptions,
): Promise<Grammar> {
  const { budget } = new Meter(options.budget);
  return finishInTurns(work(what, tokenizer, { ...options, budget }), budget);
}

function* schemaWork(schema: unknown, tokenizer: Tokenizer, options: CompileOptions): Work<Grammar> {
  const meter = new Meter(options.budget);
  return yield* grammarOf(
    yield* afterText(yield* schemaLanguage(schema, meter), options.after, meter),
    tokenizer,
    meter,
  );
}

function* regexWork(pattern: string, tokenizer: Tokenizer, options: CompileOptions): Work<Grammar> {
  const meter = new Meter(options.budget);
  const language = textsOf(yield* wholeText(pattern, meter));
  return yield* grammarOf(yield* afterText(language, options.after, meter), tokenizer, meter);
}

function* languageWork(language: Node, tokenizer: Tokenizer, options: CompileOptions): Work<Grammar> {
  const meter = new Meter(options.budget);
  return yield* grammarOf(yield* afterText(language, options.after, meter), tokenizer, meter);
}

/** Free text up to the first `marker`, then `language`. */
export function* afterText(language: Node, marker: string | undefined, meter: Meter): Work<Node> {
  if (!marker) return language;
  return sequence(yield* textWithout(marker, meter), words(marker), repeat(words('\n'), 0, 2), language);
}

/** Any text that does not contain `marker`. */
export function* textWithout(marker: string, meter: Meter): Work<Node> {
  const anything = repeat(inUtf8(ANY_CHARACTER), 0, Number.POSITIVE_INFINITY);
  const containing = yield* automatonOf(sequence(anything, words(marker), anything), meter);
  return textsOf(yield* without(yield* automatonOf(anything, meter), containing, meter));
}
