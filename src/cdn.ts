// What `dist/browser/onebit.js` exports, for pages that import it from a CDN as one module: models, training, the worker. Its parts are loaded when they are
// used. Structured output is a module of its own there, `structured.js` (cdn-structured.ts).
export * from './browser.ts';
export { Session } from './generate/session.ts';
export { LanguageModel } from './language-model.ts';
export { EMBEDDED_MODEL, load } from './load.ts';
export { OneBitModel } from './one-bit-model.ts';
export { train } from './train/train.ts';
