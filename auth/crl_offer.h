// crl_offer: may a revocation list that somebody has offered, such as a server on the network, take the place of what is in
// force? Nobody has looked at it yet, and the network may lie.
//
// Pure. What is asked of the list is what is asked of one in a file (crl.h): form, issuer, signature, scope. Beyond that an
// offer is exactly one list, has begun and not ended, does not go back, and, where there was an earlier one from the same
// place, is known to be signed by the same key, or by any where nobody knows that of the earlier one. So what was once taken in is
// never displaced by what nobody has verified, and what was forged stays no longer than until the true list comes.
#pragma once

#include "auth/trust.h"

struct crl_offer {
    bool is_same;          // nothing new: it is the list that was kept
    int64_t next_update_s; // Unix seconds
};

// crl_offer_judge judges `bytes`, as of trust_add_crl, for the finished profile `trust`. `kept` is what the same place gave
// before; empty, or not readable: nothing. `now_s` is Unix seconds. ERR_INPUT or ERR_LIMIT with the reason in `info`, or
// ERR_MEMORY. Any thread; it takes as long as reading the list does.
enum err crl_offer_judge(const struct trust *trust, struct slice bytes, struct slice kept,
                         int64_t now_s, struct crl_offer *out, struct errinfo *info) MUST_USE;
