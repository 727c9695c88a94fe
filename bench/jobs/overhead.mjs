// What the queue costs a row: a batch whose rows a worker answers without a model, through Redis (which writes to the disk every second, or with --always before it
// answers). Milliseconds a row by the clock, and of the worker's processor.
//   node bench/jobs/overhead.mjs [--rows 2000] [--parallel 8] [--always]
import { RedisPlace } from '../../dist/redis/connection.js';
import { openRedisJobs } from '../../dist/redis/redis-queue.js';
import { RowWorker } from '../../dist/redis/row-worker.js';
import { option, startRedis } from './started.mjs';

const count = option('rows', 2000);
const fsync = process.argv.includes('--always') ? 'always' : 'everysec';
const redis = await startRedis(fsync);
const jobs = await openRedisJobs(await RedisPlace.open({ url: redis.url }));
let cpuMs = 0;
let began = 0;
const work = {
  store: jobs.store,
  answer: async (_, body) => ({ status: 200, requestId: 'r', body }),
  onError: (error) => console.error(error),
  now: () => Math.floor(Date.now() / 1000),
  models: () => ['m'],
  modelFor: () => 'm',
  knows: () => true,
  rulesFor: () => undefined,
};
const text = Array.from({ length: count }, (_, i) =>
  JSON.stringify({ custom_id: `${i}`, method: 'POST', url: '/v1/x', body: { i } }),
).join('\n');
const at = work.now();
const file = { id: 'file-1', owner: '', filename: 'in', purpose: 'batch', createdAt: at };
await jobs.store.addFile(file, (append) => append(new TextEncoder().encode(text)));
const counts = { status: 'validating', at: {}, errors: [], total: 0, completed: 0, failed: 0 };
const batch = { id: 'batch_1', owner: '', endpoint: '/v1/x', inputFileId: file.id, window: '24h', metadata: null };
await jobs.store.putBatch({ ...batch, createdAt: at, expiresAt: at + 3600, model: 'm', ...counts });
const worker = new RowWorker(jobs, work, { parallel: option('parallel', 8), leaseSeconds: 30 });
for (;;) {
  const now = await jobs.store.batch(batch.id);
  if (began === 0 && now.status === 'in_progress') [began, cpuMs] = [performance.now(), process.cpuUsage()];
  if (now.status === 'completed') break;
  await new Promise((resolve) => setTimeout(resolve, 5));
}
const ms = performance.now() - began;
const { user, system } = process.cpuUsage(cpuMs);
const cpu = (user + system) / 1000 / count;
const numbers = {
  appendfsync: fsync,
  rows: count,
  msPerRow: Number((ms / count).toFixed(3)),
  cpuMsPerRow: Number(cpu.toFixed(3)),
};
console.log(JSON.stringify({ what: 'overhead of the queue', ...numbers }));
await worker.close(0);
process.exit(0);
