// Owns what must happen in one piece in Redis, as scripts. All keys have one hash tag. Must not know who calls them.
import type { RedisClient } from './connection.ts';

/** A script that a client runs by its text; Redis keeps it by its digest. */
interface Script {
  readonly keys: number;
  readonly lua: string;
}

const SCRIPTS = {
  /** KEYS batch, open, all, owner's; ARGV json, rank, id, age, ranks. A status never goes back, whoever is late, and an end stays. Gives 1 where it was written. */
  putBatch: {
    keys: 4,
    lua: `
local old = redis.call('GET', KEYS[1])
if old then
  local ranks = cjson.decode(ARGV[5])
  local rank = ranks[cjson.decode(old).status]
  if rank == 4 or rank > tonumber(ARGV[2]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[3], 'NX', ARGV[4], ARGV[3])
redis.call('ZADD', KEYS[4], 'NX', ARGV[4], ARGV[3])
if tonumber(ARGV[2]) >= 4 then redis.call('SREM', KEYS[2], ARGV[3]) else redis.call('SADD', KEYS[2], ARGV[3]) end
return 1`,
  },
  /** KEYS run, rows, starts, data; ARGV line, from, to. Gives a state (0 nothing to do, 1 go), how often it was begun, the line. */
  beginRow: {
    keys: 4,
    lua: `
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'ended') == 1 then return {0, 0, ''} end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return {0, 0, ''} end
local starts = redis.call('HINCRBY', KEYS[3], ARGV[1], 1)
return {1, starts, redis.call('GETRANGE', KEYS[4], ARGV[2], ARGV[3])}`,
  },
  /**
   * KEYS run, rows, starts, stats, failures; ARGV line, name of the counter, result, reason, a failure as JSON. Writes an answer once. Gives done, fed and total;
   * -1 where the batch has ended.
   */
  settleRow: {
    keys: 5,
    lua: `
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'ended') == 1 then return {-1, 0, 0} end
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[3]) == 1 then
  redis.call('HINCRBY', KEYS[1], ARGV[2], 1)
  redis.call('HINCRBY', KEYS[4], 'done', 1)
  if ARGV[4] ~= '' then
    redis.call('HINCRBY', KEYS[4], 'failed:' .. ARGV[4], 1)
    redis.call('LPUSH', KEYS[5], ARGV[5])
    redis.call('LTRIM', KEYS[5], 0, 49)
  end
end
redis.call('HDEL', KEYS[3], ARGV[1])
local found = redis.call('HMGET', KEYS[1], 'completed', 'failed', 'fed', 'total')
return {tonumber(found[1] or 0) + tonumber(found[2] or 0), tonumber(found[3] or 0), tonumber(found[4] or 0)}`,
  },
  /** KEYS batch, run; ARGV ranks. From now on no answer is taken; 0 where the batch has ended already. */
  endRun: {
    keys: 2,
    lua: `
local batch = redis.call('GET', KEYS[1])
if not batch or cjson.decode(ARGV[1])[cjson.decode(batch).status] == 4 then return 0 end
redis.call('HSET', KEYS[2], 'ended', '1')
return 1`,
  },
  /** KEYS run; ARGV fed before, fed, offset. Gives 1 where nobody else was faster. */
  advance: {
    keys: 1,
    lua: `
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HGET', KEYS[1], 'fed') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'fed', ARGV[2], 'at', ARGV[3])
return 1`,
  },
  /** KEYS temporary, data, record, all, owner's; ARGV json, id, age. A file appears whole. */
  publishFile: {
    keys: 5,
    lua: `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) redis.call('PERSIST', KEYS[2])
else redis.call('SET', KEYS[2], '') end
redis.call('SET', KEYS[3], ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[2])
redis.call('ZADD', KEYS[5], ARGV[3], ARGV[2])
return 1`,
  },
  /** KEYS bucket; ARGV its worth, base, parts, wanted, most, what to do (wait, lend, take), in how many ms it fills. Gives wait, part, taken, as texts. */
  quota: {
    keys: 1,
    lua: `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local worth, base, parts, wanted, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local fills = tonumber(ARGV[7])
local found = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = tonumber(found[1] or ARGV[1])
left = math.min(worth, left + math.max(0, now - tonumber(found[2] or now)) / fills * worth)
local wait, part, taken = 0, 0, 0
if ARGV[6] == 'take' then taken = base
else
  wait = math.max(0, (math.min(base + parts * math.min(wanted, most), worth) - left) / worth * fills)
  if wait == 0 and ARGV[6] == 'lend' then
    part = math.max(math.min(most, 1), math.min(most, math.floor((left - base) / math.max(1, parts))))
    taken = base + parts * part
  end
end
redis.call('HSET', KEYS[1], 'left', string.format('%.6f', left - taken), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], math.max(3600000, 2 * fills))
return {string.format('%.3f', wait), string.format('%.0f', part), string.format('%.0f', taken)}`,
  },
  /** KEYS answer, owner's answers, owner's items, owner's bytes; ARGV id, response, items, length, ids, bytes, most bytes, age, seconds, prefix. Forgets the oldest. */
  putResponse: {
    keys: 4,
    lua: `
local function forget(id)
  local key = ARGV[10] .. id
  local found = redis.call('HMGET', key, 'ids', 'bytes')
  redis.call('ZREM', KEYS[2], id)
  if not found[1] then return end
  for _, item in ipairs(cjson.decode(found[1])) do
    if redis.call('HGET', KEYS[3], item) == id then redis.call('HDEL', KEYS[3], item) end
  end
  redis.call('DECRBY', KEYS[4], found[2])
  redis.call('DEL', key)
end
forget(ARGV[1])
if ARGV[2] == '' then return 1 end
redis.call('HSET', KEYS[1], 'response', ARGV[2], 'items', ARGV[3], 'length', ARGV[4], 'ids', ARGV[5], 'bytes', ARGV[6])
redis.call('ZADD', KEYS[2], ARGV[8], ARGV[1])
for _, item in ipairs(cjson.decode(ARGV[5])) do redis.call('HSET', KEYS[3], item, ARGV[1]) end
local bytes = redis.call('INCRBY', KEYS[4], ARGV[6])
while bytes > tonumber(ARGV[7]) do
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if not oldest or oldest == ARGV[1] then break end
  forget(oldest)
  bytes = tonumber(redis.call('GET', KEYS[4]))
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', tonumber(ARGV[8]) - tonumber(ARGV[9]) * 1000)) do forget(id) end
for i = 1, 4 do redis.call('EXPIRE', KEYS[i], 2 * tonumber(ARGV[9])) end
return 1`,
  },
} as const satisfies Record<string, Script>;

/** Runs a script. */
export async function runScript(
  client: RedisClient,
  name: keyof typeof SCRIPTS,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  const { lua } = SCRIPTS[name];
  return client.eval(lua, keys.length, ...keys, ...args);
}
