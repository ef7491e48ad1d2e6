// An array that doubles, and an arena for the names.
#include "proxy/config/host_list.h"

#include <stdlib.h>

#include "auth/base/array.h"

bool host_list_add(struct host_list *list, const struct ip_addr *address,
                   const struct hostname *name)
{
    if (list->error == ERR_OK && list->count == HOST_ENTRIES_MAX)
        list->error = ERR_LIMIT;
    if (list->error != ERR_OK)
        return false;
    if (list->arena == NULL)
        list->arena = arena_create();
    const char *copy =
        list->arena == NULL ? NULL : arena_copy_string(list->arena, hostname_slice(name));
    struct host_entry *entries =
        array_make_room(list->entries, list->count, &list->cap, sizeof *entries);
    if (entries != NULL)
        list->entries = entries;
    if (entries != NULL && copy != NULL)
        entries[list->count++] = (struct host_entry){.name = copy, .address = *address};
    else
        list->error = ERR_MEMORY;
    return list->error == ERR_OK;
}

void host_list_deinit(struct host_list *list)
{
    free(list->entries);
    arena_destroy(list->arena);
    *list = (struct host_list){0};
}
