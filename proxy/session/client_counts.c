// An array in the order of the clients, so that most are found by their place; those of an earlier policy by their name.
#include "proxy/session/client_counts.h"

#include <stdlib.h>
#include <string.h>

#include "auth/base/hash.h"

// find_slot gives the place of a name in the index, taken or free.
static uint32_t *find_slot(const struct client_counts *table, const char *name)
{
    const uint64_t hash = hash_end(hash_add_slice(hash_begin(), slice_of_string(name)));
    for (size_t i = (size_t)hash;; i++) {
        uint32_t *slot = &table->index[i & (table->index_cap - 1)];
        if (*slot == 0 || strcmp(table->counts[*slot - 1].name, name) == 0)
            return slot;
    }
}

static struct client_count *find_name(const struct client_counts *table, const char *name)
{
    const uint32_t slot = table->index_cap == 0 ? 0 : *find_slot(table, name);
    return slot == 0 ? NULL : &table->counts[slot - 1];
}

// fill makes the table for `count` clients. False without memory.
static bool fill(struct client_counts *table, const struct client *clients, size_t count)
{
    size_t cap = 16;
    while (cap < count * 2)
        cap *= 2;
    table->counts = calloc(count + 1, sizeof *table->counts);
    table->index = calloc(cap, sizeof *table->index);
    if (table->counts == NULL || table->index == NULL)
        return false;
    table->index_cap = cap;
    table->clients = clients;
    for (size_t i = 0; i < count; i++) {
        table->counts[i].name = clients[i].name;
        *find_slot(table, clients[i].name) = (uint32_t)i + 1;
    }
    table->count = count;
    return true;
}

void client_counts_adopt(struct client_counts *table, const struct policy *policy)
{
    struct client_counts next = {0};
    if (policy != NULL && policy->clients == table->clients && policy->client_count == table->count)
        return;
    if (policy != NULL && !fill(&next, policy->clients, policy->client_count))
        client_counts_deinit(&next);
    for (size_t i = 0; i < next.count; i++) {
        const struct client_count *before = find_name(table, next.counts[i].name);
        if (before == NULL)
            continue;
        const char *name = next.counts[i].name;
        next.counts[i] = *before;
        next.counts[i].name = name;
    }
    client_counts_deinit(table);
    *table = next;
}

struct client_count *client_counts_find(const struct client_counts *table,
                                        const struct client *client)
{
    if (client == NULL)
        return NULL;
    const uintptr_t offset = (uintptr_t)client - (uintptr_t)table->clients;
    if (table->clients != NULL && offset < table->count * sizeof *client)
        return &table->counts[offset / sizeof *client];
    return find_name(table, client->name);
}

void client_counts_deinit(struct client_counts *table)
{
    free(table->counts);
    free(table->index);
    *table = (struct client_counts){0};
}
