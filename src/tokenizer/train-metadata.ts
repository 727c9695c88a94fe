// Owns writing a trained vocabulary as the `tokenizer.ggml.*` metadata of a GGUF, so that llama.cpp and this engine read the same ids from it.
// Source: ggml's docs/gguf.md; the conventions of Qwen's files.
import type { GgufValue } from '../gguf/types.ts';
import type { TypedNumber, WritableValue } from '../gguf/write.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';
import { TRAINED_PRE, type TrainedVocabulary } from './train.ts';
import { CONTROL, NORMAL } from './vocabulary.ts';

/** Stands before every document: it gives the first word a context and attention a place to rest. */
export const DOCUMENT_START = '<|endoftext|>';
export const TURN_START = '<|im_start|>';
export const TURN_END = '<|im_end|>';
/** The control tokens of every vocabulary that onebit trains. */
export const TRAINED_SPECIAL: readonly string[] = [TURN_START, TURN_END, DOCUMENT_START];

/** The metadata of a vocabulary whose control tokens include TRAINED_SPECIAL. */
export function tokenizerMetadata(vocabulary: TrainedVocabulary): Map<string, WritableValue> {
  const { tokens, merges, special } = vocabulary;
  const types = new Int32Array(tokens.length).fill(NORMAL);
  types.fill(CONTROL, tokens.length - special.length);
  const u32 = (value: number): WritableValue => ({ type: 'u32', value });
  const end = u32(tokens.indexOf(TURN_END));
  const start = u32(tokens.indexOf(DOCUMENT_START));
  return new Map<string, WritableValue>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', TRAINED_PRE],
    ['tokenizer.ggml.tokens', [...tokens]],
    ['tokenizer.ggml.token_type', types],
    ['tokenizer.ggml.merges', [...merges]],
    ['tokenizer.ggml.bos_token_id', start],
    ['tokenizer.ggml.eos_token_id', end],
    ['tokenizer.ggml.padding_token_id', start],
    ['tokenizer.ggml.add_bos_token', true],
  ]);
}

/** The tokenizer that a reader of this metadata gets. */
export function tokenizerOf(metadata: ReadonlyMap<string, WritableValue>): Tokenizer {
  return createTokenizer(readMetadata(metadata));
}

/** Metadata as a reader of the file that has it gets it. */
export function readMetadata(metadata: ReadonlyMap<string, WritableValue>): Map<string, GgufValue> {
  const read = new Map<string, GgufValue>();
  for (const [key, value] of metadata) read.set(key, isTyped(value) ? value.value : value);
  return read;
}

function isTyped(value: WritableValue): value is TypedNumber {
  return typeof value === 'object' && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
