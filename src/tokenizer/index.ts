// The subpath onebit/tokenizer: text to token ids and back, from a GGUF file's metadata.

export type { BoundedEncodeOptions, DecodeOptions, EncodeOptions } from './tokenizer.ts';
export { createTokenizer, type StreamDecoder, type Tokenizer } from './tokenizer.ts';
export type { Metadata } from './vocabulary.ts';
