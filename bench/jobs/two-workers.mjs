// Rows per second of one worker with one thread, and of two, each alone on the machine, in turns.
//   node bench/jobs/two-workers.mjs [--rows 300] [--rounds 3]
import { begin, check, option, rowsOf, startRedis, startServer, startWorker } from './started.mjs';

const rounds = option('rounds', 3);
const rows = rowsOf(option('rows', 300), 'row', { response_format: undefined, max_tokens: 24, ignore_eos: true });
const redis = await startRedis();
const server = await startServer(['--jobs', redis.url]);
const speeds = { 1: [], 2: [] };
for (let round = 0; round < rounds; round++) {
  for (const count of [1, 2]) {
    const workers = Array.from({ length: count }, () => startWorker(['--jobs', redis.url]));
    await Promise.all(workers.map(({ ready }) => ready));
    await check(server.url, await begin(server.url, rows.slice(0, 16)), rows.slice(0, 16)); // warm
    const began = performance.now();
    await check(server.url, await begin(server.url, rows), rows);
    speeds[count].push((rows.length / (performance.now() - began)) * 1000);
    await Promise.all(workers.map(({ kill }) => kill('SIGTERM')));
  }
}
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const [one, two] = [median(speeds[1]), median(speeds[2])];
const round = (value) => Number(value.toFixed(2));
console.log(JSON.stringify({ what: 'two workers', one: round(one), two: round(two), times: round(two / one) }));
process.exit(0);
