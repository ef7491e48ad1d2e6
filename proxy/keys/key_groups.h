// key_groups: the groups that count when it is judged who can read a key: those of the user that the proxy becomes. The serving
// process finds them, so that the holder needs no database of users. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/base/slice.h"

enum {
    KEY_GROUPS_MAX = 129,
    KEY_GROUPS_LEN_MAX = KEY_GROUPS_MAX * 4,
};

// Zeroed: those of the process itself.
struct key_groups {
    uint32_t ids[KEY_GROUPS_MAX]; // the first is the one of the process, the others are beside it
    size_t count;
};

// key_groups_parse reads numbers of four bytes in big endian. False: there is none, there are too many, or one is no group.
bool key_groups_parse(struct slice bytes, struct key_groups *out);

// key_groups_format writes them so to `out` of KEY_GROUPS_LEN_MAX bytes, and gives the length.
size_t key_groups_format(const struct key_groups *groups, uint8_t *out);
