import type { Redis } from 'ioredis';
import { fenceLimit } from './fence.ts';

/** What Lua has to know of fences and entries; `entry.ts` and `fence.ts` say what they are. */
const common = `
local function parse_fence(text)
  local nonce, floor, xids = string.match(text, '^(%S+) (%d+) (%S*)$')
  if not nonce then return nil end
  local set = {}
  for xid in string.gmatch(xids, '%d+') do set[#set + 1] = tonumber(xid) end
  return nonce, tonumber(floor), set
end
local function sees(xid, xmin, xmax, xip)
  if xid < xmin then return true end
  if xid >= xmax then return false end
  for _, running in ipairs(xip) do if running == xid then return false end end
  return true
end
local function snapshot_of(entry)
  if #entry < 67 or math.floor(string.byte(entry, 2) / 4) % 2 == 0 then return nil end
  local length = struct.unpack('>H', string.sub(entry, 3, 4))
  local xmin, xmax = struct.unpack('>d', string.sub(entry, 29, 36)), struct.unpack('>d', string.sub(entry, 37, 44))
  local xip = {}
  for at = 68 + string.byte(entry, 67) * 8, length, 8 do xip[#xip + 1] = struct.unpack('>d', string.sub(entry, at, at + 7)) end
  return xmin, xmax, xip
end
local function keep(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end
`;

/** KEYS hash; ARGV xid, nonce for a new hash, TTL in ms. Gives 1 if the fence is new, 0 if it stood already. */
const raise = `${common}
local text = redis.call('HGET', KEYS[1], '~fence')
local xid = tonumber(ARGV[1])
local nonce, floor, set
if text then nonce, floor, set = parse_fence(text) end
if not nonce then nonce, floor, set = ARGV[2], 0, {} end
keep(KEYS[1], tonumber(ARGV[3]))
if xid <= floor then return 0 end
for _, known in ipairs(set) do if known == xid then return 0 end end
set[#set + 1] = xid
table.sort(set)
while #set > ${fenceLimit} do floor = table.remove(set, 1) end
for i, one in ipairs(set) do set[i] = string.format('%.0f', one) end
redis.call('HSET', KEYS[1], '~fence', nonce .. ' ' .. string.format('%.0f', floor) .. ' ' .. table.concat(set, ','))
keep(KEYS[1], tonumber(ARGV[3]))
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if field ~= '~fence' then
    local xmin, xmax, xip = snapshot_of(redis.call('HGET', KEYS[1], field))
    if not xmin or floor >= xmin or not sees(xid, xmin, xmax, xip) then redis.call('HDEL', KEYS[1], field) end
  end
end
return 1`;

/** KEYS hash; ARGV nonce for a new hash, TTL in ms. Gives the fence; makes sure that there is one. */
const ensureFence = `${common}
local text = redis.call('HGET', KEYS[1], '~fence')
if text and parse_fence(text) then return text end
text = ARGV[1] .. ' 0 '
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], '~fence', text)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return text`;

/** KEYS lease; ARGV token, TTL in ms. Gives the token of who holds it now: one's own if it was free. */
const takeLease = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return ARGV[1] end
return redis.call('GET', KEYS[1])`;

/**
 * KEYS hash, lease, result; ARGV token, view, nonce, entry, TTL in ms, limit of fields, life of a result in ms.
 *
 * Stores the entry if its hash is still the one it was loaded under, no fence hides it and no newer one stands; else
 * leaves it for those who wait. Gives back the lease. Gives 1 if it was stored.
 */
const fill = `${common}
local function may_store()
  local text = redis.call('HGET', KEYS[1], '~fence')
  if not text then return false end
  local nonce, floor, set = parse_fence(text)
  if nonce ~= ARGV[3] then return false end
  local xmin, xmax, xip = snapshot_of(ARGV[4])
  if xmin then
    if floor >= xmin then return false end
    for _, xid in ipairs(set) do if not sees(xid, xmin, xmax, xip) then return false end end
  end
  local standing = redis.call('HGET', KEYS[1], ARGV[2])
  if standing then
    local other_xmin, other_xmax = snapshot_of(standing)
    if xmin and other_xmin and (other_xmax > xmax or (other_xmax == xmax and other_xmin > xmin)) then return false end
    return true
  end
  return redis.call('HLEN', KEYS[1]) <= tonumber(ARGV[6])
end
local stored = may_store()
if stored then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
  keep(KEYS[1], tonumber(ARGV[5]))
else
  redis.call('SET', KEYS[3], ARGV[1] .. ARGV[4], 'PX', ARGV[7])
end
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return stored and 1 or 0`;

/** KEYS lease; ARGV token. Gives a lease back whose load has failed. */
const releaseLease = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

export interface Scripts {
  raiseFence(hash: string, xid: number, nonce: string, ttlMs: number): Promise<number>;
  ensureFenceBuffer(hash: string, nonce: string, ttlMs: number): Promise<Buffer>;
  takeLease(lease: string, token: string, ttlMs: number): Promise<string | null>;
  releaseLease(lease: string, token: string): Promise<number>;
  fillView(
    hash: string,
    lease: string,
    result: string,
    token: string,
    view: string,
    nonce: string,
    entry: Buffer,
    ttlMs: number,
    fieldLimit: number,
    resultMs: number,
  ): Promise<number>;
}

/** The connection with the cache's scripts as commands. */
export function withScripts(redis: Redis): Redis & Scripts {
  redis.defineCommand('raiseFence', { numberOfKeys: 1, lua: raise });
  redis.defineCommand('ensureFence', { numberOfKeys: 1, lua: ensureFence });
  redis.defineCommand('takeLease', { numberOfKeys: 1, lua: takeLease });
  redis.defineCommand('releaseLease', { numberOfKeys: 1, lua: releaseLease });
  redis.defineCommand('fillView', { numberOfKeys: 3, lua: fill });
  return redis as Redis & Scripts;
}
