/**
 * The scripts (protocol, Redis): what they do in one step of the store, and how their arguments are laid out. Every name is among
 * their keys. A key of another type than text counts as absent. What begins by deleting is let through when the store's memory is
 * full: leases, deletions and invalidations always work.
 */
import { createHash } from 'node:crypto';
import { WAKE } from './names.js';

export interface Script {
  readonly name: string;
  readonly text: string;
  readonly sha: string;
}

function script(name: string, ...parts: readonly string[]): Script {
  const text = parts.join('').trim();
  return { name, text, sha: createHash('sha1').update(text).digest('hex') };
}

const STRINGS = `
local function read(key)
  local value = redis.pcall('GET', key)
  if type(value) == 'string' then return value end
  -- Any other error is the caller's: a lock that may not be read is not free.
  if value and not string.find(value.err, '^WRONGTYPE') then redis.call('GET', key) end
end
`;

/** A lock of ours is `dp1:<token>:<rid>:<seq>`, where there are no generations `dp1:<token>::0`; anything else is foreign. */
const LOCKS = `
local function partsOf(lock)
  return string.match(lock or '', '^dp1:(%x+):(%x*):(%d+)$')
end
local function wake(lock)
  redis.pcall('PUBLISH', '${WAKE}' .. lock, '')
end
local function void(lock)
  if string.sub(read(lock) or '', 1, 4) == 'dp1:' then
    redis.call('DEL', lock)
    wake(lock)
  end
end
local function cutOff(rid, seq, region)
  return rid and rid ~= '' and region and (rid ~= region.rid or tonumber(seq) < region.hard)
end
`;

/** As `records.ts` reads them. */
const RECORDS = `
local function whole(number)
  return string.format('%.0f', number)
end
local function numberOf(digits)
  return #digits <= 15 and tonumber(digits) or nil
end
local function parseRegion(text)
  local rid, seq, hard, soft, tagged, at = string.match(text or '', '^(%x+) (%d+) (%d+) (%d+) (%d+) (%S+)$')
  if not rid or (at ~= '-' and not (string.find(at, '^%d+$') and numberOf(at))) then return nil end
  seq, hard, soft, tagged = numberOf(seq), numberOf(hard), numberOf(soft), numberOf(tagged)
  if not (seq and hard and soft and tagged) or math.max(hard, soft, tagged) > seq then return nil end
  return { rid = rid, seq = seq, hard = hard, soft = soft, tagged = tagged, at = at }
end
local function textOf(region)
  local seq, hard, soft, tagged = whole(region.seq), whole(region.hard), whole(region.soft), whole(region.tagged)
  return region.rid .. ' ' .. seq .. ' ' .. hard .. ' ' .. soft .. ' ' .. tagged .. ' ' .. region.at
end
local function fresh(rid)
  return { rid = rid, seq = 0, hard = 0, soft = 0, tagged = 0, at = '-' }
end
local function seedRegion(key, rid)
  local region = parseRegion(read(key))
  if not region then
    region = fresh(rid)
    redis.call('SET', key, textOf(region))
  end
  return region
end
local function readTag(key, region)
  local rid, hard, soft = string.match(read(key) or '', '^(%x+) (%d+) (%d+)$')
  if rid ~= region.rid then return nil end
  hard, soft = numberOf(hard), numberOf(soft)
  if hard and soft and math.max(hard, soft) <= region.seq then return { hard = hard, soft = soft } end
end
local function writeTag(key, region, tag)
  redis.call('SET', key, region.rid .. ' ' .. whole(tag.hard) .. ' ' .. whole(tag.soft))
end
local function seedTag(key, region)
  if not readTag(key, region) then writeTag(key, region, { hard = region.tagged, soft = region.tagged }) end
end
`;

const STORE = `
local function store(key, bytes, ttl)
  if ttl == '' then redis.call('SET', key, bytes) else redis.call('SET', key, bytes, 'PX', ttl) end
end
`;

/**
 * KEYS values, locks[, region, tags…]; ARGV n, token, ms, new rid or '' (no records).
 * Answers with [[region, tags…], then 1, value, false for each that is won, and 0, its TTL, its lock for each that is held].
 */
export const ACQUIRE = script(
  'acquire',
  STRINGS,
  LOCKS,
  RECORDS,
  `
local n = tonumber(ARGV[1])
local token, ms, newRid = ARGV[2], ARGV[3], ARGV[4]
local region
local records = {}
if newRid ~= '' then
  region = seedRegion(KEYS[2 * n + 1], newRid)
  records[1] = textOf(region)
  for t = 2 * n + 2, #KEYS do
    seedTag(KEYS[t], region)
    records[#records + 1] = read(KEYS[t])
  end
end
local mine = 'dp1:' .. token .. ':' .. (region and region.rid or '') .. ':' .. (region and whole(region.seq) or '0')
local reply = { records }
for i = 1, n do
  local key, lock = KEYS[i], KEYS[n + i]
  local held = read(lock)
  local holder, rid, seq = partsOf(held)
  if not held or holder == token or cutOff(rid, seq, region) then
    redis.call('SET', lock, mine, 'PX', ms)
    reply[#reply + 1] = 1
    reply[#reply + 1] = read(key) or false
    reply[#reply + 1] = false
  else
    reply[#reply + 1] = 0
    reply[#reply + 1] = redis.call('PTTL', lock)
    reply[#reply + 1] = held
  end
end
return reply
`,
);

/**
 * KEYS values, locks[, region, tags…]; ARGV n, '1' or '' (no generation), rid, seq, then per key: token, bytes, ms or '', how many
 * tags, their places among the tags. Answers with 1 (stored) or 0 (refused) for each.
 */
export const COMMIT = script(
  'commit',
  STRINGS,
  LOCKS,
  RECORDS,
  STORE,
  `
local n = tonumber(ARGV[1])
local isFenced, rid, seq = ARGV[2] == '1', ARGV[3], tonumber(ARGV[4])
local region = isFenced and parseRegion(read(KEYS[2 * n + 1])) or nil
local stands = not isFenced or (region and rid == region.rid and seq >= region.hard)
local function isCut(key)
  local tag = readTag(key, region)
  if tag then return tag.hard > seq end
  return region.tagged > seq
end
local reply = {}
local at = 5
for i = 1, n do
  local token, bytes, ttl, count = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local first, last = at + 4, at + 3 + count
  reply[i] = 0
  if partsOf(read(KEYS[n + i])) == token then
    redis.call('DEL', KEYS[n + i])
    wake(KEYS[n + i])
    local isGood = stands
    for t = first, last do
      isGood = isGood and not isCut(KEYS[2 * n + 1 + tonumber(ARGV[t])])
    end
    if isGood then
      for t = first, last do
        seedTag(KEYS[2 * n + 1 + tonumber(ARGV[t])], region)
      end
      store(KEYS[i], bytes, ttl)
      reply[i] = 1
    end
  end
  at = last + 1
end
return reply
`,
);

/** KEYS locks[, region]; ARGV n, ms, tokens. Answers with 1 (ours for so long again) or 0 (lost) for each. */
export const RENEW = script(
  'renew',
  STRINGS,
  LOCKS,
  RECORDS,
  `
local n = tonumber(ARGV[1])
local isFenced = #KEYS > n
local region = isFenced and parseRegion(read(KEYS[n + 1])) or nil
local reply = {}
for i = 1, n do
  local holder, rid, seq = partsOf(read(KEYS[i]))
  local isLost = holder ~= ARGV[i + 2] or (isFenced and not region) or cutOff(rid, seq, region)
  reply[i] = isLost and 0 or redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
return reply
`,
);

/** KEYS locks; ARGV tokens. Answers with how many there were. */
export const RELEASE = script(
  'release',
  STRINGS,
  LOCKS,
  `
local released = 0
for i, lock in ipairs(KEYS) do
  if partsOf(read(lock)) == ARGV[i] then
    redis.call('DEL', lock)
    wake(lock)
    released = released + 1
  end
end
return released
`,
);

/** KEYS values, locks; ARGV n. */
export const DELETE = script(
  'delete',
  STRINGS,
  LOCKS,
  `
local n = tonumber(ARGV[1])
for i = 1, n do
  redis.call('DEL', KEYS[i])
  void(KEYS[n + i])
end
return n
`,
);

/** KEYS locks. */
export const VOID = script(
  'void',
  STRINGS,
  LOCKS,
  `
for _, lock in ipairs(KEYS) do
  void(lock)
end
return #KEYS
`,
);

/**
 * KEYS values, locks[, region, tags…]; ARGV n, new rid or '' (no generation), rid, seq, then per key: bytes, ms or ''.
 * Answers with 1 (stored), or with the region's record where the generation is behind: nothing was stored.
 */
export const SET = script(
  'set',
  STRINGS,
  LOCKS,
  RECORDS,
  STORE,
  `
local n = tonumber(ARGV[1])
if ARGV[2] ~= '' then
  local rid, seq = ARGV[3], tonumber(ARGV[4])
  local region = seedRegion(KEYS[2 * n + 1], ARGV[2])
  local isBehind = rid ~= region.rid or seq < region.hard or seq < region.soft
  for t = 2 * n + 2, #KEYS do
    local tag = readTag(KEYS[t], region)
    if tag then
      isBehind = isBehind or tag.hard > seq or tag.soft > seq
    else
      isBehind = isBehind or region.tagged > seq
    end
  end
  if isBehind then return textOf(region) end
  for t = 2 * n + 2, #KEYS do
    seedTag(KEYS[t], region)
  end
end
for i = 1, n do
  store(KEYS[i], ARGV[3 + 2 * i], ARGV[4 + 2 * i])
  void(KEYS[n + i])
end
return 1
`,
);

/** The next whole millisecond: what Python wrote within this one, before, has a finer stamp and must not count as later. */
const TIME = `
local function soon()
  local time = redis.call('TIME')
  return whole(tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + 1)
end
local function replace(key, region)
  redis.call('DEL', key)
  redis.call('SET', key, textOf(region))
end
`;

/** KEYS region; ARGV new rid, '1' (hard) or ''. Answers with the record. */
export const INVALIDATE = script(
  'invalidate',
  STRINGS,
  RECORDS,
  TIME,
  `
local region = parseRegion(read(KEYS[1])) or fresh(ARGV[1])
region.seq = region.seq + 1
if ARGV[2] == '1' then
  region.hard = region.seq
  region.at = soon()
else
  region.soft = region.seq
end
replace(KEYS[1], region)
return textOf(region)
`,
);

/** KEYS region, tags…; ARGV new rid, '1' (hard) or ''. Answers with the region's record. */
export const INVALIDATE_TAGS = script(
  'invalidateTags',
  STRINGS,
  RECORDS,
  TIME,
  `
local region = parseRegion(read(KEYS[1])) or fresh(ARGV[1])
local before = region.tagged
region.seq = region.seq + 1
region.tagged = region.seq
replace(KEYS[1], region)
for t = 2, #KEYS do
  local tag = readTag(KEYS[t], region) or { hard = before, soft = before }
  if ARGV[2] == '1' then tag.hard = region.seq else tag.soft = region.seq end
  writeTag(KEYS[t], region, tag)
end
return textOf(region)
`,
);
