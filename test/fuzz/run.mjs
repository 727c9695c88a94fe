// Runs the GGUF fuzzer on the built package: node test/fuzz/run.mjs [--cases 50000] [--seed 1] [--first 0] [--backend reference|wasm]
// A finding's case is repeated with --seed as printed, --first its number, --cases 1.
import { parseArgs } from 'node:util';
import { memorySource } from '../../dist/bytes/memory-source.js';
import { Random } from '../../dist/core/random.js';
import { OnebitError } from '../../dist/errors.js';
import { readGguf } from '../../dist/gguf/read.js';
import { writeGguf } from '../../dist/gguf/write.js';
import { load } from '../../dist/index.js';
import { formatByName, formats } from '../../dist/quant/formats.js';
import { fuzz } from './fuzz.mjs';
import { ggufConsumers } from './gguf-consumers.mjs';
import { ggufSeeds } from './gguf-seeds.mjs';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '50000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    backend: { type: 'string', default: 'reference' },
  },
});
const seeds = await ggufSeeds({ writeGguf, formats, formatByName, Random });
const start = performance.now();
const result = await fuzz({
  seeds,
  consumers: ggufConsumers({ memorySource, readGguf, formatByName, load }, values.backend),
  isTyped: (error) => error instanceof OnebitError,
  Random,
  cases: Number(values.cases),
  seed: Number(values.seed),
  first: Number(values.first),
  onProgress: (done) => process.stderr.write(`\r${done} cases`),
});
process.stderr.write('\n');
const { findings, ...summary } = result;
for (const finding of findings.slice(0, 20)) console.log(JSON.stringify(finding));
console.log(
  JSON.stringify({
    ...summary,
    findings: findings.length,
    seconds: (performance.now() - start) / 1000,
    node: process.version,
  }),
);
process.exitCode = findings.length > 0 ? 1 : 0;
