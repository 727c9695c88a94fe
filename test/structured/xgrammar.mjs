// Owns loading @mlc-ai/web-xgrammar in Node: its only file is in UMD form but declared an ES module, so a plain import fails; a copy named .cjs works.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export function loadXgrammar() {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-xgrammar-'));
  try {
    const copy = join(folder, 'xgrammar.cjs');
    copyFileSync(fileURLToPath(new URL('../../node_modules/@mlc-ai/web-xgrammar/lib/index.js', import.meta.url)), copy);
    return createRequire(import.meta.url)(copy);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
