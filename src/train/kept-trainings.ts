// Owns what pages call to see the trainings kept in the browser's storage. What does it is fetched then: browser-runs.ts.
import type { KeptTraining } from './browser-runs.ts';

/** Runs that have a checkpoint and that no tab trains now, the newest first. */
export async function listTrainings(): Promise<KeptTraining[]> {
  return (await import('./browser-runs.ts')).listTrainings();
}

/** Removes a run, if there is one. */
export async function removeTraining(name: string): Promise<void> {
  return (await import('./browser-runs.ts')).removeTraining(name);
}
