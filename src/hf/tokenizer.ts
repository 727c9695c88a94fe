// Owns tokenizer.json and tokenizer_config.json as GGUF's tokenizer metadata. Everything read is untrusted; what would make other ids is refused by name.
// Source: the tokenizers library's file as it stands in models; llama.cpp's conversion for how GGUF says the same.
import { OnebitError } from '../errors.ts';
import type { WritableValue } from '../gguf/write.ts';
import { CHAT_BOS_KEY, COMPOSE_KEY, SPACE_KEY } from '../tokenizer/tokenizer.ts';
import { BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED } from '../tokenizer/vocabulary.ts';
import type { Json } from './config.ts';
import { composesOnly, spacesOf, splitOf } from './token-steps.ts';

const MOST_TOKENS = 2 ** 22;

/** The parts of a model's folder that speak of its tokens. */
export interface TokenizerFiles {
  readonly tokenizer: Json;
  readonly tokenizerConfig: Json;
  readonly config: Json;
  readonly generationConfig: Json;
  /** chat_template.jinja. */
  readonly template?: string;
}

/** What a template begins with that writes the token of the beginning, where GGUF readers put it first by themselves. */
export const BOS_FIRST = '{{- bos_token -}}';

/** @throws OnebitError `unsupported` for a tokenizer that GGUF readers have no name for, `bad-file` for one that is damaged */
export function readTokenizer(files: TokenizerFiles, name: string): Map<string, WritableValue> {
  const bad = (what: string) =>
    new OnebitError('bad-file', `load ${name}: tokenizer.json ${what}. Get the model again.`);
  const unsupported = (what: string) =>
    new OnebitError(
      'unsupported',
      `load ${name}: tokenizer.json ${what}. Use a model with another tokenizer, or its GGUF.`,
    );
  const model = (files.tokenizer.model ?? {}) as Json;
  if ((model.type ?? 'BPE') !== 'BPE' || !isObject(model.vocab))
    throw unsupported(`must hold a vocabulary of type BPE, got ${JSON.stringify(model.type)?.slice(0, 40)}`);
  const { texts, types } = readTexts(model.vocab as Json, files.tokenizer.added_tokens, bad);
  // Tokens for pictures that a model without them has no rows for, as Gemma's.
  const rows = files.config.vocab_size;
  while (typeof rows === 'number' && texts.length > rows && types.at(-1) !== NORMAL) {
    texts.pop();
    types.pop();
  }
  for (const part of ['continuing_subword_prefix', 'end_of_word_suffix'])
    if (model[part]) throw unsupported(`marks parts of words: ${part} = ${JSON.stringify(model[part]).slice(0, 40)}`);
  const merges = readMerges(model.merges, bad);
  const metadata = new Map<string, WritableValue>();
  if (model.byte_fallback === true) sentencePiece(metadata, files.tokenizer, texts, types, merges, unsupported);
  else {
    metadata.set('tokenizer.ggml.model', 'gpt2');
    metadata.set('tokenizer.ggml.pre', splitOf(files.tokenizer.pre_tokenizer, unsupported));
    if (composesOnly(files.tokenizer.normalizer, unsupported)) metadata.set(COMPOSE_KEY, true);
    metadata.set('tokenizer.ggml.merges', merges);
  }
  metadata.set('tokenizer.ggml.tokens', texts);
  metadata.set('tokenizer.ggml.token_type', Int32Array.from(types));
  specialTokens(metadata, files, texts);
  const template = templateOf(files);
  const addsBos = metadata.get('tokenizer.ggml.add_bos_token') === true && template?.startsWith(BOS_FIRST);
  if (template !== undefined) {
    metadata.set('tokenizer.chat_template', addsBos ? template.slice(BOS_FIRST.length) : template);
    // What Transformers renders is all there is: a template that writes no beginning has none.
    if (!addsBos && !template.includes('bos_token')) metadata.set(CHAT_BOS_KEY, false);
  }
  return metadata;
}

function readTexts(vocab: Json, added: unknown, bad: (what: string) => OnebitError) {
  const entries = Object.entries(vocab);
  const more = (added ?? []) as Json[];
  if (!Array.isArray(more) || !more.every(isObject)) throw bad('must have a list of added_tokens');
  const size = entries.length + more.length;
  if (size === 0 || size > MOST_TOKENS) throw bad(`must have 1 to ${MOST_TOKENS} tokens, got ${size}`);
  const place = (id: unknown) => {
    if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 * size + 4096) return id as number;
    throw bad(`has a token with the id ${JSON.stringify(id)?.slice(0, 40)}`);
  };
  const texts: string[] = [];
  const types: number[] = [];
  const put = (id: unknown, text: string, type: number) => {
    const at = place(id);
    if (texts[at] !== undefined && texts[at] !== text) {
      const [first, second] = [texts[at], text].map((text) => JSON.stringify(text).slice(0, 40));
      throw bad(`gives the id ${at} to ${first} and to ${second}`);
    }
    texts[at] = text;
    types[at] = type;
  };
  for (const [text, id] of entries) put(id, text, NORMAL);
  for (const { id, content, special } of more) {
    if (typeof content !== 'string') throw bad('has an added token without a text');
    put(id, content, special === true ? CONTROL : USER_DEFINED);
  }
  for (let id = 0; id < texts.length; id++) {
    if (texts[id] !== undefined) continue;
    texts[id] = `[PAD${id}]`;
    types[id] = UNUSED;
  }
  return { texts, types };
}

/** Merges as older files write them ("a b") and newer ones (["a", "b"]). */
function readMerges(merges: unknown, bad: (what: string) => OnebitError): string[] {
  if (!Array.isArray(merges)) throw bad('must have merges');
  return merges.map((merge) => {
    const parts = typeof merge === 'string' ? merge.split(' ') : merge;
    if (Array.isArray(parts) && parts.length === 2 && parts.every((part) => typeof part === 'string'))
      return parts.join(' ');
    throw bad(`has a merge that is none: ${JSON.stringify(merge)?.slice(0, 60)}`);
  });
}

/** Vocabularies after SentencePiece: a token's score is the place of the merge that makes it; `types` takes what else is known of a token. */
function sentencePiece(
  metadata: Map<string, WritableValue>,
  tokenizer: Json,
  texts: string[],
  types: number[],
  merges: string[],
  unsupported: (what: string) => OnebitError,
): void {
  const space = spacesOf(tokenizer, texts, unsupported);
  const place = new Map(merges.map((merge, rank) => [merge.replace(' ', ''), rank]).reverse() as [string, number][]);
  const scores = new Float32Array(texts.length);
  for (const [id, text] of texts.entries()) {
    if (types[id] === NORMAL && /^<0x[0-9A-F]{2}>$/.test(text)) types[id] = BYTE;
    else if (types[id] === NORMAL) scores[id] = -(place.get(text) ?? merges.length + id);
  }
  const unknown = (tokenizer.model as Json).unk_token;
  const at = typeof unknown === 'string' ? texts.indexOf(unknown) : -1;
  if (at >= 0) {
    types[at] = UNKNOWN;
    metadata.set('tokenizer.ggml.unknown_token_id', { type: 'u32', value: at });
  }
  metadata.set('tokenizer.ggml.model', 'llama');
  metadata.set('tokenizer.ggml.pre', 'default');
  metadata.set('tokenizer.ggml.scores', scores);
  metadata.set('tokenizer.ggml.add_space_prefix', space !== 'never');
  if (space === 'first' || space === 'each') metadata.set(SPACE_KEY, space);
}

function specialTokens(metadata: Map<string, WritableValue>, files: TokenizerFiles, texts: readonly string[]): void {
  const { tokenizerConfig, config, generationConfig } = files;
  const ofText = (name: string) => {
    const given = tokenizerConfig[name];
    const text = isObject(given) ? (given as Json).content : given;
    const id = typeof text === 'string' ? texts.lastIndexOf(text) : -1;
    return id >= 0 ? id : undefined;
  };
  const ofNumber = (name: string) => [generationConfig[name], config[name]].flat().filter(isId);
  const isId = (id: unknown): id is number =>
    Number.isInteger(id) && (id as number) >= 0 && (id as number) < texts.length;
  for (const [name, ours] of [
    ['bos', 'bos'],
    ['eos', 'eos'],
    ['pad', 'padding'],
  ]) {
    const id = ofText(`${name}_token`) ?? ofNumber(`${name}_token_id`).find(isId);
    if (id !== undefined) metadata.set(`tokenizer.ggml.${ours}_token_id`, { type: 'u32', value: id });
    if (name !== 'eos') continue;
    // Where generation ends at several tokens, GGUF has a name for one more.
    const other = ofNumber('eos_token_id').find((end) => end !== id);
    if (other !== undefined) metadata.set('tokenizer.ggml.eot_token_id', { type: 'u32', value: other });
  }
  const addBos =
    tokenizerConfig.add_bos_token ?? startsWithBos(files.tokenizer.post_processor, ofText('bos_token'), texts);
  metadata.set('tokenizer.ggml.add_bos_token', addBos === true && metadata.has('tokenizer.ggml.bos_token_id'));
}

/** Whether the file's template for single texts puts the token of the beginning first. */
function startsWithBos(given: unknown, bos: number | undefined, texts: readonly string[]): boolean {
  if (bos === undefined) return false;
  const processors = ((given as Json)?.processors ?? [given]) as (Json | null)[];
  return processors.some((processor) => {
    const first = Array.isArray(processor?.single) ? (processor.single[0] as Json) : undefined;
    return ((first?.SpecialToken ?? {}) as Json).id === texts[bos];
  });
}

function templateOf({ template, tokenizerConfig }: TokenizerFiles): string | undefined {
  if (template !== undefined) return template;
  const given = tokenizerConfig.chat_template;
  if (typeof given === 'string') return given;
  const named = Array.isArray(given) ? (given as Json[]).find(({ name }) => name === 'default')?.template : undefined;
  return typeof named === 'string' ? named : undefined;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
