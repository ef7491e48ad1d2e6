// A sorted array and one piece of text after it.
#include "proxy/net/host_table.h"

#include <stdatomic.h>
#include <stdlib.h>

struct host_table {
    atomic_size_t refs;
    size_t count;
    struct host_entry *entries; // in the same piece of memory; by name, and in their first order
};

// by_name_and_place sorts by name. Equal names keep their order, in which their texts stand in memory.
static int by_name_and_place(const void *a, const void *b)
{
    const struct host_entry *left = a;
    const struct host_entry *right = b;
    const int order = strcmp(left->name, right->name);
    if (order != 0)
        return order;
    return left->name < right->name ? -1 : left->name > right->name;
}

struct host_table *host_table_create(const struct host_entry *entries, size_t count)
{
    size_t texts = 0;
    for (size_t i = 0; i < count; i++)
        texts += strlen(entries[i].name) + 1;
    struct host_table *table = malloc(sizeof *table + count * sizeof *entries + texts);
    if (table == NULL)
        return NULL;
    atomic_init(&table->refs, 1);
    table->count = count;
    table->entries = (struct host_entry *)(table + 1);
    char *text = (char *)(table->entries + count);
    for (size_t i = 0; i < count; i++) {
        const size_t len = strlen(entries[i].name) + 1;
        (void)string_copy(text, len, slice_of_string(entries[i].name));
        table->entries[i] = (struct host_entry){.name = text, .address = entries[i].address};
        text += len;
    }
    qsort(table->entries, count, sizeof *entries, by_name_and_place);
    return table;
}

struct host_table *host_table_ref(struct host_table *table)
{
    if (table != NULL)
        (void)atomic_fetch_add(&table->refs, 1);
    return table;
}

void host_table_unref(struct host_table *table)
{
    if (table != NULL && atomic_fetch_sub(&table->refs, 1) == 1)
        free(table);
}

// compare_name orders `name` against an entry's.
static int compare_name(struct slice name, const struct host_entry *entry)
{
    const size_t len = strlen(entry->name);
    const int order = memcmp(name.data, entry->name, name.len < len ? name.len : len);
    if (order != 0)
        return order;
    return name.len < len ? -1 : name.len > len;
}

const struct host_entry *host_table_find(const struct host_table *table, struct slice name,
                                         size_t *out_count)
{
    *out_count = 0;
    size_t low = 0;
    size_t high = table == NULL ? 0 : table->count;
    while (low < high) { // the first entry that is not before the name
        const size_t middle = low + (high - low) / 2;
        if (compare_name(name, &table->entries[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (table != NULL && low + *out_count < table->count &&
           compare_name(name, &table->entries[low + *out_count]) == 0)
        (*out_count)++;
    return *out_count == 0 ? NULL : &table->entries[low];
}

bool host_is_below_localhost(struct slice name)
{
    return slice_equal(name, SLICE_LITERAL("localhost")) ||
           slice_ends_with(name, SLICE_LITERAL(".localhost"));
}

const struct host_entry *host_table_find_known(const struct host_table *table, struct slice name,
                                               size_t *out_count)
{
    static const struct host_entry loopback[] = {
        {"localhost", {.family = IP_V6, .bytes = {[15] = 1}}},
        {"localhost", {.family = IP_V4, .bytes = {127, 0, 0, 1}}},
    };
    const struct host_entry *entries = host_table_find(table, name, out_count);
    if (entries != NULL || !host_is_below_localhost(name))
        return entries;
    *out_count = sizeof loopback / sizeof *loopback;
    return loopback;
}

bool host_table_equal(const struct host_table *a, const struct host_table *b)
{
    const size_t count = a == NULL ? 0 : a->count;
    if (count != (b == NULL ? 0 : b->count))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(a->entries[i].name, b->entries[i].name) != 0 ||
            !ip_addr_equal(&a->entries[i].address, &b->entries[i].address))
            return false;
    }
    return true;
}
