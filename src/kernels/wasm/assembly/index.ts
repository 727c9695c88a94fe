// Owns the module's exports: setting up a thread, running programs, the probe of this build.
export { init } from './sync';
export { resume, run, runAlone, work } from './run';
export { probe } from './probe';
// Exported only so that the optimiser leaves it a function of its own: inlined, its sums would not stay in registers.
export { tile } from './training-gemm';
