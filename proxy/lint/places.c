// The trees are those that the policy was read from, so that indexes are the same.
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

const char *places_file(const struct places *places, const struct node *node)
{
    for (size_t i = 1; node != NULL && i < places->file_count; i++) {
        if (yaml_document_holds(places->files[i].document, node))
            return places->files[i].name;
    }
    return places->files[0].name;
}

// add_file reads one text, whose clients come after the `*count` that are there.
static enum err add_file(struct places *places, const char *name, struct slice text,
                         size_t client_count, size_t *count)
{
    struct diagnostics unused; // it has been read before, without a mistake
    struct place_file *file = &places->files[places->file_count];
    file->name = name;
    diagnostics_init(&unused);
    const enum err error = yaml_document_parse(text, name, &unused, &file->document);
    diagnostics_deinit(&unused);
    TRY(error);
    places->file_count++;
    const struct node *root = yaml_document_root(file->document);
    const struct node *list = node_get(root, "clients");
    const struct node *node = list == NULL ? NULL : list->child;
    for (; *count < client_count && node != NULL; node = node->next) {
        places->denials[*count] = places->file_count == 1 ? NULL : node_get(root, "deny");
        places->clients[(*count)++] = node;
    }
    return ERR_OK;
}

static enum err read_all(const struct snapshot *snapshot, struct places *places)
{
    const size_t client_count = snapshot->policy->client_count;
    size_t count = 0;
    TRY(add_file(places, source_label(snapshot->path), snapshot->source, client_count, &count));
    places->root = yaml_document_root(places->files[0].document);
    places->deny = node_get(places->root, "deny");
    for (size_t i = 0; i < snapshot->included.count; i++) {
        const struct included_part *part = &snapshot->included.items[i];
        if (part->text.data != NULL)
            TRY(add_file(places, part->path, part->text, client_count, &count));
    }
    return ERR_OK;
}

enum err places_open(const struct snapshot *snapshot, struct places *out)
{
    const size_t client_count = snapshot->policy->client_count;
    *out = (struct places){
        .files = calloc(snapshot->included.count + 1, sizeof *out->files),
        .clients = calloc(client_count + 1, sizeof *out->clients),
        .denials = calloc(client_count + 1, sizeof *out->denials),
    };
    enum err error = ERR_MEMORY;
    if (out->files != NULL && out->clients != NULL && out->denials != NULL)
        error = read_all(snapshot, out);
    if (error != ERR_OK)
        places_close(out);
    return error;
}

void places_close(struct places *places)
{
    for (size_t i = 0; i < places->file_count; i++)
        yaml_document_destroy(places->files[i].document);
    free(places->files);
    free(places->clients);
    free(places->denials);
    *places = (struct places){0};
}
