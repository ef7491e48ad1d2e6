// What was just read is nobody else's yet, so that it can be changed where it is.
#include "proxy/config/finishing.h"

#include <stdlib.h>
#include <string.h>

// format_name writes a name that no file can choose, for its brackets.
static const char *format_name(struct arena *arena, const char *owner, const char *list,
                               size_t number)
{
    const size_t cap = strlen(owner) + strlen(list) + 32;
    char *name = (char *)arena_alloc_bytes(arena, cap);
    struct text text;
    if (name == NULL)
        return NULL;
    text_init(&text, name, cap);
    text_append_format(&text, "%s.%s[%zu]", owner, list, number);
    return name;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const struct named_place *)left)->name,
                  ((const struct named_place *)right)->name);
}

// is_taken tells whether a rule's name is another file's.
static bool is_taken(const struct client_part *part, const struct standing *standing,
                     const char *name)
{
    const struct named_places *names = &part->rule_names;
    const struct named_place like = {.name = name};
    const struct named_place *found =
        names->count == 0
            ? NULL
            : bsearch(&like, names->items, names->count, sizeof *names->items, compare_names);
    return found != NULL && standing->rules[found - names->items].is_contested;
}

static enum err rename_rules(const struct client_part *part, const struct standing *standing,
                             struct arena *arena, const char *owner, const char *list,
                             const struct rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_taken(part, standing, rules[i].name))
            continue;
        const char *name = format_name(arena, owner, list, i);
        if (name == NULL)
            return ERR_MEMORY;
        ((struct rule *)&rules[i])->name = name;
    }
    return ERR_OK;
}

// file_label gives what names of a file's own begin with.
static const char *file_label(struct arena *arena, const struct client_file *file)
{
    const char *slash = strrchr(file->name, '/');
    const char *name = slash == NULL ? file->name : slash + 1;
    const size_t cap = strlen(name) + 8;
    char *label = (char *)arena_alloc_bytes(arena, cap);
    struct text text;
    if (label == NULL)
        return NULL;
    text_init(&text, label, cap);
    text_append_format(&text, "file:%s", name);
    return label;
}

// take_rights leaves a client its certificates, and nothing else.
static enum err take_rights(struct client *client, const char *label, size_t number,
                            struct arena *arena)
{
    const char *name = format_name(arena, label, "clients", number);
    client->name = name;
    client->name_template = NULL;
    client->accounts = 0;
    client->mode = POLICY_ENFORCE;
    client->allow = NULL;
    client->allow_count = 0;
    client->sends_proxy = false;
    client->asks = false;
    client->has_names = false;
    return name == NULL ? ERR_MEMORY : ERR_OK;
}

// set_since notes since when each entry of a client is in force; the first is `*entry` in the standing.
static void set_since(struct client *client, const struct standing *standing, uint64_t number,
                      size_t *entry)
{
    struct match_entry *entries = (struct match_entry *)client->matches;
    for (size_t i = 0; i < client->match_count; i++, (*entry)++) {
        const uint64_t since = standing == NULL ? 0 : standing->entries[*entry].since;
        entries[i].since = since != 0 ? since : number;
    }
}

// add_heirlooms puts a client's heirlooms after its entries. They fit nobody whom those do not fit.
static enum err add_heirlooms(struct client *client, const struct heirloom *heirlooms, size_t count,
                              struct arena *arena)
{
    struct match_entry *entries = arena_alloc(arena, client->match_count + count, sizeof *entries);
    if (entries == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < client->match_count; i++)
        entries[i] = client->matches[i];
    for (size_t i = 0; i < count; i++) {
        entries[client->match_count + i] = *heirlooms[i].entry;
        entries[client->match_count + i].since = heirlooms[i].age.since;
    }
    client->matches = entries;
    client->match_count += count;
    return ERR_OK;
}

// take_names takes from a client and its rules the names that are another file's.
static enum err take_names(const struct client_part *part, const struct standing *standing,
                           const char *label, size_t number, struct arena *arena,
                           struct client *client)
{
    if (standing->clients[number].is_contested)
        TRY(take_rights(client, label, number, arena));
    TRY(rename_rules(part, standing, arena, client->name, "allow", client->allow,
                     client->allow_count));
    return rename_rules(part, standing, arena, client->name, "deny", client->deny,
                        client->deny_count);
}

enum err part_finish(const struct client_part *part, const struct standing *standing,
                     uint64_t number, struct arena *arena, struct client *clients)
{
    size_t entry = 0;
    size_t heirloom = 0;
    const char *label = standing == NULL ? "" : file_label(arena, part->file);
    if (label == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < part->client_count; i++) {
        const size_t first = heirloom;
        set_since(&clients[i], standing, number, &entry);
        if (standing == NULL)
            continue;
        while (heirloom < standing->heirloom_count && standing->heirlooms[heirloom].client == i)
            heirloom++;
        if (heirloom > first)
            TRY(add_heirlooms(&clients[i], &standing->heirlooms[first], heirloom - first, arena));
        TRY(take_names(part, standing, label, i, arena, &clients[i]));
    }
    return standing == NULL ? ERR_OK
                            : rename_rules(part, standing, arena, label, "deny", part->file->deny,
                                           part->file->deny_count);
}
