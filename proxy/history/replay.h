// replay: what a policy says today to a request that an audit log has kept, and to what its tunnel carried. The same code
// decides as in the proxy; trust (certificates, CRLs, blocks), limits and DNS are not asked again.
#pragma once

#include "auth/account.h"
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
    struct account_name account; // of the client
    struct decision decision;    // strings borrowed from the policy
    struct target target;        // that was judged
    bool is_routed;              // the name inside the tunnel is, or would be, the target
    bool needs_close;  // what the tunnel carried may change the answer: replay_close gives it
    bool is_unseen;    // it would count what the tunnel carried, and that is not known
    bool asks;         // the authorizer would be asked
    bool leads_there;  // the name inside was resolved then, to the address that was asked for
    enum reason ended; // the tunnel would end for what it carried; REASON_NONE: it would not
};

// replay_mark_local finds out which addresses are this machine's, where that could matter: at a port of the
// proxy's own.
void replay_mark_local(const struct policy *policy, uint16_t port, struct candidate *candidates,
                       size_t count);

// replay_decision asks `policy`. The addresses in `past` are judged in place. Whether one is an address of the
// proxy's own machine is asked of this machine.
void replay_decision(const struct policy *policy, struct history_decision *past,
                     struct replay *out);

// replay_close goes on with a replay that needs it, from what the `close` of the same request says; NULL: there is none.
void replay_close(const struct policy *policy, const struct history_close *close,
                  struct history_decision *past, struct replay *replay);

enum replay_change {
    REPLAY_SAME,
    REPLAY_REASON, // allowed, ended or denied as before, for another client, reason or rule, or by another mode
    REPLAY_OUTCOME, // what was allowed is denied or ends for what it carries, or the other way round
};

// replay_change tells what is different now. `ended`: the inner_* reason for which the tunnel ended then; NULL: it did not.
enum replay_change replay_change(const struct replay *replay, const struct history_decision *past,
                                 const char *ended);

// replay_is_open tells whether the request has a tunnel or a response now, as far as the policy goes.
bool replay_is_open(const struct replay *replay);
