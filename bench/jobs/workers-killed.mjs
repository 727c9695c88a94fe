// Kills workers with SIGKILL at random while they answer a batch, and starts others: every row must come out once, in order, with an answer of its schema.
//   node bench/jobs/workers-killed.mjs [--kills 100] [--rows 2000] [--workers 2] [--seed 1]
import {
  batchOf,
  begin,
  check,
  option,
  randomOf,
  rowsOf,
  sleep,
  startRedis,
  startServer,
  startWorker,
} from './started.mjs';

const [kills, workers] = [option('kills', 100), option('workers', 2)];
const rows = rowsOf(option('rows', 2000));
const random = randomOf(option('seed', 1));
const redis = await startRedis();
const server = await startServer(['--jobs', redis.url]);
const args = ['--jobs', redis.url, '--lease', '2'];
const running = Array.from({ length: workers }, () => startWorker(args));
await Promise.all(running.map(({ ready }) => ready));
const began = performance.now();
let id = await begin(server.url, rows);
let [killed, batches, inStart] = [0, 1, 0];
while (killed < kills) {
  const { status } = await batchOf(server.url, id);
  if (status === 'completed') {
    await check(server.url, id, rows);
    id = await begin(server.url, rows);
    batches++;
  }
  const at = Math.floor(random() * workers);
  // One in five while it starts; the others while it works.
  if (random() < 0.2) inStart++;
  else await running[at].ready;
  await sleep(random() * 1500);
  await running[at].kill();
  killed++;
  running[at] = startWorker(args);
}
await check(server.url, id, rows);
const seconds = Math.round((performance.now() - began) / 1000);
console.log(
  JSON.stringify({ what: 'workers killed', kills: killed, inStart, rows: rows.length * batches, batches, seconds }),
);
process.exit(0);
