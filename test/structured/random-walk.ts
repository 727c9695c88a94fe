// Owns letting a random "model" write a text under a grammar: it knows nothing but the masks.
import type { Random } from '../../src/core/random.ts';
import type { Constraint } from '../../src/structured/constraint.ts';
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts';

/** After so many tokens the model prefers to close what is open. */
const TIRED = 40;
const GIVES_UP = 4000;

/** Writes a complete text. Throws where a mask is empty or wrong. */
export function randomWalk(constraint: Constraint, tokenizer: Tokenizer, random: Random): string {
  const matcher = constraint.matcher();
  const tokens: number[] = [];
  const known = (texts: string) => texts.split(' ').map((text) => tokenizer.tokenId(text)!);
  const closing = known('" } ]');
  const wayOut = known('" } ] 0 1 9 a b u / : @ . - + T Z W e l s r f S D H M v v v x y');
  for (;;) {
    const mask = matcher.mask();
    if (matcher.isFinished) break;
    const allows = (token: number) => (mask[token >>> 5] >>> (token & 31)) & 1;
    for (const end of tokenizer.endOfGeneration) {
      if ((allows(end) === 1) !== matcher.isComplete)
        throw new Error('the end is allowed where the text is not complete, or the reverse');
    }
    if (matcher.isComplete && (tokens.length > TIRED || random.uniform() < 0.3)) break;
    const tired = tokens.length > TIRED ? wayOut.filter(allows) : [];
    const first = closing.find(allows);
    const leaves = first !== undefined && random.uniform() < 0.9;
    const token =
      tired.length === 0 ? choose(mask, tokenizer, random) : leaves ? first : tired[random.below(tired.length)];
    if (tokenizer.endOfGeneration.has(token)) break;
    matcher.accept(token);
    tokens.push(token);
    if (tokens.length > GIVES_UP)
      throw new Error(`no end after ${GIVES_UP} tokens: ${JSON.stringify(tokenizer.decode(tokens).slice(-300))}`);
  }
  const bytes = tokens.flatMap((token) => [...tokenizer.bytesOf(token)]);
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

/** Any allowed token: by trial where many are, else from the list. */
function choose(mask: Uint32Array, tokenizer: Tokenizer, random: Random): number {
  for (let i = 0; i < 20; i++) {
    const token = random.below(tokenizer.vocabularySize);
    if ((mask[token >>> 5] >>> (token & 31)) & 1) return token;
  }
  const allowed: number[] = [];
  for (let word = 0; word < mask.length; word++) {
    for (let bits = mask[word]; bits !== 0; bits &= bits - 1) allowed.push(word * 32 + 31 - Math.clz32(bits & -bits));
  }
  if (allowed.length === 0) throw new Error('the mask allows nothing');
  return allowed[random.below(allowed.length)];
}
