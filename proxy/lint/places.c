// The tree is the one that the policy was read from, so that indexes are the same.
#include "proxy/lint/places.h"

#include <stdlib.h>

#include "proxy/config/source.h"

const struct node *places_item(const struct node *list, size_t index)
{
    const struct node *node = list == NULL ? NULL : list->child;
    while (node != NULL && index-- > 0)
        node = node->next;
    return node;
}

enum err places_open(const struct snapshot *snapshot, struct places *out)
{
    struct diagnostics unused; // it has been read before, without a mistake
    *out = (struct places){.file = source_label(snapshot->path)};
    diagnostics_init(&unused);
    const enum err error =
        yaml_document_parse(snapshot->source, snapshot->path, &unused, &out->document);
    diagnostics_deinit(&unused);
    TRY(error);
    out->clients = calloc(snapshot->policy->client_count + 1, sizeof(struct node *));
    if (out->clients == NULL) {
        places_close(out);
        return ERR_MEMORY;
    }
    const struct node *root = yaml_document_root(out->document);
    const struct node *list = node_get(root, "clients");
    const struct node *node = list == NULL ? NULL : list->child;
    for (size_t i = 0; i < snapshot->policy->client_count && node != NULL; i++, node = node->next)
        out->clients[i] = node;
    out->deny = node_get(root, "deny");
    return ERR_OK;
}

void places_close(struct places *places)
{
    yaml_document_destroy(places->document);
    free(places->clients);
    *places = (struct places){0};
}
