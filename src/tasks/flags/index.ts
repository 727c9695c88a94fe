// What other folders may use of flags.
export { flagEntries, readFlagModel } from './file.ts';
export type { Flag, FlagFacts } from './flag-model.ts';
export { flagsOf, learnFlags, MOST_FLAGS } from './train-flags.ts';
