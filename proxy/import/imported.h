// imported: what an import has understood, in the terms of a configuration of ours, and that configuration as text.
//
// A plain value: who imports fills it, imported_format writes it. What is not set is not written, or written as the files of
// `sallyport quickstart` where a configuration needs it.
#pragma once

#include "auth/base/text.h"
#include "proxy/import/lists.h"

enum { IMPORTED_NAME_MAX = 32 }; // as CONFIG_NAME_MAX

// imported_rule is an entry of `allow` or `deny`. Of an `allow` the ports always count.
struct imported_rule {
    struct import_place place; // where it comes from
    uint32_t order;            // of lines: a denial counts for the rules after it
    bool is_within;            // a denial that counts for the rules of its own line
    bool has_hosts;
    bool has_addresses;
    bool has_ports;
    bool has_any_host; // `"*"`: with addresses, any name at these
    struct import_hosts hosts;
    struct import_prefixes addresses;
    struct import_ports ports;
    struct imported_rule *next;
};

// imported_match is an entry of `match`: a key and what it must be.
struct imported_match {
    const char *key;   // `cn`, `o`, `ou`, `uri`, or `any`
    const char *value; // arena; with `any` not used
    struct imported_match *next;
};

// imported_client is an entry of `clients`.
struct imported_client {
    struct import_place place;
    char name[IMPORTED_NAME_MAX + 1];
    struct imported_match *matches;
    const struct import_prefixes *sources; // NULL: anywhere
    const char *mode;                      // NULL: enforce
    uint64_t tunnels;                      // 0: no limit
    struct imported_rule *allow;
    struct imported_rule *deny;
    struct imported_client *next;
};

// imported_listener is an entry of `listeners`, and the files of its trust profile. Strings are of the arena.
struct imported_listener {
    const char *address;
    const char *chain; // NULL: server.crt
    const char *key;   // NULL: server.key
    const char *ca;    // a list as it is written; NULL: ca.crt
    const char *crl;   // likewise; NULL: none
    bool is_leaf_only; // crl_scope
    bool min_is_1_3;
    bool max_is_1_2;
    const char *balancers; // of proxy_protocol, a list as it is written; NULL: nobody
    struct imported_listener *next;
};

// imported_parent is an entry of `parents`.
struct imported_parent {
    char name[IMPORTED_NAME_MAX + 1];
    const char *url;
    const char *ca;          // NULL: in the clear
    const char *certificate; // NULL: none
    const char *key;
    struct imported_parent *next;
};

// imported_time is a key of `timeouts`.
struct imported_time {
    const char *key;
    int64_t milliseconds;
    struct imported_time *next;
};

struct imported {
    const char *source; // what it was made from, for the first line
    struct imported_listener *listeners;
    struct imported_parent *parents;
    struct imported_client *clients;
    struct imported_rule *deny; // for all clients
    struct imported_time *timeouts;
    struct import_prefixes egress;
    const char *resolvers;  // a list as it is written; NULL: the system's
    const char *hosts_file; // NULL: none
    const char *family;     // NULL: any
    uint64_t workers;       // 0: auto
    uint64_t tunnels;       // 0: no limit
    int64_t age_ms;         // of each client's tunnels; 0: no limit
};

// imported_name writes a name that a configuration takes, made from `text`, and that no client before has.
void imported_name(const struct imported *imported, struct slice text,
                   char out[IMPORTED_NAME_MAX + 1]);

// imported_add_client, and the others, put an entry at the end. The entry is of the arena.
void imported_add_client(struct imported *imported, struct imported_client *client);
void imported_add_listener(struct imported *imported, struct imported_listener *listener);
void imported_add_parent(struct imported *imported, struct imported_parent *parent);
void imported_add_rule(struct imported_rule **list, struct imported_rule *rule);
void imported_add_match(struct import_notes *notes, struct imported_client *client, const char *key,
                        struct slice value);
void imported_set_time(struct import_notes *notes, struct imported *imported, const char *key,
                       int64_t milliseconds);

// imported_list adds an entry to a list as it is written, which may be NULL, and gives the new list.
const char *imported_list(struct import_notes *notes, const char *list, struct slice entry);

// imported_format writes the configuration.
void imported_format(const struct imported *imported, struct text *out);
