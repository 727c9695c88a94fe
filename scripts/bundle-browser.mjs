// Makes dist/browser/ from dist/: `onebit.js` for a page to import from a CDN, `structured.js` for constrained
// answers, `engine-worker.js` for the worker, and the parts that they share.
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { smallShaders } from './minify-wgsl.mjs';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));

/** The embedded model lies one folder further up from there. */
const deeper = {
  name: 'embedded-model',
  transform(code, id) {
    return id.endsWith('/dist/load.js') ? code.replace("'../models/", "'../../models/") : null;
  },
};

/** What a page never runs, behind a question whether this is Node: files and the cache on disk. */
const withoutNode = {
  name: 'without-node',
  load: (id) => (/\/dist\/bytes\/(file-source|cache)\.js$/.test(id) ? 'export {}' : null),
};

/** What is always used together lies in one file: fewer requests, and compressed together it is smaller. */
const chunks = [
  { name: 'wasm', test: /\/dist\/kernels\/wasm\/(?!generated|wasm-training)/ },
  {
    name: 'train',
    test: /\/dist\/(train\/|gguf\/(write|value-bytes)|kernels\/(training|wasm\/wasm-training)|tokenizer\/train)/,
  },
  {
    name: 'load',
    test: /\/dist\/(core|bytes|quant|gguf|tokenizer|chat|model|generate|load|language-model|errors|kernels\/(\w+|webgpu\/adapter)\.js)|@huggingface/,
  },
];

/** Takes out the notes for bundlers that the minifier leaves: nothing reads these files again. */
const withoutNotes = {
  name: 'without-notes',
  generateBundle(_, files) {
    for (const file of Object.values(files)) {
      if (file.type === 'chunk')
        file.code = file.code.replace(/(?<=([\w$])?)\/\* @__PURE__ \*\/ /g, (_, word) => (word ? ' ' : ''));
    }
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
    plugins: [deeper, withoutNode, smallShaders, withoutNotes],
    logLevel: 'silent',
  });
  await bundle.write({
    dir: `${dist}browser`,
    format: 'esm',
    minify: true,
    codeSplitting: { includeDependenciesRecursively: false, groups: chunks },
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  });
  await bundle.close();
}
