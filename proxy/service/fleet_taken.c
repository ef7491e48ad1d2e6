// A record for each is a record of the same form as where the command was given, so that one query finds both.
#include "proxy/service/fleet_taken.h"

#include <inttypes.h>

#include "proxy/audit/audit_log.h"
#include "proxy/clock/clock.h"
#include "proxy/log/log.h"

enum {
    TOLD_MAX = 20, // one by one, in TOGETHER_MS
    TOGETHER_MS = 5000,
};

static const char *verb_of(enum fleet_op op)
{
    return op == FLEET_BLOCK ? "block" : "unblock";
}

static void submit(const struct fleet_taken *taken, const struct audit_admin *admin)
{
    audit_log_submit_bounded(taken->store->service->shared.audit, AUDIT_KIND_ADMIN,
                             audit_admin_create(admin), 1);
}

static void tell(const struct fleet_taken *taken, const struct fleet_word *word)
{
    const char *by = word->by[0] == '\0' ? "unknown" : word->by;
    const struct audit_admin admin = {
        .now_ms = wall_clock_ms(),
        .command = verb_of(word->op),
        .argument = word->block.text,
        .uid = (uint32_t)word->block.uid,
        .instance = by,
        .result = "ok",
        .detail = word->op == FLEET_BLOCK ? "it was given on another proxy, and holds here too"
                                          : "it was ended on another proxy, and ends here too",
    };
    log_info(LOG_FLEET, "fleet: %sed %.300s, by uid %u at instance %s: it holds here too",
             admin.command, word->block.text, (unsigned)word->block.uid, by);
    submit(taken, &admin);
}

static void tell_many(const struct fleet_taken *taken, enum fleet_op op, uint64_t count)
{
    const struct audit_admin admin = {
        .now_ms = wall_clock_ms(),
        .command = verb_of(op),
        .count = count,
        .result = "ok",
        .detail = op == FLEET_BLOCK
                      ? "so many more were given on other proxies, and hold here too: `sallyport "
                        "status` lists them"
                      : "so many more were ended on other proxies, and end here too",
    };
    if (count == 0)
        return;
    log_info(LOG_FLEET, "fleet: %sed %" PRIu64 " more that others have %sed: they hold here too",
             admin.command, count, admin.command);
    submit(taken, &admin);
}

void fleet_taken_settle(struct fleet_taken *taken, bool must)
{
    const int64_t now_ms = monotonic_ms();
    if (!must && now_ms - taken->since_ms < TOGETHER_MS)
        return;
    tell_many(taken, FLEET_BLOCK, taken->blocks);
    tell_many(taken, FLEET_UNBLOCK, taken->ends);
    taken->blocks = 0;
    taken->ends = 0;
}

void fleet_taken_note(struct fleet_taken *taken, const struct fleet_word *word)
{
    const int64_t now_ms = monotonic_ms();
    if (now_ms - taken->since_ms >= TOGETHER_MS) {
        fleet_taken_settle(taken, true);
        taken->since_ms = now_ms;
        taken->told = 0;
    }
    if (taken->told < TOLD_MAX) {
        taken->told++;
        tell(taken, word);
    } else if (word->op == FLEET_BLOCK) {
        taken->blocks++;
    } else {
        taken->ends++;
    }
}
