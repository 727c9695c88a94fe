// Builds dist/: the modules by the TypeScript compiler, from them dist/browser/ (for CDNs), dist/widget/ (for shops) and dist/site/ (the page). Run by `npm install` (prepare) and
// `npm run build`.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildWidget } from './build-widget.mjs';
import { bundleForBrowsers } from './bundle-browser.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });
const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
const run = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (run.status !== 0) process.exit(run.status ?? 1);
mendNames();
await bundleForBrowsers();
await buildWidget();
const { build } = await import('vite');
await build({ configFile: fileURLToPath(new URL('../site/vite.config.mjs', import.meta.url)), logLevel: 'warn' });
// The page has its own by now; the package keeps its kernels in base64.
for (const name of ['simd', 'relaxed']) rmSync(join(root, `dist/kernels/wasm/generated/${name}.wasm`), { force: true });

/**
 * Names in what the compiler wrote: declarations get the ending that every TypeScript finds, and imports of a name known only at run time lose the
 * compiler's wrapper, which hides from webpack that they are none of its business.
 */
function mendNames() {
  for (const name of readdirSync(join(root, 'dist'), { recursive: true })) {
    if (!/\.(d\.ts|js)$/.test(name)) continue;
    const path = join(root, 'dist', name);
    const before = readFileSync(path, 'utf8');
    const after = name.endsWith('.d.ts')
      ? before.replace(/((?:from|import\() ?'\.[^']*)\.ts'/g, "$1.js'")
      : before.replace(/import\(__rewriteRelativeImportExtension\(((?:\/\*[^*]*\*\/|[^()])*)\)\)/g, 'import($1)');
    if (after !== before) writeFileSync(path, after);
  }
}
