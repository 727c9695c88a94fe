// Named pipes, and pipes that a shell hands over, where the program reads or writes a file: they are read and written, or refused at once, and whatever waits
// for them can be ended. Runs bin/onebit.js of the built checkout.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { tinyModel } from './tiny-model.ts';

const program = fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-pipes-'));
const model = join(folder, 'tiny.gguf');
writeFileSync(model, await tinyModel({ contextLength: 256 }));
const pipe = join(folder, 'pipe');
const isUnix = process.platform !== 'win32';
if (isUnix) execFileSync('mkfifo', [pipe]);
afterAll(() => rmSync(folder, { recursive: true }));

function start(args: string[]): { child: ChildProcess; said: () => string; end: Promise<number | null> } {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder });
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (part) => (text += part));
  return { child, said: () => text, end: once(child, 'close').then(([code, signal]) => code ?? signal) };
}

/** Every place where a text is read. */
const READERS: [string, string[]][] = [
  ['a prompt', ['generate', '-m', model, '--prompt-file', pipe]],
  ['a schema', ['generate', '-m', model, '-p', 'a', '--json-schema', pipe]],
  ['a text to score', ['score', '-m', model, '--file', pipe]],
  ['a corpus', ['train', pipe, '-o', join(folder, 'out.gguf'), '--steps', '1']],
  ['keys', ['serve', '-m', model, '--port', '0', '--api-keys', pipe]],
];

describe.skipIf(!isUnix)('a named pipe that nobody writes into', () => {
  test.each([
    ['-m', ['generate', '-m', pipe, '-p', 'a']],
    ['support', ['support', 'predict', '-m', pipe, 'hello']],
  ])(
    'as a model (%s) is refused at once',
    async (_, args) => {
      const { said, end } = start(args);
      expect(await end).toBe(1);
      expect(said()).toMatch(/pipe or a device/);
    },
    60_000,
  );

  test.each(READERS)(
    'as %s: SIGTERM ends the program',
    async (_, args) => {
      const { child, said, end } = start(args);
      let ended = false;
      void end.then(() => (ended = true));
      // Before the program listens, a signal ends it all the same: it is asked again only when it is there and waits.
      await wait(4000);
      expect(ended, said()).toBe(false);
      child.kill('SIGTERM');
      // A server that is told to end has done what it was to do.
      expect(args[0] === 'serve' ? [0] : [143, 'SIGTERM']).toContain(await end);
    },
    60_000,
  );

  test('ends at --timeout with 124', async () => {
    const { end } = start(['generate', '-m', model, '--prompt-file', pipe, '--timeout', '1']);
    expect(await end).toBe(124);
  }, 60_000);
});

describe.skipIf(!isUnix)('a named pipe that nobody reads, as the output', () => {
  const rows = join(folder, 'rows.csv');
  writeFileSync(rows, 'text,intent\nopen?,hours\nclosed?,hours\nmy parcel,parcel\nthe parcel,parcel\n');

  test.each([
    ['SIGTERM', [143, 'SIGTERM']],
    ['SIGINT', [130, 'SIGINT']],
  ] as const)(
    '%s ends the program',
    async (signal, codes) => {
      const { child, said, end } = start(['support', 'redact', '--file', rows, '-o', pipe]);
      await wait(5000);
      expect(child.exitCode, said()).toBe(null);
      child.kill(signal);
      expect(codes).toContain(await end);
    },
    60_000,
  );
});

describe.skipIf(!isUnix)('a pipe is read', () => {
  const bash = (script: string) => {
    const args = ['-c', script, 'bash', process.execPath, program, model, pipe];
    return execFileSync('bash', args, { cwd: folder, encoding: 'utf8', timeout: 100_000 });
  };
  const generate = '"$1" "$2" generate -m "$3" -n 1 --temperature 0 --prompt-file';

  test.each([
    ['whose program is still writing', '<(sleep 3; echo Hello; sleep 1; echo you)', 'Hello\nyou\n'],
    ['whose program has ended', '<(echo Hello)', 'Hello\n'],
  ])(
    'of the shell, %s',
    (_, substitution, text) => {
      expect(bash(`${generate} ${substitution}`).startsWith(text)).toBe(true);
    },
    120_000,
  );

  test('with a name, whoever comes first', () => {
    expect(bash(`(sleep 3; echo Hello > "$4") & ${generate} "$4"`)).toMatch(/^Hello\n/);
    expect(bash(`echo Hello > "$4" & sleep 1; ${generate} "$4"`)).toMatch(/^Hello\n/);
  }, 120_000);

  test.each(['<(true)', '/dev/null'])(
    'and an empty one (%s) is an empty text, which this model cannot go on from',
    (input) => {
      expect(() => bash(`${generate} ${input}`)).toThrow(/the prompt must have at least one token/);
    },
    120_000,
  );
});

describe.skipIf(!isUnix)('a pipe is written into', () => {
  const shell = (output: string, more: string) => {
    const script = `"$1" "$2" convert "$3" --type same ${more} -o ${output}`;
    const args = ['-c', script, 'bash', process.execPath, program, model];
    return execFileSync('bash', args, { cwd: folder, timeout: 100_000, stdio: ['ignore', 'pipe', 'pipe'] });
  };

  test('behind /dev/stdout, with nothing between the bytes of the file', () => {
    const file = join(folder, 'same.gguf');
    shell(file, '');
    expect(shell('/dev/stdout | cat', '').equals(readFileSync(file))).toBe(true);
    expect(shell('/dev/stdout | cat', '--json').equals(readFileSync(file))).toBe(true);
    expect(shell('>(cat >&2)', '').toString()).toMatch(/of weights/);
  }, 120_000);

  test('but - is no name of one, nor of a file', () => {
    expect(() => shell('-', '')).toThrow(/a file must be named, got -/);
    expect(existsSync(join(folder, '-'))).toBe(false);
  }, 60_000);
});

test.skipIf(process.platform !== 'linux')('a full disk behind standard output is said in words', () => {
  for (const args of [
    ['completion', 'bash'],
    ['score', '-m', model, '--text', 'a'],
  ]) {
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', 'exec "$@" > /dev/full', '-', process.execPath, program, ...args],
      {
        encoding: 'utf8',
      },
    );
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^error: write standard output: the disk is full/)]);
  }
});
