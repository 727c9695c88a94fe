// `onebit train` as people run it, from text to a model that other commands use. Runs bin/onebit.js of the built checkout.
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { Random } from '../src/core/random.ts';
import type { WritableTensor } from '../src/gguf/write.ts';
import { tinyModel } from './tiny-model.ts';

const program = fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-train-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs the program; `during` sees what it says on standard error. */
function onebit(args: string[], during?: (child: ReturnType<typeof spawn>, stderr: string) => void): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: 'pipe' });
    const outcome = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => {
      outcome.stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      outcome.stderr += chunk;
      during?.(child, outcome.stderr);
    });
    child.on('close', (code, signal) => resolve({ ...outcome, code, signal }));
    child.stdin.end();
  });
}

/** A language of few words: soon learnt. */
function corpus(documents: number): string {
  const random = new Random(11);
  const pick = (words: string[]) => words[random.below(words.length)];
  const line = () => `the ${pick(['cat', 'dog', 'bird'])} ${pick(['sat', 'slept'])} on the ${pick(['mat', 'rug'])}.`;
  return Array.from({ length: documents }, () => Array.from({ length: 4 }, line).join('\n')).join('\n\n');
}

// More than 40,000 characters: of less nothing is held out.
const DOCUMENTS = 450;
writeFileSync(at('corpus.txt'), corpus(DOCUMENTS));
const shape = '--width 128 --layers 1 --heads 4 --head-size 32 --kv-heads 1 --ffn 128 --vocab 320 --context 64'.split(
  ' ',
);
// A named preset, so that what these tests say of learning rates and updates does not depend on what suits a corpus.
const small = [...shape, '--preset', 'tiny', '--batch', '256', '--sample-every', '0', '--eval-every', '1000000'];
const train = (out: string, ...more: string[]) => ['train', at('corpus.txt'), '-o', at(out), ...small, ...more];

/** Runs a training and kills it as soon as it has `checkpoints` of them. */
async function killed(out: string, ...more: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [program, ...train(out, ...more)], { stdio: 'pipe' });
  const outcome: Outcome = { code: null, signal: null, stdout: '', stderr: '' };
  child.stderr.on('data', (chunk) => {
    outcome.stderr += chunk;
  });
  const closed = new Promise<void>((resolve) =>
    child.on('close', (code, signal) => {
      outcome.code = code;
      outcome.signal = signal;
      resolve();
    }),
  );
  const log = at(`${out}.ckpt`);
  const timer = setInterval(() => {
    if (existsSync(log) && readdirSync(log).some((name) => /^step-.*\.ckpt$/.test(name))) child.kill('SIGKILL');
  }, 5);
  await closed;
  clearInterval(timer);
  return outcome;
}

describe('a run', () => {
  test('gives a model that learnt, a log, a report, and exactly one JSON document', async () => {
    const { code, stdout, stderr } = await onebit([
      'train',
      at('corpus.txt'),
      '-o',
      at('a.gguf'),
      ...shape,
      '--batch',
      '512',
      '--steps',
      '150',
      '--json',
    ]);
    expect(stderr).not.toContain('error');
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ file: at('a.gguf'), complete: true, steps: 150 });
    expect(result.bytes).toBe(readFileSync(at('a.gguf')).length);
    // 8 choices of 1 to 1.6 bits in 4 lines of about 24 bytes: 0.13 bits per byte is all there is to know.
    expect(result.bitsPerByte).toBeLessThan(0.6);
    for (const key of ['tokens', 'loss', 'tokensPerSecond', 'seconds']) expect(result[key]).toBeGreaterThan(0);
    const log = readFileSync(at('a.log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(log.filter(({ type }) => type === 'step')).toHaveLength(150);
    expect(log.map(({ type }) => type)).toEqual(expect.arrayContaining(['start', 'evaluation', 'sample', 'done']));
    const report = readFileSync(at('a.html'), 'utf8');
    expect(report).toContain('<polyline');
    expect(report).not.toMatch(/(src|href)=/);
  });

  test('its model goes on from a prompt, scores like the training said, and chats', async () => {
    const said = await onebit([
      'generate',
      '-m',
      at('a.gguf'),
      '-p',
      'the cat',
      '-n',
      '8',
      '--temperature',
      '0',
      '--json',
    ]);
    expect(JSON.parse(said.stdout).text).toMatch(/^ (sat|slept) on the (mat|rug)/);
    writeFileSync(
      at('valid.txt'),
      corpus(DOCUMENTS + 30)
        .split('\n\n')
        .slice(DOCUMENTS)
        .join('\n\n'),
    );
    const quick = ['--json', '--steps', '40', '--seed', '3'];
    const trained = await onebit(train('v.gguf', '--valid', at('valid.txt'), ...quick));
    const scored = await onebit([
      'score',
      '-m',
      at('v.gguf'),
      '--file',
      at('valid.txt'),
      '--docs',
      '--ctx',
      '64',
      '--json',
    ]);
    const [own, engine] = [JSON.parse(trained.stdout), JSON.parse(scored.stdout)];
    expect(own.validation.bytes).toBe(engine.bytes);
    expect(engine.bitsPerByte / own.bitsPerByte).toBeCloseTo(1, 3);
  });

  test('bounded by time it ends on time with its learning rate at the end of its fall', async () => {
    const startedAt = performance.now();
    const { code, stdout } = await onebit(train('t.gguf', '--minutes', '0.1', '--json'));
    expect(code).toBe(0);
    expect(JSON.parse(stdout).complete).toBe(true);
    expect((performance.now() - startedAt) / 1000).toBeLessThan(9);
    const steps = readFileSync(at('t.log.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"step"'))
      .map((line) => JSON.parse(line));
    const last = steps.filter(({ type }) => type === 'step').pop();
    expect(last.progress).toBeGreaterThan(0.9);
    expect(last.learningRateFactor).toBeLessThan(0.2);
  });

  test('without a terminal nothing but lines is printed', async () => {
    const { stdout, stderr } = await onebit(train('q.gguf', '--steps', '5', '--no-log', '--no-report'));
    expect(stderr).not.toContain('\x1b');
    expect(stdout).toMatch(/q\.gguf: 0\.\d+ MB, .* bits\/byte on .* held-out bytes; 5 updates/);
    expect([existsSync(at('q.log.jsonl')), existsSync(at('q.html'))]).toEqual([false, false]);
  });
});

describe('going on', () => {
  const steps = ['--steps', '120', '--checkpoint-every', '10'];

  test('after kill -9 the file is the same, bit for bit, as of a run that was left alone', async () => {
    const whole = await onebit(train('whole.gguf', ...steps, '--name', 'same'));
    expect(whole.code).toBe(0);
    const broken = await killed('broken.gguf', ...steps, '--name', 'same');
    expect(broken.signal).toBe('SIGKILL');
    expect(existsSync(at('broken.gguf'))).toBe(false);
    const resumed = await onebit(train('broken.gguf', ...steps, '--name', 'same', '--resume'));
    expect(resumed.stderr).toMatch(/going on after update \d+0/);
    expect(resumed.code).toBe(0);
    expect(readFileSync(at('broken.gguf')).equals(readFileSync(at('whole.gguf')))).toBe(true);
    const logged = readFileSync(at('broken.log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(logged.filter(({ type }) => type === 'step').map(({ step }) => step)).toEqual(
      Array.from({ length: 120 }, (_, i) => i + 1),
    );
  });

  test('Ctrl-C leaves a checkpoint, a usable model and advice; the same command with --resume ends as if never stopped', async () => {
    let sent = false;
    const long = train('ctrl.gguf', ...steps, '--name', 'same', '--eval-every', '5');
    const stopped = await onebit(long, (child, stderr) => {
      if (!sent && stderr.includes('update 15:')) sent = child.kill('SIGINT');
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toMatch(/interrupted after update \d+\. Go on with the same command and --resume/);
    const usable = await onebit(['generate', '-m', at('ctrl.gguf'), '-p', 'the', '-n', '3', '--json']);
    expect(usable.code).toBe(0);
    const onwards = await onebit(train('onwards.gguf', '--init', at('ctrl.gguf'), '--steps', '2'));
    expect(onwards.stderr).toContain('goes on from the weights before rounding in');
    cpSync(at('onwards.gguf'), at('replaced.gguf'));
    cpSync(at('ctrl.gguf.ckpt'), at('replaced.gguf.ckpt'), { recursive: true });
    const fromFile = await onebit(train('stale.gguf', '--init', at('replaced.gguf'), '--steps', '2'));
    expect([fromFile.code, fromFile.stderr]).toEqual([0, expect.not.stringContaining('before rounding')]);
    expect((await onebit([...long, '--resume'])).code).toBe(0);
    expect(readFileSync(at('ctrl.gguf')).equals(readFileSync(at('whole.gguf')))).toBe(true);
  });

  test('--init seedling means the model in the package; the end says how many questions are answered', async () => {
    writeFileSync(
      at('shop.txt'),
      'User: Are you open?\nAgent: Yes, until six.\n\nUser: Where are you?\nAgent: By the mill.\n',
    );
    const args = [
      'train',
      at('shop.txt'),
      '-o',
      at('shop.gguf'),
      '--init',
      'seedling',
      '--steps',
      '1',
      '--threads',
      '1',
    ];
    const { code, stdout } = await onebit(args);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/0 of 2 first questions .* not learnt them yet/)]);
  });

  test('an unfinished run is not overwritten by accident, nor continued with something else', async () => {
    await killed('guard.gguf', ...steps);
    const again = await onebit(train('guard.gguf', ...steps));
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('--resume')]);
    const other = await onebit(train('guard.gguf', ...steps, '--resume', '--lr', '0.001'));
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('recipe.learningRate was 0.02, is 0.001')]);
    writeFileSync(at('other.txt'), corpus(100));
    const corpusChanged = await onebit([
      'train',
      at('other.txt'),
      '-o',
      at('guard.gguf'),
      ...small,
      ...steps,
      '--resume',
    ]);
    expect(corpusChanged.stderr).toContain('corpus was');
    expect((await onebit(train('guard.gguf', '--steps', '3', '--overwrite'))).code).toBe(0);
  });

  test('a damaged checkpoint is passed over for the one before it', async () => {
    await onebit(train('damage.gguf', '--steps', '30', '--checkpoint-every', '10'));
    const names = readdirSync(at('damage.gguf.ckpt')).sort();
    expect(names).toEqual(['step-000000020.ckpt', 'step-000000030.ckpt']);
    truncateSync(join(at('damage.gguf.ckpt'), names[1]), 5000);
    const { code, stderr } = await onebit(
      train('damage.gguf', '--steps', '30', '--checkpoint-every', '10', '--resume'),
    );
    expect(stderr).toContain('must be a whole checkpoint');
    expect(stderr).toContain('going on after update 20');
    expect(code).toBe(0);
  });

  test('fine-tuning goes on from a model, its tokenizer and its shape', async () => {
    writeFileSync(
      at('chats.jsonl'),
      `${JSON.stringify({
        messages: [
          { role: 'user', content: 'the cat' },
          { role: 'assistant', content: 'the bird slept on the rug.' },
        ],
      })}\n`.repeat(50),
    );
    const { code, stderr } = await onebit([
      'train',
      at('chats.jsonl'),
      '-o',
      at('tuned.gguf'),
      '--init',
      at('a.gguf'),
      '--steps',
      '60',
      '--batch',
      '512',
      '--json',
    ]);
    expect([code, stderr]).toEqual([0, expect.stringContaining('286 tokens')]);
    const { stdout } = await onebit([
      'generate',
      '-m',
      at('tuned.gguf'),
      '--special',
      '-p',
      '<|im_start|>user\nthe cat<|im_end|>\n<|im_start|>assistant\n',
      '--temperature',
      '0',
      '--json',
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ text: 'the bird slept on the rug.', finishReason: 'stop' });
  });

  test('a teacher helps a student of the same tokenizer', async () => {
    const { code, stdout } = await onebit(
      train('pupil.gguf', '--teacher', at('a.gguf'), '--teacher-share', '1', '--steps', '40', '--json'),
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout).bitsPerByte).toBeLessThan(1.5);
  });
});

describe('what is refused, before any work', () => {
  const cases: [string, string[], RegExp][] = [
    [
      'a missing corpus',
      ['train', at('nothing.txt'), '-o', at('x.gguf')],
      /read corpus .*nothing\.txt: there is no such file/,
    ],
    ['a folder that does not exist', ['train', at('corpus.txt'), '-o', at('no/x.gguf')], /its folder must exist/],
    [
      'bytes that are not UTF-8',
      ['train', at('latin.txt'), '-o', at('x.gguf')],
      /latin\.txt must be UTF-8 text, got 0xe4 at byte 1/,
    ],
    ['a corpus without text', ['train', at('empty.txt'), '-o', at('x.gguf')], /corpus must have text/],
    ['a width that is no multiple of 128', train('x.gguf', '--width', '100'), /width must be a multiple of 128/],
    ['broken JSON lines', ['train', at('bad.jsonl'), '-o', at('x.gguf')], /line 2/],
  ];
  writeFileSync(at('latin.txt'), Uint8Array.from([0x7a, 0xe4, 0x68]));
  writeFileSync(at('empty.txt'), '\n\n');
  writeFileSync(at('bad.jsonl'), '{"text":"a"}\n{"text":\n');
  for (const [name, args, message] of cases) {
    test(name, async () => {
      const { code, stderr } = await onebit(args);
      expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
      expect(existsSync(at('x.gguf'))).toBe(false);
    });
  }

  test('--minutes together with --steps', async () => {
    expect((await onebit(train('x.gguf', '--minutes', '1', '--steps', '5'))).code).toBe(2);
  });

  test('a loss that is no number ends the run with advice, and no file is written', async () => {
    const broken = (tensors: WritableTensor[]) =>
      tensors.map((tensor) =>
        tensor.name === 'output_norm.weight'
          ? { ...tensor, bytes: () => new Uint8Array(new Float32Array(128).fill(3e38).buffer) }
          : tensor,
      );
    writeFileSync(at('no-number.gguf'), await tinyModel({ tensors: broken }));
    const args = train('nan.gguf', '--init', at('no-number.gguf'), '--steps', '50');
    const { code, stderr } = await onebit(args);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/loss must stay finite, got NaN at update 3.*lower --lr/),
    ]);
    // Activations rounded from the first update on hide it from the loss, not from the gradient.
    const rounded = await onebit([...args, '--full-precision', '0']);
    expect([rounded.code, rounded.stderr]).toEqual([
      1,
      expect.stringMatching(/length of the gradient must stay finite, got NaN at update 3.*lower --lr/),
    ]);
    expect(existsSync(at('nan.gguf'))).toBe(false);
  });
});

test('a tiny corpus, a folder, Windows line ends and replaced bytes all work', async () => {
  mkdirSync(at('texts/deep'), { recursive: true });
  writeFileSync(at('texts/b.txt'), Uint8Array.from([...new TextEncoder().encode('one two\r\n\r\nthree'), 0xff]));
  writeFileSync(at('texts/deep/a.md'), '\ufefffour five');
  writeFileSync(at('texts/ignored.bin'), Uint8Array.from([0, 1]));
  const { code, stderr, stdout } = await onebit([
    'train',
    at('texts'),
    '-o',
    at('few.gguf'),
    ...small,
    '--steps',
    '3',
    '--replace-invalid',
    '--json',
  ]);
  expect([code, stderr]).toEqual([0, expect.stringContaining('1 places that are not UTF-8')]);
  expect(stderr).toContain('3 documents');
  expect(stderr).toContain('nothing is held out');
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ steps: 3, bitsPerByte: null });
  for (const key of ['loss', 'trainingBitsPerByte']) expect(result[key]).toBeGreaterThan(0);
});

const asRoot = process.getuid?.() === 0 ? ' (skipped: root may write anywhere)' : '';
test.skipIf(asRoot)(`a folder without the right to write is refused at the start${asRoot}`, async () => {
  mkdirSync(at('locked'));
  chmodSync(at('locked'), 0o500);
  const { code, stderr } = await onebit(train('locked/x.gguf', '--steps', '1'));
  expect([code, stderr]).toEqual([1, expect.stringContaining('permission is denied')]);
});

test.skipIf(process.platform === 'win32')('a log that nobody reads ends the log, not the run', async () => {
  execFileSync('mkfifo', [at('nobody.log')]);
  const { code, stderr } = await onebit(train('logless.gguf', '--steps', '3', '--log', at('nobody.log')));
  expect([code, stderr]).toEqual([0, expect.stringContaining(`write log ${at('nobody.log')}`)]);
  expect(existsSync(at('logless.gguf'))).toBe(true);
});

const fullDisk = existsSync('/dev/full') ? '' : ' (skipped: /dev/full is missing)';
test.skipIf(fullDisk)(`a log on a full disk is refused before the work${fullDisk}`, async () => {
  const { code, stderr } = await onebit(train('full.gguf', '--steps', '3', '--log', '/dev/full'));
  expect([code, stderr]).toEqual([1, expect.stringContaining('the disk is full')]);
  expect(existsSync(at('full.gguf'))).toBe(false);
});
