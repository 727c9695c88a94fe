// The program as people and scripts run it: output, JSON, exit codes, Ctrl-C. Runs bin/onebit.js of the built checkout.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { tinyModel } from './tiny-model.ts';

const program = fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-cli-'));
const model = join(folder, 'tiny.gguf');
writeFileSync(model, await tinyModel({ contextLength: 256 }));
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the program; `during` may watch its output and send signals. */
function run(
  args: string[],
  input = '',
  during?: (child: ReturnType<typeof spawn>, stdout: string) => void,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: 'pipe' });
    const outcome: Outcome = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => {
      outcome.stdout += chunk;
      during?.(child, outcome.stdout);
    });
    child.stderr.on('data', (chunk) => {
      outcome.stderr += chunk;
    });
    child.on('close', (code) => resolve({ ...outcome, code }));
    child.stdin.end(input);
  });
}

const greedy = ['-m', model, '--temperature', '0', '--ignore-eos'];

describe('generate', () => {
  test('prints the prompt and what follows; the same with every backend option', async () => {
    const auto = await run(['generate', ...greedy, '-p', 'Hello', '-n', '8']);
    expect(auto.code).toBe(0);
    expect(auto.stdout).toMatch(/^Hello/);
    expect(auto.stderr).toMatch(/8 tokens at \d/);
  });

  test('--json is exactly one document with text, ids, reason and timings', async () => {
    const { code, stdout } = await run(['generate', ...greedy, '-p', 'Hi', '-n', '5', '--logprobs', '2', '--json']);
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ promptTokens: [72, 105], finishReason: 'length' });
    expect(result.tokens).toHaveLength(5);
    expect(typeof result.text).toBe('string');
    expect(result.timings.decodeTokens).toBe(5);
    expect(result.logprobs[0].top).toHaveLength(2);
  });

  test('holds the text to a regular expression', async () => {
    const { stdout } = await run([
      'generate',
      '-m',
      model,
      '-p',
      'x',
      '--seed',
      '3',
      '--regex',
      '(red|blue)-[0-9]{3}',
      '--json',
    ]);
    expect(JSON.parse(stdout)).toMatchObject({
      text: expect.stringMatching(/^(red|blue)-[0-9]{3}$/),
      finishReason: 'stop',
    });
  });

  test('reads the prompt from standard input, and the same seed gives the same text', async () => {
    const args = ['generate', '-m', model, '--seed', '7', '--temperature', '1', '-p', '-', '-n', '20', '--json'];
    const [first, second] = [await run(args, 'From a pipe'), await run(args, 'From a pipe')];
    expect(JSON.parse(first.stdout).promptTokens).toHaveLength(11);
    expect(JSON.parse(second.stdout).tokens).toEqual(JSON.parse(first.stdout).tokens);
  });

  test('says how standard input is read where nobody said what to continue', async () => {
    const { stderr } = await run(['generate', ...greedy, '-n', '1'], 'From a pipe');
    expect(stderr).toMatch(/the prompt is empty.*-p -/);
    expect((await run(['generate', ...greedy, '-n', '1', '-p', ''], 'x')).stderr).not.toMatch(/the prompt is empty/);
  });

  test('Ctrl-C ends it with 130', async () => {
    const args = ['generate', ...greedy, '--backend', 'reference', '--slide', '-p', 'x', '-n', '100000'];
    let sent = false; // once: a second one ends the program without a word
    const { code, stderr } = await run(args, '', (child, stdout) => {
      if (!sent && stdout.length > 10) sent = child.kill('SIGINT');
    });
    expect(code).toBe(130);
    expect(stderr).toMatch(/interrupted/);
  });
});

describe('exit codes', () => {
  test.each([
    ['an unknown option', ['generate', '--nope'], 2, /unknown option '--nope'/],
    ['an unknown command', ['fly'], 2, /unknown command 'fly'/],
    ['two constraints', ['generate', '-m', model, '--regex', 'a', '--json-schema', 'b'], 1, /Leave one out/],
    ['a schema that is none', ['generate', '-m', model, '--json-schema', model], 1, /must be a JSON schema/],
    ['a value out of range', ['generate', '--top-p', '2'], 2, /from 0 to 1/],
    ['an unknown backend', ['generate', '--backend', 'abacus'], 2, /Allowed choices are auto, wasm, webgpu, reference/],
    ['two inputs to score', ['score', '-m', model, '--text', 'a', '--tokens', '1'], 2, /exactly one of/],
    ['a missing file', ['generate', '-m', join(folder, 'none.gguf')], 1, /no such file/],
    ['a file that is no model', ['inspect', program], 1, /error: /],
  ])('%s', async (_, args, expected, message) => {
    const { code, stdout, stderr } = await run(args);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(code).toBe(expected);
  });

  test('--help and --version succeed, and every command has examples', async () => {
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    for (const command of ['generate', 'chat', 'score', 'inspect', 'bench', 'pull', 'train']) {
      const { code, stdout } = await run([command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/Examples:\n {2}onebit/);
    }
  });
});

describe('what was probably meant', () => {
  const file = (name: string) => join(folder, name);
  test.each([
    ['a text without its option', ['generate', 'Once', 'upon'], /Did you mean: onebit generate -p "Once upon"/],
    ['a file without its option', ['score', 'README.md'], /Did you mean: onebit score --file README\.md/],
    ['a model without its option', ['chat', 'tiny.gguf'], /Did you mean: onebit chat -m tiny\.gguf/],
    ['a text instead of a command', ['tell me a story'], /Did you mean: onebit generate -p "tell me a story"/],
    ['a misspelt command', ['genrate'], /Did you mean generate\?/],
    ['a misspelt command of a group', ['support', 'trian'], /Did you mean train\?/],
    ['a misspelt option', ['chat', '--temprature', '1'], /Did you mean --temperature\?/],
    ['a well-known model', ['chat', '-m', 'bonsai', '-p', 'x'], /Did you mean prism-ml\/Bonsai-1\.7B-gguf/],
    ['a misspelt model', ['chat', '-m', 'seedlng', '-p', 'x'], /no such file.*Did you mean seedling\?/],
    [
      'a language model for queries',
      ['support', 'predict', 'x', '-m', model],
      /It is a language model: onebit chat -m/,
    ],
    ['a command of another program', ['run', 'bonsai'], /Did you mean: onebit chat/],
    ['another of them', ['list'], /Did you mean: onebit pull --list/],
    ['a well-known model to serve', ['serve', '-m', 'bonsai'], /Did you mean prism-ml\/Bonsai-1\.7B-gguf/],
    [
      'a model of queries to serve',
      ['serve', '-m', file('s.gguf'), '--port', '0'],
      /onebit support serve -m .*s\.gguf/,
    ],
    ['a model of queries to look into', ['inspect', file('s.gguf')], /onebit support predict -m .*s\.gguf/],
    [
      'a model of queries to begin with',
      ['train', program, '-o', file('n.gguf'), '--init', file('s.gguf')],
      /onebit support predict -m .*s\.gguf/,
    ],
    ['a model of queries for chat', ['chat', '-m', file('s.gguf'), '-p', 'x'], /onebit support predict -m .*s\.gguf/],
  ])('%s', async (_, args, message) => {
    writeFileSync(file('s.gguf'), await tinyModel({ metadata: { 'general.architecture': 'onebit-support' } }));
    const { code, stderr } = await run(args);
    expect([code === 0, stderr]).toEqual([false, expect.stringMatching(message)]);
  });

  test('shells complete commands, options and their values', async () => {
    const script = (await run(['completion', 'bash'])).stdout;
    const complete = (...words: string[]) => {
      const line = words.map((word) => `'${word}'`).join(' ');
      const ask = `${script}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _onebit; echo "\${COMPREPLY[@]}"`;
      return spawnSync('bash', ['-c', ask], { encoding: 'utf8' }).stdout.trim();
    };
    expect(complete('onebit', 'sco')).toBe('score');
    expect(complete('onebit', 'support', 'tr')).toBe('train');
    expect(complete('onebit', 'train', 'x.txt', '--rep')).toBe('--replace-invalid --report');
    expect(complete('onebit', 'chat', '--kv', '')).toBe('f32 f16 q8');
    expect(complete('onebit', 'completion', '')).toContain('bash zsh fish');
    for (const shell of ['zsh', 'fish']) expect((await run(['completion', shell])).stdout).toContain('replace-invalid');
  });

  const has = (shell: string) => spawnSync(shell, ['-c', 'exit']).status === 0;
  test.skipIf(!has('zsh'))('zsh runs its script, from fpath and by source', async () => {
    const { stdout } = await run(['completion', 'zsh']);
    const ask = `compdef() { :; }; _files() { print files; }; compadd() { print -- "$@"; }\n${stdout}\nwords=(onebit support ''); CURRENT=3; _onebit`;
    const { stdout: shown, stderr } = spawnSync('zsh', ['-f', '-c', ask], { encoding: 'utf8' });
    expect([shown, stderr]).toEqual([expect.stringContaining('predict'), '']);
  });

  test.skipIf(!has('fish'))('fish takes its script, and train is not support train', async () => {
    const { stdout } = await run(['completion', 'fish']);
    const ask = `${stdout}\ncomplete -C 'onebit support train --pre'; complete -C 'onebit completion '`;
    const shown = spawnSync('fish', ['--no-config', '-c', ask], { encoding: 'utf8' }).stdout;
    expect(shown).toContain('--precision');
    expect(shown).not.toContain('--preset');
    expect(shown.split('\n').map((line) => line.split('\t')[0])).toEqual(
      expect.arrayContaining(['bash', 'zsh', 'fish']),
    );
  });
});

test('what untrusted files say is shown, not obeyed', async () => {
  const name = 'good\x1b[2Jbad\u202egnp\nerror: fake';
  const hostile = join(folder, 'hostile.gguf');
  writeFileSync(hostile, await tinyModel({ metadata: { 'general.name': name, 'k\x1b]0;x\x07': name } }));
  const outcomes = [
    await run(['inspect', hostile]),
    await run(['inspect', hostile, '--json']),
    await run(['bench', '-m', hostile, '--prompt-tokens', '4', '--gen-tokens', '2', '--runs', '1']),
    await run(['inspect', `${hostile}\x1b[31m`]),
  ];
  for (const { stdout, stderr } of outcomes) {
    for (const char of ['\x1b', '\x07', '\u202e', '\nerror: fake']) expect(stdout + stderr).not.toContain(char);
  }
  expect(outcomes[0].stdout).toContain('good\\x1b[2Jbad\\u202egnp\\nerror: fake');
  expect(JSON.parse(outcomes[1].stdout).name).toBe(name);
});

test('text comes in by one set of rules: a prompt in UTF-16 with a mark is read, one in an old encoding is refused', async () => {
  const marked = join(folder, 'prompt.txt');
  writeFileSync(marked, Buffer.from('\ufeffGrüß', 'utf16le'));
  const read = await run(['generate', ...greedy, '--prompt-file', marked, '-n', '1', '--json']);
  expect(JSON.parse(read.stdout).promptTokens).toHaveLength(6);
  writeFileSync(marked, Buffer.from('Grüß', 'latin1'));
  for (const args of [
    ['generate', '-m', model, '--prompt-file', marked],
    ['score', '-m', model, '--file', marked],
    ['generate', '-m', model, '--json-schema', marked],
    ['serve', '-m', model, '--port', '0', '--api-keys', marked],
  ]) {
    expect(await run(args)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/must be UTF-8 text, got 0xfc at byte 2/),
    });
  }
});

describe('score', () => {
  test('gives one log-probability fewer than tokens, and bits a byte', async () => {
    const { stdout } = await run(['score', '-m', model, '--text', 'abcdef', '--json']);
    const score = JSON.parse(stdout);
    expect(score.tokens).toHaveLength(6);
    expect(score.logprobs).toHaveLength(5);
    expect(score).toMatchObject({ tokensScored: 5, bytes: 5, documents: 1 });
    const nats = -score.logprobs.reduce((sum: number, value: number) => sum + value, 0);
    expect(score.natsPerToken).toBeCloseTo(nats / 5, 9);
    expect(score.bitsPerByte).toBeCloseTo(nats / Math.LN2 / 5, 9);
  });

  test('--bos scores the first token too; --docs starts each document anew', async () => {
    const withBos = JSON.parse((await run(['score', '-m', model, '--text', 'abcdef', '--bos', '--json'])).stdout);
    expect(withBos).toMatchObject({ tokensScored: 6, bytes: 6 });
    const file = join(folder, 'docs.txt');
    writeFileSync(file, 'abc\n\nabc\n\n\nabcd\n');
    const docs = JSON.parse((await run(['score', '-m', model, '--file', file, '--docs', '--json'])).stdout);
    expect(docs).toMatchObject({ documents: 3, tokensScored: 7, bytes: 7 });
    expect(docs.logprobs[2]).toBe(null);
    expect(docs.logprobs.slice(3, 5)).toEqual(docs.logprobs.slice(0, 2));
  });

  test('ids may be given instead of text, and a window smaller than the text scores all of it', async () => {
    const ids = Array.from({ length: 90 }, (_, i) => 97 + (i % 26)).join(',');
    const whole = JSON.parse((await run(['score', '-m', model, '--tokens', ids, '--json'])).stdout);
    const windows = JSON.parse((await run(['score', '-m', model, '--tokens', ids, '--ctx', '32', '--json'])).stdout);
    expect(windows.logprobs).toHaveLength(89);
    expect(windows.logprobs.slice(0, 31)).toEqual(whole.logprobs.slice(0, 31));
    expect(windows.logprobs[60]).not.toBe(whole.logprobs[60]);
  });
});

describe('inspect, bench and chat', () => {
  test('inspect tells sizes, formats and memory needs', async () => {
    const { stdout } = await run(['inspect', model, '--json']);
    const found = JSON.parse(stdout);
    expect(found.path).toBe(model);
    expect(found.fileBytes).toBeGreaterThan(found.formats.q1_0.bytes);
    expect(found.memory.at(-1)).toMatchObject({ contextTokens: 256, kvBytes: 256 * 2 * 2 * 2 * 32 * 2 });
    expect(found.tensors).toHaveLength(24);
    expect((await run(['inspect', '-m', model])).stdout).toMatch(/token_embd\.weight +q1_0/);
  });

  test('bench gives its figures as JSON', async () => {
    const args = [
      'bench',
      '-m',
      model,
      '--prompt-tokens',
      '40',
      '--gen-tokens',
      '8',
      '--threads',
      '2',
      '--runs',
      '2',
      '--json',
    ];
    const result = JSON.parse((await run(args)).stdout);
    expect(result).toMatchObject({ threads: 2, backend: 'wasm', promptTokens: 40, genTokens: 8, runs: 2 });
    for (const figure of ['prefillTokensPerSecond', 'decodeTokensPerSecond', 'loadMs', 'peakRssMb', 'bytesPerToken']) {
      expect(result[figure]).toBeGreaterThan(0);
    }
  });

  test('chat answers each line of a pipe; one message with -p --json', async () => {
    const talk = await run(['chat', ...greedy, '-n', '6'], 'hello\n/reset\nagain\n');
    expect(talk.code).toBe(0);
    expect(talk.stdout.length).toBeGreaterThan(2);
    const { stdout } = await run(['chat', ...greedy, '-n', '4', '-p', 'hello', '--json']);
    const result = JSON.parse(stdout);
    expect(result.promptTokens[0]).toBe(257); // <|im_start|>
    expect(result.tokens).toHaveLength(4);
  });
});

describe('the embedded model', () => {
  test('goes on chatting when the conversation outgrows the context', async () => {
    const lines = Array.from(
      { length: 14 },
      () => 'I would like to book a table for two in San Jose at 7 pm, please.\n',
    );
    const { code, stdout, stderr } = await run(['chat', '--temperature', '0', '-n', '60'], lines.join(''));
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout.trim().split('\n').length).toBeGreaterThanOrEqual(14);
  });

  test('is what npm start shows: it repeats names, takes a correction, says what it can, declines the rest; and its speed', async () => {
    const { code, stdout, stderr } = await run(['demo']);
    expect(code).toBe(0);
    const answers = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('> '));
    expect(answers).toHaveLength(4);
    for (const value of ['Le Petit Hibou', 'Kraków', 'four', 'Saturday', '7:30']) expect(answers[0]).toContain(value);
    for (const value of ['Le Petit Hibou', 'Kraków', '8:15']) expect(answers[1]).toContain(value);
    expect(answers[2]).toContain('book a table');
    expect(answers[3]).toMatch(/^Sorry, .*person/);
    expect(stderr).toMatch(/seedling: [\s\S]*tokens at \d+ tokens\/s/);
  });
});
