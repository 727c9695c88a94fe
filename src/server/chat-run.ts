// Owns answering a conversation, for every route that does: the prompt, thinking, tools; the answer as parts. Must not know the routes' forms.
import { type AnswerDelta, AnswerParser } from '../chat/answer-parser.ts';
import type { FinishReason } from '../generate/generation.ts';
import type { GenerateOptions } from '../generate/options.ts';
import type { ChosenToken } from '../generate/session.ts';
import type { LanguageModel } from '../language-model.ts';
import { constraintOf } from './answer-form.ts';
import { badField } from './api-error.ts';
import { type ChatTask, isForced, mayCallOften } from './chat-task.ts';
import { counted, interleave, roomFor } from './choices.ts';
import type { Exchange } from './exchange.ts';
import { contextTokensOf, conversationTokens, mostCharacters, textLength } from './prompt.ts';
import type { Tool } from './schemas/chat.ts';
import { generateOptionsOf, withSeed } from './schemas/sampling.ts';

export type ChatFinish = FinishReason | 'tool_calls';

/** A step of choice `index`; its last one has `finish`. */
export interface ChatStep {
  readonly index: number;
  readonly delta: AnswerDelta;
  readonly tokens: readonly ChosenToken[];
  /** Whether the tokens are thoughts. */
  readonly thinks: boolean;
  readonly finish?: ChatFinish;
  /** The stop text that ended it, where one did. */
  readonly stopText?: string;
}

/** Tokens of the prompt's end that may hold `<think>` and what surrounds it. */
const TAIL_TOKENS = 8;

/** Answers `task`. Checks everything before the first step. @throws ApiError 400, 429 */
export async function* runChat(
  model: LanguageModel,
  task: ChatTask,
  exchange: Exchange,
): AsyncGenerator<ChatStep, void, void> {
  const { tools, prompt } = await promptFor(model, task, exchange);
  exchange.promptIds = prompt;
  const tail = model.tokenizer.decode(prompt.slice(-TAIL_TOKENS), { special: true });
  const startsInReasoning = /<think>\s*$/.test(tail);
  const thinks = startsInReasoning || (task.thinking && model.knowsThinking);
  const constraint = await constraintOf(model, task, tools, thinks, exchange);
  const parsing = {
    ...{ startsInReasoning, tools: tools.length > 0, onlyCalls: isForced(task) },
    wellFormed: constraint !== undefined,
  };
  const shared = generateOptionsOf(task.sampling, model.config.vocabulary);
  const answers = task.sampling.n ?? 1;
  const answerTokens = roomFor(
    prompt.length,
    contextTokensOf(model, task.contextTokens),
    task.maxTokens,
    task.names.messages,
  );
  const maxTokens = await exchange.reserve({
    ...{ promptTokens: prompt.length, answers, answerTokens },
    known: task.maxTokens !== undefined,
  });
  const choices = Array.from({ length: answers }, (_, index) => {
    const asked = {
      ...withSeed(shared, index),
      maxTokens,
      constraint,
      logprobs: task.logprobs,
      loopGuard: shared.loopGuard ?? true,
    };
    const options = exchange.allowed(asked);
    const parser = new AnswerParser(parsing);
    return runChoice(model, prompt, options, parser, index, mayCallOften(task), exchange);
  });
  yield* interleave(choices);
}

async function* runChoice(
  model: LanguageModel,
  prompt: Int32Array,
  options: GenerateOptions,
  parser: AnswerParser,
  index: number,
  manyCalls: boolean,
  exchange: Exchange,
): AsyncGenerator<ChatStep, void, void> {
  const pieces = counted(model.generate(prompt, options), exchange, options.logprobs);
  /** Not counted while no thought has come: there may be none between the tags. */
  let reasoningTokens = 0;
  let hasThought = false;
  for (;;) {
    const { value, done } = await pieces.next();
    if (done) {
      const finish = parser.callCount > 0 && value.finishReason === 'stop' ? 'tool_calls' : value.finishReason;
      yield { index, delta: parser.flush(), tokens: [], thinks: false, finish, stopText: value.stopText };
      return;
    }
    if (value.abstained) {
      yield { index, delta: { content: value.text }, tokens: [], thinks: false };
      continue;
    }
    const delta = parser.push(value.text);
    const thinks = parser.isReasoning || delta.reasoning !== undefined;
    if (thinks) reasoningTokens += value.tokens.length;
    if (delta.reasoning !== undefined || hasThought) {
      hasThought = true;
      exchange.usage.reasoningTokens += reasoningTokens;
      reasoningTokens = 0;
    }
    if (!manyCalls && parser.callCount > 0) {
      const toolCalls = delta.toolCalls?.filter((call) => call.index === 0);
      yield { index, delta: { ...delta, toolCalls }, tokens: value.tokens, thinks, finish: 'tool_calls' };
      await pieces.return(undefined as never);
      return;
    }
    yield { index, delta, tokens: value.tokens, thinks };
  }
}

/** What the model reads, and the tools that it is told of. @throws ApiError 400 */
export async function promptFor(
  model: LanguageModel,
  task: ChatTask,
  exchange: Exchange,
): Promise<{ tools: readonly Tool[]; prompt: Int32Array }> {
  const tools = toolsFor(task);
  const { messages, thinking, variables, truncate, names, openEnd = 'answer', before } = task;
  const continueLast = openEnd === 'continue' && messages.at(-1)?.role === 'assistant';
  const most = mostCharacters(model);
  await exchange.expectTokens(Math.ceil(textLength([messages, tools, variables], most) / 4) + (before?.length ?? 0));
  const contextTokens = contextTokensOf(model, task.contextTokens);
  const bounds = { budget: exchange.budget, param: names.messages, truncate, continueLast, before, contextTokens };
  const options = { tools, thinking, variables, addGenerationPrompt: openEnd !== 'none' };
  const prompt = await conversationTokens(messages, model, options, bounds);
  return { tools, prompt };
}

/** The tools to tell the model of. */
function toolsFor({ tools, toolChoice, allowedTools }: ChatTask): readonly Tool[] {
  const unknown = allowedTools?.find((name) => !tools.some((tool) => tool.function.name === name));
  if (unknown !== undefined) {
    throw badField('tool_choice', `tool_choice: there is no tool '${unknown}' among the tools.`);
  }
  if (typeof toolChoice === 'object' && !tools.some((tool) => tool.function.name === toolChoice.name)) {
    throw badField('tool_choice', `tool_choice: there is no tool '${toolChoice.name}' among the tools.`);
  }
  if (toolChoice === 'required' && tools.length === 0) {
    throw badField('tool_choice', "tool_choice: 'required' needs tools, got none.");
  }
  if (toolChoice === 'none') return [];
  return allowedTools ? tools.filter((tool) => allowedTools.includes(tool.function.name)) : tools;
}
