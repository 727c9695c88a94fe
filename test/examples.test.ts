// Every example runs as it stands, against the built package.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { hasStories, stories260k } from './shared-files.ts';
import { tinyModel } from './tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'onebit-examples-'));
const tiny = join(folder, 'tiny.gguf');
writeFileSync(tiny, await tinyModel());
afterAll(() => rmSync(folder, { recursive: true }));

const examples = fileURLToPath(new URL('../examples', import.meta.url));
const expected: Record<string, RegExp> = {
  '01-generate.mjs': hasStories ? /^, there was a little girl named Lily/ : /./,
  '02-chat.mjs': /\[0 of[\s\S]*\[[1-9]\d* of/,
  '03-score.mjs': /^\d+\.\d{3} bits per byte: The girl.*\n\d+\.\d{3} bits per byte: Park/,
  '05-learn.mjs': /warm … bread[\s\S]*closes the … shop[\s\S]*\nThe moon follows[\s\S]*\d bytes/,
  '04-session.mjs': /\|[\s\S]*bytes saved, [1-9]\d* tokens reused/,
};

test.each(readdirSync(examples).filter((file) => file.endsWith('.mjs')))('%s', async (file) => {
  const model = hasStories ? stories260k : tiny;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(examples, file), model]);
  expect(stderr).toBe('');
  expect(stdout).toMatch(expected[file]);
});
