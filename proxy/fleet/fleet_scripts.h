// fleet_scripts: what the store is told to do in one step each, in Lua 5.1, and by which names it knows these scripts.
//
// Every script is absolute: it says what a proxy holds or wants, not what is to be added. So one that is done twice, or whose
// answer is lost, does no harm, and the next one mends it. They use the store's own clock and nothing but the keys that
// they are given; `beat` alone makes names of keys, of its clock and of what a dead proxy has left behind. Each is done at once, and as a whole.
// tests/fleet/store_model.c says the same in C, and a test compares the two.
//
// KEYS and ARGV of each, and its answer:
//   beat   alive, rev, orders:n, scarce, epochs, blocks; instance, prefix, time to live in ms, number of the connection
//          -> {store's time in ms, was known (1, 0), instances alive, revision of blocks, number of the last order,
//              entries of blocks, values that made no sense and were mended, {accounts that are scarce, at most FLEET_SCARCE_MAX}}
//          `was known` is 0 for one that the store has never heard of, or has taken for dead: its leases are gone.
//   lease  t:ACCOUNT, held:INSTANCE, alive, scarce, epochs, clock; instance, account, N, keep, need, want, number of the connection
//          -> {granted, held by others, 1 while the fleet's time is below FLEET_SETTLE_MS: then no more than `keep`}; an error NOTALIVE where the instance must beat first, over this connection
//   rate   r:ACCOUNT or q:ACCOUNT; events a second, burst, want -> {granted, us until there is room for one more}
//   leave  alive, members; instance -> 1: it is as dead, but at once; the next beat of any other takes its leases
//   share  b:ACCOUNT:DIRECTION; instance, limit, demand (0: none) -> {instances, sum of the modest demands, hungry instances}
//
// What is not sealed may be anything: a number that is none, a key of another kind. Scripts mend that before they write.
#pragma once

// FLEET_SCRIPT_ASK begins a script. ask(command, key, ...) is redis.call, but for a key that holds something of another kind: that goes
// first, for nothing of ours can be in it. whole(text) is a number that Lua can count on with, or nil. counter(key) is such a number
// that counts changes, 0 where none is there; in the place of what is no number it writes one that it has hardly ever been. `mended`
// counts what was mended.
#define FLEET_SCRIPT_ASK                                                                           \
    "local mended = 0\n"                                                                           \
    "local function ask(command, key, ...)\n"                                                      \
    "  local is = redis.pcall(command, key, ...)\n"                                                \
    "  if type(is) ~= 'table' or not is.err then return is end\n"                                  \
    "  if string.sub(is.err, 1, 9) == 'WRONGTYPE' then\n"                                          \
    "    redis.call('DEL', key)\n"                                                                 \
    "    mended = mended + 1\n"                                                                    \
    "  end\n"                                                                                      \
    "  return redis.call(command, key, ...)\n"                                                     \
    "end\n"                                                                                        \
    "local function whole(is)\n"                                                                   \
    "  if type(is) == 'string' and #is <= 15 and string.find(is, '^%d+$') then\n"                  \
    "    return tonumber(is)\n"                                                                    \
    "  end\n"                                                                                      \
    "end\n"                                                                                        \
    "local function counter(key)\n"                                                                \
    "  local before = mended\n"                                                                    \
    "  local is = ask('GET', key)\n"                                                               \
    "  if not is and mended == before then return 0 end\n"                                         \
    "  local number = whole(is)\n"                                                                 \
    "  if number then return number end\n"                                                         \
    "  local t = redis.call('TIME')\n"                                                             \
    "  local instead = t[1] * 10000 + math.floor(t[2] / 100)\n"                                    \
    "  redis.call('SET', key, string.format('%.0f', instead))\n"                                   \
    "  mended = before + 1\n"                                                                      \
    "  return instead\n"                                                                           \
    "end\n"

enum {
    FLEET_SCARCE_MAX = 100,         // accounts named by a beat
    FLEET_REAP_MAX = 1000,          // leases that a beat takes from the dead, at most
    FLEET_REAP_INSTANCES_MAX = 500, // dead ones that a beat looks at, at most
    FLEET_STEP_MS = 1000,       // the fleet's time goes on so far from one beat to the next at most
    FLEET_SETTLE_MS = 3000,     // so long nothing is granted in a store that was empty
    FLEET_SCARCE_MS = 2000,     // an account is scarce for so long after a lease has found it so
    FLEET_SHARE_LIFE_MS = 5000, // a demand counts for so long
    FLEET_SHARE_FRESH_MS = 500, // the sums of the demands are worked out anew so often at most
    FLEET_SCRIPT_NAME_CAP = 41, // bytes with the NUL of a script's name: its SHA-1, lower-case hex
};

enum fleet_script {
    FLEET_BEAT,
    FLEET_LEASE,
    FLEET_RATE,
    FLEET_SHARE,
    FLEET_LEAVE,
    FLEET_SCRIPT_COUNT,
};

// fleet_script_text gives the script. Static memory.
const char *fleet_script_text(enum fleet_script script);

// fleet_script_name writes the name that the store has for a script with this text.
void fleet_script_name(const char *text, char out[FLEET_SCRIPT_NAME_CAP]);
