// Names and counts.
#include "proxy/config/included_parts.h"

const char *included_state_name(enum included_state state)
{
    static const char *const names[] = {
#define X(symbol, name) name,
        INCLUDED_STATE_TABLE(X)
#undef X
    };
    return names[state];
}

size_t included_parts_count(const struct included_parts *parts, enum included_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < parts->count; i++)
        count += parts->items[i].state == state;
    return count;
}
