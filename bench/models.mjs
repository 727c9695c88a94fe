// Owns: which files the benchmarks run and where they come from: made on demand under ONEBIT_BENCH_DIR (default: a folder
// in the system's temporary directory) and kept. Must not know engines.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const SHAPES = ['tiny', '0.6b', '1.7b', '2b', '4b', '8b'];

/**
 * The file of a model: `stories260K`, a Bonsai shape (`1.7b`, or `1.7b:q2_0` for another format; seeded random weights),
 * or a path.
 * @param {string} name
 * @returns {{ name: string, format: string, path: string, fileBytes: number }}
 */
export function modelFile(name) {
  if (name.endsWith('.gguf')) return described(name.replace(/^.*\/|\.gguf$/g, ''), 'file', name);
  if (name === 'stories260K') return described(name, 'f32', join(root, '../shared/models/stories260K.gguf'));
  const [shape, format = 'q1_0'] = name.split(':');
  if (!SHAPES.includes(shape)) {
    throw new Error(`bench: a model is stories260K, a path or one of ${SHAPES.join(', ')}, got ${name}`);
  }
  const folder = process.env.ONEBIT_BENCH_DIR ?? join(tmpdir(), 'onebit-bench');
  const path = join(folder, `synthetic-${shape}-${format}.gguf`);
  if (!existsSync(path)) makeSynthetic(shape, format, folder, path);
  return described(shape, format, path);
}

function makeSynthetic(shape, format, folder, path) {
  mkdirSync(folder, { recursive: true });
  const unfinished = `${path}.part`;
  const generator = join(root, 'bench/models/synthetic.mjs');
  const options = ['--size', shape, '--type', format, '--seed', '1'];
  execFileSync(process.execPath, [generator, unfinished, ...options], { stdio: 'ignore' });
  renameSync(unfinished, path);
}

function described(name, format, path) {
  return { name, format, path, fileBytes: statSync(path).size };
}
