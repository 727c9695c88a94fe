// Owns the model as users hold it: text in, text out. Brings tokenizer, chat template, sessions and engine together.

import type { ChatMessage } from './chat/messages.ts';
import { ChatTemplate, type ChatTemplateOptions } from './chat/template.ts';
import { OnebitError } from './errors.ts';
import { type Score, type ScoreOptions, scoreDocuments } from './evaluate/score.ts';
import { Generation, type SessionLender } from './generate/generation.ts';
import { type GenerateOptions, resolveOptions } from './generate/options.ts';
import { Scheduler, type SchedulerOptions } from './generate/scheduler.ts';
import { Session } from './generate/session.ts';
import type { Gguf, GgufValue } from './gguf/types.ts';
import { KV_PAGE } from './kernels/backend.ts';
import type { ModelConfig } from './model/config.ts';
import type { Engine } from './model/engine.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

export interface ChatOptions extends GenerateOptions, Omit<ChatTemplateOptions, 'addGenerationPrompt'> {}

/** What the model is doing, and what it has done since it was loaded. */
export interface ModelStats {
  /** Requests that have a place, and those that wait for one. */
  readonly running: number;
  readonly waiting: number;
  /** Pages of cache memory, KV_PAGE tokens each; those that requests and sessions use, and those kept in case they are useful again. */
  readonly kvPagesTotal: number;
  readonly kvPagesUsed: number;
  readonly kvPagesCached: number;
  /** Tokens of all prompts so far; those of them that the cache held already. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
}

/** Idle sessions kept because the next prompt may begin like theirs. */
const IDLE_SESSIONS = 4;
/** Text across which DRY sees no repetition, as its inventor chose. */
const DRY_BREAKERS = ['\n', ':', '"', '*'];

/** A loaded model. Weights never change; every call has a session of its own, so calls may overlap. */
export class LanguageModel {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** Everything the file says about itself. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Most tokens of one sequence, prompt and answer together. */
  readonly contextTokens: number;
  private readonly engine: Engine;
  private readonly chatTemplate: () => ChatTemplate;
  private readonly breakers: ReadonlySet<number>;
  private readonly scheduler: Scheduler;
  private readonly counts = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };
  private readonly idle: Session[] = [];
  private disposed = false;

  constructor(gguf: Gguf, tokenizer: Tokenizer, engine: Engine, contextTokens: number, limits: SchedulerOptions) {
    this.config = engine.config;
    this.metadata = gguf.metadata;
    this.tokenizer = tokenizer;
    this.engine = engine;
    this.contextTokens = contextTokens;
    this.scheduler = new Scheduler(limits);
    let template: ChatTemplate | undefined;
    this.chatTemplate = () => {
      template ??= chatTemplateOf(gguf, tokenizer);
      return template;
    };
    this.breakers = new Set(DRY_BREAKERS.flatMap((text) => [...tokenizer.encode(text, { bos: false })]));
    engine.onPagesExhausted(() => this.dropIdle());
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
    const { pages } = this.engine;
    const kvPagesCached = this.idle.reduce((sum, session) => sum + Math.ceil(session.tokens.length / KV_PAGE), 0);
    return {
      running: this.scheduler.running,
      waiting: this.scheduler.waiting,
      kvPagesTotal: pages.pool.pages,
      kvPagesUsed: pages.pool.pages - pages.available - kvPagesCached,
      kvPagesCached,
      ...this.counts,
    };
  }

  /**
   * Continues `prompt`: text, or token ids. Iterate over the pieces, or await `.result()`.
   * @throws OnebitError `bad-argument` for options out of range or a prompt longer than the context
   */
  generate(prompt: string | ArrayLike<number>, options: GenerateOptions = {}): Generation {
    this.assertAlive('generate');
    const resolved = resolveOptions(options);
    const tokens = typeof prompt === 'string' ? this.tokenize(prompt, { special: options.special }) : prompt;
    return new Generation(tokens, resolved, this.tokenizer, this.lender());
  }

  /** Answers the last of `messages`. The conversation so far is not evaluated again where the cache still holds it. */
  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): Generation {
    this.assertAlive('chat');
    const prompt = this.chatPrompt(messages, options);
    return new Generation(prompt, resolveOptions(options), this.tokenizer, this.lender());
  }

  /** The token ids of a conversation, ready to be answered. Text of control tokens inside messages stays ordinary text. */
  chatPrompt(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): Int32Array {
    const pieces = this.chatTemplate().render(messages, options);
    const tokens = pieces.flatMap((piece) => [...this.tokenizer.encode(piece, { special: true, bos: false })]);
    const { addBos, bos } = this.tokenizer;
    if (addBos && bos !== undefined && tokens[0] !== bos) tokens.unshift(bos);
    return Int32Array.from(tokens);
  }

  /** Whether the model's template can describe tools to it. */
  get knowsTools(): boolean {
    return this.chatTemplate().knowsTools;
  }

  /** How likely the model finds a text or tokens: exact log-probabilities, nats a token, bits a byte. */
  score(input: string | ArrayLike<number>, options: ScoreOptions = {}): Promise<Score> {
    return this.scoreDocuments([input], options);
  }

  /** Like `score` for several documents, each from its own start. */
  async scoreDocuments(documents: readonly (string | ArrayLike<number>)[], options: ScoreOptions = {}): Promise<Score> {
    this.assertAlive('score');
    const session = this.session();
    try {
      return await scoreDocuments(documents, session, this.tokenizer, options);
    } finally {
      session.dispose();
    }
  }

  /** Token ids of `text`; with the begin token where the model wants one, unless `bos` says otherwise. */
  tokenize(text: string, options: { special?: boolean; bos?: boolean } = {}): Int32Array {
    return this.tokenizer.encode(text, { ...options, bos: options.bos ?? this.tokenizer.addBos });
  }

  /** Text of `tokens`. */
  detokenize(tokens: ArrayLike<number>): string {
    return this.tokenizer.decode(tokens);
  }

  /** A session of your own: its cache can be cut back, saved and restored. Dispose of it when done. */
  session(): Session {
    this.assertAlive('session');
    return new Session(this.engine, this.contextTokens, this.breakers);
  }

  /** Continues `prompt` in a session of your own. */
  generateIn(session: Session, prompt: string | ArrayLike<number>, options: GenerateOptions = {}): Generation {
    this.assertAlive('generate');
    const tokens = typeof prompt === 'string' ? this.tokenize(prompt, { special: options.special }) : prompt;
    const lender = { counts: this.counts, borrow: async () => session, giveBack: () => {} };
    return new Generation(tokens, resolveOptions(options), this.tokenizer, lender);
  }

  /** Stops the backend's threads and returns all memory. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    this.idle.length = 0;
    await this.engine.backend.dispose();
  }

  private lender(): SessionLender {
    return {
      counts: this.counts,
      borrow: async (prompt, signal) => {
        await this.scheduler.enter(signal);
        let best = -1;
        for (const [i, session] of this.idle.entries()) {
          if (best < 0 || session.commonPrefix(prompt) > this.idle[best].commonPrefix(prompt)) best = i;
        }
        const useful = best >= 0 && this.idle[best].commonPrefix(prompt) > 1;
        return useful ? this.idle.splice(best, 1)[0] : this.session();
      },
      giveBack: (session) => {
        this.scheduler.leave();
        if (this.disposed) return;
        this.idle.push(session);
        if (this.idle.length > IDLE_SESSIONS) this.dropIdle();
      },
    };
  }

  /** Gives back the cache of the session that has been idle for longest. */
  private dropIdle(): boolean {
    const oldest = this.idle.shift();
    oldest?.dispose();
    return oldest !== undefined;
  }

  private assertAlive(operation: string): void {
    if (this.disposed) throw new OnebitError('disposed', `${operation}: the model was disposed. Load it again.`);
  }
}

function chatTemplateOf(gguf: Gguf, tokenizer: Tokenizer): ChatTemplate {
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
