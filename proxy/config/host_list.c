// An array that doubles, and an arena for the names.
#include "proxy/config/host_list.h"

#include <stdlib.h>

enum { FIRST_CAP = 64 };

// make_room sees to it that one more entry fits.
static enum err make_room(struct host_list *list)
{
    if (list->arena == NULL && (list->arena = arena_create()) == NULL)
        return ERR_MEMORY;
    if (list->count < list->cap)
        return ERR_OK;
    const size_t cap = list->cap == 0 ? FIRST_CAP : 2 * list->cap;
    struct host_entry *entries = realloc(list->entries, cap * sizeof *entries);
    if (entries == NULL)
        return ERR_MEMORY;
    list->entries = entries;
    list->cap = cap;
    return ERR_OK;
}

enum err host_list_add(struct host_list *list, const struct ip_addr *address,
                       const struct hostname *name)
{
    if (list->count == HOST_ENTRIES_MAX) {
        list->is_full = true;
        return ERR_LIMIT;
    }
    TRY(make_room(list));
    const char *copy = arena_copy_string(list->arena, hostname_slice(name));
    if (copy == NULL)
        return ERR_MEMORY;
    list->entries[list->count++] = (struct host_entry){.name = copy, .address = *address};
    return ERR_OK;
}

struct host_table *host_list_make(const struct host_list *list)
{
    return host_table_create(list->entries, list->count);
}

void host_list_deinit(struct host_list *list)
{
    free(list->entries);
    arena_destroy(list->arena);
    *list = (struct host_list){0};
}
