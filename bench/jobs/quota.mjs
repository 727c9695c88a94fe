// What the limits of a key cost a request where they are kept in Redis: one that is admitted, reserves its tokens twice (as expected, as counted) and gives back what
// was not used. Commands and milliseconds a request, one after the other.
//   node bench/jobs/quota.mjs [--requests 1000] [--always]
import { RedisPlace } from '../../dist/redis/connection.js';
import { redisState } from '../../dist/redis/redis-state.js';
import { ApiKey } from '../../dist/server/keys.js';
import { option, startRedis } from './started.mjs';

const count = option('requests', 1000);
const fsync = process.argv.includes('--always') ? 'always' : 'everysec';
const redis = await startRedis(fsync);
const place = await RedisPlace.open({ url: redis.url });
const limits = { requestsPerMinute: 1e9, tokensPerMinute: 1e9 };
const key = new ApiKey({ name: 'k', sha256: '0'.repeat(64), ...limits }, redisState(place).quota);
const request = async () => {
  await key.admit();
  const expected = await key.reserve({ promptTokens: 90, answers: 0, answerTokens: 0, known: true });
  const reserved = await key.reserve({ promptTokens: 100, answers: 1, answerTokens: 256, known: false }, expected);
  await key.settle(reserved, 120);
};
const calls = async () => {
  const found = (await place.client.info('commandstats')).matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g);
  return Array.from(found, ([, calls]) => Number(calls)).reduce((sum, calls) => sum + calls, 0);
};
for (let i = 0; i < 100; i++) await request();
const before = await calls();
const began = performance.now();
for (let i = 0; i < count; i++) await request();
const ms = (performance.now() - began) / count;
const perRequest = ((await calls()) - before) / count;
const numbers = {
  appendfsync: fsync,
  requests: count,
  commandsPerRequest: perRequest,
  msPerRequest: Number(ms.toFixed(3)),
};
console.log(JSON.stringify({ what: 'limits of a key in Redis', ...numbers }));
place.close();
process.exit(0);
