// Rows per second of one worker with one thread, and of two, each alone on the machine, in turns.
//   node bench/jobs/two-workers.mjs [--rows 3000] [--rounds 3] [--tokens 64] [--fsync always|everysec]
import { begin, check, option, rowsOf, startRedis, startServer, startWorker } from './started.mjs';

const rounds = option('rounds', 3);
const fsync = process.argv.includes('everysec') ? 'everysec' : 'always';
const tokens = option('tokens', 64);
const rows = rowsOf(option('rows', 3000), 'row', { response_format: undefined, max_tokens: tokens, ignore_eos: true });
const warm = rows.slice(0, rows.length >> 1);
const redis = await startRedis(fsync);
const server = await startServer(['--jobs', redis.url]);
const speeds = { 1: [], 2: [] };
for (let round = 0; round < rounds; round++) {
  for (const count of [1, 2]) {
    const workers = Array.from({ length: count }, () => startWorker(['--jobs', redis.url]));
    await Promise.all(workers.map(({ ready }) => ready));
    await check(server.url, await begin(server.url, warm), warm);
    const began = performance.now();
    await check(server.url, await begin(server.url, rows), rows);
    speeds[count].push((rows.length / (performance.now() - began)) * 1000);
    await Promise.all(workers.map(({ kill }) => kill('SIGTERM')));
  }
}
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const [one, two] = [median(speeds[1]), median(speeds[2])];
const round = (value) => Number(value.toFixed(2));
console.log(
  JSON.stringify({ what: 'two workers', tokens, fsync, one: round(one), two: round(two), times: round(two / one) }),
);
process.exit(0);
