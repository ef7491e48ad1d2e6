// An array that doubles, and an arena for the names.
#include "proxy/config/host_list.h"

#include <stdlib.h>

#include "auth/base/array.h"

enum err host_list_add(struct host_list *list, const struct ip_addr *address,
                       const struct hostname *name)
{
    if (list->count == HOST_ENTRIES_MAX) {
        list->is_full = true;
        return ERR_LIMIT;
    }
    if (list->arena == NULL && (list->arena = arena_create()) == NULL)
        return ERR_MEMORY;
    struct host_entry *entries =
        array_make_room(list->entries, list->count, &list->cap, sizeof *entries);
    if (entries == NULL)
        return ERR_MEMORY;
    list->entries = entries;
    const char *copy = arena_copy_string(list->arena, hostname_slice(name));
    if (copy == NULL)
        return ERR_MEMORY;
    entries[list->count++] = (struct host_entry){.name = copy, .address = *address};
    return ERR_OK;
}

void host_list_deinit(struct host_list *list)
{
    free(list->entries);
    arena_destroy(list->arena);
    *list = (struct host_list){0};
}
