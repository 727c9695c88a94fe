// Owns the module's exports: setting up a thread, running programs, the probe of this build.
export { init } from './sync';
export { resume, run, runAlone, work } from './run';
export { probe } from './probe';
// Exported only so that the optimiser leaves them functions of their own: inlined, their sums would not stay in registers.
export { tile } from './training-gemm';
export { roundedTile } from './training-rounded';
