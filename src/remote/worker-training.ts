// Owns a training run as a page holds it while a worker computes: its events, pausing it, ending it. Must not know messages beyond `Caller`.
import { checkArgument } from '../core/check.ts';
import type { TrainDone, TrainProgress } from '../train/train-options.ts';
import { endedError } from './caller.ts';
import type { RemoteTrainOptions } from './protocol.ts';
import { startWorker } from './start-worker.ts';
import { Stream } from './stream.ts';

/** A run in a worker. Iterate over its events; the last one has the model. Leaving the loop early ends the worker. */
export class WorkerTraining implements AsyncIterable<TrainProgress> {
  readonly #events = new Stream<TrainProgress>();
  readonly #control: (what: 'stop' | 'pause' | 'resume') => void;
  readonly #end: () => void;
  #paused = false;

  /** Use `trainInWorker` or `resumeTraining`. */
  constructor(call: RemoteTrainOptions | { readonly resume: string }) {
    const worker = startWorker();
    const onEvent = (event: TrainProgress) => this.#events.push(event);
    const { result, control } =
      'resume' in call
        ? worker.caller.call('resumeTraining', { name: call.resume }, { onEvent })
        : worker.caller.call('train', call, { onEvent });
    this.#control = control;
    this.#end = () => worker.end(endedError('train'));
    result.then(
      () => this.#events.end(),
      (error) => this.#events.end(error),
    );
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** Holds the run after the update that is being made; its clock stands still. */
  pause(): void {
    this.#paused = true;
    this.#control('pause');
  }

  resume(): void {
    this.#paused = false;
    this.#control('resume');
  }

  /** Ends the run early but in order: the model as it is comes with the last event. */
  stop(): void {
    this.#paused = false;
    this.#control('stop');
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TrainProgress, void, void> {
    try {
      yield* this.#events;
    } finally {
      this.#end();
    }
  }

  /** The end of the run. @throws what `train` throws */
  async result(): Promise<TrainDone> {
    for await (const event of this) if (event.type === 'done') return event;
    throw endedError('train');
  }
}

/** Trains a model in a worker; options as of `train`. */
export function trainInWorker(options: RemoteTrainOptions): WorkerTraining {
  checkArgument('train', 'options', options, 'object');
  checkArgument('train', 'documents', options.documents, 'list');
  checkArgument('train', 'keep', options.keep, 'text', false);
  return new WorkerTraining(options);
}

/** Goes on in a worker with a run that was kept under `name` (option `keep`), bit for bit from its last checkpoint. */
export function resumeTraining(name: string): WorkerTraining {
  checkArgument('resume', 'name', name, 'text');
  return new WorkerTraining({ resume: name });
}
