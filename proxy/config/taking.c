// A second, lenient reading of a configuration that was good once. Its findings are not shown: the reload that
// was refused has shown them.
#include "proxy/config/taking.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "proxy/config/denials.h"
#include "proxy/config/named_files.h"
#include "proxy/config/trust_taking.h"

// trust_of gives what has taken the place of a profile of `current`.
static const struct trust *trust_of(const struct taking *taking, const struct snapshot *current,
                                    const struct trust *trust)
{
    for (size_t i = 0; i < current->trust_count; i++) {
        if (current->trusts[i] == trust)
            return taking->trusts[i];
    }
    return trust;
}

// move_listeners copies the listeners, with the new profiles in them.
static bool move_listeners(struct taking *taking, const struct snapshot *current)
{
    struct arena *arena = taking->arena;
    taking->listeners = arena_alloc(arena, current->listener_count, sizeof *taking->listeners);
    if (taking->listeners == NULL)
        return false;
    for (size_t l = 0; l < current->listener_count; l++) {
        struct listener_config *listener = &taking->listeners[l];
        *listener = current->listeners[l];
        listener->sites = arena_alloc(arena, listener->site_count, sizeof *listener->sites);
        if (listener->sites == NULL)
            return false;
        for (size_t s = 0; s < listener->site_count; s++) {
            listener->sites[s] = current->listeners[l].sites[s];
            listener->sites[s].trust = trust_of(taking, current, listener->sites[s].trust);
        }
    }
    return true;
}

// read_profiles makes a revision of each profile.
static enum err read_profiles(struct reader *reader, const struct snapshot *current,
                              const struct node *root, const struct node *next,
                              struct taking *taking)
{
    taking->trusts = arena_alloc(taking->arena, current->trust_count, sizeof *taking->trusts);
    if (taking->trusts == NULL)
        return ERR_MEMORY;
    const struct node *profiles = node_get(root, "trust");
    for (size_t i = 0; i < current->trust_count; i++) {
        const char *name = trust_name(current->trusts[i]);
        TRY(trust_taking_read(reader, node_get(profiles, name),
                              node_get(node_get(next, "trust"), name), current->trusts[i],
                              &taking->is_early, &taking->trusts[i]));
        taking->trust_count = i + 1;
    }
    return ERR_OK;
}

// is_in_force tells whether a file was read with this content for what is in force.
static bool is_in_force(const struct snapshot_file *file, const struct snapshot *current)
{
    const struct snapshot_file *known =
        current->taking == NULL ? current->files : current->taking->files;
    while (known != NULL && (strcmp(known->path, file->path) != 0 ||
                             memcmp(known->sha256, file->sha256, sizeof file->sha256) != 0))
        known = known->next;
    return known != NULL;
}

// is_former tells whether a list file is no good now, so that what it said before counts.
static bool is_former(const struct denials *denials, const char *path)
{
    const struct kept_list *list = denials == NULL ? NULL : denials->lists;
    while (list != NULL && !(list->is_former && strcmp(list->path, path) == 0))
        list = list->next;
    return list != NULL;
}

// takes_more compares with what is in force; `lists` are the files read before those of the denials.
static bool takes_more(const struct taking *taking, const struct snapshot *current,
                       const struct snapshot_file *lists)
{
    const struct denials *former = current->taking == NULL ? NULL : current->taking->denials;
    for (size_t i = 0; i < taking->trust_count; i++) {
        if (trust_takes_more(taking->trusts[i], current->trusts[i]))
            return true;
    }
    const struct snapshot_file *file = taking->files;
    while (file != lists && (is_in_force(file, current) || is_former(taking->denials, file->path)))
        file = file->next;
    return file != lists && taking->denials != former;
}

static enum err fill(struct taking *taking, const struct snapshot *current,
                     const struct yaml_document *document, const struct yaml_document *next,
                     struct reader *reader)
{
    const struct node *root = yaml_document_root(document);
    reader->folder = folder_of(reader->arena, current->path);
    if (reader->folder == NULL)
        return ERR_MEMORY;
    TRY(read_profiles(reader, current, root, next == NULL ? NULL : yaml_document_root(next),
                      taking));
    const struct snapshot_file *lists = reader->files;
    TRY(denials_read(reader, current, root, &taking->denials));
    taking->files = reader->files;
    taking->takes_more = takes_more(taking, current, lists);
    if (reader->is_out_of_memory || !move_listeners(taking, current))
        return ERR_MEMORY;
    return ERR_OK;
}

// parse sets `*out` to NULL when the text is no document. ERR_MEMORY.
static enum err parse(struct slice text, const char *path, struct diagnostics *diagnostics,
                      struct yaml_document **out)
{
    *out = NULL;
    if (text.len == 0)
        return ERR_OK;
    return yaml_document_parse(text, path, diagnostics, out) == ERR_MEMORY ? ERR_MEMORY : ERR_OK;
}

static bool is_same(const struct taking *a, const struct taking *b)
{
    return b != NULL && !b->is_early && memcmp(a->source, b->source, sizeof a->source) == 0 &&
           snapshot_files_equal(a->files, b->files);
}

enum err taking_read(const struct snapshot *current, struct slice next, int64_t now_s,
                     struct taking **out)
{
    struct diagnostics diagnostics;
    struct taking *taking = calloc(1, sizeof *taking);
    enum err error = ERR_MEMORY;
    *out = NULL;
    if (taking == NULL)
        return ERR_MEMORY;
    diagnostics_init(&diagnostics);
    atomic_init(&taking->refs, 1);
    taking->arena = arena_create();
    (void)SHA256(next.data, next.len, taking->source); // to see whether another one is another text
    struct reader reader = {
        .diagnostics = &diagnostics,
        .file = current->path,
        .arena = taking->arena,
        .files_arena = taking->arena,
        .read_list = reader_list_file,
        .now_s = now_s,
    };
    struct yaml_document *document = NULL;
    struct yaml_document *refused = NULL;
    if (parse(current->source, current->path, &diagnostics, &document) == ERR_OK &&
        parse(next, current->path, &diagnostics, &refused) == ERR_OK && document != NULL &&
        reader.arena != NULL)
        error = fill(taking, current, document, refused, &reader);
    yaml_document_destroy(document);
    yaml_document_destroy(refused);
    diagnostics_deinit(&diagnostics);
    if (error == ERR_OK && !is_same(taking, current->taking))
        *out = taking;
    else
        taking_unref(taking);
    return error;
}
