// ownership: what a client of an included file may not say, because it would concern others. The table is in docs/CONFIG.md.
#pragma once

#include "auth/policy.h"
#include "proxy/config/matches.h"

enum { TRUSTS_MAX = 64 }; // profiles of a configuration

// ownership is what belongs to the main file. Start with {.trusts = ..., .main_clients = ...}.
struct ownership {
    const struct name_list *trusts;
    const struct client *main_clients;
    size_t main_count;
    struct
        named_oids { // of extensions, that the main file's clients name, for each profile; private
        uint8_t bytes[POLICY_EXTENSIONS_CAP];
        size_t len;
    } oids[TRUSTS_MAX];
};

// ownership_init looks at the main file's clients.
void ownership_init(struct ownership *ownership, const struct name_list *trusts,
                    const struct client *main_clients, size_t main_count);

// ownership_check reports what `client`, read from `node` of an included file, may not say.
void ownership_check(struct reader *reader, const struct ownership *ownership,
                     const struct node *node, const struct client *client);
