// One word each for what several threads change, so that no lock is needed.
#include "proxy/limits/fleet_account.h"

#include <stddef.h>

#include "auth/base/err.h"
#include "proxy/fleet/token_lease.h"

enum { OUTCOME_BITS = 2, WAIT_BITS = 30 };

void fleet_queue_set_answer(struct fleet_queue *queue, enum fleet_outcome outcome, int64_t wait_ms)
{
    const int64_t wait = wait_ms < 0                   ? 0
                         : wait_ms > FLEET_WAIT_MAX_MS ? FLEET_WAIT_MAX_MS
                                                       : wait_ms;
    queue->answer = (uint64_t)queue->round << (OUTCOME_BITS + WAIT_BITS) |
                    (uint64_t)wait << OUTCOME_BITS | (uint64_t)outcome;
}

struct fleet_answer fleet_queue_answer(const struct fleet_queue *queue)
{
    const uint64_t answer = queue->answer;
    return (struct fleet_answer){
        .round = (uint32_t)(answer >> (OUTCOME_BITS + WAIT_BITS)),
        .outcome = (enum fleet_outcome)(answer & ((1 << OUTCOME_BITS) - 1)),
        .wait_ms = (uint32_t)(answer >> OUTCOME_BITS) & FLEET_WAIT_MAX_MS,
    };
}

uint32_t fleet_account_open(const struct fleet_account *fleet, uint32_t granted)
{
    return (uint32_t)((int64_t)granted - fleet->spare);
}

// take_places takes `count` of the spare places, or as many as there are.
static uint32_t take_places(struct fleet_account *fleet, uint32_t count)
{
    int32_t spare = fleet->spare;
    int32_t taken = 0;
    do {
        if (spare <= 0)
            return 0;
        taken = (uint32_t)spare < count ? spare : (int32_t)count;
    } while (!atomic_compare_exchange_weak(&fleet->spare, &spare, spare - taken));
    return (uint32_t)taken;
}

uint32_t fleet_account_withdraw(struct fleet_account *fleet, uint32_t count)
{
    return take_places(fleet, count);
}

bool fleet_account_take_place(struct fleet_account *fleet)
{
    return take_places(fleet, 1) == 1;
}

// lots_of gives the lots of a rate.
static _Atomic uint64_t *lots_of(struct fleet_account *fleet, enum fleet_kind kind)
{
    ASSERT(kind == FLEET_NEW_TUNNELS || kind == FLEET_REQUESTS);
    return fleet->lots[kind - FLEET_NEW_TUNNELS];
}

// take_from takes one token from a lot.
static bool take_from(_Atomic uint64_t *lot, int64_t now_ms)
{
    uint64_t before = *lot;
    uint64_t after = 0;
    do {
        if (!token_lot_take(before, now_ms, &after))
            return false;
    } while (!atomic_compare_exchange_weak(lot, &before, after));
    return true;
}

// The lot that ends first is the smaller number.
bool fleet_account_take_token(struct fleet_account *fleet, enum fleet_kind kind, int64_t now_ms)
{
    _Atomic uint64_t *lots = lots_of(fleet, kind);
    const size_t first = lots[0] <= lots[1] ? 0 : 1;
    return take_from(&lots[first], now_ms) || take_from(&lots[1 - first], now_ms);
}

uint32_t fleet_account_tokens(const struct fleet_account *fleet, enum fleet_kind kind,
                              int64_t now_ms)
{
    const _Atomic uint64_t *lots = fleet->lots[kind - FLEET_NEW_TUNNELS];
    return token_lot_left(lots[0], now_ms) + token_lot_left(lots[1], now_ms);
}

void fleet_account_add_tokens(struct fleet_account *fleet, enum fleet_kind kind, uint32_t count,
                              int64_t ends_ms, int64_t now_ms)
{
    _Atomic uint64_t *lots = lots_of(fleet, kind);
    const size_t emptier =
        token_lot_left(lots[0], now_ms) <= token_lot_left(lots[1], now_ms) ? 0 : 1;
    lots[emptier] = token_lot_make(count < TOKEN_LOT_MAX ? count : TOKEN_LOT_MAX, ends_ms);
}

bool fleet_account_is_rested(const struct fleet_account *fleet)
{
    for (size_t i = 0; i < FLEET_KIND_COUNT; i++) {
        if (fleet->queues[i].waiting > 0)
            return false;
    }
    return fleet->spare == 0 && !fleet->is_listed;
}
