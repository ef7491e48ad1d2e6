// fleet_order_list: the orders that stand in the store after one that was heard, as a script gives them, as a value. The store is not
// believed. Pure.
//
// The script gives orders and their numbers in one step: an index that is counted from the end of the list means another order as
// soon as somebody adds one.
#pragma once

#include <stdint.h>

#include "proxy/store/resp.h"

enum { FLEET_ORDERS_KEPT = 64 }; // in the store

// KEYS: the list of orders, the counter of all that ever were. ARGV: the number of the last one that was heard, below 0: none; how
// many are kept; the most bytes of one; about the most of all.
// -> {number of the last one that is given, number of the last one there is, order, ...}
// The oldest comes first. One that is too long is given as the empty string.
#define FLEET_ORDER_LIST_SCRIPT                                                                    \
    FLEET_SCRIPT_ASK                                                                               \
    "local last, heard, kept = counter(KEYS[2]), tonumber(ARGV[1]), tonumber(ARGV[2])\n"           \
    "local count, bytes, out = last - heard, 0, {}\n"                                              \
    "if heard < 0 or count < 0 or count > kept then count = kept end\n"                            \
    "while count > 0 do\n"                                                                         \
    "  local is = ask('LINDEX', KEYS[1], -count)\n"                                                \
    "  if is then\n"                                                                               \
    "    if #is > tonumber(ARGV[3]) then is = '' end\n"                                            \
    "    if bytes > 0 and bytes + #is > tonumber(ARGV[4]) then break end\n"                        \
    "    bytes = bytes + #is\n"                                                                    \
    "    out[#out + 1] = is\n"                                                                     \
    "  end\n"                                                                                      \
    "  count = count - 1\n"                                                                        \
    "end\n"                                                                                        \
    "return {math.max(0, last - count), last, unpack(out)}\n"

struct fleet_order_list {
    int64_t given;            // number of the last order that is in `items`, or has gone
    int64_t last;             // number of the last one there is; above `given`: ask again
    const struct resp *items; // RESP_STRING; borrowed from the answer
    size_t count;             // at most FLEET_ORDERS_KEPT
};

// fleet_order_list_parse reads an answer. ERR_INPUT: it is none.
enum err fleet_order_list_parse(const struct resp *answer, struct fleet_order_list *out) MUST_USE;
