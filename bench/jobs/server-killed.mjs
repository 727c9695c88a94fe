// Kills the server with SIGKILL at random while its batches run, and starts it again: in Redis with a worker beside it (--redis), or alone with its folder on disk.
//   node bench/jobs/server-killed.mjs [--kills 20] [--rows 500] [--seed 1] [--redis]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { begin, check, option, randomOf, rowsOf, sleep, startRedis, startServer, startWorker } from './started.mjs';

const kills = option('kills', 20);
const rows = rowsOf(option('rows', 500));
const random = randomOf(option('seed', 1));
const redis = process.argv.includes('--redis') ? await startRedis() : undefined;
const folder = mkdtempSync(join(tmpdir(), 'onebit-server-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const args = ['--jobs', redis?.url ?? folder];
let server = await startServer(args);
if (redis) await startWorker(['--jobs', redis.url, '--lease', '3']).ready;
const began = performance.now();
const ids = [await begin(server.url, rows)];
for (let kill = 0; kill < kills; kill++) {
  await sleep(200 + random() * 2000);
  await server.kill();
  server = await startServer(args, server.port);
  if (random() < 0.1) ids.push(await begin(server.url, rows));
}
for (const id of ids) await check(server.url, id, rows);
const seconds = Math.round((performance.now() - began) / 1000);
const what = redis ? 'server killed, jobs in Redis' : 'server killed, jobs on disk';
console.log(JSON.stringify({ what, kills, batches: ids.length, rows: rows.length * ids.length, seconds }));
process.exit(0);
