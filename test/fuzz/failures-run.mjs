// Makes every allocation and abort point fail in turn on the built package, on two threads and the embedded model:
// node test/fuzz/failures-run.mjs [--threads 2] [--step 1] [--first 1] [--only generate,session] [--model FILE]
// A finding's failure is repeated with --first its number and --only its name.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { OnebitError } from '../../dist/errors.js';
import { load } from '../../dist/index.js';
import { Heap } from '../../dist/kernels/wasm/heap.js';
import { KvPages } from '../../dist/model/kv-cache.js';
import { modelFailures } from './model-failures.mjs';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    step: { type: 'string', default: '1' },
    first: { type: 'string', default: '1' },
    only: { type: 'string' },
    model: { type: 'string' },
  },
});
const bytes = new Uint8Array(readFileSync(values.model ?? new URL('../../models/seedling.gguf', import.meta.url)));
const start = performance.now();
const { failures, findings } = await modelFailures(
  { Heap, KvPages, OnebitError, load },
  {
    bytes,
    threads: Number(values.threads),
    step: Number(values.step),
    first: Number(values.first),
    names: values.only?.split(','),
  },
);
for (const finding of findings.slice(0, 20)) console.log(finding);
console.log(JSON.stringify({ failures, findings: findings.length, seconds: (performance.now() - start) / 1000 }));
process.exitCode = findings.length > 0 ? 1 : 0;
