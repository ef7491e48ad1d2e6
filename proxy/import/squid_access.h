// squid_access: what the access lines of a squid.conf allow one class of clients, as rules of ours.
//
// Squid asks its lines in order, and the first that fits decides. Here a denial always wins, and what no `allow` fits is denied.
// A line is judged for a class with three answers: it fits each client of the class, none, or that cannot be told. What cannot
// be told allows nothing, and denies. So the rules never allow more than the lines do; where they allow less, a note says so.
// Judged is CONNECT: a client that may open a tunnel to a port can send a plain request through it, too.
//
// Pure.
#pragma once

#include "proxy/import/squid_state.h"

// squid_class is clients that the same lines fit.
struct squid_class {
    const struct squid_acl *identity;      // user_cert; NULL: nothing is known of the certificate
    struct slice value;                    // of its attribute
    const struct import_prefixes *sources; // where they come from; NULL: anywhere
    const char *whom;                      // for notes: the client, as it is shown
    bool is_quiet;                         // adds no notes
};

// squid_rules is what the lines come to.
struct squid_rules {
    struct imported_rule *allow;
    struct imported_rule *deny;
    uint64_t tunnels;      // from maxconn; 0: no limit
    size_t exact_count;    // lines that allow what they allow in Squid
    size_t narrowed_count; // lines that would allow more in Squid
};

// squid_access_judge writes the rules of a class.
void squid_access_judge(struct squid_config *config, const struct squid_class *clients,
                        struct squid_rules *out);

// squid_access_find gives the first acl of this kind in a line that is not negated; NULL without one. `src all` is none.
const struct squid_acl *squid_access_find(const struct squid_access *line,
                                          enum squid_acl_kind kind);
