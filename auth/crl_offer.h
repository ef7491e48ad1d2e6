// crl_offer: may a revocation list that somebody has offered, such as a server on the network, take the place of what is in
// force? Nobody has looked at it yet, and the network may lie.
//
// Pure. What is asked of the list is what is asked of one in a file (crl.h): form, issuer, signature, scope. Beyond that an
// offer is exactly one list, has begun and not ended, does not go back, and, where there was an earlier one from the same
// place, is known to be signed by the same key, or by any where nobody knows that of the earlier one. Who asks may remember that
// over a restart. It speaks for the same certificates as the one before, or for more, or is by its distribution point the list
// of this URL: one list of a CA takes no place that belongs to another list of that CA. So what was once taken in is never displaced by what nobody has verified, and what was forged stays no longer than until the true list comes.
#pragma once

#include "auth/cert_id.h"
#include "auth/trust.h"

struct crl_offer {
    bool is_same;                    // nothing new: it is the list that was kept
    int64_t next_update_s;           // Unix seconds
    bool has_signer;                 // it is known who has signed it
    uint8_t signer[CERT_DIGEST_LEN]; // then: cert_id_of_authority
};

// crl_kept is what the same place gave before; empty, or not readable: nothing.
struct crl_kept {
    struct slice bytes;
    const uint8_t
        *signer; // who has signed it, as an earlier judgement has found; NULL: not known. Borrowed
    struct slice url; // of the place, canonical. Borrowed; empty: it has none
    // anybody on the way to the place can answer, and nobody has asked for a distribution point: the first list must be one
    // of no distribution points, or of this URL
    bool is_open;
};

// crl_offer_judge judges `bytes`, as of trust_add_crl, for the finished profile `trust`. `now_s` is Unix seconds. ERR_INPUT or
// ERR_LIMIT with the reason in `info`, or ERR_MEMORY. Any thread; it takes as long as reading the list does.
enum err crl_offer_judge(const struct trust *trust, struct slice bytes, const struct crl_kept *kept,
                         int64_t now_s, struct crl_offer *out, struct errinfo *info) MUST_USE;

// crl_offer_look tells of one list what the profile knows of it, without judging it. Errors as above; thread likewise.
enum err crl_offer_look(const struct trust *trust, struct slice bytes, struct crl_offer *out,
                        struct errinfo *info) MUST_USE;
