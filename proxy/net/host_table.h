// host_table: names whose addresses are known without DNS. Immutable, counted by reference, for all threads.
//
// Knows neither where the entries come from nor who asks.
#pragma once

#include "auth/ipaddr.h"

struct host_table;

// host_entry is a name and one of its addresses.
struct host_entry {
    const char *name; // canonical; borrowed for the call of host_table_create
    struct ip_addr address;
};

// host_table_create copies `entries`; a name may stand in several, whose order is kept. One reference, the
// caller's; NULL without memory.
struct host_table *host_table_create(const struct host_entry *entries, size_t count) MUST_USE;

// host_table_ref takes another reference and returns its argument. Any thread. NULL is allowed.
struct host_table *host_table_ref(struct host_table *table);

// host_table_unref gives one back; the last one frees. Any thread. NULL is allowed.
void host_table_unref(struct host_table *table);

// host_table_find gives the entries of `name`, which stand one after the other; `*out_count` 0 and NULL when it is
// not there. A NULL table is empty.
const struct host_entry *host_table_find(const struct host_table *table, struct slice name,
                                         size_t *out_count);

// host_table_find_known gives what a machine knows of a name without DNS: its entries in the table; where there are none,
// the loopback for `localhost` and names below it, which are never a question to a server (RFC 6761 6.3).
const struct host_entry *host_table_find_known(const struct host_table *table, struct slice name,
                                               size_t *out_count);

// host_is_below_localhost tells whether the name is `localhost` or below it.
bool host_is_below_localhost(struct slice name);

// host_table_equal tells whether both give the same answers. NULL is allowed.
bool host_table_equal(const struct host_table *a, const struct host_table *b);
