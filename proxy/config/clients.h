// clients: who may go where: `sets`, the entries of `clients` and the `deny` for everybody, read from
// nodes into a policy. Opens no files.
#pragma once

#include "auth/policy.h"
#include "proxy/config/matches.h"
#include "proxy/config/sets.h"
#include "proxy/config/via.h"

enum { CLIENTS_MAX = 1000000 };

extern const struct section client_section;
extern const struct section egress_section;
extern const struct section speaks_for_section;

// clients_read reads `sets`, `clients` and the global `deny` of the configuration `root` (each may
// be left out) into `policy`. What is kept goes into the reader's arena, which must be the policy's. `parents` is what a
// `via` may name.
void clients_read(struct reader *reader, const struct node *root, const struct name_list *trusts,
                  const struct parent_names *parents, struct policy *policy);
