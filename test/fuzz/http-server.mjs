// Runs the server that the fuzzer attacks, as a process of its own: node test/fuzz/http-server.mjs [MODEL]. Its parent is told the address, and on each
// message what the process holds and does.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { keepHeapSmall } from '../../dist/cli/small-heap.js';
import { load } from '../../dist/index.js';
import { OnebitServer } from '../../dist/server/app.js';
import { listen } from '../../dist/server/node-adapter.js';

const model = await load(process.argv[2] || undefined, { threads: 1, kvTokens: 16_384, queue: 64 });
keepHeapSmall();
const causes = new Set();
const server = new OnebitServer(model, {
  limits: { requestMs: 20_000, stallMs: 1000 },
  log: (entry) => entry.cause && causes.size < 20 && causes.add(entry.cause),
});
const listening = await listen(server.fetch, { port: 0, host: '127.0.0.1' });
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
let peakBytes = 0;
setInterval(() => {
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
}, 20).unref();
process.on('unhandledRejection', (error) => {
  process.send({ unhandled: String(error?.stack ?? error) });
  process.exit(1);
});
process.on('message', async (message) => {
  if (message === 'end') {
    await server.drain(0);
    const { running, waiting, kvPagesUsed } = model.stats();
    process.send({ running, waiting, kvPagesUsed, causes: [...causes] }, () => process.exit());
    return;
  }
  if (message === 'memory after gc') collect();
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  process.send({
    used: [heapUsed, heapTotal, external].map((bytes) => Math.round(bytes / 1e6)),
    rssMb: Math.round(rss / 1e6),
    // Free pages that V8 keeps for its next objects come and go by its own clock.
    heldMb: Math.round((rss - heapTotal + heapUsed) / 1e6),
    peakMb: Math.round(peakBytes / 1e6),
  });
  peakBytes = 0;
});
process.send({ url: listening.url });
