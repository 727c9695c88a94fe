// Owns finding the built site beside the program. Must not know how it is served.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { SiteFiles } from '../server/page.ts';

const folder = new URL('../site/', import.meta.url);

/** Files of dist/site/. */
export const builtSite: SiteFiles = async (path) => {
  try {
    return new Uint8Array(await readFile(fileURLToPath(new URL(path, folder))));
  } catch {
    return undefined;
  }
};
