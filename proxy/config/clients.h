// clients: who may go where: `sets`, the entries of `clients` and the `deny` for everybody, read from
// nodes into a policy. Opens no files.
#pragma once

#include "auth/policy.h"
#include "proxy/config/sets.h"

enum {
    CLIENTS_MAX = 1000000,
    CLIENT_MATCHES_MAX = 10000, // in one `match`
};

// name_list is the names of all trust profiles, for entries that name one.
struct name_list {
    const char *const *names; // borrowed
    size_t count;
};

// clients_read reads `sets`, `clients` and the global `deny` of the configuration `root` (each may
// be left out) into `policy`, whose arena takes over what is kept: the caller's reader has that
// arena. `files` is how list files are reached; NULL: none are. Findings go to the reader.
void clients_read(struct reader *reader, const struct node *root, const struct name_list *trusts,
                  const struct list_files *files, struct policy *policy);

// trust_reference_read reads the name of a trust profile and gives its index among `trusts`.
bool trust_reference_read(struct reader *reader, const struct node *node,
                          const struct name_list *trusts, size_t *out);
