// Owns a project as a user has it: a folder of its own, the packed package and others installed by npm, files, commands that run there.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const MOST_MS = 20 * 60_000;

/** Packs the package into `folder` and gives the file's path. */
export function pack(folder) {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const [{ filename }] = JSON.parse(execFileSync('npm', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }));
  return join(folder, filename);
}

/** A free port. */
export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class Project {
  folder = mkdtempSync(join(tmpdir(), 'onebit-compat-'));
  #children = [];

  /** Writes files by their paths. */
  write(files) {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true });
      writeFileSync(join(this.folder, path), text);
    }
  }

  /** Installs the packed package and others; gives nothing back, throws what npm says. */
  install(tarball, packages = [], { type = 'module' } = {}) {
    this.write({ 'package.json': JSON.stringify({ name: 'app', private: true, type }) });
    this.run('npm', [
      'install',
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      '--loglevel=error',
      tarball,
      ...packages,
    ]);
  }

  path(...parts) {
    return join(this.folder, ...parts);
  }

  /** Runs a command to its end and gives what it wrote. Throws with all of it when it fails. */
  run(command, args, env = {}) {
    try {
      return execFileSync(command, args, {
        cwd: this.folder,
        encoding: 'utf8',
        timeout: MOST_MS,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...env },
      });
    } catch (error) {
      throw new Error(`${command} ${args.join(' ')}: ${error.message}\n${error.stdout ?? ''}\n${error.stderr ?? ''}`);
    }
  }

  /** Runs a program of an installed package. */
  bin(name, args, env) {
    return this.run(process.execPath, [this.path('node_modules', ...name.split('/')), ...args], env);
  }

  /** Starts a program of an installed package that stays, and waits until `url` answers. */
  async serve(name, args, url, env = {}) {
    const child = spawn(process.execPath, [this.path('node_modules', ...name.split('/')), ...args], {
      cwd: this.folder,
      stdio: 'ignore',
      env: { ...process.env, ...env },
    });
    this.#children.push(child);
    for (const until = Date.now() + 120_000; ; ) {
      const there = await fetch(url).then(
        (response) => response.ok,
        () => false,
      );
      if (there) return url;
      if (child.exitCode !== null || Date.now() > until) throw new Error(`${name} did not answer at ${url}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async remove() {
    for (const child of this.#children) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill('SIGKILL')) await ended;
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
