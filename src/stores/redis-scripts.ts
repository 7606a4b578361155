import { createHash } from "node:crypto";

/** What Redis does in one step. */
export interface Script {
  readonly lua: string;
  /** Redis knows it by this once it has seen it. */
  readonly sha: string;
}

function script(lua: string): Script {
  return { lua, sha: createHash("sha1").update(lua).digest("hex") };
}

/** Larger batches are not handed over with the hint: on a cluster it goes to every node. */
const HINTED_BYTES = 16 * 1024;

/**
 * Appends that have nothing to do with each other: one that fails changes nothing of the others.
 *
 * KEYS: for each the log, the run; with a record also the run's fence on a cluster, or else the indexes.
 * ARGV: which store appends; what stands before the run in the names of its two channels; something if whoever
 * listens is counted here. Then for each: how many keys it has; the run; something if its second channel is listened
 * to by this store; the expected tail; the batch's and its text, or nothing twice; with a record also `startedAt`,
 * tags, text, the number of the index entries, how long to keep the run in ms or nothing, and the entry or nothing.
 *
 * Answers for each: nothing if it is done, or what the record was if its index entries were others; a text with the
 * real tail if that is another; a number if the index entries must be written again, with no smaller number; an
 * error.
 */
export const appendScript = script(`
local call = redis.call
local me = ARGV[1]

local function append(key, keys, arg)
  local log, run = KEYS[key], KEYS[key + 1]
  local to, text = ARGV[arg + 4], ARGV[arg + 5]
  local adds = to ~= ""
  local found = call("HMGET", run, "tail", "by")
  local tail, by = found[1] or "0-0", found[2]
  if tail ~= ARGV[arg + 3] or (tail == "0-0" and not adds) then return tail end
  local old
  local at, tags, number, keep, entry = ARGV[arg + 6], ARGV[arg + 7], ARGV[arg + 9], ARGV[arg + 10], ARGV[arg + 11]
  if keys > 2 then
    if entry == "" then
      local fence = tonumber(call("GET", KEYS[key + 2]) or "0")
      if tonumber(number) < fence then return fence end
    else
      for index = key + 2, key + keys - 1 do call("ZADD", KEYS[index], 0, entry) end
    end
    old = call("HMGET", run, "at", "tags", "entry")
  end
  local channel
  if adds then
    call("XADD", log, to, "t", text)
    call("HSET", run, "tail", to)
    if by ~= me then call("HSET", run, "by", me) end
    channel = ARGV[(by ~= me or ARGV[arg + 2] ~= "") and 2 or 3] .. ARGV[arg + 1]
  end
  if old then
    call("HSET", run, "at", at, "tags", tags, "text", ARGV[arg + 8], "entry", number)
    if keep ~= "" then
      call("PEXPIRE", log, keep)
      call("PEXPIRE", run, keep)
    end
    if old[1] and (old[1] ~= at or old[2] ~= tags or old[3] ~= number) then return old, channel end
  end
  return false, channel
end

local answers, channels, told = {}, {}, {}
local key, arg, last = 1, 5, #ARGV
while arg <= last do
  local keys = tonumber(ARGV[arg])
  local done, answer, channel = pcall(append, key, keys, arg)
  if not done then
    if type(answer) ~= "table" then answer = {err = answer} end
    -- Said of the whole call, so that the client looks for the primary.
    if string.find(answer.err, "READONLY", 1, true) then return answer end
  elseif channel then
    channels[#channels + 1] = channel
    told[#channels] = arg
  end
  answers[#answers + 1] = answer
  key = key + keys
  arg = arg + (keys > 2 and 12 or 6)
end
if #channels == 0 then return answers end
-- Who may not count tells everybody.
local counts = ARGV[4] ~= "" and redis.pcall("PUBSUB", "NUMSUB", unpack(channels))
for index, channel in ipairs(channels) do
  if not counts or counts.err or counts[index * 2] > 0 then
    local hint, text = me .. " " .. ARGV[told[index] + 4], ARGV[told[index] + 5]
    -- A user may be kept from it. What is done is done, and a hint may be lost anyway.
    redis.pcall("PUBLISH", channel, #text > ${HINTED_BYTES} and hint or hint .. "\\n" .. text)
  end
end
return answers`);

/** KEYS: the log. ARGV: the first seq, the number of bytes. Answers id, text, id, text, ... */
export const readScript = script(`
local from, most = ARGV[1], tonumber(ARGV[2])
local out, bytes, count = {}, 0, 8
while true do
  local page = redis.call("XRANGE", KEYS[1], from, "+", "COUNT", count)
  for _, entry in ipairs(page) do
    local text = entry[2][2]
    bytes = bytes + #text
    if bytes > most and #out > 0 then return out end
    out[#out + 1] = entry[1]
    out[#out + 1] = text
  end
  if #page < count then return out end
  from = string.format("%.0f", string.match(page[#page][1], "^%d+") + 1)
  local average = bytes / (#out / 2)
  count = math.max(1, math.min(64, math.ceil((most - bytes) / average)))
end`);

/** KEYS: the log, the run. ARGV: the expected tail, the channel. Answers 0, or what the record was. */
export const deleteScript = script(`
if (redis.call("HGET", KEYS[2], "tail") or "0-0") ~= ARGV[1] then return 0 end
local old = redis.call("HMGET", KEYS[2], "at", "tags", "entry")
redis.call("UNLINK", KEYS[1], KEYS[2])
redis.pcall("PUBLISH", ARGV[2], "")
return old`);

/**
 * Takes an entry out of indexes, if the record still is what made it stale.
 * KEYS: the run, and the indexes or, on a cluster, the fence. ARGV: what the record was, the entry or, on a
 * cluster, its number behind an empty text, and for how long the fence stands in ms.
 */
export const dropScript = script(`
local now = redis.call("HMGET", KEYS[1], "at", "tags", "entry")
for field = 1, 3 do
  if (now[field] or "") ~= ARGV[field] then return 0 end
end
if ARGV[4] ~= "" then
  for index = 2, #KEYS do redis.call("ZREM", KEYS[index], ARGV[4]) end
  return 1
end
local fence = math.max(tonumber(redis.call("GET", KEYS[2]) or "0"), tonumber(ARGV[5]) + 1)
redis.call("SET", KEYS[2], string.format("%.0f", fence), "PX", ARGV[6])
return 1`);

const NOW = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/** KEYS: who is alive. ARGV: the holder, ms. Answers those who are alive. */
export const beatScript = script(`${NOW}
redis.call("ZADD", KEYS[1], now + ARGV[2], ARGV[1])
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
return redis.call("ZRANGE", KEYS[1], 0, -1)`);

/** KEYS: what expires. ARGV: ms, what. */
export const expireScript = script(`${NOW}
return redis.call("ZADD", KEYS[1], now + ARGV[1], ARGV[2])`);

/** KEYS: what expires. ARGV: how many at most. Answers what has expired. */
export const expiredScript = script(`${NOW}
return redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now, "LIMIT", 0, ARGV[1])`);
