// Copies, nothing else.
#include "proxy/session/ruling.h"

void ruling_take(struct ruling *ruling, const struct decision *decision,
                 const struct snapshot *snapshot)
{
    *ruling = (struct ruling){
        .action = decision->action,
        .reason = decision->reason,
        .mode = decision->mode,
        .would_deny = decision->would_deny,
    };
    const bool fits =
        string_copy(ruling->config, sizeof ruling->config, slice_of_string(snapshot->id)) &&
        (decision->rule == NULL ||
         string_copy(ruling->rule, sizeof ruling->rule, slice_of_string(decision->rule)));
    ASSERT(fits);
}

struct decision ruling_decision(const struct ruling *ruling)
{
    return (struct decision){
        .action = ruling->action,
        .reason = ruling->reason,
        .rule = ruling->rule[0] == '\0' ? NULL : ruling->rule,
        .mode = ruling->mode,
        .would_deny = ruling->would_deny,
    };
}
