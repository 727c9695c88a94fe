// What `dist/browser/onebit.js` exports, for pages that import it from a CDN as one module: models, training, the worker. Its parts are loaded when they are
// used. Structured output is a module of its own there, `structured.js` (cdn-structured.ts).
import type { TrainOptions, TrainProgress } from './train/train-options.ts';

export * from './browser.ts';
export { Session } from './generate/session.ts';
export { LanguageModel } from './language-model.ts';
export { EMBEDDED_MODEL, load } from './load.ts';
export { OneBitModel } from './one-bit-model.ts';

/** `train` of the package, fetched when it is called. */
export async function* train(options: TrainOptions): AsyncGenerator<TrainProgress, void, void> {
  yield* (await import('./train/train.ts')).train(options);
}
