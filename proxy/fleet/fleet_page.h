// fleet_page: a part of a hash of the store, as the script `page` gives it, as a value. The store is not believed. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proxy/store/resp.h"

// KEYS: a hash. ARGV: cursor, about how many entries, the most bytes of one.
// -> {cursor, values that made no sense and are gone, name, value, ...}
#define FLEET_PAGE_SCRIPT                                                                          \
    FLEET_SCRIPT_ASK                                                                               \
    "local page = ask('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])\n"                              \
    "local out = {}\n"                                                                             \
    "for i = 1, #page[2], 2 do\n"                                                                  \
    "  if #page[2][i] + #page[2][i + 1] > tonumber(ARGV[3]) then\n"                                \
    "    redis.call('HDEL', KEYS[1], page[2][i])\n"                                                \
    "    mended = mended + 1\n"                                                                    \
    "  else\n"                                                                                     \
    "    out[#out + 1] = page[2][i]\n"                                                             \
    "    out[#out + 1] = page[2][i + 1]\n"                                                         \
    "  end\n"                                                                                      \
    "end\n"                                                                                        \
    "table.insert(out, 1, mended)\n"                                                               \
    "table.insert(out, 1, page[1])\n"                                                              \
    "return out\n"

struct fleet_page {
    struct slice cursor; // of the next page; borrowed from the answer, like the rest
    bool is_last;
    size_t mended;
    const struct resp *pairs; // a name, its value, and so on; all are RESP_STRING
    size_t pair_count;
};

// fleet_page_parse reads an answer. ERR_INPUT: it is none.
enum err fleet_page_parse(const struct resp *answer, struct fleet_page *out) MUST_USE;
