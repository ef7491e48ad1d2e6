// clients: who may go where: the entries of `clients` and the `deny` for everybody, read from nodes
// into a policy. Opens no files.
#pragma once

#include "auth/policy.h"
#include "proxy/config/reader.h"

enum {
    CLIENTS_MAX = 1000000,
    CLIENT_MATCHES_MAX = 10000, // in one `match`
};

// name_list is the names of all trust profiles, for entries that name one.
struct name_list {
    const char *const *names; // borrowed
    size_t count;
};

// clients_read reads `clients` and the global `deny` (each may be NULL: left out) into `policy`,
// whose arena takes over what is kept: the caller's reader has that arena. Findings go to the
// reader.
void clients_read(struct reader *reader, const struct node *clients, const struct node *deny,
                  const struct name_list *trusts, struct policy *policy);

// trust_reference_read reads the name of a trust profile and gives its index among `trusts`.
bool trust_reference_read(struct reader *reader, const struct node *node,
                          const struct name_list *trusts, size_t *out);
