// admin_settings: what the configuration says about the listener for metrics and health: where it is, and who may see what.
//
// A value in a snapshot. proxy/config/admin.c reads it, proxy/monitor obeys it.
#pragma once

#include "auth/ipaddr.h"
#include "auth/policy.h"

// What there is to see. The words are those of `open`, and the paths.
#define ADMIN_PAGE_TABLE(X)                                                                        \
    X(ADMIN_HEALTHZ, "healthz")                                                                    \
    X(ADMIN_READYZ, "readyz")                                                                      \
    X(ADMIN_METRICS, "metrics")                                                                    \
    X(ADMIN_STATUS, "status.json")                                                                 \
    X(ADMIN_FRONT, "")

enum admin_page {
#define X(symbol, name) symbol,
    ADMIN_PAGE_TABLE(X)
#undef X
        ADMIN_PAGE_COUNT
};

struct tls_context;

enum { ADMIN_OPENABLE = ADMIN_STATUS }; // the pages before this one may be in `open`

struct admin_settings {
    const char *socket_path; // snapshot's arena, like all here; NULL: it listens at `address`
    struct endpoint address; // port 0: any free one
    unsigned open;           // bits of enum admin_page: what those in `from` may see
    struct ip_prefix *from;
    size_t from_count;
    const char **names; // canonical host names that a browser may ask for
    size_t name_count;
    bool has_clients;        // the metrics have series for each client of the configuration
    struct tls_context *tls; // ref, the snapshot's; NULL: it speaks HTTP in the clear
    const char
        *trust_name; // of the profile whose certificates may see everything; NULL without `tls`
};

// admin_settings_trusts_all tells whether everybody who can connect may see everything: nobody but this machine can, and no
// certificate is asked for.
bool admin_settings_trusts_all(const struct admin_settings *settings);

// admin_settings_is_local tells whether nobody but this machine can reach it.
bool admin_settings_is_local(const struct admin_settings *settings);

// admin_settings_is_same_place tells whether both, of two snapshots, want the same address or path. Both may be NULL, for
// none.
bool admin_settings_is_same_place(const struct admin_settings *a, const struct admin_settings *b);
