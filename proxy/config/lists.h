// lists: one list of `hosts` or `addresses`. Reads its entries from the configuration, or from the lines of a list file,
// into the policy's sets.
//
// Knows what an entry looks like and which entries deserve a warning. Does not know sets by name (proxy/config/sets) and
// opens no file: the caller passes the bytes.
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
    LIST_ODD_MAX = 8,           // prefixes that get a warning, in one list
};

// odd_prefix is a prefix that opens less than it seems to in an allow, and its place.
struct odd_prefix {
    struct ip_prefix prefix;
    const char *file; // borrowed: the configuration's path, or in the arena
    uint32_t line;
    uint32_t column;
};

// list_facts is what a rule must know about a list that it uses.
struct list_facts {
    size_t entry_count;
    bool has_any;       // `*`
    bool has_wildcard;  // `*.name` or `*`
    bool opens_special; // a prefix inside a special range
    bool opens_range;   // such a prefix, of more than one address
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

// list_builder_deinit frees what a builder holds, finished or not.
void list_builder_deinit(struct list_builder *builder);

// list_builder_add reads one entry, a text. A bad one is reported, and gives `false`.
bool list_builder_add(struct list_builder *builder, struct reader *reader, const struct node *node);

// list_builder_add_lines reads a list file with one entry a line. Blanks around an entry, empty lines and comments are
// dropped; a comment begins with a `#` at the start of a line or after a blank. A UTF-8 byte order mark and CRLF are
// allowed. Findings name `path` (in the arena) and the line.
void list_builder_add_lines(struct list_builder *builder, struct reader *reader, const char *path,
                            struct slice bytes);

// list_facts_add adds the facts of another list that the same rule uses.
void list_facts_add(struct list_facts *facts, const struct list_facts *other);

// list_facts_report warns of the odd prefixes. For a list that an allow uses.
void list_facts_report(struct reader *reader, const struct list_facts *facts);
