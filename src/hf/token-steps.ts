// Owns how tokenizer.json prepares a text: what its normalizer and pre_tokenizer do, as GGUF's names and keys of ours say it. What they would do beside that
// is refused by name. Must not know vocabularies beyond their texts.
import type { OnebitError } from '../errors.ts';
import type { Json } from './json.ts';

/** How the words of byte-level vocabularies are cut: GGUF's name, and the expression that stands in tokenizer.json. */
export const SPLITS: readonly (readonly [pre: string, pattern: string])[] = [
  [
    'qwen2',
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  ],
  [
    'llama-bpe',
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  ],
];
/** Spaces as vocabularies after SentencePiece write them. */
export const BLOCK = '\u2581';

type Refuse = (what: string) => OnebitError;

/** The steps of a Sequence, or the one that there is. */
function stepsOf(given: unknown, parts: 'normalizers' | 'pretokenizers'): Json[] {
  const inner = (given as Json | null | undefined)?.[parts];
  return (Array.isArray(inner) ? inner : [given])
    .flatMap((step) => (Array.isArray((step as Json | null)?.[parts]) ? stepsOf(step, parts) : [step as Json]))
    .filter((step) => step !== null && step !== undefined);
}

function shown(step: unknown): string {
  return JSON.stringify(step)?.slice(0, 120);
}

/** Whether a byte-level vocabulary's normalizer composes characters. @throws what `refuse` makes of one that does anything else */
export function composesOnly(normalizer: unknown, refuse: Refuse): boolean {
  const steps = stepsOf(normalizer, 'normalizers');
  const odd = steps.find(({ type }) => type !== 'NFC');
  if (odd) throw refuse(`changes texts before they are cut: ${shown(odd)}`);
  return steps.length > 0;
}

/** GGUF's name for how a byte-level vocabulary cuts words. */
export function splitOf(given: unknown, refuse: Refuse): string {
  const steps = stepsOf(given, 'pretokenizers');
  const bytes = steps.at(-1);
  if (bytes?.type !== 'ByteLevel') throw refuse('must cut texts into bytes (ByteLevel)');
  if (bytes.add_prefix_space === true) throw refuse('puts a space before every text');
  const cutsWords = bytes.use_regex !== false;
  const [first, ...more] = steps.slice(0, -1);
  if (more.length > 0) throw refuse(`cuts words by ${shown(steps.map(({ type }) => type))}`);
  if (!first) {
    if (!cutsWords) throw refuse('does not say how words are cut');
    return 'gpt-2';
  }
  if (first.type === 'Digits' && first.individual_digits === true && cutsWords) return 'smollm';
  const pattern = ((first.pattern ?? {}) as Json).Regex;
  const isPlain = first.type === 'Split' && first.behavior === 'Isolated' && first.invert !== true && !cutsWords;
  const known = isPlain ? SPLITS.find(([, regex]) => regex === pattern) : undefined;
  if (known) return known[0];
  throw refuse(`cuts words by an expression that is not known here: ${JSON.stringify(first)?.slice(0, 200)}`);
}

/**
 * Where a vocabulary after SentencePiece puts a space before a text: `section`, before what follows an added token too; `each`, where none stands there
 * already; `first`, before the text only; or `never`.
 */
export function spacesOf(
  { normalizer, pre_tokenizer: pre }: Json,
  texts: readonly string[],
  refuse: Refuse,
): 'section' | 'each' | 'first' | 'never' {
  let prepends = false;
  let replaces = false;
  for (const step of stepsOf(normalizer, 'normalizers')) {
    const isBlock = step.type === 'Replace' && step.content === BLOCK && (step.pattern as Json | null)?.String === ' ';
    if (isBlock) replaces = true;
    else if (step.type === 'Prepend' && step.prepend === BLOCK) prepends = true;
    else throw refuse(`changes texts before they are cut: ${shown(step)}`);
  }
  const steps = stepsOf(pre, 'pretokenizers');
  const metaspace = steps.find(({ type }) => type === 'Metaspace');
  for (const step of steps) {
    // Spaces are no more by then: this cuts nothing.
    const isIdle = step.type === 'Split' && (step.pattern as Json | null)?.String === ' ' && replaces;
    if (step !== metaspace && !isIdle) throw refuse(`cuts words by ${shown(step)}`);
  }
  if (!metaspace && !replaces) throw refuse(`must write spaces as ${BLOCK}`);
  if (!metaspace) return prepends ? 'section' : 'never';
  const { replacement = BLOCK, prepend_scheme: scheme, add_prefix_space: adds, split } = metaspace;
  const isApart = !texts.some((text) => text.includes(BLOCK, 1));
  if (replacement !== BLOCK || prepends || (split !== false && !isApart))
    throw refuse(`cuts words by ${shown(metaspace)}`);
  if (scheme === 'first') return 'first';
  return scheme === 'never' || (scheme === undefined && adds === false) ? 'never' : 'each';
}
