// squid_state: a squid.conf as a value: its acls, its access lines in their order, and what its other directives say in our
// terms.
//
// A plain value that is filled while the file is read. Whatever restricts what clients may do and cannot be said here blocks the
// whole import: then no client is written.
#pragma once

#include "proxy/import/imported.h"
#include "proxy/import/sources.h"
#include "proxy/import/squid_acls.h"

#define SQUID_WORK_MAX INT64_C(1000000000) // comparisons

enum {
    SQUID_INCLUDES_MAX = 16, // files inside one another
    SQUID_FILES_MAX = 1000,  // included, and lists
    SQUID_ACCESS_MAX = 1000, // lines of http_access
    SQUID_TERMS_MAX = 10000, // acls in them
};

// squid_term is an acl in an access line.
struct squid_term {
    struct squid_acl *acl;
    bool is_negated;
    struct squid_term *next;
};

// squid_fate is what has become of a line, over all classes of clients: the highest counts.
enum squid_fate {
    SQUID_FATE_STRANGE, // it fits no class
    SQUID_FATE_PASSED,  // a line before it decides about all that it could
    SQUID_FATE_UNUSED, // it denies what no line after it allows, or allows ports that all are denied
    SQUID_FATE_EMPTY,  // its lists have nothing in them
    SQUID_FATE_TAKEN,  // it is in a rule, or has narrowed one
};

// squid_access is a line of http_access.
struct squid_access {
    struct import_place place;
    uint32_t order; // from 1
    bool is_allow;
    enum squid_fate fate;
    struct squid_term *terms;
    struct squid_access *next;
};

struct squid_config {
    struct import_notes *notes;           // borrowed
    const struct import_sources *sources; // borrowed
    struct imported *imported;            // borrowed; listeners, parents, times and so on go there
    struct squid_acls acls;
    struct squid_access *first;
    struct squid_access *last;
    uint32_t access_count;
    uint32_t term_count;
    uint32_t file_count;
    struct imported_parent *peers; // in their order
    bool needs_peers;              // never_direct allow all
    bool peers_left;               // one of them cannot be said, or not all of it
    bool is_way_unknown;           // needs_peers, and they cannot be said
    bool has_tls_port;
    bool is_too_large; // no work is left
    int64_t work_left;
    struct import_place
        blocked; // the first line that cannot be said and restricts; a NULL file: none
};
