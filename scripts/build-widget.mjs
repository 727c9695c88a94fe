// Makes dist/widget/ from site/widget/: the element for shops (widget.js), `onebit/support` for pages with what answers without a server (support.js), and the
// page of `onebit support serve`. Run by scripts/build.mjs.
import { copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { thirdParty } from './third-party.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const from = `${root}site/widget/`;
const to = `${root}dist/widget/`;

/** The trunk, which only training needs, lies one folder nearer than from dist/tasks/support/. */
const nearer = {
  name: 'trunk',
  transform: (code, id) =>
    id.endsWith('/support/trunk.js') ? code.replace("'../../../models/", "'../../models/") : null,
};

/** Files, the cache on disk and proxies, which a page has not: in one file with the rest even a module that is only asked for in Node would be loaded. */
const withoutNode = {
  name: 'without-node',
  resolveId: (id) => (id.startsWith('node:') ? '\0nothing' : null),
  load: (id) =>
    /^\0nothing$|\/dist\/bytes\/(file-source|disk-folder|cache)\.js$|\/node_modules\/undici\//.test(id)
      ? 'export {}'
      : null,
};

export async function buildWidget() {
  await write({ widget: `${from}widget.ts` }, []);
  await write({ owner: `${from}owner.ts` }, []);
  await write({ support: `${from}page-answerer.ts` }, [nearer, withoutNode, thirdParty()]);
  for (const name of ['index.html', 'owner.css']) copyFileSync(from + name, to + name);
}

async function write(input, plugins) {
  const bundle = await rolldown({
    ...{ input, platform: 'browser', plugins, logLevel: 'silent', shimMissingExports: true },
    resolve: { alias: { 'onebit/support': `${root}dist/tasks/support/index.js` } },
  });
  await bundle.write({
    ...{ dir: to, format: 'esm', minify: true, comments: { annotation: false }, codeSplitting: false },
    entryFileNames: '[name].js',
  });
  await bundle.close();
}
