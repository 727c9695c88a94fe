// Owns the runtimes and the compilers: one cell each.
import { existsSync } from 'node:fs';

/** A program that asks the embedded model one question and writes the answer. */
export const NODE_PROGRAM = `import { load } from 'onebit';

async function main() {
  const model = await load();
  const question = { role: 'user', content: 'I need a taxi.' };
  const { text } = await model.chat([question], { temperature: 0, maxTokens: 24 }).result();
  await model.dispose();
  process.stdout.write(text);
}

main();
`;

function expectText(text, expected) {
  if (text !== expected) throw new Error(`expected '${expected}', got '${text}'`);
}

const { platform, arch } = process;

const node = [20, 22, 24, 26].map((major) => ({
  id: `node-${major}`,
  name: `Node ${major}: import, CommonJS require, commands`,
  packages: [`node-${platform === 'win32' ? 'win' : platform}-${arch}@${major}`],
  async run(project, expected) {
    const folder = `node_modules/node-${platform === 'win32' ? 'win' : platform}-${arch}/bin`;
    const program = project.path(folder, platform === 'win32' ? 'node.exe' : 'node');
    project.write({
      'index.mjs': NODE_PROGRAM,
      'index.cjs': NODE_PROGRAM.replace(/import (.*) from (.*);/, 'const $1 = require($2);'),
    });
    expectText(project.run(program, ['index.mjs']), expected);
    expectText(project.run(program, ['index.cjs']), expected); // CommonJS
    expectText(
      project.run(program, ['node_modules/onebit/bin/onebit.js', '--version']).replace(/\s/g, '').split('.').length,
      3,
    );
  },
}));

const processor = arch === 'arm64' ? 'aarch64' : 'x64';
const others = [
  { name: 'Bun', file: `@oven/bun-${platform}-${processor}/bin/bun`, args: [] },
  {
    name: 'Deno',
    file: `@deno/${platform}-${arch}${platform === 'linux' ? '-glibc' : ''}/deno`,
    args: ['run', '--allow-all', '--node-modules-dir=manual'],
  },
].map(({ name, file, args }) => ({
  id: name.toLowerCase(),
  name,
  packages: [file.split('/').slice(0, 2).join('/')],
  async run(project, expected) {
    const program = project.path('node_modules', file);
    if (!existsSync(program)) throw new Error(`${name}: there is no program at ${file}`);
    project.write({ 'index.mjs': NODE_PROGRAM });
    expectText(project.run(program, [...args, 'index.mjs']), expected);
  },
}));

/** Uses what every subpath gives, without types of Node. */
const TYPED = `import { load, OnebitError, train } from 'onebit';
import { loadInWorker, isRealGpu } from 'onebit/browser';
import { httpSource } from 'onebit/bytes';
import { readGguf } from 'onebit/gguf';
import * as quant from 'onebit/quant';
import { OnebitServer } from 'onebit/server';
import { trainSupport, type SupportRow } from 'onebit/support';
import * as tokenizer from 'onebit/tokenizer';

export async function main(): Promise<string> {
  const model = await load('model.gguf', { backend: 'wasm' });
  const { text, tokens } = await model.generate('Hello', { temperature: 0 }).result();
  const remote = await loadInWorker(undefined, { keep: true });
  const answer = await remote.chat([{ role: 'user', content: 'Hi' }]).result();
  for await (const event of train({ documents: [{ text }] })) if (event.type === 'step') console.log(event.loss);
  const gguf = await readGguf(await httpSource('https://localhost/a.gguf'));
  const server = new OnebitServer(model);
  const response = await server.fetch(new Request('https://localhost/health'));
  const rows: SupportRow[] = [{ text: 'Where is my parcel?', intent: 'track' }];
  await trainSupport(rows);
  if (!(await isRealGpu({ requestAdapter: async () => null }))) throw new OnebitError('unsupported', answer.text);
  return [response.status, gguf.tensors.size, tokens.length, Object.keys({ ...quant, ...tokenizer }).length].join(' ');
}
`;

const compilers = [
  { typescript: '5.9', module: 'nodenext', moduleResolution: 'nodenext' },
  { typescript: '5.9', module: 'esnext', moduleResolution: 'bundler' },
  { typescript: '5.9', module: 'esnext', moduleResolution: 'node10' },
  { typescript: '7', module: 'nodenext', moduleResolution: 'nodenext' },
  { typescript: '7', module: 'esnext', moduleResolution: 'bundler' },
].map(({ typescript, module, moduleResolution }) => ({
  id: `types-${typescript}-${moduleResolution}`,
  name: `TypeScript ${typescript}, ${moduleResolution}`,
  packages: [`typescript@${typescript}`],
  async run(project) {
    const options = {
      module,
      moduleResolution,
      target: 'es2022',
      lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
    };
    // Zod's types for node10 import CommonJS by default imports; `tsc --init` has this.
    const interop = moduleResolution === 'node10' ? { esModuleInterop: true } : {};
    const compilerOptions = { ...options, ...interop, strict: true, skipLibCheck: false, types: [], noEmit: true };
    project.write({ 'tsconfig.json': JSON.stringify({ compilerOptions, include: ['app.ts'] }), 'app.ts': TYPED });
    project.bin('typescript/bin/tsc', ['-p', 'tsconfig.json']);
  },
}));

export const runtimes = [...node, ...others, ...compilers];
