// How the page is built: static files in dist/site/ that work under any path. The package is imported as users do, by its name, from dist/.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { smallShaders } from '../scripts/minify-wgsl.mjs';
import { thirdParty } from '../scripts/third-party.mjs';

const root = fileURLToPath(new URL('.', import.meta.url));
const { exports, repository, homepage } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
/** The package's own name means its built files: Vite does not look up a package from inside itself. */
const alias = Object.entries(exports)
  .filter(([, target]) => target.default)
  .map(([path, target]) => ({
    find: new RegExp(`^onebit${path.slice(1)}$`),
    replacement: fileURLToPath(new URL(`../${target.default}`, import.meta.url)),
  }));

/** Where the source is. */
const source = (repository?.url ?? repository ?? 'https://github.com/onebit-js/onebit').replace(/^git\+|\.git$/g, '');

/** Pages get threads only when they are isolated from other origins. */
const headers = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

/** Addresses that the page's head needs; previews want a whole one. */
const addresses = {
  name: 'addresses',
  transformIndexHtml: (html) =>
    html.replaceAll('HOMEPAGE', /^https:.*\/$/.test(homepage ?? '') ? homepage : './').replaceAll('SOURCE', source),
};

/** Puts the names of all built files into the service worker, which keeps them for offline use. */
const listFiles = {
  name: 'list-files',
  generateBundle(_options, bundle) {
    // What the page needs without a network; previews are for others, and the trunk of another task is nobody's here.
    const files = [...Object.keys(bundle), 'manifest.webmanifest', 'icon-192.png'].filter(
      (name) => !/\.(map|txt)$|preview|support-trunk/.test(name),
    );
    const source = readFileSync(new URL('service-worker.js', import.meta.url), 'utf8');
    this.emitFile({
      type: 'asset',
      fileName: 'service-worker.js',
      source: source.replace('FILES', JSON.stringify(files.sort())),
    });
  },
};

/** Whose code the page and its workers hold. */
const folders = new Set();

/** Vite 8 can divide a worker: the page loads only the parts that it uses. */
const dividedWorker = {
  name: 'divided-worker',
  transform: (code, id) =>
    id.endsWith('/remote/start-worker.js')
      ? code.replace("'../browser/whole-worker.js'", "'./engine-worker.js'")
      : null,
};

/** Makes files of the kernels, which the package holds in base64: a browser that has to read them as a script takes longer and fetches more. */
const kernelFiles = {
  name: 'kernel-files',
  transform(code, id) {
    const [, path, name] = /^(.*\/kernels\/wasm\/generated\/(simd|relaxed))\.js$/.exec(id) ?? [];
    const base64 = path && /'([A-Za-z0-9+/=]+)'/.exec(code)?.[1];
    if (!base64) return null;
    writeFileSync(`${path}.wasm`, Buffer.from(base64, 'base64'));
    return `export const wasmBase64 = new URL('./${name}.wasm', import.meta.url);`;
  },
};

/** Small modules that every answer needs: one file of them is smaller, and fetched sooner, than twelve. */
const SMALL =
  /\/dist\/(errors|core\/(check|elementary|event-loop|finite|on-abort)|bytes\/(blob|memory)-source|generate\/watermark-key|gguf\/metadata|kernels\/(ranking|rotations))\.js$/;

export default defineConfig({
  root,
  base: './',
  resolve: { alias },
  define: { __SOURCE__: JSON.stringify(source) },
  plugins: [addresses, dividedWorker, kernelFiles, thirdParty({ folders }), listFiles, smallShaders],
  worker: {
    format: 'es',
    plugins: () => [kernelFiles, thirdParty({ folders, write: false })],
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'common', test: SMALL }] } } },
  },
  server: { headers, fs: { allow: ['..'] } },
  preview: { headers },
  optimizeDeps: { exclude: ['onebit'] },
  build: {
    outDir: '../dist/site',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      onwarn: (warning, warn) => (/externalized for browser|node:/.test(warning.message) ? undefined : warn(warning)),
    },
  },
});
