// suggestion: the smallest allowlist that lets one client do again what an audit log has seen it do.
//
// Only names, ports and addresses that were used: no wildcards, no ranges. What was denied is counted and left
// out, unless it is asked for; what nobody may allow (metadata, the proxy's own listeners) always.
#pragma once

#include "proxy/history/entry.h"

struct suggestion;

// suggestion_create starts one for the client of this name; borrowed. NULL without memory.
struct suggestion *suggestion_create(const char *client, bool takes_denied) MUST_USE;

// suggestion_destroy frees it. NULL is allowed.
void suggestion_destroy(struct suggestion *suggestion);

// suggestion_add looks at one record; decisions before their closes, as they stand in the log. ERR_INPUT with the
// sentence in `info` for a decision that cannot be read, ERR_MEMORY.
enum err suggestion_add(struct suggestion *suggestion, const struct history_entry *entry,
                        struct errinfo *info) MUST_USE;

struct suggestion_sums {
    size_t requests;   // of the client
    size_t allowed;    // that the rules let pass
    size_t unresolved; // that were denied before DNS: the rules let them pass at ordinary addresses
    size_t unreachable; // that were denied and lead to special ranges alone: left out
    size_t denied;      // others that are left out
};

// suggestion_sums tells what has been looked at.
struct suggestion_sums suggestion_sums(const struct suggestion *suggestion);

// suggestion_rules gives the rules as an array of objects with `hosts` and `addresses` (arrays of strings, left
// out where there are none), `special` (those of the addresses in special ranges, likewise), `ports` (numbers) and
// `requests`; those for most requests first. The caller owns
// it (json_decref). NULL without memory.
json_t *suggestion_rules(const struct suggestion *suggestion) MUST_USE;
