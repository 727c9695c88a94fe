// Owns what the rest of the package calls a tokenizer: built from a file's metadata, text to ids and back. Knows no model and no chat template.
// llama.cpp is the judge of ids. Where it and the tokenizers library differ: no NFC normalisation here unless the file asks for it by a key of ours;
// control tokens and fill-in-the-middle tokens are not made from plain text; overlapping added tokens go to the longest.
import { Budget } from '../core/budget.ts';
import { checkArgument, checkOptions, checkTokens, type Options, wrong } from '../core/check.ts';
import { restSteps, runSteps, type Steps } from '../core/steps.ts';
import { OnebitError } from '../errors.ts';
import { AddedTokens } from './added-tokens.ts';
import { byteLevelEncoding, type TextEncoding } from './byte-level.ts';
import { composed, MOST_COMPOSED } from './compose.ts';
import { preTokenizers } from './pre-tokenizer.ts';
import { SPACE as SPACE_BYTES, sentencePieceEncoding } from './sentence-piece.ts';
import { byteString, decodeUtf8, stringOfUnits } from './text-bytes.ts';
import { describe, type Metadata, Problems, readFlag, readVocabulary, UNUSED, type Vocabulary } from './vocabulary.ts';
import { TokenList } from './word-cache.ts';

/** Keys of ours for what tokenizer.json says and GGUF has no name for. */
export const COMPOSE_KEY = 'onebit.tokenizer.compose';
/** `first`: a space is put before the text only, `each`: before what follows an added token too; neither where one stands there already. */
export const SPACE_KEY = 'onebit.tokenizer.space_prefix';

/** false: the model's template for chats says all, and no token of the beginning is put first. */
export const CHAT_BOS_KEY = 'onebit.chat.add_bos_token';

/** How to read a text. */
export interface EncodeOptions {
  /** Whether the texts of control tokens become these tokens; false unless the text comes from a template. */
  readonly special?: boolean;
  /** Whether to put `bos` first; 'bad-argument' where there is none. Default: false, whatever `addBos` says. */
  readonly bos?: boolean;
}

/** How to read a text that somebody else sent. */
export interface BoundedEncodeOptions extends EncodeOptions {
  /** Most tokens that the text may have; more are refused as soon as that is certain, of a text far too long before it is looked at. */
  readonly maxTokens?: number;
  /** What the request may still spend; its signal ends the work. Default: only `signal`. */
  readonly budget?: Budget;
  /** Ends the work with its reason. */
  readonly signal?: AbortSignal;
}

/** How to write tokens. */
export interface DecodeOptions {
  /** Whether control tokens are written out; they are left out otherwise. */
  readonly special?: boolean;
}

/** Text to token ids and back, as one model file has it. Holds no state that a caller could see; safe to share. */
export interface Tokenizer {
  /** Number of token ids. */
  readonly vocabularySize: number;
  /** The most characters of one token, or bytes where the vocabulary is SentencePiece-style: so many tokens a text has at least. */
  readonly longestToken: number;
  /** The beginning-of-text token, where there is one. */
  readonly bos?: number;
  /** The end-of-text token, where there is one. */
  readonly eos?: number;
  /** Tokens at which generation ends: end of text, of turn and of message, and what llama.cpp recognises by its text. */
  readonly endOfGeneration: ReadonlySet<number>;
  /** Whether the model expects `bos` before a text. */
  readonly addBos: boolean;
  /** Whether the model expects `eos` after a text. */
  readonly addEos: boolean;
  /**
   * Token ids of a text. Lone surrogates count as U+FFFD. Bytes that are not UTF-8: byte-level vocabularies read U+FFFD for each,
   * SentencePiece-style ones keep them by byte tokens; both as llama.cpp does.
   */
  encode(text: string | Uint8Array, options?: EncodeOptions): Int32Array;
  /**
   * As `encode`, for texts of any length that somebody else sent: the event loop gets its turns, and the work ends early.
   * @throws OnebitError `too-long` for more than `maxTokens`, `over-budget` where the budget ends; the reason of the signal
   */
  encodeAsync(text: string | Uint8Array, options?: BoundedEncodeOptions): Promise<Int32Array>;
  /**
   * The text of tokens that stand at the start of a text (a SentencePiece-style vocabulary loses the space it puts there; to continue a text
   * use `decoder`). Bytes that are not UTF-8 become U+FFFD.
   */
  decode(tokens: ArrayLike<number>, options?: DecodeOptions): string;
  /** The bytes of one token: the text of a control token, nothing for an unused one. A copy. */
  bytesOf(token: number): Uint8Array;
  /** A decoder of tokens that arrive one by one and continue a text. */
  decoder(options?: DecodeOptions): StreamDecoder;
  /** The id of the token with this text in the vocabulary's own spelling (`Ġthe`, `▁the`, `<|im_end|>`). */
  tokenId(text: string): number | undefined;
  /** Whether a token is control or unknown: never made from plain text, left out of decoded text. */
  isSpecial(token: number): boolean;
  /** Whether an id stands for nothing: of type unused, or without a text. */
  isUnused(token: number): boolean;
}

/** Turns tokens into text as they come, never splitting a character. */
export interface StreamDecoder {
  /** The text that is now complete; may be empty. */
  push(token: number): string;
  /** What is left of a character cut off at the end, as U+FFFD; the decoder can then be used anew. */
  flush(): string;
}

/**
 * Builds the tokenizer of a model file from its metadata (`tokenizer.ggml.*`).
 * Throws 'bad-file' or 'unsupported' with all problems together.
 */
export function createTokenizer(metadata: Metadata): Tokenizer {
  const isMetadata = typeof metadata === 'object' && metadata !== null && typeof metadata.get === 'function';
  if (!isMetadata) throw wrong('createTokenizer', 'metadata', 'be that of a file (gguf.metadata)', metadata);
  const problems = new Problems();
  const model = metadata.get('tokenizer.ggml.model');
  if (model === 'gpt2') return createByteLevel(metadata, problems);
  if (model === 'llama') return createSentencePiece(metadata, problems);
  if (typeof model === 'string')
    problems.unsupported(
      `tokenizer.ggml.model: must be "gpt2" or "llama", got ${describe(model)}. Use a model with one of these tokenizers.`,
    );
  else
    problems.bad(
      `tokenizer.ggml.model: must be a text, got ${describe(model)}. Convert the model again with its tokenizer.`,
    );
  problems.throwIfAny();
  throw new OnebitError('bad-file', 'createTokenizer: no tokenizer.');
}

function createByteLevel(metadata: Metadata, problems: Problems): Tokenizer {
  const name = metadata.get('tokenizer.ggml.pre') ?? 'default';
  const pre = typeof name === 'string' ? preTokenizers.get(name) : undefined;
  if (!pre) {
    const known = [...preTokenizers.keys()].join(', ');
    const problem = `tokenizer.ggml.pre: must be one of ${known}, got ${describe(name)}.`;
    if (typeof name === 'string')
      problems.unsupported(`${problem} Use a model with one of these, or ask for this one.`);
    else problems.bad(problem);
  }
  const vocabulary = readVocabulary(metadata, { addBos: pre?.addBos ?? false }, problems);
  const encoding = byteLevelEncoding(metadata, vocabulary, pre ?? preTokenizers.get('default')!, problems);
  const composes = readFlag(metadata, COMPOSE_KEY, false, problems);
  problems.throwIfAny();
  return new FileTokenizer(vocabulary, encoding, { units: 'characters', composes });
}

function createSentencePiece(metadata: Metadata, problems: Problems): Tokenizer {
  const vocabulary = readVocabulary(metadata, { bos: 1, eos: 2, unknown: 0, addBos: true }, problems);
  const encoding = sentencePieceEncoding(metadata, vocabulary, problems);
  const isFirst = readFlag(metadata, 'tokenizer.ggml.add_space_prefix', true, problems);
  const where = metadata.get(SPACE_KEY) ?? 'section';
  if (where !== 'section' && where !== 'first' && where !== 'each')
    problems.bad(`${SPACE_KEY}: must be first or each, got ${describe(where)}.`);
  problems.throwIfAny();
  return new FileTokenizer(vocabulary, encoding, { units: 'bytes', space: isFirst ? (where as Space) : undefined });
}

const ENCODE_OPTIONS: Options = { special: 'boolean', bos: 'boolean' };
const BOUNDED_OPTIONS: Options = { ...ENCODE_OPTIONS, maxTokens: 'number', budget: 'object', signal: 'signal' };

/** Where a space is put before text: before each section as llama.cpp does, or as `SPACE_KEY` has it. */
type Space = 'section' | 'first' | 'each';

interface Form {
  /** What one character of the strings given to the encoding is. */
  readonly units: 'characters' | 'bytes';
  readonly space?: Space;
  /** Characters are composed first. */
  readonly composes?: boolean;
}

class FileTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly bos?: number;
  readonly eos?: number;
  readonly endOfGeneration: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly #vocabulary: Vocabulary;
  readonly #encoding: TextEncoding;
  readonly #units: 'characters' | 'bytes';
  readonly #space: Space | undefined;
  readonly #composes: boolean;
  readonly #added: AddedTokens;
  readonly #addedWithSpecial: AddedTokens;
  readonly longestToken: number;

  constructor(vocabulary: Vocabulary, encoding: TextEncoding, { units, space, composes = false }: Form) {
    this.vocabularySize = vocabulary.texts.length;
    this.bos = vocabulary.bos;
    this.eos = vocabulary.eos;
    this.endOfGeneration = vocabulary.endOfGeneration;
    this.addBos = vocabulary.addBos;
    this.addEos = vocabulary.addEos;
    this.#vocabulary = vocabulary;
    this.#encoding = encoding;
    this.#units = units;
    this.#space = space;
    this.#composes = composes;
    const texts = units === 'bytes' ? vocabulary.texts.map(byteString) : vocabulary.texts;
    const longest = texts.reduce((most, text) => Math.max(most, text.length), 1);
    this.longestToken = composes ? MOST_COMPOSED * longest : longest;
    const byteLength = (token: number) => byteString(vocabulary.texts[token]).length;
    this.#added = new AddedTokens(texts, vocabulary.added, byteLength);
    this.#addedWithSpecial = new AddedTokens(texts, vocabulary.addedWithSpecial, byteLength);
  }

  encode(text: string | Uint8Array, options: EncodeOptions = {}): Int32Array {
    checkText('encode', text);
    checkOptions('encode', options, ENCODE_OPTIONS);
    const out = new TokenList();
    runSteps(this.#encode(text, options, out));
    return out.toArray();
  }

  async encodeAsync(text: string | Uint8Array, options: BoundedEncodeOptions = {}): Promise<Int32Array> {
    checkText('encodeAsync', text);
    checkOptions('encodeAsync', options, BOUNDED_OPTIONS);
    const { maxTokens = Number.POSITIVE_INFINITY, signal, budget = new Budget({ signal }) } = options;
    const check = (tokens: number) => {
      signal?.throwIfAborted();
      if (!(tokens > maxTokens)) return;
      throw new OnebitError(
        'too-long',
        `encode: the text must have at most ${maxTokens} tokens, got more. Send a shorter one.`,
      );
    };
    check(this.#encoding.isComplete ? text.length / this.longestToken : 0);
    const out = new TokenList();
    await restSteps(this.#encode(text, options, out), budget, 'encode', () => check(out.length));
    return out.toArray();
  }

  *#encode(text: string | Uint8Array, options: EncodeOptions, out: TokenList): Steps {
    if (options.bos) {
      if (this.bos === undefined)
        throw new OnebitError(
          'bad-argument',
          'encode: bos must be in the vocabulary, got none. Leave options.bos out.',
        );
      out.push(this.bos);
    }
    let source: string;
    if (this.#units === 'bytes') source = typeof text === 'string' ? byteString(text) : stringOfUnits(text);
    else source = typeof text === 'string' ? text : decodeUtf8(text);
    let afterAdded = true;
    for (const part of (options.special ? this.#addedWithSpecial : this.#added).parts(source)) {
      if (!part) yield;
      else if (part.token < 0) {
        const { from, to } = part;
        if (afterAdded && this.#putsSpace(source, from)) {
          yield* this.#encoding.encode(` ${source.slice(from, to)}`, 0, to - from + 1, out);
        } else if (this.#composes) {
          const text = yield* composed(source.slice(from, to));
          yield* this.#encoding.encode(text, 0, text.length, out);
        } else yield* this.#encoding.encode(source, from, to, out);
        afterAdded = false;
      } else {
        out.push(part.token);
        afterAdded = true;
      }
    }
  }

  #putsSpace(source: string, at: number): boolean {
    if (this.#space === undefined || (this.#space === 'first' && at > 0)) return false;
    if (this.#space === 'section') return true;
    return source[at] !== ' ' && !source.startsWith(SPACE_BYTES, at);
  }

  decode(tokens: ArrayLike<number>, options: DecodeOptions = {}): string {
    checkTokens('decode', 'tokens', tokens);
    const decoder = this.decoder(options);
    const parts: string[] = [];
    for (let i = 0; i < tokens.length; i++) parts.push(decoder.push(tokens[i]));
    parts.push(decoder.flush());
    const text = parts.join('');
    if (this.#space === undefined) return text;
    let first = 0;
    while (!options.special && first < tokens.length && this.isSpecial(tokens[first])) first++;
    const ownSpace = first < tokens.length && !this.isSpecial(tokens[first]) && text.startsWith(' ');
    return ownSpace ? text.slice(1) : text;
  }

  bytesOf(token: number): Uint8Array {
    this.#check(token);
    return this.#encoding.bytesOf(token);
  }

  decoder(options: DecodeOptions = {}): StreamDecoder {
    checkOptions('decode', options, { special: 'boolean' });
    const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      push: (token) => {
        const bytes = this.bytesOf(token);
        return !options.special && this.isSpecial(token) ? '' : utf8.decode(bytes, { stream: true });
      },
      flush: () => utf8.decode(),
    };
  }

  tokenId(text: string): number | undefined {
    checkArgument('tokenId', 'text', text, 'text');
    return this.#vocabulary.ids.get(text);
  }

  isSpecial(token: number): boolean {
    this.#check(token);
    return this.#vocabulary.special[token] === 1;
  }

  isUnused(token: number): boolean {
    this.#check(token);
    return this.#vocabulary.types[token] === UNUSED || this.#vocabulary.texts[token] === '';
  }

  #check(token: number): void {
    if (Number.isInteger(token) && token >= 0 && token < this.vocabularySize) return;
    throw wrong('tokenizer', 'a token', `be 0..${this.vocabularySize - 1}`, token);
  }
}

function checkText(operation: string, text: unknown): void {
  if (typeof text === 'string' || text instanceof Uint8Array) return;
  throw wrong(operation, 'text', 'be a text, or one in bytes (Uint8Array)', text);
}
