// account: the name by which a client is counted, recorded and blocked.
//
// Most clients have one account, with the client's name. A client whose name is a template (auth/name_template.h) has one
// for each name that its certificates complete. A name belongs to one client: the one that has it in the configuration, or
// else the first one in file order whose template can give it. A certificate that gives a name of another client has no
// account, and each of its requests is refused. Pure.
#pragma once

#include "auth/identity.h"
#include "auth/reason.h"
#include "auth/rules.h"

enum { ACCOUNT_NAME_CAP = 33 }; // bytes, with the NUL

// account_name is the name, or why there is none. It must not be copied.
struct account_name {
    const char *text; // borrowed from the client, or from `made`; NULL: there is none
    const char *why;  // static memory; why there is none
    char made[ACCOUNT_NAME_CAP];
};

// account_name_decide works out the name of the account of `client`, which policy_find_client has found for `identity`; NULL
// has none. REASON_NONE, or REASON_BAD_ACCOUNT when a template can not be completed with this certificate, or gives the name
// of another client.
enum reason account_name_decide(const struct policy *policy, const struct client *client,
                                const struct identity *identity, struct account_name *out);

// account_find_client gives the client to which this name of an account or client belongs, or NULL.
const struct client *account_find_client(const struct policy *policy, const char *name);

// account_index_create makes the index by which account_find_client finds a name without a look at all clients. `*out` is
// NULL when no client has a template. ERR_MEMORY.
enum err account_index_create(struct arena *arena, const struct client *clients, size_t count,
                              const struct account_index **out) MUST_USE;
