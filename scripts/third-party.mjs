// Owns the licences of others' code in bundles: a plugin for rolldown and Vite that puts them all into one file beside the bundle.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of the package that a module belongs to; undefined for our own. */
function packageFolder(id) {
  return /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1];
}

/** A package's name, version, licence and the licence's text. */
function noticeOf(folder) {
  const { name, version, license, author, repository } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
  const by = typeof author === 'object' ? author.name : author;
  const from = typeof repository === 'object' ? repository.url : repository;
  const head = [`${name} ${version} (${license})`, by && `by ${by}`, from].filter(Boolean).join('\n');
  return `${head}\n\n${file ? readFileSync(join(folder, file), 'utf8').trim() : `Licence: ${license}`}`;
}

/**
 * Notes whose code a bundle holds; the bundle that is told to `write` also gets the file. Vite bundles workers by themselves, before the page: `folders`
 * is what they share.
 */
export function thirdParty({ folders = new Set(), write = true } = {}) {
  return {
    name: 'third-party',
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        for (const id of chunk.moduleIds ?? []) {
          const folder = packageFolder(id);
          if (folder && existsSync(join(folder, 'package.json'))) folders.add(folder);
        }
      }
      if (!write) return;
      const notices = [...folders].map(noticeOf).sort();
      const text = [
        'onebit is under the Apache License 2.0 (LICENSE). The code here also holds parts of:',
        ...notices,
      ].join(`\n\n${'-'.repeat(80)}\n\n`);
      this.emitFile({ type: 'asset', fileName: 'THIRD-PARTY-NOTICES.txt', source: `${text}\n` });
    },
  };
}
