// suggestion: the smallest allowlist that lets one client do again what an audit log has seen it do.
//
// Only names, ports and addresses that were used: no wildcards, no ranges. What was denied is counted and left
// out, unless it is asked for; what nobody may allow (metadata, the proxy's own listeners) always.
#pragma once

#include "proxy/history/entry.h"

// words is a set of short texts, sorted.
struct word {
    char text[IP_PREFIX_TEXT_CAP];
    bool is_special; // an address in a special range
};

struct words {
    struct word *items; // owned
    size_t count;
    size_t cap;
};

// suggested is one name, or one address that was asked for. Those that share a rule are a chain.
struct suggested {
    char host[TARGET_TEXT_CAP];
    bool is_address;
    size_t requests;        // of the whole rule, in its first
    struct words ports;     // as five digits
    struct words addresses; // prefixes, or the word `public`; none: ordinary ones
    struct suggested *next; // borrowed; of the same rule
    struct suggested **end; // of the chain, in its first
};

// suggestion is begun with the first two members set and all others zero. The functions below change it, and everybody
// may read it. The caller ends it with suggestion_deinit.
struct suggestion {
    const char *
        client; // whose: an account, or a client of the configuration with all its accounts; borrowed
    bool takes_denied; // what no rule allowed is wanted too
    bool has_failed;   // there was no memory: it must not be used
    size_t requests;   // of the client
    size_t allowed;    // that the rules let pass
    size_t unresolved; // that were denied before DNS: the rules let them pass at ordinary addresses
    size_t unreachable;         // that were denied and lead to special ranges alone: left out
    size_t denied;              // others that are left out
    struct suggested **targets; // owned; after suggestion_join the first one of each rule
    size_t count;
    size_t cap;
    void *hosts;   // owned: of tsearch(3), by host; owns the targets
    void *waiting; // owned: likewise, by id; requests whose close tells which address it was
};

void suggestion_deinit(struct suggestion *suggestion);

// suggestion_add looks at one record: `past` is what a decision says, NULL with other events. Decisions come before their
// closes, as they stand in the log.
void suggestion_add(struct suggestion *suggestion, const struct history_entry *entry,
                    const struct history_decision *past);

// suggestion_join joins what was seen to rules: hosts that need the same ports and no special address, and addresses that
// need the same ports. The rules for most requests come first. To be called once, after the last record.
void suggestion_join(struct suggestion *suggestion);
