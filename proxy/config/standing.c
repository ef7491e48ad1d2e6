// What was held is put in the order of its age, so that the first entry of it that covers another one is the oldest.
#include "proxy/config/standing.h"

#include <stdlib.h>

#include "auth/client_index.h"
#include "auth/match.h"

// aged is an entry with its age.
struct aged {
    const struct match_entry *entry;
    struct entry_age age;
    size_t number;
    const struct node *node; // NULL: not needed
};

// ages is entries, the oldest first, each as a client of its own.
struct ages {
    struct aged *items;     // owned
    struct client *clients; // owned
    size_t count;
    const struct client_index *index; // arena
};

static int compare_aged(const void *left, const void *right)
{
    const struct aged *a = left;
    const struct aged *b = right;
    if (a->age.since != b->age.since)
        return a->age.since < b->age.since ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

static size_t entry_count(const struct client_part *part)
{
    size_t count = 0;
    for (size_t i = 0; i < part->client_count; i++)
        count += part->clients[i].match_count;
    return count;
}

// ages_list lists the entries of a part, without their ages. `root` may be NULL.
static enum err ages_list(const struct client_part *part, const struct node *root, struct ages *out)
{
    const struct node *clients = root == NULL ? NULL : node_get(root, "clients");
    const struct node *client = clients == NULL ? NULL : clients->child;
    const size_t count = entry_count(part);
    *out = (struct ages){.items = calloc(count + 1, sizeof *out->items),
                         .clients = calloc(count + 1, sizeof *out->clients)};
    if (out->items == NULL || out->clients == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < part->client_count; i++) {
        const struct node *match = client == NULL ? NULL : node_get(client, "match");
        const struct node *node = match == NULL ? NULL : match->child;
        for (size_t j = 0; j < part->clients[i].match_count; j++) {
            out->items[out->count] = (struct aged){
                .entry = &part->clients[i].matches[j], .number = out->count, .node = node};
            out->count++;
            node = node == NULL ? NULL : node->next;
        }
        client = client == NULL ? NULL : client->next;
    }
    return ERR_OK;
}

// ages_seal sorts them, once their ages are set.
static enum err ages_seal(struct ages *ages, struct arena *arena)
{
    if (ages->count > 0)
        qsort(ages->items, ages->count, sizeof *ages->items, compare_aged);
    for (size_t i = 0; i < ages->count; i++)
        ages->clients[i] = (struct client){.matches = ages->items[i].entry, .match_count = 1};
    return client_index_create(arena, ages->clients, ages->count, &ages->index);
}

static void ages_deinit(struct ages *ages)
{
    free(ages->items);
    free(ages->clients);
}

// find_oldest gives the oldest that covers an entry, or NULL. `*work` is what was compared so far.
static const struct aged *find_oldest(const struct ages *ages, const struct match_entry *entry,
                                      size_t *work)
{
    size_t compared = 0;
    if (*work > STANDING_WORK_MAX)
        return NULL;
    const struct client *found =
        client_index_find_cover(ages->index, entry, match_entry_covers, &compared);
    *work += compared;
    return found == NULL ? NULL : &ages->items[found - ages->clients];
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const struct named_place *)left)->name,
                  ((const struct named_place *)right)->name);
}

static bool has_name(const struct named_places *places, const char *name)
{
    const struct named_place like = {.name = name};
    return places->count > 0 && bsearch(&like, places->items, places->count, sizeof *places->items,
                                        compare_names) != NULL;
}

// set_names tells which names were held. `client_names` and `rule_names` are sorted.
static void set_names(const struct client_part *part, const struct client_part *held,
                      struct standing *out)
{
    for (size_t i = 0; i < part->client_count; i++)
        out->clients[i].is_held = has_name(&held->client_names, part->clients[i].name);
    for (size_t i = 0; i < part->rule_names.count; i++)
        out->rules[i].is_held = has_name(&held->rule_names, part->rule_names.items[i].name);
}

static int compare_heirlooms(const void *left, const void *right)
{
    const struct heirloom *a = left;
    const struct heirloom *b = right;
    return (a->client > b->client) - (a->client < b->client);
}

// keep_heirlooms finds entries that were held for longer than the wider ones that have taken their place.
static enum err keep_heirlooms(const struct client_part *part, const struct ages *held,
                               struct ages *now, struct arena *arena, struct standing *out)
{
    const struct client_index *index = NULL;
    size_t *counts = calloc(part->client_count + 1, sizeof *counts);
    size_t work = 0;
    const size_t max = held->count < HEIRLOOMS_MAX ? held->count : HEIRLOOMS_MAX;
    out->heirlooms = arena_alloc(arena, max + 1, sizeof *out->heirlooms);
    enum err error = counts == NULL || out->heirlooms == NULL
                         ? ERR_MEMORY
                         : client_index_create(arena, part->clients, part->client_count, &index);
    if (error == ERR_OK)
        error = ages_seal(now, arena);
    for (size_t i = 0; i < held->count && error == ERR_OK && out->heirloom_count < max; i++) {
        const struct aged *item = &held->items[i];
        const struct aged *wider = find_oldest(now, item->entry, &work);
        size_t compared = 0;
        if (wider == NULL || wider->age.since <= item->age.since)
            continue; // it was given up, or is as old within another one
        const struct client *client =
            client_index_find_cover(index, item->entry, match_entry_covers, &compared);
        work += compared;
        if (client == NULL)
            continue;
        const size_t number = (size_t)(client - part->clients);
        if (client->match_count + counts[number] >= CLIENT_MATCHES_MAX)
            continue;
        counts[number]++;
        out->heirlooms[out->heirloom_count++] = (struct heirloom){
            .client = number, .entry = item->entry, .node = item->node, .age = item->age};
    }
    free(counts);
    if (out->heirloom_count > 0)
        qsort(out->heirlooms, out->heirloom_count, sizeof *out->heirlooms, compare_heirlooms);
    return error;
}

static enum err fill(const struct client_part *part, const struct held_part *held,
                     struct ages *before, struct ages *now, struct arena *arena,
                     struct standing *out)
{
    size_t work = 0;
    TRY(ages_list(held->part, held->root, before));
    TRY(ages_list(part, NULL, now));
    for (size_t i = 0; i < before->count; i++)
        before->items[i].age = held->ages[i];
    TRY(ages_seal(before, arena));
    for (size_t i = 0; i < now->count; i++) {
        const struct aged *found = find_oldest(before, now->items[i].entry, &work);
        if (found != NULL)
            out->entries[i] = (struct entry_standing){.since = found->age.since,
                                                      .is_held = !found->age.is_contested};
        now->items[i].age.since = found == NULL ? UINT64_MAX : found->age.since;
    }
    set_names(part, held->part, out);
    return keep_heirlooms(part, before, now, arena, out);
}

enum err standing_make(const struct client_part *part, const struct held_part *held,
                       struct arena *arena, struct standing *out)
{
    struct ages before = {0};
    struct ages now = {0};
    const size_t count = entry_count(part);
    *out = (struct standing){
        .entries = arena_alloc(arena, count + 1, sizeof *out->entries),
        .entry_count = count,
        .clients = arena_alloc(arena, part->client_count + 1, sizeof *out->clients),
        .rules = arena_alloc(arena, part->rule_names.count + 1, sizeof *out->rules)};
    if (out->entries == NULL || out->clients == NULL || out->rules == NULL)
        return ERR_MEMORY;
    const enum err error = fill(part, held, &before, &now, arena, out);
    ages_deinit(&before);
    ages_deinit(&now);
    return error;
}
