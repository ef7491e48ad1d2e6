// Gaps and strays.
#include "proxy/history/chain_instance.h"

#include <stdlib.h>

#include "auth/base/array.h"

bool chain_instance_gap(struct chain_instance *instance, const struct chain_gap *gap)
{
    struct chain_gap *gaps =
        array_make_room(instance->gaps, instance->gap_count, &instance->gap_cap, sizeof *gaps);
    if (gaps == NULL)
        return false;
    instance->gaps = gaps;
    gaps[instance->gap_count++] = *gap;
    return true;
}

bool chain_instance_stray(struct chain_instance *instance, const struct chain_at *line,
                          const struct merkle_hash *prev)
{
    struct chain_run *last =
        instance->stray_count == 0 ? NULL : &instance->strays[instance->stray_count - 1];
    if (last != NULL && line->seq == last->last + 1 && !last->is_settled &&
        (!instance->is_chained || merkle_hash_equal(prev, &last->last_hash))) {
        last->last = line->seq;
        last->last_hash = line->hash;
        return true;
    }
    struct chain_run *strays = array_make_room(instance->strays, instance->stray_count,
                                               &instance->stray_cap, sizeof *strays);
    if (strays == NULL)
        return false;
    instance->strays = strays;
    strays[instance->stray_count++] = (struct chain_run){.first = line->seq,
                                                         .last = line->seq,
                                                         .place = line->place,
                                                         .first_prev = *prev,
                                                         .last_hash = line->hash};
    return true;
}

struct chain_run *chain_instance_true_line(struct chain_instance *instance,
                                           const struct merkle_hash *hash)
{
    for (size_t i = instance->stray_count; i > 0; i--) {
        struct chain_run *run = &instance->strays[i - 1];
        if (!run->is_settled && run->first == run->last && run->last == instance->now.last.seq &&
            merkle_hash_equal(&run->last_hash, hash))
            return run;
    }
    return NULL;
}

// fits tells whether the run belongs into the gap.
static bool fits(const struct chain_instance *instance, const struct chain_run *run,
                 const struct chain_gap *gap)
{
    if (run->first < gap->from || run->last >= gap->to)
        return false;
    if (!instance->is_chained)
        return true;
    const bool begins = run->first != gap->from || gap->before.path == NULL ||
                        merkle_hash_equal(&run->first_prev, &gap->before_hash);
    const bool ends = run->last + 1 != gap->to || merkle_hash_equal(&run->last_hash, &gap->claim);
    return begins && ends;
}

bool chain_instance_settle(struct chain_instance *instance, const struct chain_run *run,
                           struct chain_place *out_before)
{
    for (size_t i = 0; i < instance->gap_count; i++) {
        struct chain_gap *gap = &instance->gaps[i];
        if (!fits(instance, run, gap))
            continue;
        struct chain_gap rest = *gap;
        *out_before = gap->before;
        rest.from = run->last + 1;
        rest.before = run->place;
        rest.before_hash = run->last_hash;
        gap->to = run->first;
        gap->claim = run->first_prev;
        return rest.from == rest.to || chain_instance_gap(instance, &rest);
    }
    return false;
}

const struct chain_at *chain_instance_find_recent(const struct chain_instance *instance,
                                                  uint64_t seq)
{
    const struct chain_at *at = &instance->recent[seq % CHAIN_RECENT];
    return at->place.path != NULL && at->seq == seq ? at : NULL;
}

void chain_instance_deinit(struct chain_instance *instance)
{
    free(instance->gaps);
    free(instance->strays);
}
