// `npm run test:nodes`: the tests under every version of Node that the package supports, by the binaries of npm's packages `node-PLATFORM-ARCH`.
// node scripts/test-nodes.mjs [20 22 24 26] [-- arguments for vitest]
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cut = process.argv.indexOf('--');
const given = process.argv.slice(2, cut < 0 ? undefined : cut);
const versions = given.length > 0 ? given : ['20', '22', '24', '26'];
const rest = cut < 0 ? [] : process.argv.slice(cut + 1);
const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

for (const version of versions) {
  const folder = join(root, '.cache', `node-${version}`);
  const program = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts', `${name}@${version}`];
    execFileSync('npm', args, { stdio: 'inherit' });
  }
  console.log(`Node ${execFileSync(program, ['--version'], { encoding: 'utf8' }).trim()}`);
  const { status } = spawnSync(program, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...rest], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
