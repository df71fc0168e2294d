import type { Redis } from 'ioredis';

/** How many fences an entity remembers individually; beyond that, the smallest is forgotten. */
export const rememberedFences = 256;
/** Maximum number of views per hash. */
const maxViews = 512;

/** The fields of an entity's hash that are not views. Short names, since every entity that changes has a hash. */
export const tagField = '~t';
export const fenceField = '~f';

/** Extends a key's time to live to `ms` if it is shorter. */
const keep = `
local function keep(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end`;

/** Drops a key that is not a hash, so not ours. */
const ensureHash = `
local function ensure_hash(key)
  if redis.call('TYPE', key).ok ~= 'hash' then redis.call('UNLINK', key) end
end`;

/** If a hash has no tag, drops its contents and sets a new one. */
const ensureTag = `${ensureHash}
local function ensure_tag(key, tag, ms)
  ensure_hash(key)
  if redis.call('HEXISTS', key, '${tagField}') == 0 then
    redis.call('UNLINK', key)
    redis.call('HSET', key, '${tagField}', tag)
    redis.call('PEXPIRE', key, ms)
  end
end`;

/**
 * KEYS hash; ARGV xid, new tag, TTL in ms, '1' for the second delivery.
 *
 * Remembers the transaction, changes the tag, and drops every view, in constant time. Returns 1, or 0 if the fence was
 * already raised. A first delivery at or below the forgotten xid is new: a long transaction that committed late. A
 * second one is not: everything in the hash was loaded after the first.
 */
const raise = `${ensureHash}
ensure_hash(KEYS[1])
local xid, forgotten, xids = tonumber(ARGV[1]), 0, {}
local fence = redis.call('HGET', KEYS[1], '${fenceField}') or ''
local largest, list = string.match(fence, '^(%d+) ([%d,]+)$')
if largest then forgotten = tonumber(largest) end
for text in string.gmatch(list or string.match(fence, '^[%d,]+$') or '', '%d+') do
  local known = tonumber(text)
  if known == xid then return 0 end
  xids[#xids + 1] = known
end
if ARGV[4] == '1' and xid <= forgotten then return 0 end
xids[#xids + 1] = xid
if #xids > ${rememberedFences} then
  table.sort(xids)
  forgotten = math.max(forgotten, table.remove(xids, 1))
end
for i, known in ipairs(xids) do xids[i] = string.format('%.0f', known) end
local text = (forgotten > 0 and string.format('%.0f ', forgotten) or '') .. table.concat(xids, ',')
redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], '${tagField}', ARGV[2], '${fenceField}', text)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

/** KEYS hash; ARGV new tag, TTL in ms. Returns the tag and fence of a dependency. Sets the tag if it has none. */
const touch = `${ensureTag}
ensure_tag(KEYS[1], ARGV[1], ARGV[2])
return redis.call('HMGET', KEYS[1], '${tagField}', '${fenceField}')`;

/**
 * KEYS hash, lease, result; ARGV field, token, TTL of the lease in ms, new tag, TTL in ms.
 *
 * Takes the view's lease if it is free. Returns the token of its holder, the tag, fence, and entry, the last result
 * that a load left, and the time as 16 digits of microseconds.
 */
const begin = `${ensureTag}
ensure_tag(KEYS[1], ARGV[4], ARGV[5])
local found = redis.call('HMGET', KEYS[1], '${tagField}', '${fenceField}', ARGV[1])
local holder = redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) and ARGV[2] or redis.call('GET', KEYS[2])
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])
return {holder, found[1], found[2], found[3], redis.call('GET', KEYS[3]), now}`;

/**
 * KEYS hash, lease, result; ARGV field, token, tag, tags of the dependencies, entry, TTL in ms, now in ms, time when
 * the load began, TTL of a result in ms.
 *
 * Stores the entry if the tag is still the one that its load began under, and if there is space for it after removing
 * ended entries. If not, leaves it as a result for waiting readers, but only while the load holds the lease: later,
 * they could not tell when it began. Releases the lease. Returns 1 if the entry was stored.
 */
const fill = `${keep}
local hash, field = KEYS[1], ARGV[1]
local function has_room()
  return redis.call('HEXISTS', hash, field) == 1 or redis.call('HLEN', hash) < ${maxViews} + 2
end
local function remove_ended()
  for _, name in ipairs(redis.call('HKEYS', hash)) do
    if string.sub(name, 1, 1) ~= '~' then
      local entry = redis.call('HGET', hash, name)
      if #entry < 10 or struct.unpack('>d', string.sub(entry, 3, 10)) <= tonumber(ARGV[7]) then
        redis.call('HDEL', hash, name)
      end
    end
  end
  return has_room()
end
local stored = redis.call('HGET', hash, '${tagField}') == ARGV[3] and (has_room() or remove_ended())
local holds = redis.call('GET', KEYS[2]) == ARGV[2]
if stored then
  redis.call('HSET', hash, field, ARGV[5])
  keep(hash, tonumber(ARGV[6]))
elseif holds then
  redis.call('SET', KEYS[3], ARGV[8] .. ARGV[3] .. ARGV[4] .. ARGV[5], 'PX', ARGV[9])
end
if holds then redis.call('DEL', KEYS[2]) end
return stored and 1 or 0`;

/** KEYS lease; ARGV token. Releases the lease of a load that failed. */
const release = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/**
 * KEYS copy of the generation; ARGV its text, the transaction that began it, TTL in ms.
 *
 * Writes it unless the copy is a later one. Returns the copy.
 */
const copyGeneration = `
local there = redis.call('GET', KEYS[1])
local since = there and tonumber(string.match(there, '^%S+ (%d+)') or 0) or 0
if since > tonumber(ARGV[2]) then return there end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return ARGV[1]`;

type Bytes = Buffer | null;

export interface Scripts {
  raiseFence(hash: string, xid: number, newTag: string, ttlMs: number, isSecond: '0' | '1'): Promise<number>;
  touchEntityBuffer(hash: string, newTag: string, ttlMs: number): Promise<[tag: Buffer, fence: Bytes]>;
  beginLoadBuffer(
    hash: string,
    lease: string,
    result: string,
    field: string,
    token: string,
    leaseMs: number,
    newTag: string,
    ttlMs: number,
  ): Promise<[holder: Buffer, tag: Buffer, fence: Bytes, entry: Bytes, result: Bytes, now: Buffer]>;
  fillView(
    hash: string,
    lease: string,
    result: string,
    field: string,
    token: string,
    tag: string,
    dependencyTags: string,
    entry: Buffer,
    ttlMs: number,
    nowMs: number,
    begunAt: string,
    resultTtlMs: number,
  ): Promise<number>;
  releaseLease(lease: string, token: string): Promise<number>;
  copyGeneration(copy: string, text: string, since: number, ttlMs: number): Promise<string>;
}

/** The connection with the cache's scripts as commands. */
export function withScripts(redis: Redis): Redis & Scripts {
  redis.defineCommand('raiseFence', { numberOfKeys: 1, lua: raise });
  redis.defineCommand('touchEntity', { numberOfKeys: 1, lua: touch });
  redis.defineCommand('beginLoad', { numberOfKeys: 3, lua: begin });
  redis.defineCommand('fillView', { numberOfKeys: 3, lua: fill });
  redis.defineCommand('releaseLease', { numberOfKeys: 1, lua: release });
  redis.defineCommand('copyGeneration', { numberOfKeys: 1, lua: copyGeneration });
  return redis as Redis & Scripts;
}
