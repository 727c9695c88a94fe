// Owns what every route that answers conversations asks for. Must not know how it is done.
import type { ChatMessage } from '../chat/messages.ts';
import type { Tool } from './schemas/chat.ts';
import type { AskedForm } from './schemas/form.ts';
import type { SamplingRequest } from './schemas/sampling.ts';

/** Whether the answer must consist of calls. */
export function isForced({ toolChoice }: ChatTask): boolean {
  return toolChoice === 'required' || typeof toolChoice === 'object';
}

/** Whether there may be several calls; of a tool that was chosen by name there is one. */
export function mayCallOften({ toolChoice, parallelToolCalls }: ChatTask): boolean {
  return parallelToolCalls && typeof toolChoice !== 'object';
}

/** What to answer. Names of fields are those of the route, for errors. */
export interface ChatTask {
  readonly messages: readonly ChatMessage[];
  readonly sampling: SamplingRequest;
  readonly tools: readonly Tool[];
  readonly toolChoice: 'none' | 'auto' | 'required' | { readonly name: string };
  /** Tokens of an earlier conversation, which the messages go on with. */
  readonly before?: readonly number[];
  /** What comes behind the messages: an answer (the default), more of the last message where that is the assistant's, or whatever the model says. */
  readonly openEnd?: 'answer' | 'continue' | 'none';
  /** Names of the tools that may be called; undefined for all. */
  readonly allowedTools: readonly string[] | undefined;
  readonly parallelToolCalls: boolean;
  /** The form of the answer, and the field that asked for it. */
  readonly format: AskedForm | undefined;
  readonly thinking: boolean;
  /** More variables for the template. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Whether the oldest messages are left out where the context cannot hold all. */
  readonly truncate: boolean;
  readonly maxTokens: number | undefined;
  /** Tokens of prompt and answer, where the request wants fewer than the context has. */
  readonly contextTokens?: number | undefined;
  /** Alternatives to report with log-probabilities; undefined for none. */
  readonly logprobs: number | undefined;
  readonly names: { readonly messages: string };
}
