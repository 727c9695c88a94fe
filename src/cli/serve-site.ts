// Owns finding the built site beside the program. Must not know how it is served.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { SiteFiles } from '../server/page.ts';

/** The files of a folder, by their path in it. */
export function siteIn(folder: URL): SiteFiles {
  return async (path) => {
    try {
      return new Uint8Array(await readFile(fileURLToPath(new URL(path, folder))));
    } catch {
      return undefined;
    }
  };
}

/** The page of `support serve` and the widget. */
export const builtWidget = siteIn(new URL('../widget/', import.meta.url));

/** The site in dist/. */
export const builtSite = siteIn(new URL('../site/', import.meta.url));
