// Owns the model as users hold it: text in, text out. Brings tokenizer, chat template, sessions and engine together.

import type { ByteSource } from './bytes/source.ts';
import { checkMessages, checkTools } from './chat/check-messages.ts';
import { fittingMessages } from './chat/fit.ts';
import type { ChatInput, ChatMessage } from './chat/messages.ts';
import { openEnded } from './chat/open-ended.ts';
import { ChatTemplate, type ChatTemplateOptions } from './chat/template.ts';
import type { Budget } from './core/budget.ts';
import {
  checkArgument,
  checkGiven,
  checkOptions,
  checkTextOrTokens,
  checkTokens,
  type Options,
  wrong,
} from './core/check.ts';
import { OnebitError } from './errors.ts';
import type { AttentionMap } from './evaluate/attention.ts';
import type { DetectionSoFar, DetectOptions } from './evaluate/detect.ts';
import type { Reader } from './evaluate/places.ts';
import type { Score, ScoreOptions } from './evaluate/score.ts';
import type { Detection } from './evaluate/watermark.ts';
import { type Choosable, choosableOf } from './generate/choosable.ts';
import { Generation, type SessionUse } from './generate/generation.ts';
import {
  checkOwner,
  GENERATE_OPTIONS,
  type GenerateOptions,
  type ResolvedOptions,
  resolveOptions,
} from './generate/options.ts';
import { type ModelStats, Scheduler, type SchedulerOptions } from './generate/scheduler.ts';
import { type ChosenToken, Session } from './generate/session.ts';
import { tokensDigest } from './generate/session-file.ts';
import type { ModelFacts } from './gguf/facts.ts';
import type { Gguf, GgufValue } from './gguf/types.ts';
import type { Adapter } from './model/adapter.ts';
import type { ModelConfig } from './model/config.ts';
import type { Engine } from './model/engine.ts';
import { ownSampling, type SamplingDefaults } from './model/own-sampling.ts';
import { CHAT_BOS_KEY, type Tokenizer } from './tokenizer/tokenizer.ts';

export type { ModelFacts };

export interface ChatOptions extends GenerateOptions, Omit<ChatTemplateOptions, 'addGenerationPrompt'> {
  /** Refuse a conversation that does not fit the context, instead of leaving out its oldest turns. Default false. */
  keepAll?: boolean;
}

/** Tokens kept free for an answer where turns are left out, at most. */
const ANSWER_TOKENS = 256;
const TEMPLATE_OPTIONS: Options = {
  thinking: 'boolean',
  addGenerationPrompt: 'boolean',
  tools: 'objects',
  variables: 'object',
  budget: 'object',
};
const BOUNDED_TEMPLATE_OPTIONS: Options = { ...TEMPLATE_OPTIONS, maxTokens: 'number', continueLast: 'boolean' };
const CHAT_OPTIONS: Options = { ...GENERATE_OPTIONS, ...TEMPLATE_OPTIONS, keepAll: 'boolean' };
const SCORE_OPTIONS: Options = { bos: 'boolean', contextTokens: 'number', onProgress: 'function', signal: 'signal' };
const TOKENIZE_OPTIONS: Options = { special: 'boolean', bos: 'boolean' };

/** Text across which DRY sees no repetition, as its inventor chose. */
const DRY_BREAKERS = ['\n', ':', '"', '*'];

/** A loaded model. Weights never change; every call has a session of its own, so calls may overlap. */
export class LanguageModel {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** Everything the file says about itself. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** What the file is in a few words. */
  readonly facts: () => Promise<ModelFacts>;
  /** Most tokens of one sequence, prompt and answer together. */
  readonly contextTokens: number;
  /** The adapter of whoever names none; '' for the weights alone. */
  defaultAdapter = '';
  /** How the next token is chosen where a call does not say: as the file asks, else as `SamplingOptions` says. */
  readonly sampling: SamplingDefaults;
  private readonly engine: Engine;
  private readonly chatTemplate: () => ChatTemplate;
  private readonly breakers: ReadonlySet<number>;
  private readonly choosable: Choosable;
  private readonly scheduler: Scheduler;
  private readonly markerOf = async (key: string) => {
    const { Marker, WatermarkKey } = await import('./generate/watermark.ts');
    return new Marker(new WatermarkKey(key), this.tokenizer);
  };
  private disposed = false;
  private readonly loadedAdapters = new Map<string, Adapter>();
  private readonly textsDigest: () => string;

  /** @internal Use `load`. */
  constructor(gguf: Gguf, tokenizer: Tokenizer, engine: Engine, contextTokens: number, limits: SchedulerOptions) {
    checkGiven('new LanguageModel', 'gguf', gguf, 'readGguf', ['metadata', 'tensors']);
    checkGiven('new LanguageModel', 'tokenizer', tokenizer, 'createTokenizer', ['vocabularySize']);
    checkGiven('new LanguageModel', 'engine', engine, 'load', ['config', 'newSequence']);
    checkArgument('new LanguageModel', 'contextTokens', contextTokens, 'number');
    checkArgument('new LanguageModel', 'limits', limits, 'object');
    this.config = engine.config;
    this.metadata = gguf.metadata;
    this.sampling = ownSampling(gguf);
    let facts: Promise<ModelFacts> | undefined;
    this.facts = () => {
      facts ??= import('./gguf/facts.ts').then(({ factsOf }) => factsOf(gguf));
      return facts;
    };
    this.tokenizer = tokenizer;
    this.engine = engine;
    this.contextTokens = contextTokens;
    this.scheduler = new Scheduler(engine, limits);
    let template: ChatTemplate | undefined;
    this.chatTemplate = () => {
      template ??= chatTemplateOf(gguf, tokenizer);
      return template;
    };
    let texts: string | undefined;
    this.textsDigest = () => {
      texts ??= tokensDigest(tokenizer);
      return texts;
    };
    this.choosable = choosableOf(tokenizer);
    this.breakers = new Set(DRY_BREAKERS.flatMap((text) => [...tokenizer.encode(text, { bos: false })]));
  }

  /** `reference`, `wasm` or `webgpu`, and its threads. */
  get backend(): { readonly name: string; readonly threads: number } {
    return this.engine.backend;
  }

  /** Bytes of weights that decoding one token must read: all matrices, but of an untied embedding only a row. */
  get decodeWeightBytes(): number {
    return this.engine.decodeWeightBytes;
  }

  /** Bytes that weights, activations and cache take in the backend. */
  get memoryBytes(): number {
    return this.engine.backend.memoryBytes();
  }

  /** What the model is doing, and what it has done so far: for metrics. */
  stats(): ModelStats {
    return this.scheduler.stats();
  }

  /**
   * Continues `prompt`: text, or token ids. Iterate over the pieces, or await `.result()`.
   * @throws OnebitError `bad-argument` for options out of range or a prompt longer than the context
   */
  generate(prompt: string | ArrayLike<number>, options: GenerateOptions = {}): Generation {
    this.assertAlive('generate');
    checkTextOrTokens('generate', 'prompt', prompt);
    checkOptions('generate', options, GENERATE_OPTIONS);
    const resolved = resolveOptions(options, this.sampling);
    const tokens = typeof prompt === 'string' ? this.tokenize(prompt, { special: options.special }) : prompt;
    return this.generation(tokens, resolved);
  }

  /**
   * Answers the last of `messages`. The conversation so far is not evaluated again where the cache still holds it. One that is longer than the context goes on
   * without its oldest turns, unless `keepAll` is set; what the system says first and the last turn stay.
   * @throws OnebitError `bad-argument` for messages or options of the wrong shape, or a last turn longer than the context
   */
  chat(messages: readonly ChatInput[], options: ChatOptions = {}): Generation {
    this.assertAlive('chat');
    const prompt = this.fittingPrompt(messages, options);
    const resolved = resolveOptions({ ...options, loopGuard: options.loopGuard ?? true }, this.sampling);
    return this.generation(prompt, resolved);
  }

  /** The token ids that `chat` answers: those of `chatPrompt`, without the oldest turns where all would not fit. */
  fittingPrompt(messages: readonly ChatInput[], options: ChatOptions = {}): Int32Array {
    checkOptions('chat', options, CHAT_OPTIONS);
    checkTools('chat', options.tools);
    const checked = checkMessages('chat', messages);
    const { maxTokens } = resolveOptions(options, this.sampling);
    const room = this.contextTokens - Math.min(maxTokens, ANSWER_TOKENS, this.contextTokens >> 2);
    let tokens: Int32Array = new Int32Array(0);
    const fits = (some: readonly ChatMessage[]) => {
      const pieces = this.chatTemplate().render(some, options);
      const characters = pieces.reduce((sum, piece) => sum + piece.length, 0);
      // What cannot fit by its length is not tokenised
      if (characters > this.contextTokens * this.tokenizer.longestToken) return false;
      tokens = this.encodePieces(pieces);
      return tokens.length <= room;
    };
    const kept = options.keepAll ? checked : fittingMessages(checked, fits);
    if (options.keepAll || kept !== checked) fits(kept);
    if (tokens.length > 0) return tokens;
    throw new OnebitError(
      'bad-argument',
      `chat: the conversation must fit the context of ${this.contextTokens} tokens, got more. Send less, or load with more contextTokens.`,
    );
  }

  /** The text of a conversation as the model reads it, by its template. @throws OnebitError as `chat` */
  prompt(messages: readonly ChatInput[], options: ChatTemplateOptions = {}): string {
    checkOptions('prompt', options, TEMPLATE_OPTIONS);
    checkTools('prompt', options.tools);
    return this.chatTemplate().render(checkMessages('prompt', messages), options).join('');
  }

  /** The token ids of a conversation, ready to be answered. Text of control tokens inside messages stays ordinary text. */
  chatPrompt(messages: readonly ChatInput[], options: ChatTemplateOptions = {}): Int32Array {
    checkOptions('chatPrompt', options, TEMPLATE_OPTIONS);
    checkTools('chatPrompt', options.tools);
    return this.encodePieces(this.chatTemplate().render(checkMessages('chatPrompt', messages), options));
  }

  /**
   * What `chatPrompt` gives, for messages of any length that somebody else sent: within a budget, with turns of the event loop for others.
   * @throws OnebitError `too-long` for more than `maxTokens`, `over-budget` where the budget ends; the reason of its signal
   */
  async chatPromptAsync(
    given: readonly ChatInput[],
    options: ChatTemplateOptions & {
      readonly budget: Budget;
      readonly maxTokens: number;
      /** Ends the prompt in the last message, which the answer goes on with. */
      readonly continueLast?: boolean;
    },
  ): Promise<Int32Array> {
    checkOptions('chatPromptAsync', options, BOUNDED_TEMPLATE_OPTIONS);
    checkTools('chatPromptAsync', options.tools);
    for (const name of ['budget', 'maxTokens'] as const) {
      checkArgument('chatPromptAsync', name, options[name], BOUNDED_TEMPLATE_OPTIONS[name]);
    }
    const messages = checkMessages('chatPromptAsync', given);
    const { budget, maxTokens, continueLast } = options;
    const template = this.chatTemplate();
    const pieces = continueLast ? openEnded(messages, template, options) : template.render(messages, options);
    const tokens: number[] = [];
    for (const piece of pieces) {
      const read = { special: true, bos: false, maxTokens: maxTokens - tokens.length, budget };
      for (const token of await this.tokenizer.encodeAsync(piece, read)) tokens.push(token);
    }
    return this.begun(tokens);
  }

  /** Whether the model's template lets it be told to think before it answers. */
  get knowsThinking(): boolean {
    return this.chatTemplate().knowsThinking;
  }

  /** How likely the model finds a text or tokens: exact log-probabilities, nats a token, bits a byte. */
  score(input: string | ArrayLike<number>, options: ScoreOptions = {}): Promise<Score> {
    return this.scoreDocuments([input], options);
  }

  /** tokens[1..] with their log-probabilities, each given all before it, and so many of the likeliest in the place of each. */
  async tokenLogprobs(
    tokens: ArrayLike<number>,
    options: { alternatives?: number; signal?: AbortSignal; owner?: string; adapter?: string } = {},
  ): Promise<ChosenToken[]> {
    this.assertAlive('tokenLogprobs');
    checkTokens('tokenLogprobs', 'tokens', tokens);
    checkOptions('tokenLogprobs', options, {
      alternatives: 'number',
      signal: 'signal',
      owner: 'text',
      adapter: 'text',
    });
    const session = this.session({ owner: options.owner, adapter: options.adapter });
    try {
      return await session.rank(tokens, options.alternatives ?? 0, options.signal);
    } finally {
      session.dispose();
    }
  }

  /** Like `score` for several documents, each from its own start. */
  async scoreDocuments(documents: readonly (string | ArrayLike<number>)[], options: ScoreOptions = {}): Promise<Score> {
    this.assertAlive('score');
    checkArgument('score', 'documents', documents, 'list');
    for (const document of documents) checkTextOrTokens('score', 'the document', document);
    checkOptions('score', options, SCORE_OPTIONS);
    const { scoreDocuments } = await import('./evaluate/score.ts');
    const session = this.session();
    try {
      return await scoreDocuments(documents, session, this.tokenizer, options);
    } finally {
      session.dispose();
    }
  }

  /**
   * A text or tokens as a vector [width] of length 1: the mean of the final states, or what the file's `pooling_type` says (mean, first or last token); a
   * text ends in the end token where the file says so. Texts alike in meaning should lie close; how well they do is the model's affair.
   * @param options `owner`: whose turn it is, as in `GenerateOptions`
   * @throws OnebitError `bad-argument` for nothing, or more than the context holds; `unsupported` where the file's `pooling_type` is none
   */
  async embed(
    input: string | ArrayLike<number>,
    options: { signal?: AbortSignal; owner?: string; adapter?: string } = {},
  ): Promise<Float32Array> {
    this.assertAlive('embed');
    checkTextOrTokens('embed', 'input', input);
    checkOptions('embed', options, { signal: 'signal', owner: 'text', adapter: 'text' });
    const { signal, owner } = options;
    const adapter = this.adapterOf(options.adapter);
    const { embedTokens, endedTokens } = await import('./generate/embed.ts');
    const tokens = typeof input === 'string' ? endedTokens(this.tokenize(input), this.tokenizer) : input;
    return embedTokens(this.scheduler, tokens, this.contextTokens, { owner, adapter, signal });
  }

  /**
   * Whether a text was marked with a key (`GenerateOptions.watermark`) by this model: an exact p-value for texts of any length, as a whole and in
   * stretches. Reads the text once or twice with the model.
   * @throws OnebitError `bad-argument` for a key that is too short
   */
  async detectWatermark(text: string, options: DetectOptions): Promise<Detection> {
    this.assertAlive('detectWatermark');
    checkArgument('detectWatermark', 'text', text, 'text');
    checkOptions('detectWatermark', options, { key: 'text', prompt: 'text', signal: 'signal' });
    const { detectWatermark } = await import('./evaluate/detect.ts');
    return detectWatermark(text, options.key, this.reader(options.prompt), options.signal);
  }

  /** `detectWatermark` for a text that is still being written: looks again as it grows. */
  async *watchWatermark(
    pieces: AsyncIterable<string>,
    options: DetectOptions,
  ): AsyncGenerator<DetectionSoFar, void, void> {
    checkGiven('watchWatermark', 'pieces', pieces, 'a stream of texts', [Symbol.asyncIterator]);
    checkOptions('watchWatermark', options, { key: 'text', prompt: 'text', signal: 'signal' });
    const { watchWatermark } = await import('./evaluate/detect.ts');
    yield* watchWatermark(pieces, (text) => this.detectWatermark(text, options));
  }

  /** What each token of a short text looks at, in every layer and head. @throws OnebitError `bad-argument` for more than 64 tokens */
  async attention(text: string, options: { signal?: AbortSignal } = {}): Promise<AttentionMap> {
    this.assertAlive('attention');
    checkArgument('attention', 'text', text, 'text');
    checkOptions('attention', options, { signal: 'signal' });
    const textOf = (token: number) => this.tokenizer.decode([token], { special: true });
    const { attentionMap } = await import('./evaluate/attention.ts');
    return attentionMap(this.engine, [...this.tokenize(text)], textOf, options.signal);
  }

  /** Token ids of `text`; with the begin token where the model wants one, unless `bos` says otherwise. */
  tokenize(text: string, options: { special?: boolean; bos?: boolean } = {}): Int32Array {
    checkArgument('tokenize', 'text', text, 'text');
    checkOptions('tokenize', options, TOKENIZE_OPTIONS);
    return this.tokenizer.encode(text, { ...options, bos: options.bos ?? this.tokenizer.addBos });
  }

  /** Text of `tokens`. */
  detokenize(tokens: ArrayLike<number>): string {
    checkTokens('detokenize', 'tokens', tokens);
    return this.tokenizer.decode(tokens);
  }

  /**
   * A session of your own: its cache can be cut back, saved and restored. Dispose of it when done.
   * @param options `owner`: whose cached beginnings it may use, as in `GenerateOptions`
   */
  session(options: { owner?: string; adapter?: string } = {}): Session {
    this.assertAlive('session');
    checkOptions('session', options, { owner: 'text', adapter: 'text' });
    checkOwner(options.owner, 'session');
    return new Session(this.scheduler, this.contextTokens, this.breakers, {
      owner: options.owner,
      adapter: this.adapterOf(options.adapter),
      choosable: this.choosable,
      texts: () => this.textsDigest(),
      markerOf: this.markerOf,
      sampling: this.sampling,
    });
  }

  /** Continues `prompt` in a session of your own, which has its owner already. */
  generateIn(session: Session, prompt: string | ArrayLike<number>, options: GenerateOptions = {}): Generation {
    this.assertAlive('generateIn');
    if (!(session instanceof Session)) throw wrong('generateIn', 'session', 'be one that session() gave', session);
    checkTextOrTokens('generateIn', 'prompt', prompt);
    checkOptions('generateIn', options, GENERATE_OPTIONS);
    const tokens = typeof prompt === 'string' ? this.tokenize(prompt, { special: options.special }) : prompt;
    if (options.owner !== undefined && options.owner !== session.owner) {
      throw new OnebitError(
        'bad-argument',
        'generate: owner must be the one of the session, got another. Leave it out, or start a session of that owner.',
      );
    }
    const resolved = resolveOptions(options, this.sampling);
    return new Generation(tokens, resolved, this.tokenizer, {
      ...{ session, end: () => {} },
      another: this.anotherOf(tokens, { ...resolved, owner: session.owner }),
    });
  }

  /** Names of the adapters that requests may ask for. */
  get adapters(): string[] {
    return [...this.loadedAdapters.keys()];
  }

  /**
   * Loads a low-rank adapter (LoRA) beside the weights: a GGUF file, or a folder of PEFT's. Requests that name it (`GenerateOptions.adapter`) get it, in one batch
   * with those that do not.
   * @throws OnebitError `bad-argument` for a name that is taken, `bad-file` or `unsupported` where it does not fit the model
   */
  async addAdapter(name: string, input: string | ByteSource, options: { signal?: AbortSignal } = {}): Promise<void> {
    this.assertAlive('addAdapter');
    checkArgument('addAdapter', 'name', name, 'text');
    checkOptions('addAdapter', options, { signal: 'signal' });
    const taken = () =>
      new OnebitError('bad-argument', `addAdapter: the name must be a new one, got '${name}'. Choose another.`);
    if (name === '' || this.loadedAdapters.has(name)) throw taken();
    const { openAdapter } = await import('./load-adapter.ts');
    const matrices = await openAdapter(input, this.config, options.signal);
    const adapter = await this.engine.loadAdapter(matrices, options.signal);
    if (this.loadedAdapters.has(name)) {
      await this.engine.freeAdapter(adapter);
      throw taken();
    }
    this.loadedAdapters.set(name, adapter);
  }

  private adapterOf(name: string | undefined): Adapter | undefined {
    const wanted = name ?? this.defaultAdapter;
    if (wanted === '') return undefined;
    const adapter = this.loadedAdapters.get(wanted);
    if (adapter) return adapter;
    throw new OnebitError(
      'bad-argument',
      `generate: adapter must be one of those loaded (${this.adapters.join(', ') || 'none'}), got '${wanted.slice(0, 80)}'.`,
    );
  }

  /** Stops the backend's threads and returns all memory. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    this.scheduler.dispose();
    await this.engine.backend.dispose();
  }

  /** An answer to `prompt` in a session of its own. */
  private generation(prompt: ArrayLike<number>, options: ResolvedOptions): Generation {
    const use = { ...this.sharedSession(options), another: this.anotherOf(prompt, options) };
    return new Generation(prompt, options, this.tokenizer, use);
  }

  private anotherOf(prompt: ArrayLike<number>, options: ResolvedOptions): SessionUse['another'] {
    return (other) =>
      this.generation(prompt, { ...options, ...other, abstain: undefined, logprobs: undefined, lookupTokens: 0 });
  }

  /** A session for one request, whose cache is then everybody's who has the same owner. */
  private sharedSession({ owner, adapter }: { owner: string; adapter: string | undefined }): SessionUse {
    const { choosable, markerOf, sampling } = this;
    const kept = { shared: true, owner, adapter: this.adapterOf(adapter), choosable, markerOf, sampling };
    const session = new Session(this.scheduler, this.contextTokens, this.breakers, kept);
    return { session, end: () => session.dispose() };
  }

  /** Reads texts as continuations of `prompt` and, where the file has a template for chats, as answers to it. */
  private reader(prompt = ''): Reader {
    const beginnings = [this.tokenize(prompt)];
    if (this.metadata.has('tokenizer.chat_template'))
      beginnings.push(this.chatPrompt([{ role: 'user', content: prompt }]));
    return { tokenizer: this.tokenizer, session: () => this.session(), beginnings };
  }

  private encodePieces(pieces: readonly string[]): Int32Array {
    const tokens = pieces.flatMap((piece) => [...this.tokenizer.encode(piece, { special: true, bos: false })]);
    return this.begun(tokens);
  }

  /** `tokens` with the begin token where the model wants one and the template wrote none. */
  private begun(tokens: number[]): Int32Array {
    const { addBos, bos } = this.tokenizer;
    const isWanted = addBos && this.metadata.get(CHAT_BOS_KEY) !== false;
    if (isWanted && bos !== undefined && tokens[0] !== bos) tokens.unshift(bos);
    return Int32Array.from(tokens);
  }

  private assertAlive(operation: string): void {
    if (this.disposed) throw new OnebitError('disposed', `${operation}: the model was disposed. Load it again.`);
  }
}

export function chatTemplateOf(gguf: Gguf, tokenizer: Tokenizer): ChatTemplate {
  const source = gguf.metadata.get('tokenizer.chat_template');
  const textOf = (token: number | undefined) =>
    token === undefined ? undefined : tokenizer.decode([token], { special: true });
  const specialTexts: string[] = [];
  for (let token = 0; token < tokenizer.vocabularySize; token++) {
    if (tokenizer.isSpecial(token)) specialTexts.push(tokenizer.decode([token], { special: true }));
  }
  return new ChatTemplate(typeof source === 'string' ? source : undefined, specialTexts, {
    bos: textOf(tokenizer.bos),
    eos: textOf(tokenizer.eos),
  });
}
