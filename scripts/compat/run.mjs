// `npm run test:compat`: the packed package in projects of users, with every bundler, runtime and compiler that docs/compatibility.md names. Each cell is a
// project of its own: installs, builds without configuration, asks the embedded model, compares with Node's answer. Browsers are cells too: their part of
// test/browsers.test.ts, on the built package.
//   npm run test:compat                    all cells, and writes the table
//   npm run test:compat -- vite-8 node-22  cells whose names begin so
//   npm run test:compat -- --list
// Needs npm's registry, Chromium for the bundlers of pages, and the browsers of the cells. Results are kept in docs/compatibility.json.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { browsers } from './browsers.mjs';
import { bundlers } from './bundlers.mjs';
import { Project, pack } from './project.mjs';
import { NODE_PROGRAM, runtimes } from './runtimes.mjs';
import { writeTable } from './table.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cells = [...runtimes, ...bundlers, ...browsers];
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const chosen = wanted.length === 0 ? cells : cells.filter(({ id }) => wanted.some((name) => id.startsWith(name)));

if (process.argv.includes('--list')) console.log(cells.map(({ id }) => id).join('\n'));
else if (chosen.length === 0) {
  console.error(
    `test:compat: cells must be some of ${cells.map(({ id }) => id).join(', ')}; got ${wanted.join(', ')}.`,
  );
  process.exitCode = 2;
} else process.exitCode = (await runCells()) ? 0 : 1;

async function runCells() {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-packed-'));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const results = {};
  try {
    const tarball = pack(folder);
    const expected = execFileSync(
      process.execPath,
      ['--input-type=module', '-e', NODE_PROGRAM.replace("'onebit'", `'${root}dist/index.js'`)],
      {
        encoding: 'utf8',
      },
    );
    for (const cell of chosen) {
      const problem = await problemOf(cell, tarball, expected);
      console.log(`${problem ? '✗' : '✓'} ${cell.name}${problem ? `\n${problem}` : ''}`);
      results[cell.id] = { works: !problem, version, date: new Date().toISOString().slice(0, 10) };
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  writeTable(root, cells, results);
  return Object.values(results).every(({ works }) => works);
}

/** What went wrong; nothing when nothing did. */
async function problemOf(cell, tarball, expected) {
  const project = new Project();
  try {
    if (cell.packages) project.install(tarball, cell.packages);
    await cell.run(project, expected);
    return undefined;
  } catch (error) {
    return error.stack;
  } finally {
    await project.remove();
  }
}
