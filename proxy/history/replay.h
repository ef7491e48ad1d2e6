// replay: what a policy says today to a request that an audit log has kept. The same code decides as in the
// proxy; trust (certificates, CRLs, blocks), limits and DNS are not asked again.
#pragma once

#include "proxy/history/entry.h"

enum replay_kind {
    REPLAY_JUDGED, // `decision` is what the policy says
    REPLAY_UNKNOWN, // before DNS nothing speaks against it; the record has no addresses to go on with
    REPLAY_SKIPPED, // it was not for the policy to decide: `why`
};

struct replay {
    enum replay_kind kind;
    const char *why;             // static memory; with REPLAY_SKIPPED
    const struct client *client; // borrowed from the policy; NULL: none fits
    struct decision decision;    // strings borrowed from the policy
};

// replay_mark_local finds out which addresses are this machine's, where that could matter: at a port of the
// proxy's own.
void replay_mark_local(const struct policy *policy, uint16_t port, struct candidate *candidates,
                       size_t count);

// replay_decision asks `policy`. The addresses in `past` are judged in place. Whether one is an address of the
// proxy's own machine is asked of this machine.
void replay_decision(const struct policy *policy, struct history_decision *past,
                     struct replay *out);

// replay_is_change tells whether the outcome is another one: allowed, denied, or allowed only because the mode
// is `report`. Another reason or rule for the same outcome is none.
bool replay_is_change(const struct replay *replay, const struct history_decision *past);
