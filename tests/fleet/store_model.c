// Line by line what the scripts say, so that a difference is found by reading both.
#include "tests/fleet/store_model.h"

#include <stdlib.h>

#include "proxy/fleet/fleet_scripts.h"

static int64_t now_ms_of(const struct store_model *model)
{
    return model->now_us / 1000;
}

// reap takes the leases of a dead instance.
static void reap(struct store_model *model, uint32_t instance, uint32_t *left)
{
    model->alive_ms[instance] = 0;
    for (uint32_t i = 0; i < MODEL_ACCOUNTS; i++) {
        struct model_account *account = &model->accounts[i];
        if (account->held[instance] == 0)
            continue;
        if (*left == 0)
            return;
        --*left;
        account->is_there = account->total > account->held[instance];
        account->total = account->is_there ? account->total - account->held[instance] : 0;
        account->held[instance] = 0;
        for (uint32_t other = 0; !account->is_there && other < MODEL_INSTANCES; other++)
            account->held[other] = 0;
    }
    if (*left == 0)
        return; // it has not been looked whether that was all
    model->is_alive[instance] = false;
    model->epoch[instance] = 0;
    model->alive_count--;
}

// next_dead gives the instance that has been dead for longest, of those that were not looked at; MODEL_INSTANCES: none.
static uint32_t next_dead(const struct store_model *model, const bool *is_done)
{
    uint32_t found = MODEL_INSTANCES;
    for (uint32_t i = 0; i < MODEL_INSTANCES; i++) {
        if (model->is_alive[i] && !is_done[i] && model->alive_ms[i] < (double)model->fleet_ms &&
            (found == MODEL_INSTANCES || model->alive_ms[i] < model->alive_ms[found]))
            found = i;
    }
    return found;
}

struct model_beat store_model_beat(struct store_model *model, uint32_t instance, uint64_t epoch,
                                   int64_t ttl_ms)
{
    const int64_t now_ms = now_ms_of(model);
    bool is_done[MODEL_INSTANCES] = {0};
    const int64_t passed_ms = model->last_ms == 0 ? 0 : now_ms - model->last_ms;
    model->fleet_ms += passed_ms < 0 ? 0 : passed_ms > FLEET_STEP_MS ? FLEET_STEP_MS : passed_ms;
    model->fleet_ms += model->last_ms == 0 && model->fleet_ms == 0;
    model->last_ms = now_ms;
    const bool is_late = epoch < model->epoch[instance];
    struct model_beat beat = {.was_known =
                                  model->is_alive[instance] && model->alive_ms[instance] > 0};
    uint32_t left = FLEET_REAP_MAX;
    for (int count = 0; count < FLEET_REAP_INSTANCES_MAX; count++) {
        const uint32_t dead = next_dead(model, is_done);
        if (dead == MODEL_INSTANCES)
            break;
        is_done[dead] = true;
        if (dead != instance)
            reap(model, dead, &left);
    }
    if (!is_late) {
        model->alive_count += !model->is_alive[instance];
        model->is_alive[instance] = true;
        model->alive_ms[instance] = (double)(model->fleet_ms + ttl_ms);
        model->epoch[instance] = epoch;
    }
    for (uint32_t i = 0; i < MODEL_ACCOUNTS; i++) {
        int64_t *scarce_ms = &model->accounts[i].scarce_ms;
        if (*scarce_ms <= now_ms - FLEET_SCARCE_MS || *scarce_ms >= now_ms + FLEET_SCARCE_MS)
            *scarce_ms = 0;
        beat.is_scarce[i] = *scarce_ms != 0;
    }
    beat.members = model->alive_count;
    return beat;
}

void store_model_leave(struct store_model *model, uint32_t instance)
{
    if (model->is_alive[instance])
        model->alive_ms[instance] = 0;
}

static uint32_t min_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t max_of(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

bool store_model_lease(struct store_model *model, uint32_t account, uint32_t instance,
                       uint64_t epoch, uint32_t n, uint32_t keep, uint32_t need, uint32_t want,
                       uint32_t *out_granted, uint32_t *out_others, bool *out_settles)
{
    struct model_account *at = &model->accounts[account];
    if (!model->is_alive[instance] || model->alive_ms[instance] <= 0 ||
        epoch != model->epoch[instance])
        return false;
    const uint32_t mine = at->held[instance];
    const uint32_t others = at->total > mine ? at->total - mine : 0;
    const bool settles = model->fleet_ms < FLEET_SETTLE_MS;
    const uint32_t free_places = !settles && n > others ? n - others : 0;
    uint32_t granted = max_of(keep, min_of(keep + need, free_places));
    if (granted == keep + need && want > granted && free_places > granted)
        granted = min_of(want, granted + (free_places - granted) / (2 * model->alive_count));
    at->held[instance] = granted;
    at->total = others + granted;
    at->is_there = at->total > 0;
    for (uint32_t other = 0; !at->is_there && other < MODEL_INSTANCES; other++)
        at->held[other] = 0;
    if (!settles && (granted < keep + need || others + granted > n))
        at->scarce_ms = now_ms_of(model);
    *out_granted = granted;
    *out_others = others;
    *out_settles = settles;
    return true;
}

// up rounds a positive number up.
static double up(double number)
{
    const double whole = (double)(int64_t)number;
    return whole < number ? whole + 1 : whole;
}

uint32_t store_model_rate(struct store_model *model, uint32_t account, uint32_t which,
                          uint32_t per_second, uint32_t burst, uint32_t want, int64_t *out_wait_us)
{
    struct model_account *at = &model->accounts[account];
    const double now = (double)model->now_us;
    const double interval = up(4000000.0 / per_second) / 4;
    const double full = interval * burst;
    const double paid = at->paid_ends_ms[which] > now_ms_of(model) ? at->paid_us[which] : 0;
    double debt = paid - now < full ? paid - now : full;
    debt = debt > 0 ? debt : 0;
    const double room = (double)(int64_t)((full - debt) / interval);
    const double granted = want < room ? want : room;
    debt += granted * interval;
    if (granted > 0) {
        at->paid_us[which] = now + debt;
        at->paid_ends_ms[which] = now_ms_of(model) + (int64_t)up(debt / 1000) + 1000;
    }
    const double wait = debt + interval - full;
    *out_wait_us = wait > 0 ? (int64_t)up(wait) : 0;
    return (uint32_t)granted;
}

void store_model_share(struct store_model *model, uint32_t account, uint32_t direction,
                       uint32_t instance, int64_t limit, int64_t demand, int64_t out[3])
{
    const int64_t now_ms = now_ms_of(model);
    struct model_account *at = &model->accounts[account];
    int64_t *demands = at->shares[direction].demand;
    int64_t *sums = at->shares[direction].sums;
    demands[instance] = demand;
    at->shares[direction].at_ms[instance] = now_ms;
    const int64_t sums_ms = at->shares[direction].sums_ms;
    if (sums_ms == 0 || now_ms < sums_ms || now_ms - sums_ms >= FLEET_SHARE_FRESH_MS) {
        sums[0] = sums[1] = sums[2] = 0;
        for (uint32_t i = 0; i < MODEL_INSTANCES; i++) {
            if (llabs(now_ms - at->shares[direction].at_ms[i]) > FLEET_SHARE_LIFE_MS)
                demands[i] = 0;
            sums[0] += demands[i] > 0;
        }
        for (uint32_t i = 0; i < MODEL_INSTANCES; i++) {
            if (demands[i] > 0 && demands[i] * sums[0] < limit)
                sums[1] += demands[i];
            else
                sums[2] += demands[i] > 0;
        }
        at->shares[direction].sums_ms = sums[0] > 0 ? now_ms : 0;
    }
    for (int i = 0; i < 3; i++)
        out[i] = sums[i];
}
