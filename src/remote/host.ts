// Owns the worker's end of the channel: carries calls out, one model a worker, and takes part in its own life: events go out in batches, a lost device
// is replaced. Must not know pages. What is large and not always needed (training, storage) is loaded when called.
import { OnebitError } from '../errors.ts';
import type { Generation } from '../generate/generation.ts';
import { type GenerateOptions, resolveOptions } from '../generate/options.ts';
import type { ChosenToken } from '../generate/session.ts';
import type { LanguageModel } from '../language-model.ts';
import { load, type ModelInput } from '../load.ts';
import type { PlainTrainOptions, TrainOptions, TrainProgress } from '../train/train-options.ts';
import { keptSource, outlineOf } from './files.ts';
import {
  type CallName,
  type Calls,
  type Port,
  plainError,
  type RemoteChatOptions,
  type RemoteModelInfo,
  type RemoteResult,
  type RemoteToken,
  type ToWorker,
} from './protocol.ts';

/** Events wait at most so long for others to go with them: a message costs more than a small model's token. */
const BATCH_MS = 12;
/** Times that one generation goes on after a loss of its device. */
const MOST_LOSSES = 2;

/** A call while it runs. */
interface Running {
  readonly signal: AbortSignal;
  /** Aborted by `stop`: ends in order. */
  readonly stop: AbortSignal;
  /** Resolves when the call may go on. */
  unpaused(): Promise<void>;
}

type Handler<Name extends CallName> = (
  args: Calls[Name]['args'],
  emit: (event: Calls[Name]['event']) => void,
  running: Running,
) => Promise<Calls[Name]['result']>;

/** Loads models; tests put another in place. */
export type Loader = (input: ModelInput | undefined, options: Parameters<typeof load>[1]) => Promise<LanguageModel>;

/** Serves calls from `port` until the worker ends. */
export function serveCalls(port: Port, loader: Loader = load): void {
  const host = new Host(loader);
  const running = new Map<number, RunningCall>();
  port.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
    if ('control' in data) {
      running.get(data.id)?.control(data.control);
      return;
    }
    const { id } = data;
    const call = new RunningCall((events) => port.postMessage({ id, events }));
    running.set(id, call);
    try {
      const handler = host.handlers[data.call] as Handler<CallName>;
      const result = await handler(data.args as never, (event) => call.emit(event), call);
      call.flush();
      port.postMessage({ id, result });
    } catch (error) {
      call.flush();
      port.postMessage({ id, error: plainError(error) });
    } finally {
      running.delete(id);
    }
  };
}

class RunningCall implements Running {
  readonly #send: (events: unknown[]) => void;
  readonly #abort = new AbortController();
  readonly #stop = new AbortController();
  #events: unknown[] = [];
  #sentAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #paused: Promise<void> | undefined;
  #resume: () => void = () => {};

  constructor(send: (events: unknown[]) => void) {
    this.#send = send;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  async unpaused(): Promise<void> {
    while (this.#paused) await this.#paused;
  }

  control(what: 'abort' | 'stop' | 'pause' | 'resume'): void {
    if (what === 'pause') {
      this.#paused ??= new Promise((resolve) => {
        this.#resume = resolve;
      });
      return;
    }
    if (what === 'abort') this.#abort.abort(new DOMException('The call was aborted.', 'AbortError'));
    if (what === 'stop') this.#stop.abort(new DOMException('The call was stopped.', 'AbortError'));
    this.#paused = undefined;
    this.#resume();
  }

  /** Sends at once after a silence, else together with what comes within BATCH_MS. */
  emit(event: unknown): void {
    this.#events.push(event);
    if (performance.now() - this.#sentAt >= BATCH_MS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), BATCH_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#events.length === 0) return;
    this.#send(this.#events);
    this.#events = [];
    this.#sentAt = performance.now();
  }
}

/** The options of a chat that are the generation's. */
function generationOf({
  thinking: _thinking,
  tools: _tools,
  variables: _variables,
  budget: _budget,
  keepAll: _keepAll,
  ...options
}: RemoteChatOptions): Omit<RemoteChatOptions, 'thinking' | 'tools'> {
  return options;
}

class Host {
  readonly #load: Loader;
  #model: LanguageModel | undefined;
  /** Loads the same again, after a loss. */
  #reload: ((signal: AbortSignal) => Promise<LanguageModel>) | undefined;
  /** Ends the load that runs when another is asked for. */
  #replaced = new AbortController();
  #lastLoad: Promise<unknown> = Promise.resolve();
  readonly handlers: { readonly [Name in CallName]: Handler<Name> };

  constructor(loader: Loader) {
    this.#load = loader;
    this.handlers = {
      load: (args, emit, { signal }) => this.#loadModel(args, emit, signal),
      outline: ({ input, options }, _emit, { signal }) => outlineOf(input, options, signal),
      keep: async ({ name, options }, emit, { signal }) => {
        const source = await keptSource(name, options, emit, signal);
        await source.close();
        return { sizeBytes: source.size };
      },
      chat: ({ messages, options }, emit, { signal }) =>
        this.#generate(
          (model) => [...model.fittingPrompt(messages, options)],
          { ...generationOf(options), signal },
          emit,
        ),
      generate: ({ prompt, options }, emit, { signal }) => {
        const tokensOf = (model: LanguageModel) =>
          typeof prompt === 'string' ? [...model.tokenize(prompt, { special: options.special })] : prompt;
        return this.#generate(tokensOf, { ...generationOf(options), signal }, emit);
      },
      score: ({ input }, _emit, { signal }) => this.#loaded('score').score(input, { signal }),
      attention: ({ text }, _emit, { signal }) => this.#loaded('attention').attention(text, { signal }),
      tokenize: async ({ text }) => {
        const model = this.#loaded('tokenize');
        return Array.from(model.tokenize(text), (token) => ({ token, text: textOf(model, token) }));
      },
      speed: async (request, _emit, { signal }) => {
        const model = this.#loaded('speed');
        const { measureSpeed } = await import('../evaluate/speed.ts');
        const report = await measureSpeed(() => model.session(), model.config.vocabulary, request, signal);
        return { ...report, step: await stepTraffic(model) };
      },
      train: async ({ keep, ...options }, emit, running) => {
        if (keep === undefined) await trainFor(options, emit, running);
        else await trainKept(keep, options, emit, running);
        return undefined;
      },
      resumeTraining: async ({ name }, emit, running) => {
        await trainKept(name, undefined, emit, running);
        return undefined;
      },
    };
  }

  async #loadModel(
    { input, options }: Calls['load']['args'],
    emit: (event: Calls['load']['event']) => void,
    signal: AbortSignal,
  ): Promise<RemoteModelInfo> {
    const { keep, token, endpoint, ...rest } = options;
    const reload = async (abort: AbortSignal) => {
      const source = keep ? await keptSource(String(input), options, emit, abort) : input;
      const onProgress = (doneBytes: number, totalBytes: number) => emit({ phase: 'loading', doneBytes, totalBytes });
      return this.#load(source, { ...rest, signal: abort, onProgress });
    };
    // The load that was asked for last wins: one that still runs ends.
    this.#replaced.abort(new DOMException('Another model was asked for.', 'AbortError'));
    const replaced = new AbortController();
    this.#replaced = replaced;
    const onAbort = () => replaced.abort(signal.reason);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    try {
      return await this.#inTurn(async () => {
        replaced.signal.throwIfAborted();
        const previous = this.#model;
        this.#model = undefined;
        await previous?.dispose();
        this.#reload = reload;
        const model = await reload(replaced.signal);
        if (replaced.signal.aborted) await model.dispose();
        replaced.signal.throwIfAborted();
        this.#model = model;
        return infoOf(model);
      });
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Loads the same again in place of `lost`, unless somebody else has done so or loaded another. */
  #replace(lost: LanguageModel, signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#model && this.#model !== lost) return;
      this.#model = undefined;
      await lost.dispose();
      this.#model = await this.#reload?.(signal);
    });
  }

  /** One load after the other. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#lastLoad.then(work);
    this.#lastLoad = result.catch(() => {});
    return result;
  }

  #loaded(operation: string): LanguageModel {
    if (this.#model) return this.#model;
    throw new OnebitError('bad-argument', `${operation}: a model must be loaded first. Call load.`);
  }

  /** Generates; when the device is lost on the way, loads the model again and goes on behind the tokens that came. */
  async #generate(
    promptOf: (model: LanguageModel) => readonly number[],
    options: GenerateOptions & { signal: AbortSignal },
    emit: (event: Calls['chat']['event']) => void,
  ): Promise<RemoteResult> {
    const produced: number[] = [];
    let text = '';
    for (let losses = 0; ; losses++) {
      const model = this.#loaded('generate');
      const prompt = promptOf(model);
      try {
        const maxTokens = (options.maxTokens ?? 256) - produced.length;
        const generation = model.generate([...prompt, ...produced], { ...options, maxTokens });
        const result = await this.#pieces(generation, model, (piece, tokens) => {
          produced.push(...tokens);
          text += piece.text;
          emit(piece);
        });
        const { cachedTokens, finishReason, seed, timings } = result;
        const tokens = [...produced];
        return { text, tokens, promptTokens: prompt.length, cachedTokens, finishReason, seed, timings };
      } catch (error) {
        const lost = error instanceof OnebitError && error.code === 'device-lost';
        if (!lost || losses >= MOST_LOSSES || !this.#reload) throw error;
        await this.#replace(model, options.signal);
      }
    }
  }

  async #pieces(
    generation: Generation,
    model: LanguageModel,
    use: (piece: Calls['chat']['event'], tokens: readonly number[]) => void,
  ) {
    for await (const { text, tokens, atMs } of generation) {
      const shown = tokens.map((chosen) => remoteToken(model, chosen));
      use(
        { text, tokens: shown, atMs },
        tokens.map(({ token }) => token),
      );
    }
    return generation.result();
  }
}

function remoteToken(model: LanguageModel, { token, logprob, top }: ChosenToken): RemoteToken {
  return {
    token,
    text: textOf(model, token),
    logprob,
    top: top?.map((other) => ({ ...other, text: textOf(model, other.token) })),
  };
}

function textOf(model: LanguageModel, token: number): string {
  return model.tokenizer.decode([token], { special: true });
}

function infoOf(model: LanguageModel): RemoteModelInfo {
  const { config, backend } = model;
  return {
    name: config.name,
    architecture: config.architecture.name,
    backend: backend.name,
    threads: backend.threads,
    adapter: (backend as { adapter?: string }).adapter,
    contextTokens: model.contextTokens,
    layers: config.layers,
    heads: config.heads,
    vocabulary: config.vocabulary,
    memoryBytes: model.memoryBytes,
    decodeWeightBytes: model.decodeWeightBytes,
    knowsThinking: model.knowsThinking,
    talks: model.metadata.has('tokenizer.chat_template'),
    sampling: model.sampling,
  };
}

/** Trains and says whether the run went to its end. */
async function trainFor(
  options: TrainOptions,
  emit: (event: TrainProgress) => void,
  running: Running,
): Promise<boolean> {
  const { train } = await import('../train/train.ts');
  let complete = false;
  for await (const event of train({ ...options, signal: running.signal, stop: running.stop })) {
    emit(event);
    if (event.type === 'done') complete = event.complete;
    await running.unpaused();
  }
  return complete;
}

/** Trains with checkpoints in the browser's storage; without `options`, what is there goes on. */
async function trainKept(
  name: string,
  options: PlainTrainOptions | undefined,
  emit: (event: TrainProgress) => void,
  running: Running,
): Promise<void> {
  const { withKeptRun } = await import('../train/browser-runs.ts');
  if (options) (await import('../train/train.ts')).checkTraining(options); // before an earlier run makes room
  await withKeptRun(name, options, (all) => trainFor(all, emit, running));
}

/** What one step of one token makes a backend do, where it counts: dispatches, bytes. */
async function stepTraffic(model: LanguageModel): Promise<Record<string, number> | undefined> {
  const backend = model.backend as { traffic?(): Record<string, number> };
  if (!backend.traffic) return undefined;
  const session = model.session();
  try {
    let before: Record<string, number> | undefined;
    for await (const _ of session.generate([0], resolveOptions({ temperature: 0 }))) {
      const now = { ...backend.traffic() };
      const last = before;
      if (last) return Object.fromEntries(Object.entries(now).map(([name, value]) => [name, value - last[name]]));
      before = now;
    }
    return undefined;
  } finally {
    session.dispose();
  }
}
