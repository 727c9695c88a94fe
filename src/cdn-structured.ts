// What `dist/browser/structured.js` exports, beside `onebit.js`: constraints for answers. They work with `load()`, not across a worker.
export { compileJsonObject, compileRegex, compileSchema } from './structured/compile.ts';
export { Grammar } from './structured/grammar.ts';
export { compileToolCalls } from './structured/tool-calls.ts';
