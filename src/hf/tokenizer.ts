// Owns tokenizer.json and tokenizer_config.json as GGUF's tokenizer metadata, and back. Everything read is untrusted; what would make other ids is refused by name.
// Source: the tokenizers library's file as it stands in models; llama.cpp's conversion for how GGUF says the same.
import { OnebitError } from '../errors.ts';
import type { GgufValue } from '../gguf/types.ts';
import type { WritableValue } from '../gguf/write.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED } from '../tokenizer/vocabulary.ts';
import type { Json } from './config.ts';

/** How the words of byte-level vocabularies are cut: GGUF's name, and the expression that stands in tokenizer.json. */
const SPLITS: readonly (readonly [pre: string, pattern: string])[] = [
  [
    'qwen2',
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  ],
  [
    'llama-bpe',
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  ],
];
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

const BOS_FIRST = '{{- bos_token -}}';

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
  const merges = readMerges(model.merges, bad);
  const metadata = new Map<string, WritableValue>();
  if (model.byte_fallback === true) sentencePiece(metadata, files.tokenizer, texts, types, merges, unsupported);
  else {
    metadata.set('tokenizer.ggml.model', 'gpt2');
    metadata.set('tokenizer.ggml.pre', splitOf(files.tokenizer.pre_tokenizer, unsupported));
    metadata.set('tokenizer.ggml.merges', merges);
  }
  metadata.set('tokenizer.ggml.tokens', texts);
  metadata.set('tokenizer.ggml.token_type', Int32Array.from(types));
  specialTokens(metadata, files, texts);
  const template = templateOf(files);
  const addsBos = metadata.get('tokenizer.ggml.add_bos_token') === true && template?.startsWith(BOS_FIRST);
  if (template !== undefined)
    metadata.set('tokenizer.chat_template', addsBos ? template.slice(BOS_FIRST.length) : template);
  return metadata;
}

function readTexts(vocab: Json, added: unknown, bad: (what: string) => OnebitError) {
  const entries = Object.entries(vocab);
  const more = (Array.isArray(added) ? added : []) as Json[];
  const size = entries.length + more.length;
  if (size === 0 || size > MOST_TOKENS) throw bad(`must have 1 to ${MOST_TOKENS} tokens, got ${size}`);
  const place = (id: unknown) => {
    if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 * size + 4096) return id as number;
    throw bad(`has a token with the id ${JSON.stringify(id)?.slice(0, 40)}`);
  };
  const texts: string[] = [];
  const types: number[] = [];
  for (const [text, id] of entries) {
    texts[place(id)] = text;
    types[id as number] = NORMAL;
  }
  for (const { id, content, special } of more) {
    if (typeof content !== 'string') throw bad('has an added token without a text');
    texts[place(id)] = content;
    types[id as number] = special === true ? CONTROL : USER_DEFINED;
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

function splitOf(given: unknown, unsupported: (what: string) => OnebitError): string {
  const steps = ((given as Json)?.pretokenizers ?? [given]) as (Json | null)[];
  const split = steps.find((step) => step?.type === 'Split');
  const bytes = steps.find((step) => step?.type === 'ByteLevel');
  if (!bytes) throw unsupported('must cut texts into bytes (ByteLevel)');
  if (steps.some((step) => step !== split && step !== bytes))
    throw unsupported(`cuts words by ${JSON.stringify(steps.map((step) => step?.type)).slice(0, 120)}`);
  if (bytes.add_prefix_space === true) throw unsupported('puts a space before every text');
  if (!split) {
    if (bytes.use_regex === false) throw unsupported('does not say how words are cut');
    return 'gpt-2';
  }
  const pattern = ((split.pattern ?? {}) as Json).Regex;
  const known = SPLITS.find(([, regex]) => regex === pattern);
  if (known) return known[0];
  throw unsupported(`cuts words by an expression that is not known here: ${JSON.stringify(pattern)?.slice(0, 160)}`);
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
  const normalizer = JSON.stringify(tokenizer.normalizer ?? null);
  const pre = tokenizer.pre_tokenizer as Json | null;
  const blocks = '\u2581';
  const metaspace = pre?.type === 'Metaspace';
  if (!metaspace && !normalizer.includes(blocks)) throw unsupported(`must write spaces as ${blocks}`);
  const spaceFirst = metaspace
    ? pre.prepend_scheme !== 'never' && pre.add_prefix_space !== false
    : normalizer.includes('Prepend');
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
  metadata.set('tokenizer.ggml.add_space_prefix', spaceFirst);
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

/**
 * tokenizer.json and tokenizer_config.json from GGUF's metadata.
 * @throws OnebitError `unsupported` for ways to cut words that have no expression here
 */
export function writeTokenizer(metadata: ReadonlyMap<string, GgufValue>): {
  tokenizer: object;
  tokenizerConfig: Record<string, unknown>;
  template?: string;
} {
  const texts = metadata.get('tokenizer.ggml.tokens') as string[];
  const types = metadata.get('tokenizer.ggml.token_type') as Int32Array | undefined;
  const typeOf = (id: number) => types?.[id] ?? NORMAL;
  const id = (name: string) => metadata.get(`tokenizer.ggml.${name}_token_id`) as number | undefined;
  const isAdded = (token: number) => [CONTROL, USER_DEFINED].includes(typeOf(token));
  const added = texts.flatMap((content, token) =>
    isAdded(token)
      ? [
          {
            id: token,
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: typeOf(token) === CONTROL,
          },
        ]
      : [],
  );
  const vocab = Object.fromEntries(texts.flatMap((text, token) => (isAdded(token) ? [] : [[text, token]])));
  const kind = metadata.get('tokenizer.ggml.model');
  const parts = kind === 'llama' ? piecesOut(metadata, texts, typeOf) : bytesOut(metadata);
  const bos = id('bos');
  const addBos = createTokenizer(metadata).addBos && bos !== undefined;
  const single = [
    ...(addBos ? [{ SpecialToken: { id: texts[bos], type_id: 0 } }] : []),
    { Sequence: { id: 'A', type_id: 0 } },
  ];
  const pair = [...single, ...single].map((step) =>
    'Sequence' in step ? step : { SpecialToken: { ...step.SpecialToken } },
  );
  pair[pair.length - 1] = { Sequence: { id: 'B', type_id: 1 } };
  const bosEntry = addBos ? { [texts[bos]]: { id: texts[bos], ids: [bos], tokens: [texts[bos]] } } : {};
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: parts.normalizer,
    pre_tokenizer: parts.preTokenizer,
    post_processor: { type: 'TemplateProcessing', single, pair, special_tokens: bosEntry },
    decoder: parts.decoder,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: parts.unknown,
      fuse_unk: false,
      byte_fallback: kind === 'llama',
      ignore_merges: parts.wholeWords,
      vocab,
      merges: parts.merges,
    },
  };
  const textOf = (name: string) => {
    const token = id(name);
    return token === undefined ? null : texts[token];
  };
  const tokenizerConfig: Record<string, unknown> = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: textOf('bos'),
    eos_token: textOf('eos'),
    pad_token: textOf('padding'),
    add_bos_token: addBos,
    clean_up_tokenization_spaces: false,
  };
  const template = metadata.get('tokenizer.chat_template');
  if (typeof template !== 'string') return { tokenizer, tokenizerConfig };
  // Transformers puts no token first in a conversation unless the template says so; GGUF readers do where the model wants one.
  const first = addBos && !template.includes('bos_token') ? BOS_FIRST : '';
  return { tokenizer, tokenizerConfig, template: first + template };
}

function bytesOut(metadata: ReadonlyMap<string, GgufValue>) {
  const pre = metadata.get('tokenizer.ggml.pre') ?? 'default';
  const byteLevel = (regex: boolean) => ({
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: false,
    use_regex: regex,
  });
  const pattern = SPLITS.find(([name]) => name === pre || (name === 'llama-bpe' && pre === 'llama3'))?.[1];
  if (!pattern && pre !== 'gpt-2') {
    throw new OnebitError(
      'unsupported',
      `convert: tokenizer.json has a form for words cut as ${SPLITS.map(([name]) => name).join(', ')} or gpt-2, got '${String(pre).slice(0, 40)}'. Convert to GGUF instead.`,
    );
  }
  const split = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
  return {
    normalizer: null,
    preTokenizer: pattern ? { type: 'Sequence', pretokenizers: [split, byteLevel(false)] } : byteLevel(true),
    decoder: byteLevel(true),
    unknown: null,
    wholeWords: pre === 'llama-bpe' || pre === 'llama3',
    merges: metadata.get('tokenizer.ggml.merges') as string[],
  };
}

/** Merges of a vocabulary with scores: every pair of tokens that makes a token, best score first. */
function piecesOut(metadata: ReadonlyMap<string, GgufValue>, texts: readonly string[], typeOf: (id: number) => number) {
  const scores = metadata.get('tokenizer.ggml.scores') as Float32Array;
  const ids = new Map(texts.map((text, id) => [text, id]));
  const merges: { score: number; left: number; right: number }[] = [];
  for (const [id, text] of texts.entries()) {
    if (typeOf(id) !== NORMAL) continue;
    for (let at = 1; at < text.length; at++) {
      const left = ids.get(text.slice(0, at));
      const right = ids.get(text.slice(at));
      if (left === undefined || right === undefined || typeOf(left) !== NORMAL || typeOf(right) !== NORMAL) continue;
      merges.push({ score: scores[id], left, right });
    }
  }
  merges.sort((a, b) => b.score - a.score || a.left - b.left || a.right - b.right);
  const spaceFirst = metadata.get('tokenizer.ggml.add_space_prefix') !== false;
  const blocks = '\u2581';
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: blocks };
  const unknown = (metadata.get('tokenizer.ggml.unknown_token_id') as number | undefined) ?? 0;
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: [...(spaceFirst ? [{ type: 'Prepend', prepend: blocks }] : []), replace],
    },
    preTokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: blocks }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(spaceFirst ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    unknown: texts[unknown] ?? null,
    wholeWords: false,
    merges: merges.map(({ left, right }) => [texts[left], texts[right]] as const),
  };
}
