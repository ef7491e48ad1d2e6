// share: how much of a table that all clients share one of them may hold.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// share_may_take tells whether a holder of `held` places may have one more of a table of `capacity` places, of which
// `in_use` are taken, its own among them: as long as it holds less than is free. So one alone gets half of the
// table, two a third each, and a client that holds nothing finds room as long as there is any; the last place is never
// taken by somebody who has another.
static inline bool share_may_take(uint64_t held, uint64_t in_use, uint64_t capacity)
{
    return in_use < capacity && held < capacity - in_use;
}
