// chain_walk: one step from a line of an instance to the next. Private to chain_check.
#pragma once

#include "proxy/history/chain_instance.h"
#include "proxy/history/entry.h"

enum { CHAIN_KEPT_MAX = 64 };

// chain_view is what all steps look at.
struct chain_view {
    struct chain_check_options options;
    struct checkpoint kept[CHAIN_KEPT_MAX]; // that were kept somewhere else
    size_t kept_count;
    uint64_t signed_count; // good checkpoints so far
};

// chain_tell hands a finding on.
void chain_tell(const struct chain_view *view, enum chain_finding_kind kind,
                const struct chain_place *place, const char *format, ...) PRINTF_LIKE(4, 5);

// chain_walk_line goes on with a line of this instance, in whatever order it comes. `is_next`: it is where the instance
// goes on, and not one that stands in a wrong place. False: no memory.
bool chain_walk_line(const struct chain_view *view, struct chain_instance *instance,
                     const struct seal *seal, const struct chain_at *line,
                     bool *out_is_next) MUST_USE;

// chain_walk_checkpoint looks at a checkpoint, the last line of the instance so far.
void chain_walk_checkpoint(struct chain_view *view, struct chain_instance *instance,
                           const struct history_entry *entry);

// chain_walk_end says what can only be said when no line comes any more. `may_lack_head`: that its beginning is not here is
// no fault. False: no memory.
bool chain_walk_end(const struct chain_view *view, struct chain_instance *instance,
                    bool may_lack_head) MUST_USE;
