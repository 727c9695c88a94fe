// Owns starting a real Redis for tests, in a folder and on a port of its own; and stopping it in whichever way.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface StartedRedis {
  readonly url: string;
  readonly port: number;
  /** Ends it at once; `start` brings it back with what is on the disk. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Whether there is a redis-server here; where not: why tests are skipped. */
export function missingRedis(): string | undefined {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'pipe' });
    return undefined;
  } catch {
    return 'redis-server is not installed: apt-get install redis-server';
  }
}

/** Starts Redis with everything written to the disk at once. */
export async function startRedis(more: readonly string[] = [], scheme = 'redis://'): Promise<StartedRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-redis-'));
  const port = await freePort();
  let child: ChildProcess;
  const start = async () => {
    const ports = scheme.startsWith('rediss') ? ['--port', '0', '--tls-port', `${port}`] : ['--port', `${port}`];
    const args = [...ports, '--dir', folder, '--appendonly', 'yes', '--appendfsync', 'always', '--save', '', ...more];
    child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve, reject) => {
      child.stdout!.on('data', (text) => {
        if (String(text).includes('Ready to accept connections')) resolve();
      });
      child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
    });
  };
  const kill = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  };
  await start();
  return {
    url: `${scheme}127.0.0.1:${port}`,
    port,
    start,
    kill,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts a Sentinel that names the Redis of `port` `main`. */
export async function startSentinel(port: number): Promise<{ port: number; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-sentinel-'));
  const own = await freePort();
  const config = join(folder, 'sentinel.conf');
  writeFileSync(config, `port ${own}\ndir ${folder}\nsentinel monitor main 127.0.0.1 ${port} 1\n`);
  const child = spawn('redis-server', [config, '--sentinel'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (text) => {
      if (String(text).includes('+monitor')) resolve();
    });
  });
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return { port: own, stop };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
