// The package as npm would ship it: packed, unpacked into an empty project, imported by name with its subpaths, its program run.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumReason, hasChromium, launchChromium, serveFiles } from './chromium.ts';
import { tinyModel } from './tiny-model.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-package-'));
const installed = join(folder, 'node_modules/onebit');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
let files: string[] = [];

beforeAll(async () => {
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: root,
  });
  const [{ filename, files: entries }] = JSON.parse(packed.toString());
  files = entries.map((entry: { path: string }) => entry.path);
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1']);
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), link);
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'tiny.gguf'), await tinyModel());
});
afterAll(() => rmSync(folder, { recursive: true }));

test('holds what it needs and nothing else', () => {
  expect(files).toContain('dist/index.js');
  expect(files).toContain('LICENSE');
  expect(files).toContain('dist/site/index.html');
  expect(files).toContain('dist/browser/onebit.js');
  expect(files).toContain('dist/browser/THIRD-PARTY-NOTICES.txt');
  expect(files.filter((file) => /\.test\.|^(site|test|bench|scripts)\//.test(file))).toEqual([]);
});

test('source maps lead to sources that are in it', () => {
  for (const file of files.filter((name) => name.endsWith('.js.map') && !name.startsWith('dist/site/'))) {
    const { sources } = JSON.parse(readFileSync(join(installed, file), 'utf8')) as { sources: string[] };
    for (const source of sources) expect(files, file).toContain(join(dirname(file), source));
  }
});

test('CommonJS loads it by require', () => {
  const program = `const { load } = require('onebit');
load().then((model) => model.generate('Hello', { maxTokens: 2, ignoreEndOfText: true }).result().then(({ tokens }) => {
  console.log(tokens.length);
  return model.dispose();
}));`;
  writeFileSync(join(folder, 'index.cjs'), program);
  expect(execFileSync(process.execPath, ['index.cjs'], { cwd: folder, stdio: 'pipe' }).toString()).toBe('2\n');
});

test('every subpath imports, has types, and its three lines work', () => {
  const subpaths = Object.keys(manifest.exports).filter((path) => manifest.exports[path].types);
  for (const path of subpaths) expect(existsSync(join(installed, manifest.exports[path].types)), path).toBe(true);
  const imports = subpaths.map((path) => `await import('${path.replace('.', 'onebit')}');`).join('\n');
  const program = `${imports}
import { load } from 'onebit';
const model = await load('tiny.gguf');
for await (const piece of model.generate('Hello', { maxTokens: 4, ignoreEndOfText: true })) process.stdout.write(piece.text);
console.log('|done');
await model.dispose();`;
  writeFileSync(join(folder, 'index.mjs'), program);
  expect(execFileSync(process.execPath, ['index.mjs'], { cwd: folder }).toString()).toMatch(/\|done\n$/);
});

const DOM = ['dom', 'dom.iterable', 'dom.asynciterable'];
test.each([
  ['the DOM’s alone', DOM, [], ['./server/node', './ai-sdk']],
  ['Node’s alone', [], ['node'], ['./browser', './ai-sdk']],
])(
  'its types need no others than %s, but for the paths that docs/bundlers.md names, without skipLibCheck',
  (_, lib, types, without) => {
    const subpaths = Object.keys(manifest.exports).filter(
      (path) => manifest.exports[path].types && !without.includes(path),
    );
    writeFileSync(
      join(folder, 'types.ts'),
      subpaths.map((path, i) => `export * as part${i} from '${path.replace('.', 'onebit')}';`).join('\n'),
    );
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2022',
      lib: ['es2023', ...lib],
      types,
      typeRoots: [join(root, 'node_modules/@types')],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      preserveSymlinks: true, // a dependency's link leads to where Node's types lie
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['types.ts'] }));
    const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], {
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
  },
);

test.skipIf(!hasChromium)(
  `answers in a page that a bundler made from it${chromiumReason}`,
  async () => {
    writeFileSync(
      join(folder, 'index.html'),
      '<!doctype html><title>page</title><script type="module" src="/page.js"></script>',
    );
    writeFileSync(
      join(folder, 'page.js'),
      `import { loadInWorker } from 'onebit/browser';
      const model = await loadInWorker(undefined, { backend: 'wasm' });
      const { text } = await model.chat([{ role: 'user', content: 'I need a taxi.' }], { temperature: 0 }).result();
      document.title = 'answer: ' + text;`,
    );
    const options = {
      root: folder,
      logLevel: 'silent',
      resolve: { preserveSymlinks: true },
    } as const;
    await build({ ...options, build: { outDir: 'built', target: 'es2022' } });
    const server = await serveFiles({ folders: { '/': join(folder, 'built') } });
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      await page.goto(server.origin);
      await page.waitForFunction(`document.title.startsWith('answer: ')`, undefined, { timeout: 120_000 });
      expect((await page.title()).length).toBeGreaterThan('answer: '.length + 5);
    } finally {
      await browser.close();
      server.close();
    }
  },
  240_000,
);

test('its program runs', () => {
  const out = execFileSync(process.execPath, [join(installed, manifest.bin.onebit), '--version']).toString();
  expect(out.trim()).toBe(manifest.version);
});
