// Kills Redis with SIGKILL at random while a batch runs, and starts it again with what it wrote to the disk: every row must come out once, in order.
//   node bench/jobs/redis-killed.mjs [--kills 5] [--rows 500] [--seed 1]
import { begin, check, option, randomOf, rowsOf, sleep, startRedis, startServer, startWorker } from './started.mjs';

const kills = option('kills', 5);
const rows = rowsOf(option('rows', 500));
const random = randomOf(option('seed', 1));
const redis = await startRedis();
const server = await startServer(['--jobs', redis.url]);
await Promise.all([0, 1].map(() => startWorker(['--jobs', redis.url, '--lease', '3']).ready));
const began = performance.now();
const id = await begin(server.url, rows);
for (let kill = 0; kill < kills; kill++) {
  await sleep(500 + random() * 3000);
  await redis.kill();
  await sleep(random() * 2000);
  await redis.start();
}
await check(server.url, id, rows);
const seconds = Math.round((performance.now() - began) / 1000);
console.log(JSON.stringify({ what: 'Redis killed', kills, rows: rows.length, seconds }));
process.exit(0);
