// speaker: a client that passes on the certificates of its own clients (`speaks_for`), and what becomes of a request of which it
// says whose it is: all that is judged of the speaker before rules and addresses are looked at.
//
// The running proxy goes the same way in steps, since it waits for others in between (proxy/session/guest.c). Pure.
#pragma once

#include "auth/account.h"
#include "auth/policy.h"

// spoken is what is passed on.
struct spoken {
    const struct client *client; // that the certificate fits; NULL: none, or it is not known
    enum reason
        refusal; // of the certificate, by the profile that the speaker's entry names; REASON_NONE: it is good
    bool is_plain; // not a CONNECT
};

struct speaker {
    const struct client *client; // borrowed from the policy; NULL: no entry fits
    struct account_name account; // of the client
    // it speaks for nobody, and what a plain request says about another client is removed: the request is its own
    bool is_ignored;
    struct decision decision; // ACTION_ALLOW: it may speak, as long as `changes_s` says
};

// speaker_decide decides about the client with `identity` (NULL: without certificate), whose connection comes from `source`
// (canonical). `*out` must not be copied.
void speaker_decide(const struct policy *policy, const struct identity *identity,
                    const struct spoken *spoken, const struct ip_addr *source, int64_t now_s,
                    struct speaker *out);
