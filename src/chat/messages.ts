// Owns what a conversation consists of.

/** A function that the model asked to be called. */
export interface ToolCall {
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
  /** By which the result names the call. */
  readonly id?: string;
}

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  /** What an assistant thought before it answered. */
  readonly reasoning?: string;
  /** What an assistant asked for; the answers follow as messages of role `tool`, in the same order. */
  readonly toolCalls?: readonly ToolCall[];
  /** Of a result: the `id` of its call. */
  readonly toolCallId?: string;
  /** Of a result: the name of the function. */
  readonly name?: string;
}

/** A message as it may be given: content also in parts, which are put together. */
export interface ChatInput extends Omit<ChatMessage, 'content'> {
  readonly content: string | readonly { readonly type: 'text'; readonly text: string }[];
}
