// Owns what pages call to see the models kept in the browser's storage. What does it is fetched then: browser-store.ts.
import type { KeptModel } from './browser-store.ts';

/** All models in the storage, unfinished downloads too, by name. Files without a record are removed. */
export async function listModels(): Promise<KeptModel[]> {
  return (await import('./browser-store.ts')).listModels();
}

/** Removes the model of this name, also an unfinished download. Throws `bad-argument` when there is none, `io` while it is being downloaded. */
export async function removeModel(name: string): Promise<void> {
  return (await import('./browser-store.ts')).removeModel(name);
}
