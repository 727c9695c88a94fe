// Owns what every route that answers conversations asks for, as a type. Must not know how it is done.
import type { ChatMessage } from '../chat/messages.ts';
import type { ResponseFormat, Tool } from './schemas/chat.ts';
import type { SamplingRequest } from './schemas/sampling.ts';

/** What to answer. Names of fields are those of the route, for errors. */
export interface ChatTask {
  readonly messages: readonly ChatMessage[];
  readonly sampling: SamplingRequest;
  readonly tools: readonly Tool[];
  readonly toolChoice: 'none' | 'auto' | 'required' | { readonly name: string };
  readonly parallelToolCalls: boolean;
  readonly format: ResponseFormat | undefined;
  readonly thinking: boolean;
  readonly maxTokens: number | undefined;
  /** Alternatives to report with log-probabilities; undefined for none. */
  readonly logprobs: number | undefined;
  readonly names: { readonly messages: string; readonly format: string };
}
