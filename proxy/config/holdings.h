// holdings: what an included file holds, written down: names of clients and rules, entries of `match`, and since when.
//
// A text, in one line: `{"since": ["1"], "clients": [{"name": "a", "match": [{"cn": "a"}]}], "deny": [{"name": "r", "hosts":
// ["*"]}]}`. It is what an included file may say, beside `since`, which has a number for each entry, in order, and a `?` after it where it is contested. A reader of it
// as such gets the file's clients, who may do nothing: so a file that is refused keeps what is its own.
#pragma once

#include "proxy/config/standing.h"

enum {
    HOLDINGS_RULES_MAX = 10000, // names of rules that are kept
    HOLDINGS_NAME_CAP = 32,
};

// holdings_unnamed gives what stands in place of a client's name that another file has. holdings_is_unnamed tells whether a name
// is such a one.
const char *holdings_unnamed(const char *name, char out[HOLDINGS_NAME_CAP]);
bool holdings_is_unnamed(const char *name);

// holdings_write writes what is held by a file that was read from `root`: what was held before (NULL: nothing), and what is new
// since `number`. A contested name is not held. The text is in `arena`. ERR_MEMORY; ERR_LIMIT: a value is too long.
enum err holdings_write(const struct client_part *part, const struct node *root,
                        const struct standing *standing, uint64_t number, struct arena *arena,
                        struct slice *out) MUST_USE;

// holdings_ages gives the ages of the entries of `part`, which was read from `root`. NULL: they are not as many, or not numbers
// from 1 on, or there is no memory.
const struct entry_age *holdings_ages(const struct node *root, const struct client_part *part,
                                      struct arena *arena);
