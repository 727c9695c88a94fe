// Owns how soon a server's memory is collected. V8 lets the heap grow to several times what lives in it, and to hundreds of megabytes before it first
// looks: with small models that is most of what the process holds.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How much the heap may grow before it is collected, in percent of what lives in it. */
const GROWTH = 40;

/** Collects once, so that V8 knows what lives, and keeps the heap near that from then on. To be called when the models are loaded. */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH}`);
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  setFlagsFromString('--no-expose-gc');
}
