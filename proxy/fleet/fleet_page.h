// fleet_page: a part of a hash of the store, as the script `page` gives it, as a value. The store is not believed. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proxy/store/resp.h"

// KEYS: a hash. ARGV: cursor, about how many entries, the most bytes of one, the most of a page.
// -> {cursor, values that made no sense and are gone, name, value, ...}
// Where what is asked for would be longer than a page may be it is asked for fewer.
#define FLEET_PAGE_SCRIPT                                                                          \
    FLEET_SCRIPT_ASK                                                                               \
    "local count, most, out, bytes = tonumber(ARGV[2]), tonumber(ARGV[3])\n"                       \
    "local page\n"                                                                                 \
    "repeat\n"                                                                                     \
    "  page = ask('HSCAN', KEYS[1], ARGV[1], 'COUNT', count)\n"                                    \
    "  out, bytes = {}, 0\n"                                                                       \
    "  for i = 1, #page[2], 2 do\n"                                                                \
    "    local len = #page[2][i] + #page[2][i + 1]\n"                                              \
    "    if len > most then\n"                                                                     \
    "      redis.call('HDEL', KEYS[1], page[2][i])\n"                                              \
    "      mended = mended + 1\n"                                                                  \
    "    else\n"                                                                                   \
    "      bytes = bytes + len\n"                                                                  \
    "      out[#out + 1] = page[2][i]\n"                                                           \
    "      out[#out + 1] = page[2][i + 1]\n"                                                       \
    "    end\n"                                                                                    \
    "  end\n"                                                                                      \
    "  count = math.floor(count / 4)\n"                                                            \
    "until (bytes <= tonumber(ARGV[4]) and #out <= 4000) or count < 1\n"                           \
    "if bytes > 2 * tonumber(ARGV[4]) or #out > 4000 then\n"                                       \
    "  return redis.error_reply('TOOLONG a part of ' .. KEYS[1] .. ' is longer than may be')\n"    \
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
