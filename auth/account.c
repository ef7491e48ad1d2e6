// Clients sorted by name, for names in the configuration, and clients with templates in file order.
#include "auth/account.h"

#include <stdlib.h>

#include "auth/extension.h"
#include "auth/name_template.h"

struct account_index {
    const struct client **sorted; // arena; all clients, by name
    size_t count;
    const struct client **templates; // arena; those that are named from certificates, in file order
    size_t template_count;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct client *const *)a)->name,
                  (*(const struct client *const *)b)->name);
}

enum err account_index_create(struct arena *arena, const struct client *clients, size_t count,
                              const struct account_index **out)
{
    size_t template_count = 0;
    *out = NULL;
    for (size_t i = 0; i < count; i++)
        template_count += clients[i].name_template != NULL;
    if (template_count == 0)
        return ERR_OK;
    struct account_index *index = arena_alloc(arena, 1, sizeof *index);
    const struct client **sorted = arena_alloc(arena, count, sizeof *sorted);
    const struct client **templates = arena_alloc(arena, template_count, sizeof *templates);
    if (index == NULL || sorted == NULL || templates == NULL)
        return ERR_MEMORY;
    *index = (struct account_index){.sorted = sorted, .count = count, .templates = templates};
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &clients[i];
        if (clients[i].name_template != NULL)
            templates[index->template_count++] = &clients[i];
    }
    qsort(sorted, count, sizeof *sorted, compare_names);
    *out = index;
    return ERR_OK;
}

// find_written gives the client that has this name in the configuration.
static const struct client *find_written(const struct policy *policy, const char *name)
{
    const struct account_index *index = policy->account_index;
    if (index != NULL) {
        const struct client like = {.name = name};
        const struct client *key = &like;
        const struct client **found =
            bsearch(&key, index->sorted, index->count, sizeof *index->sorted, compare_names);
        return found == NULL ? NULL : *found;
    }
    for (size_t i = 0; i < policy->client_count; i++) {
        if (strcmp(policy->clients[i].name, name) == 0)
            return &policy->clients[i];
    }
    return NULL;
}

const struct client *account_find_client(const struct policy *policy, const char *name)
{
    const struct account_index *index = policy->account_index;
    const struct client *found = find_written(policy, name);
    const size_t count = index == NULL ? 0 : index->template_count;
    for (size_t i = 0; found == NULL && i < count; i++) {
        if (name_template_can_give(index->templates[i]->name_template, slice_of_string(name)))
            found = index->templates[i];
    }
    return found;
}

// extension_of gives the text for {extension}: of the OID that all entries of `match` name.
static struct slice extension_of(const struct client *client, const struct identity *identity)
{
    const struct extension_match *named =
        client->match_count == 0 ? NULL : client->matches[0].extension;
    const struct extension *found =
        named == NULL ? NULL : identity_find_extension(identity, named->oid);
    return found == NULL || found->value.data == NULL ? (struct slice){0}
                                                      : extension_only_text(found->value);
}

// complete completes the template of a client. NULL, or why that does not work.
static const char *complete(const struct policy *policy, const struct client *client,
                            const struct identity *identity, struct account_name *out)
{
    struct text text;
    text_init(&text, out->made, sizeof out->made);
    if (identity == NULL)
        return "there is no certificate";
    const enum name_result result = name_template_format(client->name_template, identity,
                                                         extension_of(client, identity), &text);
    if (result != NAME_OK)
        return name_result_text(result);
    return account_find_client(policy, out->made) == client
               ? NULL
               : "the certificate gives a name that belongs to another client";
}

enum reason account_name_decide(const struct policy *policy, const struct client *client,
                                const struct identity *identity, struct account_name *out)
{
    out->text = NULL;
    out->why = NULL;
    if (client == NULL)
        return REASON_NONE;
    if (client->name_template == NULL) {
        out->text = client->name;
        return REASON_NONE;
    }
    out->why = complete(policy, client, identity, out);
    if (out->why != NULL)
        return REASON_BAD_ACCOUNT;
    out->text = out->made;
    return REASON_NONE;
}
