// host_list: names with their addresses while they are gathered; host_table_create makes a table of `entries`.
//
// For configurations, on any thread. Knows neither files nor the forms in which they are written.
#pragma once

#include "auth/base/arena.h"
#include "auth/hostname.h"
#include "proxy/net/host_table.h"

enum { HOST_ENTRIES_MAX = 100000 }; // names with their addresses

struct host_list {
    struct arena *arena;        // owned; for the names
    struct host_entry *entries; // owned
    size_t count;
    size_t cap;
    enum err error; // ERR_LIMIT: there was more than HOST_ENTRIES_MAX; ERR_MEMORY
};

// host_list_add adds one name and address, in the order in which the table will have them. Tells whether the list is
// whole; otherwise `error` says why.
bool host_list_add(struct host_list *list, const struct ip_addr *address,
                   const struct hostname *name);

// host_list_deinit frees the list. A zeroed list is empty.
void host_list_deinit(struct host_list *list);
