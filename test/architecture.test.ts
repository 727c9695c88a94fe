// The layers of ARCHITECTURE.md, enforced: who may import whom, no cycles, and where Node's own modules may be named.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const src = fileURLToPath(new URL('../src', import.meta.url));
/** Folder of src/ → folders it may import besides itself and errors.ts. */
const allowed: Record<string, string[]> = {
  core: [],
  bytes: ['core'],
  quant: ['core'],
  gguf: ['bytes', 'quant', 'core'],
  tokenizer: ['gguf', 'core'],
  hf: ['bytes', 'gguf', 'quant', 'tokenizer', 'core'],
  chat: ['core', 'tokenizer'],
  structured: ['core', 'tokenizer'],
  kernels: ['quant', 'core'],
  model: ['bytes', 'gguf', 'kernels', 'quant', 'core'],
  generate: ['model', 'tokenizer', 'chat', 'structured', 'kernels', 'core'],
  evaluate: ['generate', 'model', 'tokenizer', 'kernels', 'core'],
  bulk: ['bytes', 'generate', 'chat', 'structured', 'tasks', 'core', 'language-model.ts'],
  provenance: ['bytes', 'gguf', 'core'],
  'ai-sdk': ['core', 'server', 'language-model.ts'],
  server: ['generate', 'chat', 'structured', 'tokenizer', 'tasks', 'bulk', 'provenance', 'core', 'language-model.ts'],
  redis: ['server', 'bulk', 'core'],
  remote: [
    ...['bytes', 'gguf', 'model', 'generate', 'evaluate', 'train', 'chat', 'core'],
    ...['language-model.ts', 'load.ts', 'load-options.ts'],
  ],
  tasks: ['bytes', 'gguf', 'quant', 'core'],
  train: ['hf', 'model', 'kernels', 'tokenizer', 'gguf', 'quant', 'bytes', 'core', 'chat', 'generate', 'evaluate'],
};
/**
 * Files that may name Node’s modules: where bytes come from, worker start-up, the command line, the server's adapter,
 * and work that must outlive its process. */
const platformFiles =
  /^(bytes\/|cli\/|bulk\/|redis\/|server\/(node-adapter|decompress-node)\.ts$|kernels\/wasm\/(threads|build)\.ts$)/;

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.includes('assembly/'))
  .map((file) => file.replaceAll('\\', '/'));
const importsOf = new Map(files.map((file) => [file, importsIn(file)]));

function importsIn(file: string): { target: string; typeOnly: boolean; dynamic: boolean }[] {
  const text = readFileSync(join(src, file), 'utf8');
  const found = text.matchAll(/(?:^|\n)\s*(import|export)\s+(type\s)?[^'"`;]*?from\s+'([^']+)'|import\('([^']+)'\)/g);
  return Array.from(found, ([, , type, target, dynamic]) => ({
    ...{ target: target ?? dynamic, typeOnly: type !== undefined, dynamic: dynamic !== undefined },
  }));
}

function resolve(file: string, target: string): string | undefined {
  return target.startsWith('.') ? relative(src, join(src, dirname(file), target)).replaceAll('\\', '/') : undefined;
}

test('folders import only what the layers allow', () => {
  const violations: string[] = [];
  for (const [file, imports] of importsOf) {
    const folder = file.split('/')[0];
    if (!(folder in allowed)) continue; // cli and the files of src/ itself may import everything
    for (const { target } of imports) {
      const to = resolve(file, target);
      if (to === undefined || to === 'errors.ts') continue;
      const toFolder = to.split('/')[0];
      if (toFolder !== folder && !allowed[folder].includes(toFolder)) violations.push(`${file} imports ${to}`);
    }
  }
  expect(violations).toEqual([]);
});

test('backends never import each other, and the model imports none', () => {
  const violations: string[] = [];
  for (const [file, imports] of importsOf) {
    for (const { target } of imports) {
      const to = resolve(file, target) ?? '';
      const backendOf = (path: string) => /^kernels\/(reference|wasm|webgpu)\//.exec(path)?.[1];
      const [from, into] = [backendOf(file), backendOf(to)];
      if (from && into && from !== into) violations.push(`${file} imports ${to}`);
      if (into && file.startsWith('model/')) violations.push(`${file} imports ${to}`);
    }
  }
  expect(violations).toEqual([]);
});

test('there are no cycles', () => {
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (file: string, path: string[]) => {
    if (state.get(file) === 'done' || !importsOf.has(file)) return;
    if (state.get(file) === 'open') {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      return;
    }
    state.set(file, 'open');
    for (const { target } of importsOf.get(file)!) {
      const to = resolve(file, target);
      if (to) visit(to, [...path, file]);
    }
    state.set(file, 'done');
  };
  for (const file of importsOf.keys()) visit(file, []);
  expect(cycles).toEqual([]);
});

test('Node’s modules are named only where the platform is known', () => {
  const violations: string[] = [];
  for (const [file, imports] of importsOf) {
    for (const { target, typeOnly } of imports) {
      if (target.startsWith('node:') && !typeOnly && !platformFiles.test(file))
        violations.push(`${file} imports ${target}`);
    }
  }
  expect(violations).toEqual([]);
});

test('what a page can reach imports neither Node’s modules nor what package.json leaves out for browsers', () => {
  const { browser } = JSON.parse(readFileSync(join(src, '../package.json'), 'utf8'));
  const left = new Set(Object.keys(browser).map((path) => path.replace('./dist/', '').replace(/\.js$/, '.ts')));
  const violations: string[] = [];
  const reached = new Set(['browser.ts', 'index.ts', 'cdn.ts']);
  for (const file of reached) {
    for (const { target, typeOnly, dynamic } of importsOf.get(file) ?? []) {
      const to = resolve(file, target);
      if (typeOnly) continue;
      const isLeftOut = to === undefined ? target.startsWith('node:') : left.has(to);
      if (isLeftOut && !dynamic) violations.push(`${file} imports ${target}`);
      if (to !== undefined && !isLeftOut) reached.add(to);
    }
  }
  expect(violations).toEqual([]);
});

test('converting a file does not wait for the engine, the formats of others or tasks’ models', () => {
  const violations: string[] = [];
  const reached = new Set(['cli/main.ts', 'cli/convert.ts']);
  for (const file of reached) {
    for (const { target, typeOnly, dynamic } of importsOf.get(file) ?? []) {
      const to = resolve(file, target);
      if (typeOnly || dynamic || to === undefined) continue;
      if (
        /^(load|language-model|hf\/.*|model\/.*|chat\/.*|tokenizer\/.*|kernels\/.*|tasks\/support\/file)\.ts$/.test(to)
      )
        violations.push(`${file} imports ${to}`);
      reached.add(to);
    }
  }
  expect(violations).toEqual([]);
});

test('the program loads the server only to serve', () => {
  const violations: string[] = [];
  for (const [file, imports] of importsOf) {
    if (/^(server|redis|ai-sdk)\//.test(file)) continue;
    const text = readFileSync(join(src, file), 'utf8');
    for (const { target, typeOnly } of imports) {
      const dynamic = text.includes(`import('${target}')`);
      if (/^(server|redis)\//.test(resolve(file, target) ?? '') && !typeOnly && !dynamic)
        violations.push(`${file} imports ${target}`);
    }
  }
  expect(violations).toEqual([]);
});

test('commands start without packages that only some of what they do needs', () => {
  const packages = new Set<string>();
  const started = new Set(['cli/main.ts']);
  for (const file of started) {
    for (const { target, typeOnly, dynamic } of importsOf.get(file)!) {
      const to = resolve(file, target);
      const isCommand = file === 'cli/main.ts'; // which loads the one that is named
      if (typeOnly || (dynamic && !isCommand) || target.startsWith('node:')) continue;
      if (to === undefined)
        packages.add(
          target
            .split('/')
            .slice(0, target.startsWith('@') ? 2 : 1)
            .join('/'),
        );
      else if (importsOf.has(to)) started.add(to);
    }
  }
  expect([...packages].sort()).toEqual(['@noble/hashes', 'commander', 'csv-parse']);
});

test('no file is longer than a newcomer reads', () => {
  const long = files.filter((file) => readFileSync(join(src, file), 'utf8').split('\n').length > 501);
  expect(long).toEqual([]);
});

test('the check sees imports at all', () => {
  expect(importsOf.get('load.ts')!.map(({ target }) => target)).toContain('./kernels/wasm/wasm-backend.ts');
});

test('what JavaScript leaves to the engine is computed by core/elementary.ts alone', () => {
  // Templates compute with `**` as JavaScript does; they make texts, no results.
  const own = /^(core\/(elementary|sha256)|kernels\/(cases|training-cases|conformance)|chat\/jinja\/\w+)\.ts$/;
  // Sizes of memory, rounded up to a power of two, are no results.
  const sizes = /^(kernels\/webgpu\/(recorder|products|webgpu-backend)|tokenizer\/pair-merger)\.ts$/;
  const violations: string[] = [];
  for (const file of files) {
    if (own.test(file)) continue;
    const code = readFileSync(join(src, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    for (const [found] of code.matchAll(
      /Math\.(a?(cos|sin|tan)h?|atan2|cbrt|exp|expm1|hypot|log|log10|log1p|log2|pow)\b/g,
    )) {
      if (!(found === 'Math.log2' && sizes.test(file))) violations.push(`${file}: ${found}`);
    }
    for (const [found] of code.matchAll(/\S+ \*\* /g))
      if (!/((^|\W)2|\dn) \*\* $/.test(found)) violations.push(`${file}: ${found}`);
  }
  expect(violations).toEqual([]);
});
