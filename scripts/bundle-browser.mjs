// Makes dist/browser/ from dist/: `onebit.js` for a page to import from a CDN, `structured.js` for constrained
// answers, `engine-worker.js` for the worker, and the parts that they share.
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { smallShaders } from './minify-wgsl.mjs';
import { thirdParty } from './third-party.mjs';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));

/** The embedded model lies one folder further up from there. */
const deeper = {
  name: 'embedded-model',
  transform(code, id) {
    return id.endsWith('/dist/open-source.js') ? code.replace("'../models/", "'../../models/") : null;
  },
};

/** What a page never runs, behind a question whether this is Node: files and the cache on disk. */
const withoutNode = {
  name: 'without-node',
  load: (id) => (/\/dist\/bytes\/(file-source|disk-folder|cache)\.js$/.test(id) ? 'export {}' : null),
};

/** Pages have WebGPU or not; the package that brings it to Node would be looked for by the next bundler. */
const withoutWebgpuPackage = {
  name: 'without-webgpu-package',
  transform(code, id) {
    if (!id.endsWith('/kernels/webgpu/device.js')) return null;
    const without = code.replace(/await import\([^()]*\bname\)/, 'await Promise.reject(new Error("only in Node"))');
    if (without === code) throw new Error('bundle-browser: the import of webgpu must be in kernels/webgpu/device.js');
    return without;
  },
};

/** What is always used together lies in one file: fewer requests, and compressed together it is smaller. */
const chunks = [
  { name: 'wasm', test: /\/dist\/kernels\/wasm\/(?!generated|wasm-training)/ },
  { name: 'corpus', test: /\/dist\/(train\/corpus(-chat|-document)?\.js|core\/decode-text)/ },
  {
    name: 'train',
    test: /\/dist\/(train\/(?!kept-)|gguf\/(write|value-bytes)|kernels\/(training|wasm\/wasm-training)|tokenizer\/train)/,
  },
  {
    name: 'load',
    test: /\/dist\/(core\/(?!siphash|decode-text)|bytes\/(?!download|browser-|hub)|quant|gguf\/(?!facts)|tokenizer|chat|model|generate\/(?!embed|watermark\.)|load|language-model|errors|kernels\/([\w-]+|webgpu\/adapter)\.js)|@huggingface/,
  },
];

export async function bundleForBrowsers() {
  const worker = `${dist}remote/engine-worker.js`;
  const entries = { onebit: `${dist}cdn.js`, structured: `${dist}cdn-structured.js`, 'engine-worker': worker };
  await write(entries, { includeDependenciesRecursively: false, groups: chunks }, [thirdParty()]);
  // The worker as one file, for bundlers that cannot divide one (src/remote/start-worker.ts).
  await write({ 'whole-worker': worker }, false, []);
}

async function write(input, codeSplitting, plugins) {
  const bundle = await rolldown({
    input,
    platform: 'browser',
    external: [/^node:/],
    plugins: [deeper, withoutNode, withoutWebgpuPackage, smallShaders, ...plugins],
    logLevel: 'silent',
  });
  await bundle.write({
    dir: `${dist}browser`,
    format: 'esm',
    minify: true,
    comments: { annotation: false }, // notes for bundlers, which no longer read these files
    codeSplitting,
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  });
  await bundle.close();
}
