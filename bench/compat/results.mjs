// Owns what the runs of other projects' tests gave: bench/compat/results/NAME.json, a list of { name, passed, message }.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const folder = new URL('./results/', import.meta.url);

export function writeResults(name, tests) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(tests, null, 2)}\n`);
  console.log(`${name}: ${tests.filter(({ passed }) => passed).length} of ${tests.length} pass`);
}

export function readResults(name) {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'));
}
