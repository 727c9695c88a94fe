// `npm test`: everything a change must pass. Installs Debian's chromium for the browser tests where it is missing and apt-get may.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

function run(command, args, { mayFail = false } = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0 && !mayFail) process.exit(status ?? 1);
}

if (!existsSync('/usr/bin/chromium') && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
  console.log('installing chromium for the browser tests');
  run('apt-get', ['update', '-qq'], { mayFail: true });
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], { mayFail: true });
}
const node = process.execPath;
run('npm', ['run', '--silent', 'check']);
run(node, ['scripts/build-wasm.mjs', '--check']);
run(node, ['scripts/build.mjs']);
run(node, ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)]);
