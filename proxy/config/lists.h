// lists: the entries of one list of `hosts` or `addresses`, one by one, from the configuration or
// from the lines of a list file, gathered into the policy's sets.
//
// Knows what an entry looks like and what is remarkable about it. Does not know sets by name
// (proxy/config/sets) and opens no file: the bytes of a list file are given to it.
#pragma once

#include "auth/host_set.h"
#include "auth/ip_set.h"
#include "proxy/config/idn.h"
#include "proxy/config/reader.h"

// host_pattern_read reads one host name or pattern, in UTF-8. `ascii` gets it as A-labels, otherwise as written.
bool host_pattern_read(struct reader *reader, const struct node *node, const char *what,
                       char ascii[IDN_CAP], struct host_pattern *out);

enum list_kind { LIST_HOSTS, LIST_ADDRESSES };

// list_kind_name gives `hosts` or `addresses`.
const char *list_kind_name(enum list_kind kind);

enum {
    LIST_ENTRIES_MAX = 4000000, // in one list, each of its files included
    LIST_ODD_MAX = 8,           // prefixes that are remarked on, in one list
};

// odd_prefix is one that opens less to an allow than it seems to, and where it stands.
struct odd_prefix {
    struct ip_prefix prefix;
    const char *file; // borrowed: the configuration's path, or in the arena
    uint32_t line;
    uint32_t column;
};

// list_facts is what the rules that use a list have to know about it.
struct list_facts {
    size_t entry_count;
    bool has_any;       // `*`
    bool has_wildcard;  // `*.name` or `*`
    bool opens_special; // a prefix inside a special range
    struct odd_prefix odd[LIST_ODD_MAX];
    size_t odd_count;
};

// list_builder gathers entries of one kind. Start with {.kind = ...}.
struct list_builder {
    enum list_kind kind;
    struct host_set_builder hosts;
    struct ip_set_builder addresses;
    struct list_facts facts;
};

// list_builder_deinit frees what an abandoned builder holds.
void list_builder_deinit(struct list_builder *builder);

// list_builder_add reads one entry, a text, at its place. False when it was no good; that has been
// reported.
bool list_builder_add(struct list_builder *builder, struct reader *reader, const struct node *node);

// list_builder_add_lines reads a list file: one entry a line, blanks around it dropped, comments
// from a `#` that begins the line or follows a blank, empty lines skipped. A byte order mark of
// UTF-8 and line ends of Windows are allowed. Findings name `path` (in the arena) and the line.
void list_builder_add_lines(struct list_builder *builder, struct reader *reader, const char *path,
                            struct slice bytes);

// list_facts_add adds what holds for another list, which a rule uses together with this one.
void list_facts_add(struct list_facts *facts, const struct list_facts *other);

// list_facts_report warns of the odd prefixes, for a list that an allow uses.
void list_facts_report(struct reader *reader, const struct list_facts *facts);
