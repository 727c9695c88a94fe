// What commands may write over, and what ends them. Runs bin/onebit.js of the built checkout.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CHATML } from '../src/chat/chatml.ts';
import { tinyModel } from './tiny-model.ts';

const program = fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'onebit-outputs-'));
afterAll(() => rmSync(root, { recursive: true }));
let folder = root;
beforeEach(() => {
  folder = mkdtempSync(join(root, 'case-'));
});
const at = (name: string) => join(folder, name);
const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});

interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs the program; `input` is a text, an open file, or null for a pipe that stays open. */
function start(args: string[], input: string | number | null = ''): { child: ChildProcess; ended: Promise<Outcome> } {
  const stdin = typeof input === 'number' ? input : 'pipe';
  const child = spawn(process.execPath, [program, ...args], { stdio: [stdin, 'pipe', 'pipe'], cwd: folder });
  running.add(child);
  const outcome = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk) => {
    outcome.stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    outcome.stderr += chunk;
  });
  if (typeof input === 'string') child.stdin?.end(input);
  return {
    child,
    ended: new Promise((resolve) => {
      child.on('close', (code, signal) => {
        running.delete(child);
        resolve({ ...outcome, code, signal });
      });
    }),
  };
}

const run = (...args: string[]) => start(args).ended;

const corpus = 'the cat sat on the mat.\nthe dog sat on the rug.\n\nthe bird slept on the mat.\n';
const table = `text,intent\n${['red', 'blue', 'green'].map((word) => `${word} shoe,shoes\n${word} hat,hats`).join('\n')}\n`;
const chats = `${JSON.stringify({
  messages: [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'the cat sat.' },
  ],
})}\n`.repeat(8);
const shape =
  '--width 128 --layers 1 --heads 2 --head-size 64 --kv-heads 1 --ffn 128 --vocab 300 --context 32 --batch 64 --threads 1'.split(
    ' ',
  );
const small = [...shape, '--sample-every', '0', '--eval-every', '100000'];
const train = (...args: string[]) => run('train', ...args, ...small, '--steps', '1');

describe('no output takes the place of', () => {
  beforeEach(() => {
    writeFileSync(at('corpus.txt'), corpus);
    writeFileSync(at('held.txt'), corpus);
    writeFileSync(at('all.log.jsonl'), chats);
    writeFileSync(at('table.csv'), table);
    writeFileSync(at('notes.txt'), 'mine');
  });

  const cases: [string, string, string[]][] = [
    ['the corpus, by its log', 'corpus.txt', ['train', 'corpus.txt', '-o', 'x.gguf', '--log', 'corpus.txt']],
    ['the corpus, by the log that nobody named', 'all.log.jsonl', ['train', 'all.log.jsonl', '-o', 'all.gguf']],
    ['the corpus, by its report', 'corpus.txt', ['train', 'corpus.txt', '-o', 'x.gguf', '--report', './corpus.txt']],
    ['a folder that is not there', 'table.csv', ['support', 'train', 'table.csv', '-o', 'new/']],
    ['held-out text', 'held.txt', ['train', 'corpus.txt', '--valid', 'held.txt', '-o', 'held.txt']],
    ['a file that is not read', 'notes.txt', ['train', 'corpus.txt', '-o', 'notes.txt', '--overwrite']],
    ['a file of a folder', 'all/a.txt', ['train', 'all', '-o', 'all/a.txt']],
    ['a corpus behind a symbolic link', 'corpus.txt', ['train', 'corpus.txt', '-o', 'link.gguf']],
    ['a corpus with another name', 'corpus.txt', ['train', 'corpus.txt', '-o', 'x.gguf', '--log', 'hard.jsonl']],
    ['queries', 'table.csv', ['support', 'train', 'table.csv', '-o', 'table.csv']],
    ['a file that support train does not read', 'notes.txt', ['support', 'train', 'table.csv', '-o', 'notes.txt']],
  ];
  test.each(cases)('%s', async (_, file, args) => {
    mkdirSync(at('all'));
    writeFileSync(at('all/a.txt'), corpus);
    symlinkSync('corpus.txt', at('link.gguf'));
    linkSync(at('corpus.txt'), at('hard.jsonl'));
    const before = readFileSync(at(file));
    const names = readdirSync(folder).sort();
    const { code, stderr } = await run(...args, ...(args[0] === 'train' ? [...small, '--steps', '1'] : []));
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /error: .*(the command reads it|nothing in it says that onebit made it|a file must be named)/,
      ),
    ]);
    expect(readFileSync(at(file)).equals(before)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(names);
  });

  test('queries that come by standard input', async () => {
    const { openSync, closeSync } = await import('node:fs');
    const input = openSync(at('table.csv'), 'r');
    const { code, stderr } = await start(['support', 'train', '-', '-o', 'table.csv'], input).ended;
    closeSync(input);
    expect([code, stderr]).toEqual([1, expect.stringContaining('the command reads it')]);
    expect(readFileSync(at('table.csv'), 'utf8')).toBe(table);
  });

  test('another output', async () => {
    const { code, stderr } = await train('corpus.txt', '-o', 'x.gguf', '--log', 'x.html');
    expect([code, stderr]).toEqual([1, expect.stringContaining('it is also where')]);
  });

  test('a folder of somebody, or a file where the checkpoints belong', async () => {
    mkdirSync(at('x.gguf.ckpt'));
    writeFileSync(at('x.gguf.ckpt/step-000000001.ckpt'), 'mine');
    writeFileSync(at('x.gguf.ckpt/video.part'), 'mine');
    expect((await train('corpus.txt', '-o', 'x.gguf')).code).toBe(1);
    expect(readdirSync(at('x.gguf.ckpt')).sort()).toEqual(['step-000000001.ckpt', 'video.part']);
    writeFileSync(at('y.gguf.ckpt'), 'mine');
    const { code, stderr } = await train('corpus.txt', '-o', 'y.gguf');
    expect([code, stderr]).toEqual([1, expect.stringContaining('a file is in the place of this folder')]);
    expect(readFileSync(at('y.gguf.ckpt'), 'utf8')).toBe('mine');
  });
});

test('what onebit made may be made anew; through a link the file behind it; locks and temporary files are gone', async () => {
  writeFileSync(at('corpus.txt'), corpus);
  mkdirSync(at('disk'));
  symlinkSync(join('disk', 'real.gguf'), at('x.gguf'));
  for (let i = 0; i < 2; i++) {
    const { code, stderr } = await train('corpus.txt', '-o', 'x.gguf');
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
  }
  expect(readdirSync(folder).sort()).toEqual([
    'corpus.txt',
    'disk',
    'x.card.md',
    'x.gguf',
    'x.gguf.ckpt',
    'x.html',
    'x.log.jsonl',
  ]);
  expect(readdirSync(at('disk'))).toEqual(['real.gguf']);
  const again = await run('train', '.', '-o', 'x.gguf', ...small, '--steps', '1', '--json');
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('2 documents')]);
});

test('a model named as its corpus of conversations is made: the log has another name', async () => {
  writeFileSync(at('chats.jsonl'), chats);
  const { code, stderr } = await train('chats.jsonl', '-o', 'chats.gguf');
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  expect(readFileSync(at('chats.jsonl'), 'utf8')).toBe(chats);
  expect(readFileSync(at('chats.log.jsonl'), 'utf8')).not.toBe('');
});

describe('two runs', () => {
  test('of one output: the second is refused while the first lives, and takes over when it was killed', async () => {
    writeFileSync(at('corpus.txt'), corpus);
    const long = start(['train', 'corpus.txt', '-o', 'x.gguf', ...small, '--steps', '1000000']);
    while (!existsSync(at('x.log.jsonl'))) await new Promise((resolve) => setTimeout(resolve, 50));
    const second = await train('corpus.txt', '-o', 'x.gguf', '--overwrite');
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('another run (process')]);
    const log = await train('corpus.txt', '-o', 'y.gguf', '--log', 'x.log.jsonl');
    expect([log.code, log.stderr]).toEqual([1, expect.stringContaining('another run (process')]);
    long.child.kill('SIGKILL');
    await long.ended;
    expect((await train('corpus.txt', '-o', 'x.gguf', '--overwrite')).code).toBe(0);
  });

  const linux = process.platform === 'linux' ? '' : ' (skipped: only Linux says when a process started)';
  test.skipIf(linux)(`a lock of a process whose id another one has now is stale${linux}`, async () => {
    writeFileSync(at('corpus.txt'), corpus);
    const holder = { pid: process.pid, started: '1', host: hostname(), token: 'x' };
    writeFileSync(at('x.gguf.lock'), JSON.stringify(holder));
    expect((await train('corpus.txt', '-o', 'x.gguf')).code).toBe(0);
    writeFileSync(at('x.gguf.lock'), 'a file of mine');
    expect((await train('corpus.txt', '-o', 'x.gguf')).code).toBe(1);
    expect(readFileSync(at('x.gguf.lock'), 'utf8')).toBe('a file of mine');
  });

  test.skipIf(linux)(`a lock of a process that was killed and is looked after by nobody is stale${linux}`, async () => {
    writeFileSync(at('corpus.txt'), corpus);
    // The first process of a container often is such a parent: what it was given and has ended stays in the list of processes.
    const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
    running.add(parent);
    const [pid] = await new Promise<string[]>((done) =>
      parent.stdout.once('data', (text) => done(`${text}`.split('\n'))),
    );
    let stat: string;
    do stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    while (!stat.includes(') Z '));
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    writeFileSync(at('x.gguf.lock'), JSON.stringify({ pid: Number(pid), started, host: hostname(), token: 'x' }));
    expect((await train('corpus.txt', '-o', 'x.gguf')).code).toBe(0);
  });
});

describe('what would fail at the end fails at the start', () => {
  test.each([
    ['a folder', ['-o', 'sub'], /is a directory/],
    ['a name that is too long', ['-o', `${'x'.repeat(252)}.gguf`], /name is too long/],
    ['a log in a folder that is not there', ['-o', 'x.gguf', '--log', 'no/x.jsonl'], /its folder must exist/],
  ])('%s', async (_, args, message) => {
    mkdirSync(at('sub'));
    writeFileSync(at('corpus.txt'), corpus);
    const { code, stderr } = await train('corpus.txt', ...args);
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
    expect(readdirSync(folder).sort()).toEqual(['corpus.txt', 'sub']);
  });
});

test('a result whose place is gone at the end is kept elsewhere, and the program says so and fails', async () => {
  writeFileSync(at('corpus.txt'), corpus);
  mkdirSync(at('gone'));
  const { ended } = start(['train', 'corpus.txt', '-o', 'gone/x.gguf', ...small, '--steps', '40', '--log', 'x.jsonl']);
  while (!existsSync(at('x.jsonl'))) await new Promise((resolve) => setTimeout(resolve, 20));
  rmSync(at('gone'), { recursive: true });
  const { code, stderr } = await ended;
  const kept = /The result is kept in (.*x\.gguf)/.exec(stderr)?.[1];
  expect([code, kept && statSync(kept).size > 1000]).toEqual([1, true]);
  rmSync(join(kept!, '..'), { recursive: true });
});

describe('a program that stands still', () => {
  const endless =
    '{%- for i in range(90000) %}{% for j in range(90000) %}{% for k in range(90000) %}{% set x = i * j * k %}{% endfor %}{% endfor %}{% endfor %}';

  test.each(['SIGINT', 'SIGTERM'] as const)('ends by %s also while a template is rendered', async (signal) => {
    writeFileSync(at('m.gguf'), await tinyModel({ metadata: { 'tokenizer.chat_template': `${endless}${CHATML}` } }));
    const { child, ended } = start(['chat', '-m', 'm.gguf', '-p', 'x']);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    child.kill(signal);
    const late = setTimeout(() => child.kill(signal), 5000);
    const outcome = await ended;
    clearTimeout(late);
    // Where templates are bounded, it has refused this one before.
    expect([1, 130, 143, signal]).toContain(outcome.code ?? outcome.signal);
  });

  test('waits for its input no longer than --timeout', async () => {
    const late = start(['generate', '-p', '-', '--timeout', '0.5'], null);
    expect(await late.ended).toMatchObject({ code: 124, stderr: expect.stringContaining('--timeout') });
  });
});
