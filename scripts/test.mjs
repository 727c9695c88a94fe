// `npm test`: everything a change must pass. Installs what tests need from Debian's packages where it is missing and apt-get may; elsewhere such tests are
// skipped and say so.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Programs that tests run, and the packages that bring them. */
const programs = {
  '/usr/bin/chromium': 'chromium',
  '/usr/bin/firefox-esr': 'firefox-esr',
  '/usr/bin/WebKitWebDriver': 'webkit2gtk-driver',
  '/usr/bin/Xvfb': 'xvfb',
  '/usr/bin/redis-server': 'redis-server',
};

function run(command, args, { mayFail = false, env = process.env } = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env });
  if (status !== 0 && !mayFail) process.exit(status ?? 1);
}

const missing = Object.keys(programs).filter((path) => !existsSync(path));
if (missing.length > 0 && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
  const packages = missing.map((path) => programs[path]);
  console.log(`installing ${packages.join(', ')} for the tests`);
  // A package that cannot be had leaves the others alone, and no service is started.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const install = (names) =>
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], { mayFail: true, env });
  run('apt-get', ['update', '-qq'], { mayFail: true });
  install(packages);
  for (const path of missing) if (!existsSync(path)) install([programs[path]]);
}
const node = process.execPath;
run(node, ['scripts/build.mjs']);
run('npm', ['run', '--silent', 'check']);
run(node, ['scripts/build-wasm.mjs', '--check']);
run(node, ['scripts/api/build.mjs']);
run(node, ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)]);
