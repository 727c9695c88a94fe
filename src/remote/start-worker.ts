// Owns starting the worker's file from wherever the package lies: beside the page's code as a bundler leaves it, or on another origin (a CDN).
import { OnebitError } from '../errors.ts';
import { Caller } from './caller.ts';
import type { Port } from './protocol.ts';

/** A worker and the way to call it. */
export interface StartedWorker {
  readonly caller: Caller;
  end(reason: Error): void;
}

/** Starts a worker. Throws `unsupported` where there are none; what it cannot do later fails its calls with `device-lost`. */
export function startWorker(): StartedWorker {
  if (typeof Worker === 'undefined') {
    throw new OnebitError('unsupported', 'start worker: this platform has no web workers. Use load() instead.');
  }
  const worker = newWorker();
  const caller = new Caller(worker as unknown as Port);
  worker.onerror = (event) => {
    event.preventDefault?.();
    const reason = event.message || 'its file could not be loaded';
    caller.fail(new OnebitError('device-lost', `worker: it must live, but ended: ${reason}. Load the model again.`));
    worker.terminate();
  };
  return {
    caller,
    end(reason) {
      worker.terminate();
      caller.fail(reason);
    },
  };
}

function newWorker(): Worker {
  const here = import.meta.url;
  if (new URL(here).origin === globalThis.location?.origin) {
    // Exactly what bundlers look for.
    return new Worker(new URL('./engine-worker.js', import.meta.url), { type: 'module', name: 'onebit' });
  }
  // Workers of another origin are not allowed, modules from there are. Bundlers must not see a file here.
  const { href } = new URL('./engine-worker.js', here);
  const blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(href)};`], { type: 'text/javascript' }));
  return new Worker(blob, { type: 'module', name: 'onebit' });
}
