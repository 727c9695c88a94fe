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

/** Where Vite keeps dependencies while it serves a page for development; workers and files stay where they are installed. */
const VITE_CACHE = /\/node_modules\/\.vite\/.*$/;

function newWorker(): Worker {
  const here = import.meta.url;
  const options = { type: 'module', name: 'onebit' } as const;
  if (VITE_CACHE.test(here)) {
    return new Worker(here.replace(VITE_CACHE, '/node_modules/onebit/dist/remote/engine-worker.js'), options);
  }
  const { origin, protocol } = new URL(here);
  // webpack gives the path that the code had where it was built.
  if (origin === globalThis.location?.origin || protocol === 'file:') {
    // Exactly what bundlers look for. Vite 7 can bundle no worker that loads parts later, so Vite gets one that is a single file already.
    if ((import.meta as { env?: { MODE?: string } }).env?.MODE) {
      return new Worker(new URL('../browser/whole-worker.js', import.meta.url), { type: 'module', name: 'onebit' });
    }
    // webpack and its like compute this name and make an entry of it; Vite looks for a text that is written out, and so bundles no second worker.
    return new Worker(new URL('./engine-worker.js'.concat(''), import.meta.url), { type: 'module', name: 'onebit' });
  }
  // Workers of another origin are not allowed, modules from there are. Bundlers must not see a file here.
  const { href } = new URL('./engine-worker.js', here);
  const blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(href)};`], { type: 'text/javascript' }));
  return new Worker(blob, options);
}
