// Numbers of four bytes.
#include "proxy/keys/key_groups.h"

enum { ID_LEN = 4 };

// What setresgid and chown take for "as it is".
#define NO_GROUP UINT32_MAX

bool key_groups_parse(struct slice bytes, struct key_groups *out)
{
    *out = (struct key_groups){.count = bytes.len / ID_LEN};
    if (bytes.len == 0 || bytes.len % ID_LEN != 0 || bytes.len > KEY_GROUPS_LEN_MAX)
        return false;
    for (size_t i = 0; i < out->count; i++) {
        const uint8_t *at = bytes.data + i * ID_LEN;
        out->ids[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        if (out->ids[i] == NO_GROUP)
            return false;
    }
    return true;
}

size_t key_groups_format(const struct key_groups *groups, uint8_t *out)
{
    for (size_t i = 0; i < groups->count; i++) {
        for (size_t j = 0; j < ID_LEN; j++)
            out[i * ID_LEN + j] = (uint8_t)(groups->ids[i] >> (8 * (ID_LEN - 1 - j)));
    }
    return groups->count * ID_LEN;
}
