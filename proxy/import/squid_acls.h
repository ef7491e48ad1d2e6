// squid_acls: the `acl` lines of a squid.conf as values.
//
// An acl is what its values say, and whether something in it is not understood (`is_partial`): then it may fit more than these.
// Pure; the lists that an acl names come from the caller.
#pragma once

#include "proxy/import/lists.h"
#include "proxy/import/notes.h"

enum squid_acl_kind {
    SQUID_ACL_OTHER,     // nothing here can say it
    SQUID_ACL_SRC,       // the client's address: `prefixes`
    SQUID_ACL_DST,       // the target's addresses: `prefixes`
    SQUID_ACL_DOMAIN,    // the target's name: `hosts`, and literal addresses in `prefixes`
    SQUID_ACL_PORT,      // the target's port: `ports`
    SQUID_ACL_METHOD,    // `has_connect`, `has_other_method`
    SQUID_ACL_USER_CERT, // `attribute` of the client's certificate is one of `values`
    SQUID_ACL_MAXCONN,   // `number` connections of one address
    SQUID_ACL_NEVER,     // the cache manager, which is no target here
};

enum { SQUID_ACLS_MAX = 2000, SQUID_VALUES_MAX = 1000000, SQUID_NAMES_MAX = 5000 };

// squid_value is a value of a certificate's attribute.
struct squid_value {
    struct slice text; // arena
    struct squid_value *next;
};

struct squid_acl {
    struct slice name; // arena
    struct slice type; // arena
    enum squid_acl_kind kind;
    struct import_place place; // its first line
    struct import_hosts hosts;
    struct import_prefixes prefixes;
    struct import_ports *ports;
    struct slice attribute;
    struct squid_value *values;
    uint64_t number;
    bool is_partial;
    bool is_named;        // an access line names it
    bool is_unnumbered;   // of user_cert: one too many, so that nobody knows whom it fits
    bool has_all;         // of src and dst: every address
    bool is_literal_only; // of dst: `-n`: no name fits, whatever its addresses
    bool has_connect;
    bool has_other_method;
    uint32_t index; // of its definition, from 0
    struct squid_acl *next;
};

struct squid_acls {
    struct squid_acl *first;
    struct squid_acl **end; // NULL before the first
    uint32_t count;
    uint32_t value_count;
    uint32_t name_count; // of certificates' attributes
};

// squid_acls_define adds what Squid defines by itself: all, localhost, CONNECT and the like.
void squid_acls_define(struct squid_acls *acls, struct import_notes *notes);

// squid_acls_find gives an acl by its name, which has no case; NULL where there is none.
struct squid_acl *squid_acls_find(const struct squid_acls *acls, struct slice name);

// squid_acls_open gives the acl of an `acl NAME TYPE` line, made where there is none. NULL where it cannot be one, with the
// sentence in `info`: Squid does not start with such a file.
struct squid_acl *squid_acls_open(struct squid_acls *acls, struct import_notes *notes,
                                  struct slice name, struct slice type, struct import_place place,
                                  struct errinfo *info) MUST_USE;

// squid_acl_take adds one value, as it stands in the line or in a list. What is not understood makes the acl partial, and is
// said at `place`. False where there are too many.
bool squid_acl_take(struct squid_acls *acls, struct squid_acl *acl, struct import_notes *notes,
                    struct import_place place, struct slice value) MUST_USE;
