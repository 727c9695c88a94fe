// Owns what a page and its worker say to each other: calls with events and one result, as plain data. Must not know how calls are carried out.
import type { ChatInput } from '../chat/messages.ts';
import { type ErrorCode, OnebitError } from '../errors.ts';
import type { AttentionMap } from '../evaluate/attention.ts';
import type { Score } from '../evaluate/score.ts';
import type { SpeedReport, SpeedRequest } from '../evaluate/speed.ts';
import type { FinishReason, Timings } from '../generate/generation.ts';
import type { ChatOptions } from '../language-model.ts';
import type { LoadOptions } from '../load.ts';
import type { MemoryNeed } from '../model/memory.ts';
import type { SamplingDefaults } from '../model/own-sampling.ts';
import type { PlainTrainOptions, TrainProgress } from '../train/train-options.ts';

/** A model for the worker: a hub name or URL, a file that somebody chose, bytes; undefined is the embedded one. */
export type RemoteInput = string | Blob | Uint8Array | undefined;

export interface RemoteLoadOptions extends Omit<LoadOptions, 'signal' | 'onProgress'> {
  /** Download into the browser's storage first and load from there: the next time needs no network. Hub names and URLs only. Default false. */
  readonly keep?: boolean;
  /** Access token of the hub, for private and gated models. Sent to the hub only. */
  readonly token?: string;
  /** Base URL of the hub. Default `https://huggingface.co`. */
  readonly endpoint?: string;
}

/** How far a load is. */
export interface RemoteProgress {
  /** `waiting` for another tab that downloads the same, `checking` what an earlier try left, `downloading`, or `loading` into the engine. */
  readonly phase: 'waiting' | 'checking' | 'downloading' | 'loading';
  readonly doneBytes: number;
  readonly totalBytes?: number;
}

/** What a loaded model is. */
export interface RemoteModelInfo {
  readonly name: string;
  readonly architecture: string;
  readonly backend: string;
  readonly threads: number;
  /** The GPU, where one computes. */
  readonly adapter?: string;
  readonly contextTokens: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocabulary: number;
  readonly memoryBytes: number;
  readonly decodeWeightBytes: number;
  readonly knowsThinking: boolean;
  /** Whether the file brings a chat template: without one a model goes on with texts, and answers nobody. */
  readonly talks: boolean;
  /** How tokens are chosen where nobody says. */
  readonly sampling: SamplingDefaults;
}

/** What a file is, from its header alone. */
export interface ModelOutline {
  readonly name: string;
  readonly architecture: string;
  readonly fileBytes: number;
  readonly parameters: number;
  readonly contextLength: number;
  /** What running it with the default context takes. */
  readonly need: MemoryNeed;
  /** Whether the browser's storage has it already. */
  readonly kept: boolean;
}

/** A token as text, with how likely it was and what else could have come. */
export interface RemoteToken {
  readonly token: number;
  readonly text: string;
  readonly logprob?: number;
  readonly top?: readonly { readonly token: number; readonly text: string; readonly logprob: number }[];
}

export interface RemotePiece {
  readonly text: string;
  readonly tokens: readonly RemoteToken[];
  /** Milliseconds since the generation began. */
  readonly atMs: number;
}

export interface RemoteResult {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly finishReason: FinishReason;
  readonly seed: number;
  readonly timings: Timings;
}

export type RemoteChatOptions = Omit<ChatOptions, 'signal' | 'constraint'>;

export interface RemoteTrainOptions extends PlainTrainOptions {
  /**
   * Keeps checkpoints in the browser's private storage under this name, replacing what is there; `resumeTraining` goes on from them after the tab was
   * closed. They stay, also when the run is done, until `removeTraining`.
   */
  readonly keep?: string;
}

/** Everything that can be called: its arguments, what it tells on the way, and what it gives. */
export interface Calls {
  load: { args: { input: RemoteInput; options: RemoteLoadOptions }; event: RemoteProgress; result: RemoteModelInfo };
  outline: { args: { input: RemoteInput; options: RemoteLoadOptions }; event: never; result: ModelOutline };
  keep: { args: { name: string; options: RemoteLoadOptions }; event: RemoteProgress; result: { sizeBytes: number } };
  chat: {
    args: { messages: readonly ChatInput[]; options: RemoteChatOptions };
    event: RemotePiece;
    result: RemoteResult;
  };
  generate: {
    args: { prompt: string | readonly number[]; options: RemoteChatOptions };
    event: RemotePiece;
    result: RemoteResult;
  };
  score: { args: { input: string | readonly number[] }; event: never; result: Score };
  attention: { args: { text: string }; event: never; result: AttentionMap };
  tokenize: { args: { text: string }; event: never; result: readonly RemoteToken[] };
  speed: {
    args: SpeedRequest;
    event: never;
    result: SpeedReport & {
      /** What a step of one token made a GPU do. */ readonly step?: Readonly<Record<string, number>>;
    };
  };
  train: { args: RemoteTrainOptions; event: TrainProgress; result: undefined };
  /** Goes on with a kept run. */
  resumeTraining: { args: { name: string }; event: TrainProgress; result: undefined };
}

export type CallName = keyof Calls;

/** From the page. `control` belongs to a running call. */
export type ToWorker =
  | { readonly id: number; readonly call: CallName; readonly args: unknown }
  | { readonly id: number; readonly control: 'abort' | 'stop' | 'pause' | 'resume' };

/** From the worker. */
export type FromWorker =
  | { readonly id: number; readonly events: readonly unknown[] }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: PlainError };

export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly code?: ErrorCode;
  readonly problems?: readonly string[];
}

/** What both ends of a message channel have. */
export interface Port {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

/** An error as data. */
export function plainError(error: unknown): PlainError {
  if (error instanceof OnebitError) {
    const { name, message, code, problems } = error;
    return { name, message, code, problems };
  }
  if (error instanceof Error || error instanceof DOMException) return { name: error.name, message: error.message };
  return { name: 'Error', message: String(error) };
}

/** The error that `plainError` took apart. */
export function errorFrom({ name, message, code, problems }: PlainError): Error {
  if (code !== undefined) return new OnebitError(code, message, { problems });
  if (name === 'AbortError') return new DOMException(message, name);
  return Object.assign(new Error(message), { name });
}
