// Owns the model as a page holds it while a worker computes: the page never waits for a product. Must not know messages beyond `Caller`.
import type { ChatMessage } from '../chat/messages.ts';
import type { AttentionMap } from '../evaluate/attention.ts';
import type { Score } from '../evaluate/score.ts';
import type { SpeedRequest } from '../evaluate/speed.ts';
import { type Caller, endedError } from './caller.ts';
import type {
  Calls,
  ModelOutline,
  RemoteChatOptions,
  RemoteInput,
  RemoteLoadOptions,
  RemoteModelInfo,
  RemotePiece,
  RemoteProgress,
  RemoteResult,
  RemoteToken,
} from './protocol.ts';
import { type StartedWorker, startWorker } from './start-worker.ts';
import { Stream } from './stream.ts';

export interface WorkerLoadOptions extends RemoteLoadOptions {
  readonly onProgress?: (progress: RemoteProgress) => void;
  /** Stops the load; it throws the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface WorkerChatOptions extends RemoteChatOptions {
  /** Stops the generation within a step; it throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** An answer in the making: iterate over its pieces, or await `result()`. It begins when it is asked for. */
export class WorkerGeneration implements AsyncIterable<RemotePiece> {
  readonly #pieces: Stream<RemotePiece>;
  readonly #result: Promise<RemoteResult>;

  /** @internal Use `chat` and `generate`. */
  constructor(pieces: Stream<RemotePiece>, result: Promise<RemoteResult>) {
    this.#pieces = pieces;
    this.#result = result;
  }

  [Symbol.asyncIterator](): AsyncIterator<RemotePiece, void, void> {
    return this.#pieces[Symbol.asyncIterator]();
  }

  /** The whole answer. */
  result(): Promise<RemoteResult> {
    return this.#result;
  }
}

/**
 * Loads a model in a worker: a hub name, a URL, a file, bytes; without `input` the embedded one.
 * @throws what `load` throws, and `unsupported` where there are no workers
 */
export async function loadInWorker(input?: string | URL | Blob | Uint8Array, options: WorkerLoadOptions = {}) {
  const { signal, onProgress, ...rest } = options;
  const worker = startWorker();
  try {
    const args = { input: plainInput(input), options: rest };
    const info = await worker.caller.call('load', args, { signal, onEvent: onProgress }).result;
    return new WorkerModel(worker, info);
  } catch (error) {
    worker.end(endedError('load'));
    throw error;
  }
}

/** What a model file is and needs, from its header: nothing is downloaded but that. @throws what `load` would throw */
export function outlineModel(
  input: string | URL | Blob | Uint8Array,
  { signal, ...options }: WorkerLoadOptions = {},
): Promise<ModelOutline> {
  return inWorker((caller) => caller.call('outline', { input: plainInput(input), options }, { signal }).result);
}

/**
 * Downloads a model into the browser's storage, or goes on with that; afterwards `load` finds it there.
 * @throws OnebitError `network`, `bad-file`, `io` when the storage is full, `unsupported` where there is none
 */
export function pullModel(name: string, options: WorkerLoadOptions = {}): Promise<{ sizeBytes: number }> {
  const { signal, onProgress, ...rest } = options;
  const call = { signal, onEvent: onProgress };
  return inWorker((caller) => caller.call('keep', { name: absolute(name), options: rest }, call).result);
}

async function inWorker<Result>(use: (caller: Caller) => Promise<Result>): Promise<Result> {
  const worker = startWorker();
  try {
    return await use(worker.caller);
  } finally {
    worker.end(endedError('worker'));
  }
}

/** A loaded model whose engine runs in a worker. Calls may overlap. */
export class WorkerModel {
  readonly info: RemoteModelInfo;
  readonly #worker: StartedWorker;

  /** @internal Use `loadInWorker`. */
  constructor(worker: StartedWorker, info: RemoteModelInfo) {
    this.#worker = worker;
    this.info = info;
  }

  /** Answers the last of `messages`. With option `logprobs`, each token tells what else could have come. */
  chat(messages: readonly ChatMessage[], { signal, ...options }: WorkerChatOptions = {}): WorkerGeneration {
    return this.#stream('chat', { messages, options }, signal);
  }

  /** Continues `prompt`: text, or token ids. */
  generate(prompt: string | readonly number[], { signal, ...options }: WorkerChatOptions = {}): WorkerGeneration {
    return this.#stream('generate', { prompt, options }, signal);
  }

  /** How likely the model finds a text or tokens. */
  score(input: string | readonly number[], options: { signal?: AbortSignal } = {}): Promise<Score> {
    return this.#worker.caller.call('score', { input }, options).result;
  }

  /** What each token of a short text looks at, in every layer and head. */
  attention(text: string, options: { signal?: AbortSignal } = {}): Promise<AttentionMap> {
    return this.#worker.caller.call('attention', { text }, options).result;
  }

  /** The tokens of a text, each with its own text. */
  tokenize(text: string): Promise<readonly RemoteToken[]> {
    return this.#worker.caller.call('tokenize', { text }).result;
  }

  /** Measures prefill and decode. */
  speed(request: SpeedRequest, options: { signal?: AbortSignal } = {}): Promise<Calls['speed']['result']> {
    return this.#worker.caller.call('speed', request, options).result;
  }

  /** Ends the worker and gives all memory back. */
  dispose(): void {
    this.#worker.end(endedError('model'));
  }

  #stream<Name extends 'chat' | 'generate'>(name: Name, args: Calls[Name]['args'], signal?: AbortSignal) {
    const pieces = new Stream<RemotePiece>();
    const { result } = this.#worker.caller.call(name, args, { signal, onEvent: (piece) => pieces.push(piece) });
    result.then(
      () => pieces.end(),
      (error) => pieces.end(error),
    );
    return new WorkerGeneration(pieces, result);
  }
}

/** Workers that start from a blob have no address of their own, so relative URLs are resolved here. */
function plainInput(input: string | URL | Blob | Uint8Array | undefined): RemoteInput {
  if (input instanceof URL) return input.href;
  return typeof input === 'string' ? absolute(input) : input;
}

function absolute(name: string): string {
  return /^\.{0,2}\//.test(name) ? new URL(name, globalThis.location.href).href : name;
}
