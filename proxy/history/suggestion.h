// suggestion: the smallest allowlist that lets one client do again what an audit log has seen it do.
//
// Only names, ports and addresses that were used: no wildcards, no ranges. What went through a parent, or was put to the
// authorizer, is to go on doing so. What was denied is counted and left
// out, unless it is asked for; what nobody may allow (metadata, the proxy's own listeners) always.
#pragma once

#include "proxy/history/entry.h"

// words is a set of short texts; after suggestion_join it is sorted.
struct word {
    char text[IP_PREFIX_TEXT_CAP];
    bool is_special; // an address in a special range
};

struct words {
    struct word *items; // owned
    size_t count;
    size_t cap;
};

// What a rule can ask of its tunnels, where all that was seen inside them was TLS with a name.
enum suggested_inner {
    SUGGESTED_NOTHING,
    SUGGESTED_REQUIRE, // the name was the one that was asked for
    SUGGESTED_LISTED,  // or another one that the suggestion allows
};

// suggested is one name, or one address that was asked for. Those that share a rule are a chain.
struct suggested {
    char host[TARGET_TEXT_CAP];
    bool is_address;
    size_t requests;        // of the whole rule, in its first
    struct words ports;     // as five digits
    struct words addresses; // prefixes, or the word `public`; none: ordinary ones
    size_t tunnels;         // that have ended
    size_t seen;            // of these, where somebody looked
    size_t same;            // of these, with the name that was asked for
    size_t named;           // of these, with another name, or any name in a tunnel to an address
    bool has_unlisted;      // such a name is not in the suggestion
    bool asks;              // the authorizer was asked about a request of it
    char via[VIA_TEXT_CAP]; // the way of the last request that went through parents, or ""
    enum suggested_inner inner; // after suggestion_join
    struct suggested *next;     // borrowed; of the same rule
    struct suggested **end;     // of the chain, in its first
};

// carried is a name in tunnels to another host, or to an address.
struct carried {
    struct suggested *asked; // borrowed
    struct target name;      // with the port that was asked for
    size_t tunnels;
    bool is_listed; // after suggestion_join: the suggestion allows this name at this port
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
    size_t routed;            // tunnels that were routed by the name inside
    bool routes;              // after suggestion_join: `inner: {route: name}` fits, and is meant
    struct carried **carried; // owned
    size_t carried_count;
    size_t carried_cap;
    void *carried_tree; // owned: of tsearch(3); owns what is in `carried`
    void *hosts;        // owned: of tsearch(3), by host; owns the targets
    void *waiting;      // owned: likewise, by id; requests whose close tells which address it was
};

void suggestion_deinit(struct suggestion *suggestion);

// suggestion_add looks at one record: `past` is what a decision says, NULL with other events. Decisions come before their
// closes, as they stand in the log.
void suggestion_add(struct suggestion *suggestion, const struct history_entry *entry,
                    const struct history_decision *past);

// suggestion_join joins what was seen to rules: hosts that need the same ports and no special address, and addresses that
// need the same ports. The rules for most requests come first. For a client that asks for addresses, and whose tunnels all
// name what they lead to, the names take the place of the addresses. To be called once, after the last record.
void suggestion_join(struct suggestion *suggestion);
