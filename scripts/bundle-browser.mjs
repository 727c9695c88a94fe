// Makes dist/browser/ from dist/: `onebit.js` for a page to import from a CDN, `structured.js` for constrained
// answers, `engine-worker.js` for the worker, and the parts that they share.
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));

/** The embedded model lies one folder further up from there. */
const deeper = {
  name: 'embedded-model',
  transform(code, id) {
    return id.endsWith('/dist/load.js') ? code.replace("'../models/", "'../../models/") : null;
  },
};

export async function bundleForBrowsers() {
  const bundle = await rolldown({
    input: {
      onebit: `${dist}cdn.js`,
      structured: `${dist}cdn-structured.js`,
      'engine-worker': `${dist}remote/engine-worker.js`,
    },
    platform: 'browser',
    external: [/^node:/],
    plugins: [deeper],
    logLevel: 'silent',
  });
  await bundle.write({
    dir: `${dist}browser`,
    format: 'esm',
    minify: true,
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  });
  await bundle.close();
}
