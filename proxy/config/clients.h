// clients: who may go where, as one file says it: `sets`, the entries of `clients`, and `deny`, read from nodes. Opens no files.
//
// The main file and each included file are read by the same function. What they make together is proxy/config/assembly's.
#pragma once

#include "auth/policy.h"
#include "proxy/config/matches.h"
#include "proxy/config/ownership.h"
#include "proxy/config/sets.h"
#include "proxy/config/via.h"

enum { CLIENTS_MAX = 1000000 };

extern const struct section client_section;
extern const struct section egress_section;
extern const struct section speaks_for_section;

// client_scope is what a file may refer to.
struct client_scope {
    const struct name_list *trusts;
    const struct parent_names *parents; // that a `via` may name
    const struct ownership *ownership;  // of an included file; NULL: of the main file
    struct client_part *main;           // of an included file, likewise; its sets can be used
    bool is_shared;                     // there is a store that the fleet shares
};

// client_part is what one file says. Zeroed: nothing.
struct client_part {
    const struct client_file *file; // in the reader's arena; of an included file it has `deny`
    const struct client *clients;   // in the reader's arena
    size_t client_count;
    const struct rule *deny; // of the main file: for everybody
    size_t deny_count;
    struct named_places client_names; // by name
    struct named_places rule_names;   // by name
    struct sets sets;
};

// client_part_read reads `sets`, `clients` and `deny` of the file `root` (each may be left out). What is kept goes into the
// reader's arena, which must be the policy's; what else is in `out`, where it must stay, is freed by client_part_deinit.
void client_part_read(struct reader *reader, const struct node *root,
                      const struct client_scope *scope, struct client_part *out);
void client_part_deinit(struct client_part *part);
