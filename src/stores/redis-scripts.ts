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
 * KEYS: the log, the run; with a record also the run's fence on a cluster, or else the indexes.
 * ARGV: the expected tail, the batch's and its text or nothing twice, the channel; with a record also `startedAt`, tags,
 * text, the number of the index entries, how long to keep the run in ms or nothing, and the entry or nothing.
 *
 * Answers nothing if it is done, or what the record was if its index entries were others; a text with the real
 * tail if that is another; a number if the index entries must be written again, with no smaller number.
 */
export const appendScript = script(`
local call = redis.call
local tail = call("HGET", KEYS[2], "tail") or "0-0"
local adds = ARGV[2] ~= ""
if tail ~= ARGV[1] or (tail == "0-0" and not adds) then return tail end
if adds then tail = ARGV[2] end
local old
if ARGV[5] then
  if ARGV[10] == "" then
    local fence = tonumber(call("GET", KEYS[3]) or "0")
    if tonumber(ARGV[8]) < fence then return fence end
  else
    for index = 3, #KEYS do call("ZADD", KEYS[index], 0, ARGV[10]) end
  end
  old = call("HMGET", KEYS[2], "at", "tags", "entry")
end
if adds then call("XADD", KEYS[1], tail, "t", ARGV[3]) end
if old then
  call("HSET", KEYS[2], "tail", tail, "at", ARGV[5], "tags", ARGV[6], "text", ARGV[7], "entry", ARGV[8])
  if ARGV[9] ~= "" then
    for key = 1, 2 do call("PEXPIRE", KEYS[key], ARGV[9]) end
  end
else
  call("HSET", KEYS[2], "tail", tail)
end
if adds then call("PUBLISH", ARGV[4], #ARGV[3] > ${HINTED_BYTES} and tail or tail .. "\\n" .. ARGV[3]) end
if old and old[1] and (old[1] ~= ARGV[5] or old[2] ~= ARGV[6] or old[3] ~= ARGV[8]) then return old end
return nil`);

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
redis.call("PUBLISH", ARGV[2], "")
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
