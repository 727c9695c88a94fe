// Owns the part of a GGUF's metadata that is common to all vocabularies: token texts and kinds, special ids, flags. Every value is checked:
// files are not trusted. Knows nothing of merging. Source: ggml's docs/gguf.md and, where it is silent, what llama.cpp's loader does.
import { OnebitError } from '../errors.ts';
import type { GgufValue } from '../gguf/types.ts';

/** Values of `tokenizer.ggml.token_type`. */
export const NORMAL = 1;
export const UNKNOWN = 2;
export const CONTROL = 3;
export const USER_DEFINED = 4;
export const UNUSED = 5;
export const BYTE = 6;

/** Longest text of an added token, in UTF-16 units; the longest in known models has 60. Bounds the search for them. */
const LONGEST_ADDED = 256;
/** Ranks and token ids must fit into the keys of the merge heap. */
const MOST_TOKENS = 2 ** 22;

export type Metadata = ReadonlyMap<string, GgufValue>;

/** Collects everything wrong with a file, to be thrown at once. */
export class Problems {
  readonly #bad: string[] = [];
  readonly #unsupported: string[] = [];

  bad(problem: string): void {
    this.#bad.push(problem);
  }

  unsupported(problem: string): void {
    this.#unsupported.push(problem);
  }

  /** Throws 'bad-file', or 'unsupported' where the file is sound but asks for too much, with all problems; does nothing where there are none. */
  throwIfAny(): void {
    const problems = [...this.#bad, ...this.#unsupported];
    if (problems.length === 0) return;
    const code = this.#bad.length > 0 ? 'bad-file' : 'unsupported';
    throw new OnebitError(code, `createTokenizer: ${problems.join(' ')}`, { problems });
  }
}

/** Token texts, kinds and ids of a file. */
export interface Vocabulary {
  /** As the file has them; a token without text is called `[EMPTY_id]`, as in llama.cpp. */
  readonly texts: readonly string[];
  /** From text to id. */
  readonly ids: ReadonlyMap<string, number>;
  /** The type of each token, as the file has it. */
  readonly types: Uint8Array;
  /** 1 for control and unknown tokens and for user-defined ones with the name of a control token: hidden in text, never made from plain text. */
  readonly special: Uint8Array;
  /** Tokens to be found in text before anything else when special tokens are wanted. */
  readonly addedWithSpecial: readonly number[];
  /** Tokens to be found in any text before anything else: user-defined ones. */
  readonly added: readonly number[];
  readonly endOfGeneration: ReadonlySet<number>;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly unknown: number | undefined;
  readonly addBos: boolean;
  readonly addEos: boolean;
}

/** What differs between the two kinds of vocabulary where the file is silent. */
export interface VocabularyDefaults {
  readonly bos?: number;
  readonly eos?: number;
  readonly unknown?: number;
  readonly addBos: boolean;
}

/** Texts that llama.cpp takes for the end of generation in any vocabulary (names of families without supported files are left out). */
const END_TEXTS = [
  ...['<|eot_id|>', '<|im_end|>', '<|end|>', '<|return|>', '<|call|>', '<|flush|>', '<|calls|>', '<end_of_turn>'],
  ...['<|endoftext|>', '</s>', '<|eom_id|>', '<EOT>', '_<EOT>', '[EOT]', '[EOS]', '<|end_of_text|>'],
  ...['<end_of_utterance>', '<eos>', '<｜end▁of▁sentence｜>', '[e~['],
];

/** Texts of fill-in-the-middle tokens by the key that names them otherwise; true where llama.cpp ends generation at them. */
const FILL_TEXTS: readonly (readonly [key: string, ends: boolean, texts: readonly string[]])[] = [
  ['fim_pre', false, ['<|fim_prefix|>', '<fim-prefix>', '<fim_prefix>', '<｜fim▁begin｜>', '<PRE>', '▁<PRE>']],
  ['fim_suf', false, ['<|fim_suffix|>', '<fim-suffix>', '<fim_suffix>', '<｜fim▁hole｜>', '<SUF>', '▁<SUF>']],
  ['fim_mid', false, ['<|fim_middle|>', '<fim-middle>', '<fim_middle>', '<｜fim▁end｜>', '<MID>', '▁<MID>']],
  ['fim_pad', true, ['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]']],
  ['fim_rep', true, ['<|fim_repo|>', '<|repo_name|>', '<fim-repo>', '<REPO>', '<reponame>']],
  ['fim_sep', true, ['<|file_sep|>']],
];

/** Reads and checks what all vocabularies share. Problems are collected, and what is returned is usable even so. */
export function readVocabulary(metadata: Metadata, defaults: VocabularyDefaults, problems: Problems): Vocabulary {
  const texts = readTexts(metadata, problems);
  const ids = indexTexts(texts, problems);
  const types = readTypes(metadata, texts.length, problems);
  const id = (name: string, otherwise?: number) => readId(metadata, name, otherwise, texts.length, problems);
  const bos = id('bos', defaults.bos);
  const eos = id('eos', defaults.eos);
  const { endOfGeneration, named } = findNamed(ids, id);
  for (const end of [eos, id('eot'), id('eom')]) if (end !== undefined) endOfGeneration.add(end);

  const special = new Uint8Array(texts.length);
  const added: number[] = [];
  const addedWithSpecial: number[] = [];
  for (let token = 0; token < texts.length; token++) {
    const type = types[token];
    const marked = type === CONTROL || type === UNKNOWN;
    // A token of normal type stays ordinary text, even where llama.cpp's list of names has it: `</s>` is a merge of Qwen's vocabulary.
    if (marked || (named.has(token) && type !== NORMAL)) special[token] = 1;
    else if (type === USER_DEFINED) added.push(token);
    if (!marked && type !== USER_DEFINED && !named.has(token)) continue;
    addedWithSpecial.push(token);
    if (texts[token].length > LONGEST_ADDED)
      problems.bad(
        `token ${token}: an added token must have at most ${LONGEST_ADDED} characters, got ${texts[token].length}. Convert the model again.`,
      );
  }
  const addBos = readFlag(metadata, 'tokenizer.ggml.add_bos_token', defaults.addBos, problems);
  const addEos = readFlag(metadata, 'tokenizer.ggml.add_eos_token', false, problems);
  if (addBos && bos === undefined)
    problems.bad('tokenizer.ggml.bos_token_id: must be there when add_bos_token is true.');
  if (addEos && eos === undefined)
    problems.bad('tokenizer.ggml.eos_token_id: must be there when add_eos_token is true.');
  const unknown = id('unknown', defaults.unknown);
  return { texts, ids, types, special, added, addedWithSpecial, endOfGeneration, bos, eos, unknown, addBos, addEos };
}

/** Ends of generation and control tokens that llama.cpp recognises by their text. */
function findNamed(ids: ReadonlyMap<string, number>, id: (name: string) => number | undefined) {
  const endOfGeneration = new Set<number>();
  const named = new Set<number>();
  for (const text of END_TEXTS) {
    const token = ids.get(text);
    if (token === undefined) continue;
    endOfGeneration.add(token);
    named.add(token);
  }
  for (const [key, ends, texts] of FILL_TEXTS) {
    let token = id(key);
    if (token === undefined) {
      token = texts.map((text) => ids.get(text)).find((found) => found !== undefined);
      if (token === undefined) continue;
      named.add(token);
    }
    if (ends) endOfGeneration.add(token);
  }
  return { endOfGeneration, named };
}

/** Reads an array of strings; problems where it is missing or something else. */
export function readStrings(metadata: Metadata, key: string, problems: Problems): readonly string[] {
  const value = metadata.get(key);
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) {
    if (value.length <= MOST_TOKENS) return value as string[];
    problems.unsupported(`${key}: must have at most ${MOST_TOKENS} entries, got ${value.length}.`);
  } else
    problems.bad(
      `${key}: must be an array of strings, got ${describe(value)}. Convert the model again with its tokenizer.`,
    );
  return [];
}

/** Reads a flag. */
export function readFlag(metadata: Metadata, key: string, otherwise: boolean, problems: Problems): boolean {
  const value = metadata.get(key);
  if (value === undefined) return otherwise;
  if (typeof value === 'boolean') return value;
  problems.bad(`${key}: must be true or false, got ${describe(value)}.`);
  return otherwise;
}

/** Says what a value is without quoting it: files can hold megabytes of anything. */
export function describe(value: GgufValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return `the text ${JSON.stringify(value.slice(0, 40))}`;
  if (typeof value === 'object') return `${value.constructor.name} of length ${value.length}`;
  return `${typeof value} ${value}`;
}

function readTexts(metadata: Metadata, problems: Problems): readonly string[] {
  const texts = readStrings(metadata, 'tokenizer.ggml.tokens', problems);
  if (texts.length === 0) problems.bad('tokenizer.ggml.tokens: must have at least one token, got none.');
  return texts.includes('') ? texts.map((text, token) => text || `[EMPTY_${token}]`) : texts;
}

function indexTexts(texts: readonly string[], problems: Problems): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  for (let token = 0; token < texts.length; token++) ids.set(texts[token], token);
  if (ids.size === texts.length) return ids;
  const token = texts.findIndex((text, at) => ids.get(text) !== at);
  const twin = ids.get(texts[token]);
  problems.bad(
    `tokenizer.ggml.tokens: texts must differ, got ${texts.length - ids.size} twice or more, first token ${token} equal to ${twin}. Convert the model again.`,
  );
  return ids;
}

function readTypes(metadata: Metadata, count: number, problems: Problems): Uint8Array {
  const types = new Uint8Array(count).fill(NORMAL);
  const key = 'tokenizer.ggml.token_type';
  const value = metadata.get(key);
  if (value === undefined) return types;
  if (!(value instanceof Int32Array || value instanceof Uint32Array) || value.length < count) {
    problems.bad(`${key}: must be ${count} 32-bit integers, got ${describe(value)}.`);
    return types;
  }
  // Types outside the list are read as 0 (undefined), as llama.cpp does: such tokens have no text.
  for (let token = 0; token < count; token++)
    types[token] = value[token] >= NORMAL && value[token] <= BYTE ? value[token] : 0;
  return types;
}

function readId(
  metadata: Metadata,
  name: string,
  otherwise: number | undefined,
  count: number,
  problems: Problems,
): number | undefined {
  const key = `tokenizer.ggml.${name}_token_id`;
  const value = metadata.get(key);
  if (value === undefined) return otherwise !== undefined && otherwise < count ? otherwise : undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < count) return value;
  problems.bad(`${key}: must be a token id below ${count}, got ${describe(value)}.`);
  return undefined;
}
