// Owns GGUF's tokenizer metadata as tokenizer.json and tokenizer_config.json. Source: the tokenizers library's file as it stands in models.
import { OnebitError } from '../errors.ts';
import type { GgufValue } from '../gguf/types.ts';
import { preTokenizers } from '../tokenizer/pre-tokenizer.ts';
import { CHAT_BOS_KEY, COMPOSE_KEY, createTokenizer, SPACE_KEY } from '../tokenizer/tokenizer.ts';
import { CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED } from '../tokenizer/vocabulary.ts';
import { BLOCK, SPLITS } from './token-steps.ts';
import { BOS_FIRST } from './tokenizer.ts';

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
  const isAdded = (token: number) => [CONTROL, USER_DEFINED, UNKNOWN].includes(typeOf(token));
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
            special: typeOf(token) !== USER_DEFINED,
          },
        ]
      : [],
  );
  const kind = metadata.get('tokenizer.ggml.model');
  const parts = kind === 'llama' ? piecesOut(metadata, texts, typeOf) : bytesOut(metadata);
  // Added tokens too: the tokenizers library gives those that are not in the model's own list other numbers. Rows without a token are left out, as in the
  // folders of others: listed they would come back as tokens that can be chosen.
  const vocab = Object.fromEntries(
    texts.flatMap((text, token) => (typeOf(token) === UNUSED ? [] : [[text, token] as const])),
  );
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
  const isWanted = addBos && metadata.get(CHAT_BOS_KEY) !== false;
  const first = isWanted && !template.includes('bos_token') ? BOS_FIRST : '';
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
  const way = typeof pre === 'string' ? preTokenizers.get(pre) : undefined;
  const is = (name: string) => way !== undefined && way === preTokenizers.get(name);
  const pattern = SPLITS.find(([name]) => is(name))?.[1];
  if (!pattern && !is('gpt-2') && !is('smollm')) {
    throw new OnebitError(
      'unsupported',
      `convert: tokenizer.json has a form for words cut as ${SPLITS.map(([name]) => name).join(', ')}, gpt-2 or smollm, got '${String(pre).slice(0, 40)}'. Convert to GGUF instead.`,
    );
  }
  const split = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
  const digits = { type: 'Digits', individual_digits: true };
  return {
    normalizer: metadata.get(COMPOSE_KEY) === true ? { type: 'NFC' } : null,
    preTokenizer:
      pattern || is('smollm')
        ? { type: 'Sequence', pretokenizers: pattern ? [split, byteLevel(false)] : [digits, byteLevel(true)] }
        : byteLevel(true),
    decoder: byteLevel(true),
    unknown: null,
    wholeWords: way?.wholeWords === true,
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
  const where = spaceFirst ? metadata.get(SPACE_KEY) : undefined;
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: BLOCK };
  const scheme = where === 'first' ? 'first' : 'always';
  const unknown = (metadata.get('tokenizer.ggml.unknown_token_id') as number | undefined) ?? 0;
  return {
    normalizer:
      where === undefined
        ? { type: 'Sequence', normalizers: [...(spaceFirst ? [{ type: 'Prepend', prepend: BLOCK }] : []), replace] }
        : null,
    preTokenizer:
      where === undefined ? null : { type: 'Metaspace', replacement: BLOCK, prepend_scheme: scheme, split: false },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: BLOCK }, content: ' ' },
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
