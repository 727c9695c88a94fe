// The documents say what is true: every program in README.md and docs/ compiles against the package's types, every link leads somewhere, in the checkout and in the
// package, and what "How to read this code" names exists. Needs dist/ (`npm run build`).
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { formats } from '../src/quant/formats.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'models/README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const textOf = (document: string) => readFileSync(join(root, document), 'utf8');
const REPOSITORY = 'https://github.com/onebit-js/onebit/';
const { files } = JSON.parse(textOf('package.json')) as { files: string[] };

/** What programs may use without making it. */
const GIVEN = {
  model: "import('onebit').LanguageModel",
  messages: "{ role: 'user'; content: string }[]",
  rows: "import('onebit/support').SupportRow[]",
  schema: 'Record<string, unknown>',
};

/** Programs of a document, in its order. */
function programsOf(document: string): { line: number; code: string }[] {
  const text = textOf(document);
  return [...text.matchAll(/^```(?:js|ts)\n([\s\S]*?)^```$/gm)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length + 1,
    code: match[1],
  }));
}

test('every program in the documents compiles against the package', () => {
  const folder = join(root, '.cache/snippets');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const places: string[] = [];
  for (const document of documents) {
    for (const { line, code } of programsOf(document)) {
      const name = `${document.replace(/[/.]/g, '-')}-${line}`;
      places.push(name);
      // Names that an earlier block of the document made, or that readers have themselves.
      const given = Object.entries(GIVEN).filter(
        ([name]) => new RegExp(`\\b${name}\\b`).test(code) && !new RegExp(`\\b(const|let) \\[?${name}\\b`).test(code),
      );
      const head = given.map(([name, type]) => `declare const ${name}: ${type};\n`).join('');
      writeFileSync(join(folder, `${name}.ts`), `${head}${code.replace(/^import .*https?:.*$/gm, '')}\nexport {};\n`);
    }
  }
  expect(places.length).toBeGreaterThan(10);
  const compilerOptions = {
    ...{ target: 'es2023', module: 'nodenext', moduleResolution: 'nodenext', lib: ['es2023', 'dom', 'dom.iterable'] },
    ...{ types: ['node'], strict: true, noImplicitAny: false, noEmit: true, skipLibCheck: true },
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  let said = '';
  try {
    execFileSync(process.execPath, [tsc, '-p', folder], { cwd: root, encoding: 'utf8' });
  } catch (error) {
    said = String((error as { stdout: string }).stdout);
  }
  expect(said).toBe('');
}, 240_000);

test('the table of formats is the list of formats', () => {
  const rows = [
    ...textOf('docs/formats.md').matchAll(/^\| `([\w-]+)` \| .*?, (\d+) \| (\d+) \| (\d+) \| ([\d.]+) \|/gm),
  ];
  const listed = formats.map(({ name, ggmlType, blockSize, blockBytes }) => [
    ...[name, ggmlType, blockSize, blockBytes],
    (8 * blockBytes) / blockSize,
  ]);
  expect(rows.map(([, name, ...numbers]) => [name, ...numbers.map(Number)])).toEqual(listed);
});

describe('links', () => {
  test.each(documents)(
    '%s: lead to files of the checkout, and of the package where it holds the document',
    (document) => {
      const packed = (path: string) => files.some((name) => path === name || path.startsWith(`${name}/`));
      // What stands in code is no link: marks of fields look like one.
      const prose = textOf(document).replace(/`[^`\n]*`/g, '');
      for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
        const [address] = target.split('#');
        const own = address.startsWith(REPOSITORY)
          ? /^(?:blob|tree)\/main\/(.*)$/.exec(address.slice(REPOSITORY.length))?.[1]
          : undefined;
        if (own !== undefined) expect(existsSync(join(root, own)), target).toBe(true);
        if (/^[a-z]+:/.test(address) || address === '') continue;
        const path = relative(root, resolve(root, dirname(document), address));
        expect(existsSync(join(root, path)), `${target} is missing`).toBe(true);
        if (packed(document)) expect(packed(path) || /\.md$/.test(path), `${target} is not in the package`).toBe(true);
      }
    },
  );
});

test('how to read this code: names that stand behind a file are in it', () => {
  const text = textOf('docs/how-to-read-this-code.md');
  const found = [...text.matchAll(/\]\(\.\.\/(src\/[\w./-]+)\), ((?:`[\w]+`(?:, | and )?)+)/g)];
  expect(found.length).toBeGreaterThan(8);
  for (const [, file, names] of found) {
    const source = readFileSync(join(root, file), 'utf8');
    for (const [, name] of names.matchAll(/`(\w+)`/g)) {
      expect(new RegExp(`\\b${name}\\b`).test(source), `${name} in ${file}`).toBe(true);
    }
  }
});

test('the moving picture of README is small', () => {
  expect(statSync(join(root, 'docs/page.webp')).size).toBeLessThan(400_000);
});
