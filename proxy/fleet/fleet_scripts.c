// Numbers are doubles in Lua: all that is computed here stays below 2^53, times in microseconds as multiples of a quarter.
// A script's answer can only have whole numbers. The numbers in the texts are those of fleet_scripts.h.
#include "proxy/fleet/fleet_scripts.h"

#include <openssl/sha.h>
#include <string.h>

#include "auth/base/text.h"

// Who is dead is told by the fleet's time, which goes on by a second at most from one beat of anybody to the next: where the
// store was stopped, or its clock has jumped, nobody is taken for dead by a time in which nobody could beat. One that is being
// taken for dead has the score 0: if it beats meanwhile it learns that its leases are gone. Of a connection that its proxy has
// given up, which the number of the connection shows, nothing counts that comes after the first beat over the next one. Nobody can live
// for longer than a beat gives: a score that is higher is from before the fleet's time was lost, or was made up.
static const char beat[] = FLEET_SCRIPT_ASK
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
    "local clock = ARGV[2] .. 'clock'\n"
    "local function time(name, instead)\n"
    "  local is = ask('HGET', clock, name)\n"
    "  local number = whole(is)\n"
    "  if is and not number then mended = mended + 1 end\n"
    "  return number or instead\n"
    "end\n"
    "local last, fleet = time('last', now), time('fleet', 1)\n"
    "fleet = fleet + math.max(0, math.min(1000, now - last))\n"
    "redis.call('HSET', clock, 'last', string.format('%.0f', now), 'fleet', string.format('%.0f', fleet))\n"
    "local score = ask('ZSCORE', KEYS[1], ARGV[1])\n"
    "local known = (score and tonumber(score) > 0) and 1 or 0\n"
    "local left = 1000\n"
    "local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', fleet),\n"
    "                        'LIMIT', 0, 500)\n"
    "for _, instance in ipairs(dead) do\n"
    "  if instance ~= ARGV[1] then\n"
    "    redis.call('ZADD', KEYS[1], 0, instance)\n"
    "    local held = ARGV[2] .. 'held:' .. instance\n"
    "    while left > 0 do\n"
    "      local account = ask('SPOP', held)\n"
    "      if not account then\n"
    "        redis.call('ZREM', KEYS[1], instance)\n"
    "        ask('HDEL', KEYS[5], instance)\n"
    "        break\n"
    "      end\n"
    "      left = left - 1\n"
    "      local key = ARGV[2] .. 't:' .. account\n"
    "      local count = whole(ask('HGET', key, instance)) or 0\n"
    "      local total = (whole(ask('HGET', key, '+')) or 0) - count\n"
    "      if total > 0 then\n"
    "        redis.call('HDEL', key, instance)\n"
    "        redis.call('HSET', key, '+', total)\n"
    "      else\n"
    "        redis.call('DEL', key)\n"
    "      end\n"
    "    end\n"
    "  end\n"
    "end\n"
    "local most = string.format('%.0f', fleet + ARGV[3])\n"
    "if tonumber(ARGV[4]) >= (whole(ask('HGET', KEYS[5], ARGV[1])) or 0) then\n"
    "  redis.call('ZADD', KEYS[1], most, ARGV[1])\n"
    "  redis.call('HSET', KEYS[5], ARGV[1], ARGV[4])\n"
    "end\n"
    "for _, instance in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. most, '+inf', 'LIMIT', 0, 100)) do\n"
    "  redis.call('ZADD', KEYS[1], most, instance)\n"
    "end\n"
    "ask('ZREMRANGEBYSCORE', KEYS[4], '-inf', string.format('%.0f', now - 2000))\n"
    "redis.call('ZREMRANGEBYSCORE', KEYS[4], string.format('%.0f', now + 2000), '+inf')\n"
    "local scarce = {}\n"
    "for _, account in ipairs(redis.call('ZREVRANGE', KEYS[4], 0, 99)) do\n"
    "  if #account <= 32 then\n"
    "    scarce[#scarce + 1] = account\n"
    "  else\n"
    "    redis.call('ZREM', KEYS[4], account)\n"
    "    mended = mended + 1\n"
    "  end\n"
    "end\n"
    "local rev, orders, blocks = counter(KEYS[2]), counter(KEYS[3]), ask('HLEN', KEYS[6])\n"
    "return {now, known, math.min(65536, redis.call('ZCARD', KEYS[1])), rev, orders, blocks, mended, scarce}\n";

// What is kept is never refused: it is open, or was granted before. What is needed is granted as long as there is room. What is
// wanted ahead of need gets a part of what is free then, so that all proxies together leave about half of that to those in need.
// As long as the fleet's time has just begun, in a store that may have lost everything, not all have claimed what they hold: then
// nothing more is granted.
static const char lease[] = FLEET_SCRIPT_ASK
    "local score = ask('ZSCORE', KEYS[3], ARGV[1])\n"
    "if not score or tonumber(score) <= 0 or ask('HGET', KEYS[5], ARGV[1]) ~= ARGV[7] then\n"
    "  return redis.error_reply('NOTALIVE the instance must beat before it asks for a lease')\n"
    "end\n"
    "local n, keep, need, want =\n"
    "  tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])\n"
    "local mine = whole(ask('HGET', KEYS[1], ARGV[1])) or 0\n"
    "local others = math.max(0, (whole(ask('HGET', KEYS[1], '+')) or 0) - mine)\n"
    "local settles = (whole(ask('HGET', KEYS[6], 'fleet')) or 0) < 3000\n"
    "local free = settles and 0 or math.max(0, n - others)\n"
    "local granted = math.max(keep, math.min(keep + need, free))\n"
    "if granted == keep + need and want > granted and free > granted then\n"
    "  local part = math.floor((free - granted) / (2 * redis.call('ZCARD', KEYS[3])))\n"
    "  granted = math.min(want, granted + part)\n"
    "end\n"
    "if granted > 0 then\n"
    "  redis.call('HSET', KEYS[1], ARGV[1], granted, '+', others + granted)\n"
    "  ask('SADD', KEYS[2], ARGV[2])\n"
    "else\n"
    "  redis.call('HDEL', KEYS[1], ARGV[1])\n"
    "  if others > 0 then redis.call('HSET', KEYS[1], '+', others) else redis.call('DEL', KEYS[1]) end\n"
    "  ask('SREM', KEYS[2], ARGV[2])\n"
    "end\n"
    "if not settles and (granted < keep + need or others + granted > n) then\n"
    "  local t = redis.call('TIME')\n"
    "  ask('ZADD', KEYS[4], string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), ARGV[2])\n"
    "end\n"
    "return {granted, others, settles and 1 or 0}\n";

// The time at which all that was taken is paid for (GCRA, ITU-T I.371), as in proxy/limits/rate.c. A full bucket is the most
// that counts, also where the store's clock has gone back.
static const char rate[] = FLEET_SCRIPT_ASK
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000000 + t[2]\n"
    "local interval = math.ceil(4000000 / tonumber(ARGV[1])) / 4\n"
    "local full = interval * tonumber(ARGV[2])\n"
    "local paid = ask('GET', KEYS[1])\n"
    "local debt = (paid and string.find(paid, '^%d+%.?%d*$') and tonumber(paid) or 0) - now\n"
    "debt = math.max(0, math.min(debt, full))\n"
    "local granted = math.min(tonumber(ARGV[3]), math.floor((full - debt) / interval))\n"
    "debt = debt + granted * interval\n"
    "if granted > 0 then\n"
    "  redis.call('SET', KEYS[1], string.format('%.2f', now + debt), 'PX', math.ceil(debt / 1000) + 1000)\n"
    "end\n"
    "return {granted, math.ceil(math.max(0, debt + interval - full))}\n";

// The sums are worked out twice a second at most, so that many proxies cost the store little.
static const char share[] = FLEET_SCRIPT_ASK
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
    "local limit, demand = tonumber(ARGV[2]), tonumber(ARGV[3])\n"
    "if demand > 0 then\n"
    "  ask('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f', demand, now))\n"
    "else\n"
    "  ask('HDEL', KEYS[1], ARGV[1])\n"
    "end\n"
    "local sums = redis.call('HGET', KEYS[1], '=')\n"
    "if sums then\n"
    "  local at, count, modest, hungry = string.match(#sums <= 60 and sums or '', '^(%d+) (%d+) (%d+) (%d+)$')\n"
    "  if at and now >= tonumber(at) and now - at < 500 then\n"
    "    return {tonumber(count), tonumber(modest), tonumber(hungry)}\n"
    "  end\n"
    "end\n"
    "local demands = {}\n"
    "local all = redis.call('HGETALL', KEYS[1])\n"
    "for i = 1, #all, 2 do\n"
    "  local wanted, at = string.match(#all[i + 1] <= 40 and all[i + 1] or '', '^(%d+) (%d+)$')\n"
    "  if at and math.abs(now - at) <= 5000 then\n"
    "    demands[#demands + 1] = tonumber(wanted)\n"
    "  else\n"
    "    redis.call('HDEL', KEYS[1], all[i])\n"
    "  end\n"
    "end\n"
    "local modest, hungry = 0, 0\n"
    "for _, wanted in ipairs(demands) do\n"
    "  if wanted * #demands < limit then modest = modest + wanted else hungry = hungry + 1 end\n"
    "end\n"
    "if #demands > 0 then\n"
    "  redis.call('HSET', KEYS[1], '=', string.format('%.0f %d %.0f %d', now, #demands, modest, hungry))\n"
    "  redis.call('PEXPIRE', KEYS[1], 10000)\n"
    "end\n"
    "return {#demands, modest, hungry}\n";

// Nothing of it comes later over its connection.
static const char leave[] =
    "if redis.call('ZSCORE', KEYS[1], ARGV[1]) then redis.call('ZADD', KEYS[1], 0, ARGV[1]) end\n"
    "redis.call('HDEL', KEYS[2], ARGV[1])\n"
    "return 1\n";

const char *fleet_script_text(enum fleet_script script)
{
    static const char *const texts[FLEET_SCRIPT_COUNT] = {[FLEET_BEAT] = beat,
                                                          [FLEET_LEASE] = lease,
                                                          [FLEET_RATE] = rate,
                                                          [FLEET_SHARE] = share,
                                                          [FLEET_LEAVE] = leave};
    return texts[script];
}

void fleet_script_name(const char *text, char out[FLEET_SCRIPT_NAME_CAP])
{
    uint8_t digest[SHA_DIGEST_LENGTH];
    struct text name;
    (void)SHA1((const uint8_t *)text, strlen(text), digest);
    text_init(&name, out, FLEET_SCRIPT_NAME_CAP);
    for (size_t i = 0; i < sizeof digest; i++)
        text_append_format(&name, "%02x", digest[i]);
}
