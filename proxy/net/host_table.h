// host_table: names whose addresses are known without DNS. Immutable and reference-counted; any thread may use it.
//
// Does not know where the entries come from.
#pragma once

#include "auth/ipaddr.h"

struct host_table;

// host_entry is a name and one of its addresses.
struct host_entry {
    const char *name; // canonical; borrowed for the call of host_table_create
    struct ip_addr address;
};

// host_table_create copies `entries`. A name may have several, whose order is kept. The caller owns the one reference. NULL
// without memory.
struct host_table *host_table_create(const struct host_entry *entries, size_t count) MUST_USE;

// host_table_ref takes another reference and returns its argument. Any thread. NULL is allowed.
struct host_table *host_table_ref(struct host_table *table);

// host_table_unref drops a reference. The last one frees the table. Any thread. NULL is allowed.
void host_table_unref(struct host_table *table);

// host_table_find gives the `*out_count` entries of `name`; NULL and 0 if it has none. A NULL table is empty.
const struct host_entry *host_table_find(const struct host_table *table, struct slice name,
                                         size_t *out_count);

// host_table_find_known gives the entries of `name`, or, if it has none and is `localhost` or below it, the loopback
// addresses: no server is asked about these names (RFC 6761 6.3).
const struct host_entry *host_table_find_known(const struct host_table *table, struct slice name,
                                               size_t *out_count);

// host_is_below_localhost tells whether the name is `localhost` or below it.
bool host_is_below_localhost(struct slice name);

// host_table_equal tells whether both tables have the same entries. NULL is allowed.
bool host_table_equal(const struct host_table *a, const struct host_table *b);
