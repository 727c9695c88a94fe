// Owns the module's exports: setting up a thread, running programs, the probe of this build.
export { init } from './sync';
export { resume, run, runAlone, work } from './run';
export { probe } from './probe';
