// Runs the HTTP fuzzer on the built package: node test/fuzz/http-run.mjs [--cases 10000] [--seed 1] [--first 0] [--together 8] [--model FILE]
// A finding's case is repeated with --seed as printed, --first its number, --cases 1.
import { parseArgs } from 'node:util';
import { Random } from '../../dist/core/random.js';
import { load } from '../../dist/index.js';
import { OnebitServer } from '../../dist/server/app.js';
import { listen } from '../../dist/server/node-adapter.js';
import { fuzzHttp } from './http-fuzz.mjs';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    together: { type: 'string', default: '8' },
    model: { type: 'string' },
  },
});
process.on('unhandledRejection', (error) => {
  console.log(JSON.stringify({ unhandledRejection: String(error?.stack ?? error) }));
  process.exit(1);
});
const model = await load(values.model, { threads: 1, kvTokens: 8192, queue: 64 });
const causes = [];
const server = new OnebitServer(model, {
  limits: { bodyBytes: 1 << 20, requestMs: 10_000, stallMs: 1000 },
  log: (entry) => entry.cause && causes.push(entry.cause),
});
const listening = await listen(server.fetch, { port: 0, host: '127.0.0.1' });
const start = performance.now();
const { findings, ...summary } = await fuzzHttp({
  url: listening.url,
  Random,
  cases: Number(values.cases),
  seed: Number(values.seed),
  first: Number(values.first),
  together: Number(values.together),
  onProgress: (done) => process.stderr.write(`\r${done} cases`),
});
process.stderr.write('\n');
for (const finding of findings.slice(0, 20)) console.log(JSON.stringify(finding));
for (const cause of new Set(causes)) console.log(cause);
await server.drain(0);
const left = model.stats();
console.log(
  JSON.stringify({
    ...summary,
    findings: findings.length,
    running: left.running,
    kvPagesUsed: left.kvPagesUsed,
    rssMb: Math.round(process.memoryUsage.rss() / 1e6),
    seconds: Math.round((performance.now() - start) / 1000),
    node: process.version,
  }),
);
await listening.close();
await server.dispose();
process.exitCode = findings.length > 0 || left.running > 0 ? 1 : 0;
