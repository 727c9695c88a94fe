// Owns /v1/completions: prompts as text or tokens, their continuations whole or as a stream.
import type { FinishReason } from '../generate/generation.ts';
import type { ChosenToken } from '../generate/session.ts';
import type { LanguageModel } from '../language-model.ts';
import type { Constraint } from '../structured/constraint.ts';
import { constraintOfForm, endless } from './answer-form.ts';
import { badField } from './api-error.ts';
import { counted, interleave, roomFor, usageOf } from './choices.ts';
import type { ServerEvent } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import { joinLogprobs, type TextLogprobs, TextLogprobsWriter } from './logprobs.ts';
import { likelyTokens, promptsOf, tokensOf } from './prompt.ts';
import { formOfFields } from './schemas/form.ts';
import type { CompletionRequest } from './schemas/others.ts';
import { generateOptionsOf, withSeed } from './schemas/sampling.ts';

/** As OpenAI's documentation has it. */
const DEFAULT_TOKENS = 16;
/** Prompts times choices. */
const MOST_CHOICES = 128;

interface Step {
  readonly index: number;
  readonly text: string;
  readonly logprobs: TextLogprobs | null;
  readonly finish: FinishReason | null;
}

/** One prompt and what is asked of it. */
interface Task {
  readonly request: CompletionRequest;
  readonly prompt: Int32Array;
  readonly maxTokens: number;
  readonly constraint: Constraint | undefined;
}

/** The whole answer. */
export async function completion(
  model: LanguageModel,
  request: CompletionRequest,
  exchange: Exchange,
): Promise<object> {
  const choices: { text: string; said: string; logprobs: TextLogprobs[]; finish: string | null }[] = [];
  for await (const { index, text, logprobs, finish } of run(model, request, exchange)) {
    choices[index] ??= { text: '', said: '', logprobs: [], finish: null };
    choices[index].text += text;
    if (logprobs) {
      choices[index].said += text;
      choices[index].logprobs.push(logprobs);
    }
    choices[index].finish = finish;
  }
  return {
    ...head(exchange),
    choices: choices.map(({ text, said, logprobs, finish }, index) => ({
      index,
      text,
      logprobs: request.logprobs == null ? null : joinLogprobs(logprobs, said), // what an abstaining server says instead has no tokens
      finish_reason: finish,
    })),
    usage: usageOf(exchange),
  };
}

/** The answer as chunks; checks the request before the first one. */
export async function* completionChunks(
  model: LanguageModel,
  request: CompletionRequest,
  exchange: Exchange,
): AsyncGenerator<ServerEvent, void, void> {
  const withUsage = request.stream_options?.include_usage ?? false;
  const shared = { ...head(exchange), ...(withUsage ? { usage: null } : {}) };
  for await (const { index, text, logprobs, finish } of run(model, request, exchange)) {
    yield { data: { ...shared, choices: [{ index, text, logprobs, finish_reason: finish }] } };
  }
  if (withUsage) yield { data: { ...shared, choices: [], usage: usageOf(exchange) } };
  yield { data: '[DONE]' };
}

async function* run(
  model: LanguageModel,
  request: CompletionRequest,
  exchange: Exchange,
): AsyncGenerator<Step, void, void> {
  const given = promptsOf(request.prompt);
  const n = request.n ?? 1;
  const answers = given.length * n;
  if (answers > MOST_CHOICES) {
    throw badField('n', `n: prompts times n must be at most ${MOST_CHOICES}, got ${answers}.`);
  }
  const prompts: Int32Array[] = [];
  await exchange.expectTokens(likelyTokens(given));
  for (const prompt of given) prompts.push(await tokensOf(prompt, model, exchange.budget));
  const form = formOfFields(request);
  if (form && request.ignore_eos) throw endless();
  const constraint = form && (await constraintOfForm(model, form, exchange));
  const wanted = request.max_tokens ?? DEFAULT_TOKENS;
  const answerTokens = await exchange.reserve({
    promptTokens: prompts.reduce((sum, { length }) => sum + length, 0),
    answers,
    answerTokens: wanted,
    known: true,
  });
  const choices = prompts.flatMap((prompt, p) => {
    const maxTokens = roomFor(prompt.length, model.contextTokens, answerTokens, 'prompt');
    const task = { request, prompt, maxTokens, constraint };
    return Array.from({ length: n }, (_, i) => runChoice(model, task, p * n + i, exchange));
  });
  yield* interleave(choices);
}

async function* runChoice(
  model: LanguageModel,
  { request, prompt, maxTokens, constraint }: Task,
  index: number,
  exchange: Exchange,
): AsyncGenerator<Step, void, void> {
  const writer = request.logprobs == null ? undefined : new TextLogprobsWriter(model.tokenizer);
  if (request.echo) {
    const text = model.detokenize(prompt);
    const tokens = writer && (await promptLogprobs(model, prompt, request.logprobs ?? 0, exchange));
    yield { index, text, logprobs: writer && tokens ? writer.add(tokens, text, true) : null, finish: null };
  }
  const asked = {
    ...withSeed(generateOptionsOf(request, model.config.vocabulary), index),
    ...{ maxTokens, constraint, logprobs: request.logprobs ?? undefined },
  };
  const generation = model.generate(prompt, exchange.allowed(asked));
  const pieces = counted(generation, exchange, request.logprobs);
  for (;;) {
    const { value, done } = await pieces.next();
    if (!done) {
      const logprobs = value.abstained ? null : (writer?.add(value.tokens, value.text) ?? null);
      yield { index, text: value.text, logprobs, finish: null };
      continue;
    }
    if (index === 0) exchange.finishReason = value.finishReason;
    yield { index, text: '', logprobs: null, finish: value.finishReason };
    return;
  }
}

/** The prompt's own tokens with their log-probabilities, which the first one does not have. */
async function promptLogprobs(
  model: LanguageModel,
  prompt: Int32Array,
  alternatives: number,
  exchange: Exchange,
): Promise<ChosenToken[]> {
  exchange.holdLogprobs(prompt.length, alternatives);
  const { signal, owner, adapter } = exchange;
  const options = { alternatives, signal, owner, adapter };
  return [{ token: prompt[0] }, ...(await model.tokenLogprobs(prompt, options))];
}

function head(exchange: Exchange) {
  return {
    id: `cmpl-${exchange.id.slice(4)}`,
    object: 'text_completion',
    created: Math.floor(Date.now() / 1000),
    model: exchange.modelId ?? '',
    system_fingerprint: null,
  };
}
