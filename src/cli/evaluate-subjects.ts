// Owns what `onebit evaluate` asks: a model in this process, or one behind an OpenAI endpoint, by the same few calls. Must not know tasks.
import { stat } from 'node:fs/promises';
import type { ChatInput } from '../chat/messages.ts';
import { OnebitError } from '../errors.ts';
import type { AskAnswer, AskItem } from '../evaluate/asks.ts';
import { type ChoiceReader, type LogLikelihood, logLikelihood } from '../evaluate/choices.ts';
import { type Comparison, compareModels } from '../evaluate/compare.ts';
import { Endpoint } from '../evaluate/endpoint.ts';
import { scoreText, type TextScore } from '../evaluate/rolling.ts';
import { agreementOf, likelihoodOf } from '../generate/abstain.ts';
import type { LanguageModel } from '../language-model.ts';
import { compileSchemaAsync } from '../structured/compile.ts';
import { identityOf } from './calibration-file.ts';
import { type ComputeFlags, loadModel, modelNameOf } from './context.ts';
import { modelPathOf } from './file-identity.ts';

/** How answers are written. */
export interface AnswerOptions {
  readonly maxTokens: number;
  readonly temperature: number;
  /** Further answers to compare with, for the confidence `agreement`; 0 for none. */
  readonly samples: number;
}

type OnProgress = (done: number, total: number) => void;

/** A model that is judged. */
export interface Subject {
  readonly name: string;
  readonly backend: string;
  /** Tells it from all others: the digest of its file, or its address. */
  readonly identity: string;
  /** What else its numbers follow from: how it was loaded. */
  readonly settings: readonly unknown[];
  readonly fileBytes?: number;
  readonly memoryBytes?: number;
  /** Tokens that were read and written so far. */
  tokens(): number;
  logLikelihood(context: string, continuation: string): Promise<LogLikelihood>;
  score(text: string, onProgress: OnProgress): Promise<TextScore>;
  answer(item: AskItem, options: AnswerOptions): Promise<AskAnswer>;
  /** How far its predictions are from those of another. */
  compare(text: string, reference: LanguageModel, onProgress: OnProgress): Promise<Comparison>;
  close(): Promise<void>;
}

const ENDPOINT = /^https?:\/\/.*\/v1\/?(#.+)?$/;

/** The model of a name: a file, the name of a pulled model, or an endpoint (`http://…/v1#model`). */
export async function openSubject(name: string, flags: ComputeFlags, signal: AbortSignal): Promise<Subject> {
  if (ENDPOINT.test(name)) return endpointSubject(name, signal);
  const model = await loadModel({ ...flags, model: name }, signal);
  return localSubject(name, model, [model.contextTokens, flags.kv, flags.i2sLayout], signal);
}

async function localSubject(
  name: string,
  model: LanguageModel,
  settings: readonly unknown[],
  signal: AbortSignal,
): Promise<Subject> {
  const { tokenizer, contextTokens } = model;
  const { bos, eos, addBos } = tokenizer;
  const empty = [bos ?? eos].filter((token) => token !== undefined);
  let tokens = 0;
  const count = <Some extends ArrayLike<number>>(some: Some): Some => {
    tokens += some.length;
    return some;
  };
  const reader: ChoiceReader = {
    encode: (text) => tokenizer.encode(text),
    begin: addBos && bos !== undefined ? [bos] : [],
    empty,
    contextTokens,
    rank: (asked) => model.tokenLogprobs(count(asked), { alternatives: 1, signal }),
  };
  const { name: backend, threads } = model.backend;
  return {
    ...{ name, backend: `${backend}, ${threads} threads`, settings, memoryBytes: model.memoryBytes },
    ...(await fileFacts(modelNameOf({ model: name }), signal)),
    tokens: () => tokens,
    logLikelihood: (context, continuation) => logLikelihood(context, continuation, reader),
    async score(text, onProgress) {
      const session = model.session();
      try {
        return await scoreText(
          text,
          {
            encode: (given) => [...tokenizer.encode(given, { bos: false })],
            byteLength: (token) => (tokenizer.isSpecial(token) ? 0 : tokenizer.bytesOf(token).length),
            ...{ prefix: empty, contextTokens },
            score: (asked) => session.score(count(asked), signal),
          },
          onProgress,
        );
      } finally {
        session.dispose();
      }
    },
    async answer({ prompt, stop, schema, maxTokens }, options) {
      const constraint = schema === undefined ? undefined : await compileSchemaAsync(schema, tokenizer);
      const ask = (temperature: number, seed: number) => {
        const how = {
          maxTokens: maxTokens ?? options.maxTokens,
          stop,
          constraint,
          temperature,
          seed,
          logprobs: 0,
          signal,
        };
        return (
          typeof prompt === 'string' ? model.generate(prompt, how) : model.chat(prompt as ChatInput[], how)
        ).result();
      };
      const [given, ...others] = await Promise.all([
        ask(options.temperature, 0),
        ...Array.from({ length: options.samples }, (_, i) => ask(Math.max(0.7, options.temperature), i + 1)),
      ]);
      for (const { promptTokens, tokens: written } of [given, ...others]) count([...promptTokens, ...written]);
      const likelihood = likelihoodOf(given.logprobs ?? []);
      const agreement = agreementOf(
        given.text,
        others.map((other) => other.text),
      );
      const confidence = others.length > 0 ? { likelihood, agreement } : { likelihood };
      return { text: given.text, finishReason: given.finishReason, confidence };
    },
    async compare(text, reference, onProgress) {
      if (tokenizer.vocabularySize !== reference.tokenizer.vocabularySize) throw notComparable(name);
      const ids = [...tokenizer.encode(text, { bos: false })];
      if (ids.join() !== [...reference.tokenizer.encode(text, { bos: false })].join()) throw notComparable(name);
      const [ours, theirs] = [model.session(), reference.session()];
      try {
        return await compareModels(count(ids), empty, ours, theirs, { signal, onProgress });
      } finally {
        ours.dispose();
        theirs.dispose();
      }
    },
    close: () => model.dispose(),
  };
}

async function fileFacts(path: string, signal: AbortSignal): Promise<{ identity: string; fileBytes?: number }> {
  const found = await stat((await modelPathOf(path)) ?? path).catch(() => undefined);
  const identity = await identityOf(path, signal);
  return found?.isFile() ? { identity, fileBytes: found.size } : { identity };
}

function endpointSubject(name: string, signal: AbortSignal): Subject {
  const url = new URL(name);
  const model = decodeURIComponent(url.hash.slice(1));
  url.hash = '';
  if (model === '') {
    throw new OnebitError(
      'bad-argument',
      `evaluate: an endpoint must say which model, got ${name}. Write ${name}#MODEL.`,
    );
  }
  const endpoint = new Endpoint({ url: url.href, model, key: process.env.OPENAI_API_KEY, signal });
  return {
    ...{ name: model, backend: `endpoint ${url.href}`, identity: name, settings: [] },
    tokens: () => endpoint.tokens,
    logLikelihood: (context, continuation) => endpoint.logLikelihood(context, continuation),
    async score(text) {
      const { logprobs, bytes } = await endpoint.textLogprobs(text);
      const context = logprobs.length;
      // The endpoint has read the text already: what it found is handed out token by token.
      return scoreText(text, {
        encode: () => logprobs.map((_, i) => i),
        byteLength: (token) => bytes[token],
        ...{ prefix: [-1], contextTokens: context },
        score: async (asked) => asked.slice(1).map((token) => logprobs[token]),
      });
    },
    async answer(item, { maxTokens, temperature, samples }) {
      const given = await endpoint.answer(item, maxTokens, { temperature });
      const others: string[] = [];
      for (let seed = 1; seed <= samples; seed++) {
        others.push((await endpoint.answer(item, maxTokens, { temperature: Math.max(0.7, temperature), seed })).text);
      }
      if (samples === 0) return given;
      return { ...given, confidence: { ...given.confidence, agreement: agreementOf(given.text, others) } };
    },
    compare: () => Promise.reject(notComparable(name)),
    close: async () => {},
  };
}

function notComparable(name: string): OnebitError {
  return new OnebitError(
    'unsupported',
    `evaluate: --against needs a model with the same tokens, ${name} has not. Compare formats of one model, in this process.`,
  );
}
