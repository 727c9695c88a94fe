// Owns the model as a page holds it while a worker computes: the page never waits for a product. Must not know messages beyond `Caller`.
import type { ChatInput } from '../chat/messages.ts';
import { checkArgument, checkGiven, checkOptions, checkTextOrTokens, type Kind, wrong } from '../core/check.ts';
import type { AttentionMap } from '../evaluate/attention.ts';
import type { Score } from '../evaluate/score.ts';
import type { SpeedRequest } from '../evaluate/speed.ts';
import { LOAD_OPTIONS } from '../load-options.ts';
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

const WORKER_OPTIONS: Record<keyof WorkerLoadOptions, Kind> = {
  ...LOAD_OPTIONS,
  keep: 'boolean',
  token: 'text',
  endpoint: 'text',
};
const SIGNAL = { signal: 'signal' } as const;

/** An answer in the making: iterate over its pieces, or await `result()`. It begins when it is asked for. */
export class WorkerGeneration implements AsyncIterable<RemotePiece> {
  readonly #pieces: Stream<RemotePiece>;
  readonly #result: Promise<RemoteResult>;

  /** @internal Use `chat` and `generate`. */
  constructor(pieces: Stream<RemotePiece>, result: Promise<RemoteResult>) {
    checkGiven('new WorkerGeneration', 'pieces', pieces, 'a worker', [Symbol.asyncIterator]);
    checkGiven('new WorkerGeneration', 'result', result, 'a worker', ['then']);
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
  checkInput('load', input);
  checkOptions('load', options, WORKER_OPTIONS);
  if (options.keep && typeof input === 'object' && !(input instanceof URL)) {
    throw wrong('load', 'input', 'be a hub name or a URL where keep is set', input);
  }
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
export async function outlineModel(
  input: string | URL | Blob | Uint8Array,
  options: WorkerLoadOptions = {},
): Promise<ModelOutline> {
  checkInput('outline', input);
  checkOptions('outline', options, WORKER_OPTIONS);
  const { signal, onProgress: _, ...rest } = options;
  return inWorker((caller) => caller.call('outline', { input: plainInput(input), options: rest }, { signal }).result);
}

/**
 * Downloads a model into the browser's storage, or goes on with that; afterwards `load` finds it there.
 * @throws OnebitError `network`, `bad-file`, `io` when the storage is full, `unsupported` where there is none
 */
export async function pullModel(name: string, options: WorkerLoadOptions = {}): Promise<{ sizeBytes: number }> {
  checkArgument('pull', 'name', name, 'text');
  checkOptions('pull', options, WORKER_OPTIONS);
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
    checkGiven('new WorkerModel', 'worker', worker, 'loadInWorker', ['caller', 'end']);
    checkArgument('new WorkerModel', 'info', info, 'object');
    this.#worker = worker;
    this.info = info;
  }

  /** Answers the last of `messages`. With option `logprobs`, each token tells what else could have come. */
  chat(messages: readonly ChatInput[], options: WorkerChatOptions = {}): WorkerGeneration {
    checkArgument('chat', 'messages', messages, 'list');
    const { signal, rest } = apart('chat', options);
    return this.#stream('chat', { messages, options: rest }, signal);
  }

  /** Continues `prompt`: text, or token ids. */
  generate(prompt: string | readonly number[], options: WorkerChatOptions = {}): WorkerGeneration {
    checkTextOrTokens('generate', 'prompt', prompt);
    const { signal, rest } = apart('generate', options);
    return this.#stream('generate', { prompt, options: rest }, signal);
  }

  /** How likely the model finds a text or tokens. */
  async score(input: string | readonly number[], options: { signal?: AbortSignal } = {}): Promise<Score> {
    checkTextOrTokens('score', 'input', input);
    checkOptions('score', options, SIGNAL);
    return this.#worker.caller.call('score', { input }, options).result;
  }

  /** What each token of a short text looks at, in every layer and head. */
  async attention(text: string, options: { signal?: AbortSignal } = {}): Promise<AttentionMap> {
    checkArgument('attention', 'text', text, 'text');
    checkOptions('attention', options, SIGNAL);
    return this.#worker.caller.call('attention', { text }, options).result;
  }

  /** The tokens of a text, each with its own text. */
  async tokenize(text: string): Promise<readonly RemoteToken[]> {
    checkArgument('tokenize', 'text', text, 'text');
    return this.#worker.caller.call('tokenize', { text }).result;
  }

  /** Measures prefill and decode. */
  async speed(request: SpeedRequest, options: { signal?: AbortSignal } = {}): Promise<Calls['speed']['result']> {
    checkArgument('speed', 'request', request, 'object');
    for (const name of ['promptTokens', 'genTokens', 'runs'] as const) {
      checkArgument('speed', name, request[name], 'number');
    }
    checkArgument('speed', 'contextTokens', request.contextTokens, 'number', false);
    checkOptions('speed', options, SIGNAL);
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

/** The signal stays with the page; all else goes to the worker, which says what it does not know. */
function apart(operation: string, options: WorkerChatOptions): { signal?: AbortSignal; rest: RemoteChatOptions } {
  checkArgument(operation, 'options', options, 'object');
  const { signal, ...rest } = options;
  checkArgument(operation, 'signal', signal, 'signal', false);
  return { signal, rest };
}

function checkInput(operation: string, input: unknown): void {
  const isFile = input instanceof URL || input instanceof Blob || input instanceof Uint8Array;
  if (input === undefined || isFile || (typeof input === 'string' && input !== '')) return;
  throw wrong(operation, 'input', 'be a hub name, a URL, a Blob or bytes (Uint8Array)', input);
}

/** Workers that start from a blob have no address of their own, so relative URLs are resolved here. */
function plainInput(input: string | URL | Blob | Uint8Array | undefined): RemoteInput {
  if (input instanceof URL) return input.href;
  return typeof input === 'string' ? absolute(input) : input;
}

function absolute(name: string): string {
  return /^\.{0,2}\//.test(name) ? new URL(name, globalThis.location.href).href : name;
}
