// sets: lists by name, and lists in files: `sets`, `@NAME` and `{file: PATH}`, each read and compiled
// once, however many rules use it.
//
// Lives while a configuration is read; what it hands out lives in the reader's arena. Opens no file
// itself: the reader's `read_list` does.
#pragma once

#include "auth/policy.h"
#include "proxy/config/lists.h"
#include "proxy/config/section.h"

extern const struct section sets_section;
extern const struct section list_file_section;

// sets is the collection; start with {.reader = ..., .outer = ...}. Its other fields are private.
struct sets {
    struct reader *reader; // borrowed
    struct sets
        *outer; // borrowed: whose named sets can be used, too, and not named again; NULL: none
    void *tree; // owned: of tsearch(3), by kind and key; owns the lists
    struct shared *first; // in the order in which they came
    struct shared *last;
};

// sets_deinit frees what it holds.
void sets_deinit(struct sets *sets);

// sets_read reads the section `sets` (NULL: left out). Before any list that may use one.
void sets_read(struct sets *sets, const struct node *node);

// sets_warn_unused warns of the sets that no rule has used.
void sets_warn_unused(struct sets *sets);

// sets_read_hosts and sets_read_addresses read a list of a rule: plain entries, `@NAME`, and
// `{file: PATH}`. `what` is such as "`hosts`". `*facts` is what holds for the whole list. Its odd
// prefixes are reported here when an allow uses it (`is_allow`), those of a shared list once. NULL: an empty list.
void sets_read_hosts(struct sets *sets, const struct node *node, const char *what,
                     struct host_sets *out, struct list_facts *facts);
void sets_read_addresses(struct sets *sets, const struct node *node, const char *what,
                         bool is_allow, struct ip_sets *out, struct list_facts *facts);
