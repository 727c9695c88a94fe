// Owns the small class that people meet first: a real 1-bit network that learns from a page of text in seconds. Everything it does is the trainer's
// and the engine's; here are only the choices that make a tiny text work.

import { checkArgument, checkOptions } from './core/check.ts';
import { exp } from './core/elementary.ts';
import { Random } from './core/random.ts';
import { OnebitError } from './errors.ts';
import type { GenerateOptions } from './generate/options.ts';
import type { LanguageModel } from './language-model.ts';
import { type BackendName, load } from './load.ts';
import type { TrainingDocument } from './train/corpus-document.ts';
import type { TrainStep } from './train/train-options.ts';

export interface OneBitModelOptions {
  /** Same seed and text, same model. Default 1. */
  readonly seed?: number;
  /** Updates of the network. Default 300: some seconds for a page of text. */
  readonly steps?: number;
  readonly threads?: number;
  /** What computes predictions. Default `auto`. */
  readonly backend?: BackendName;
}

export interface LearnOptions {
  /** Told after each update. */
  readonly onProgress?: (step: TrainStep) => void;
  /** Ends the training at once; it throws the signal's reason, and the model stays what it was. */
  readonly signal?: AbortSignal;
}

/** A word that may come next. */
export interface NextWord {
  readonly word: string;
  /** 0 to 1. */
  readonly probability: number;
}

const CONTEXT = 64;
/** Places of the text from which it is also shown, so that the model knows how to go on from any word. */
const MOST_STARTS = 400;
const WORDS_SHOWN = 24;
/** Words of a prediction, and first tokens that are followed to their ends to find them. */
const WORDS = 5;
const CANDIDATES = 12;
const LONGEST_WORD = 6;

/**
 * A language model with binary weights, for learning and for tiny texts.
 *
 *     const m = new OneBitModel();
 *     await m.train('the cat sat on the mat. the dog sat on the rug.');
 *     await m.predict('cat');      // [{ word: 'sat', probability: 0.97 }, ...]
 *     await m.generate('the dog'); // ' sat on the rug.'
 */
export class OneBitModel {
  readonly #options: OneBitModelOptions;
  #file: Uint8Array | undefined;
  #model: Promise<LanguageModel> | undefined;

  constructor(options: OneBitModelOptions = {}) {
    checkOptions('OneBitModel', options, { seed: 'number', steps: 'number', threads: 'number', backend: 'text' });
    this.#options = options;
  }

  /**
   * Learns a text from scratch; what was learnt before is forgotten.
   * @throws OnebitError `bad-argument` for a text without words
   */
  async train(text: string, options: LearnOptions = {}): Promise<void> {
    checkArgument('train', 'text', text, 'text');
    checkOptions('train', options, { onProgress: 'function', signal: 'signal' });
    const { seed = 1, steps = 300, threads } = this.#options;
    const { train: learn } = await import('./train/train.ts');
    const events = learn({
      documents: documentsOf(text, seed),
      validation: [],
      shape: { contextLength: CONTEXT },
      recipe: { steps },
      sampleEvery: 0,
      seed,
      threads,
      signal: options.signal,
    });
    for await (const event of events) {
      if (event.type === 'step') options.onProgress?.(event);
      if (event.type !== 'done') continue;
      await this.dispose();
      this.#file = event.model;
    }
  }

  /**
   * The words that most likely follow `words`, at most five, likeliest first.
   * @throws OnebitError `bad-argument` before anything was learnt
   */
  async predict(words: string): Promise<NextWord[]> {
    checkArgument('predict', 'words', words, 'text');
    const model = await this.#loaded('predict');
    const tokens = [...model.tokenize(words.trim())].slice(-(CONTEXT - LONGEST_WORD - 2));
    const found = new Map<string, number>();
    for (const { start, probability } of await this.#starts(model, tokens)) {
      const word = await this.#wordFrom(model, tokens, start);
      if (word !== '') found.set(word, (found.get(word) ?? 0) + probability);
    }
    return [...found]
      .map(([word, probability]) => ({ word, probability }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, WORDS);
  }

  /**
   * Goes on from `prompt`; at most 40 tokens unless `options.maxTokens` says more.
   * @throws OnebitError `bad-argument` before anything was learnt, or for options out of range
   */
  async generate(prompt: string, options: GenerateOptions = {}): Promise<string> {
    checkArgument('generate', 'prompt', prompt, 'text');
    checkArgument('generate', 'options', options, 'object');
    const model = await this.#loaded('generate');
    const generation = model.generate(prompt.trim(), { maxTokens: 40, overflow: 'slide', ...options });
    return (await generation.result()).text;
  }

  /** The model as a GGUF file, which `load` and other programs read. @throws OnebitError `bad-argument` before anything was learnt */
  save(): Uint8Array {
    if (!this.#file) throw untrained('save');
    return this.#file.slice();
  }

  /** Gives threads and memory back; the model can be used again. */
  async dispose(): Promise<void> {
    const model = this.#model;
    this.#model = undefined;
    await (await model)?.dispose();
  }

  #loaded(operation: string): Promise<LanguageModel> {
    if (!this.#file) throw untrained(operation);
    const { backend, threads } = this.#options;
    this.#model ??= load(this.#file, { backend, threads });
    return this.#model;
  }

  /** How words may begin behind `prompt`: with one token, or with one of white space and another; the likeliest ones. */
  async #starts(model: LanguageModel, prompt: readonly number[]): Promise<{ start: number[]; probability: number }[]> {
    const likeliest = async (tokens: readonly number[]) => {
      const options = { maxTokens: 1, temperature: 0, logprobs: CANDIDATES, ignoreEndOfText: true };
      const { logprobs } = await model.generate(tokens, options).result();
      const top = logprobs?.[0]?.top ?? [];
      return top.filter(({ token }) => !model.tokenizer.isSpecial(token));
    };
    const starts: { start: number[]; probability: number }[] = [];
    for (const { token, logprob } of await likeliest(prompt)) {
      if (model.detokenize([token]).trim() !== '') starts.push({ start: [token], probability: exp(logprob) });
      else {
        const after = await likeliest([...prompt, token]);
        starts.push(...after.map((next) => ({ start: [token, next.token], probability: exp(logprob + next.logprob) })));
      }
    }
    return starts.sort((a, b) => b.probability - a.probability).slice(0, CANDIDATES);
  }

  /** The word that begins with `start`, followed greedily until the next word begins; empty for white space. */
  async #wordFrom(model: LanguageModel, prompt: readonly number[], start: readonly number[]): Promise<string> {
    if (model.detokenize(start).trim() === '') return '';
    const options = { maxTokens: LONGEST_WORD, temperature: 0, ignoreEndOfText: true };
    const { tokens } = await model.generate([...prompt, ...start], options).result();
    const text = model.detokenize([...start, ...tokens]); // of all tokens at once: a letter may be several
    const [word] = /^\s*(?:[\p{L}\p{N}_'’-]+|[^\p{L}\p{N}\s\ufffd])/u.exec(text) ?? [''];
    return word.trim();
  }
}

function untrained(operation: string): OnebitError {
  return new OnebitError('bad-argument', `${operation}: the model must have learnt a text first. Call train(text).`);
}

/** The text as it is, and again from many of its words on, as prompts begin: a tiny text alone would teach only its one beginning. */
function documentsOf(text: string, seed: number): TrainingDocument[] {
  const whole = text.trim();
  if (whole === '') throw new OnebitError('bad-argument', 'train: the text must have words, got none. Give it some.');
  const starts = [...whole.matchAll(/\s\S/g)].map(({ index }) => index);
  const random = new Random(seed);
  while (starts.length > MOST_STARTS) starts.splice(random.below(starts.length), 1);
  const passages = starts.map((from) => {
    const words = new RegExp(`^(?:\\s+\\S+){1,${WORDS_SHOWN}}`).exec(whole.slice(from, from + 40 * WORDS_SHOWN));
    return { text: (words?.[0] ?? whole.slice(from)).trimStart() };
  });
  return [{ text: whole }, ...passages];
}
