// Owns what must happen in one piece in Redis, as scripts. All keys have one hash tag. Must not know who calls them.
import type { RedisClient } from './connection.ts';

const SCRIPTS = {
  /** KEYS batch, open, all, owner's; ARGV json, rank, id, age, ranks. A status never goes back, whoever is late, and an end stays. Gives 1 where it was written. */
  putBatch: `
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
  /** KEYS run, rows, data; ARGV line, from, to. Gives the line; nothing where it is answered or the batch has ended. Writes nothing: it waits for no disk. */
  lineOfRow: `
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'ended') == 1 then return '' end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return '' end
return redis.call('GETRANGE', KEYS[3], ARGV[2], ARGV[3])`,
  /**
   * KEYS run, rows, stats, failures; ARGV line, name of the counter, result, reason, a failure as JSON. Writes an answer once. Gives done, fed and total;
   * -1 where the batch has ended.
   */
  settleRow: `
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'ended') == 1 then return {-1, 0, 0} end
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[3]) == 1 then
  redis.call('HINCRBY', KEYS[1], ARGV[2], 1)
  redis.call('HINCRBY', KEYS[3], 'done', 1)
  if ARGV[4] ~= '' then
    redis.call('HINCRBY', KEYS[3], 'failed:' .. ARGV[4], 1)
    redis.call('LPUSH', KEYS[4], ARGV[5])
    redis.call('LTRIM', KEYS[4], 0, 49)
  end
end
local found = redis.call('HMGET', KEYS[1], 'completed', 'failed', 'fed', 'total')
return {tonumber(found[1] or 0) + tonumber(found[2] or 0), tonumber(found[3] or 0), tonumber(found[4] or 0)}`,
  /** KEYS batch, run; ARGV ranks. From now on no answer is taken; 0 where the batch has ended already. */
  endRun: `
local batch = redis.call('GET', KEYS[1])
if not batch or cjson.decode(ARGV[1])[cjson.decode(batch).status] == 4 then return 0 end
redis.call('HSET', KEYS[2], 'ended', '1')
return 1`,
  /** KEYS run; ARGV fed before, fed, offset. Gives 1 where nobody else was faster. */
  advance: `
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HGET', KEYS[1], 'fed') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'fed', ARGV[2], 'at', ARGV[3])
return 1`,
  /** KEYS temporary, data, record, all, owner's; ARGV json, id, age. A file appears whole. */
  publishFile: `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) redis.call('PERSIST', KEYS[2])
else redis.call('SET', KEYS[2], '') end
redis.call('SET', KEYS[3], ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[2])
redis.call('ZADD', KEYS[5], ARGV[3], ARGV[2])
return 1`,
  /**
   * KEYS a bucket for each that is asked; ARGV for each: worth, in how many ms it fills, what to do (look, lend, take), base, parts, wanted, most, spare. Gives wait,
   * who is waited for longest (from 0), part, as texts.
   */
  quota: `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local asked, levels, wait, short, part = {}, {}, 0, 0, nil
for i, key in ipairs(KEYS) do
  local n = (i - 1) * 8
  local one = {key = key, how = ARGV[n + 3]}
  for j, name in ipairs({'worth', 'fills', 'how', 'base', 'parts', 'wanted', 'most', 'spare'}) do
    if name ~= 'how' then one[name] = tonumber(ARGV[n + j]) end
  end
  asked[i] = one
  if not levels[key] then
    local found = redis.call('HMGET', key, 'left', 'at')
    local left = tonumber(found[1] or one.worth)
    levels[key] = math.min(one.worth, left + math.max(0, now - tonumber(found[2] or now)) / one.fills * one.worth)
  end
  if one.how == 'take' then levels[key] = levels[key] - one.base end
end
for i, one in ipairs(asked) do
  if one.how ~= 'take' then
    local amount = math.min(one.base + one.spare + one.parts * math.min(one.wanted, one.most), one.worth)
    local own = (amount - levels[one.key]) / one.worth * one.fills
    if own > wait then wait, short = own, i - 1 end
    if one.how == 'lend' then
      local parts, there = math.max(1, one.parts), levels[one.key] - one.base
      local least = math.min(one.wanted, math.floor(there / parts))
      there = math.max(least, math.floor((there - one.spare) / parts))
      part = math.min(part or one.most, math.max(math.min(one.most, 1), math.min(one.most, there)))
    end
  end
end
if wait > 0 then part = 0 end
for _, one in ipairs(asked) do
  if wait == 0 and one.how == 'lend' then levels[one.key] = levels[one.key] - one.base - one.parts * part end
end
for _, one in ipairs(asked) do
  if one.how ~= 'look' and (wait == 0 or one.how == 'take') then
    redis.call('HSET', one.key, 'left', string.format('%.6f', levels[one.key]), 'at', string.format('%.3f', now))
    redis.call('PEXPIRE', one.key, math.max(3600000, 2 * one.fills))
  end
end
return {string.format('%.3f', wait), tostring(short), string.format('%.0f', part or 0)}`,
  /** KEYS answer, owner's answers, owner's items, owner's bytes; ARGV id, response, items, length, ids, bytes, most bytes, age, seconds, prefix. Forgets the oldest. */
  putResponse: `
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
} as const;

/** What a client calls a script once it knows it. */
type Scripted = Record<string, (keys: number, ...all: (string | number | Buffer)[]) => Promise<unknown>>;

/** Runs a script: by its digest, with its text only where Redis does not know it (any more). */
export async function runScript(
  client: RedisClient,
  name: keyof typeof SCRIPTS,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  const command = `onebit:${name}`;
  if (!(command in client)) client.defineCommand(command, { lua: SCRIPTS[name] });
  return (client as unknown as Scripted)[command](keys.length, ...keys, ...args);
}
