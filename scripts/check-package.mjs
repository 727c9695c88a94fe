// The package as others' tools see it, for `npm run check`: publint (fields and files), Are The Types Wrong (what TypeScript finds), Knip (what nobody uses).
// Needs dist/ (`npm run build`).
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The package has ES modules only, which Node loads by require() too; these say no more than that. */
const EXPECTED = new Set(['CJSResolvesToESM', 'FalseESM']);

const folder = mkdtempSync(join(tmpdir(), 'onebit-check-'));
try {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const [{ filename }] = JSON.parse(execFileSync('npm', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }));
  const tarball = readFileSync(join(folder, filename));
  const problems = [...(await publintProblems(tarball)), ...(await typeProblems(tarball))];
  for (const problem of problems) console.error(problem);
  const knip = spawnSync(process.execPath, [join(root, 'node_modules/knip/bin/knip.js'), '--no-progress'], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exitCode = problems.length > 0 || knip.status !== 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true });
}

async function publintProblems(tarball) {
  const data = tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength);
  const { messages, pkg } = await publint({ pack: { tarball: data }, strict: true });
  // The field says it for every bundler, the condition only for those that read conditions.
  const known = messages.filter(({ code }) => code !== 'USE_EXPORTS_OR_IMPORTS_BROWSER');
  return known.map((message) => `publint: ${formatMessage(message, pkg)}`);
}

async function typeProblems(tarball) {
  const { problems } = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)));
  return problems
    .filter(
      ({ kind, entrypoint }) =>
        !EXPECTED.has(kind) && !/engine-worker|widget|models|package\.json/.test(entrypoint ?? ''),
    )
    .map((problem) => `types: ${problem.kind} ${JSON.stringify({ ...problem, kind: undefined })}`);
}
