// trust_options: what a trust profile asks of certificates, chains and revocation lists. Values only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// trust_purpose is whose certificates are judged: the clients of a listener, or, from a client's side, the
// proxy itself.
enum trust_purpose { TRUST_CLIENTS, TRUST_SERVERS };

// trust_options is what a profile asks of chains and lists.
struct trust_options {
    const char *name;         // of the profile; copied
    const char *trust_domain; // that SPIFFE IDs must be of; NULL: of any; copied
    uint32_t max_depth;       // intermediates between leaf and anchor; at most TRUST_MAX_DEPTH
    int64_t max_lifetime_s;   // a leaf issued for longer is refused; 0 = no limit
    bool is_strict;           // RFC 5280 to the letter, also for anchors and CRLs
    bool keeps_expired_crls;  // a CRL that has expired stays in use
    // CAs need no CRL, for PKIs whose root is offline and issues none; whom a list names is
    // revoked all the same
    bool is_crl_for_leaves;
    bool
        requires_crls; // certificates need a CRL even while the profile has none: lists are to come
    bool trusts_every_ca; // each certificate of trust_add_ca is an anchor
    enum trust_purpose purpose;
    uint32_t usages; // of enum usage; 0: clientAuth, or with TRUST_SERVERS serverAuth, or none
};
