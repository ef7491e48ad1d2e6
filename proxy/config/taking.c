// A second, lenient reading of a configuration that was good once. Its findings are nobody's: the reload that
// was refused has told them.
#include "proxy/config/taking.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "proxy/config/denials.h"
#include "proxy/config/loader.h"

struct taking {
    atomic_size_t refs;
    struct snapshot notes; // its arena is owned; only that, `source` and `files` are used
    struct trust **trusts; // owned, in the arena
    size_t trust_count;
    struct listener_config *listeners; // arena
    struct denials *denials;           // ref; NULL: the policy stays what it is
    bool is_early;                     // the same files may give more at another time
};

struct taking *taking_ref(struct taking *taking)
{
    if (taking != NULL)
        (void)atomic_fetch_add_explicit(&taking->refs, 1, memory_order_relaxed);
    return taking;
}

void taking_unref(struct taking *taking)
{
    if (taking == NULL || atomic_fetch_sub_explicit(&taking->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < taking->trust_count; i++)
        trust_destroy(taking->trusts[i]);
    denials_unref(taking->denials);
    arena_destroy(taking->notes.arena);
    free(taking);
}

void taking_apply(const struct taking *taking, struct snapshot *snapshot)
{
    snapshot->trusts = taking->trusts;
    snapshot->listeners = taking->listeners;
    if (taking->denials != NULL)
        snapshot->policy = denials_policy(taking->denials);
}

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
    struct arena *arena = taking->notes.arena;
    taking->listeners = arena_alloc(arena, current->listener_count, sizeof *taking->listeners);
    if (taking->listeners == NULL)
        return false;
    for (size_t l = 0; l < current->listener_count; l++) {
        struct listener_config *listener = &taking->listeners[l];
        *listener = current->listeners[l];
        listener->trust = trust_of(taking, current, listener->trust);
        listener->sni = arena_alloc(arena, listener->sni_count, sizeof *listener->sni);
        if (listener->sni == NULL)
            return false;
        for (size_t s = 0; s < listener->sni_count; s++) {
            listener->sni[s] = current->listeners[l].sni[s];
            listener->sni[s].trust = trust_of(taking, current, listener->sni[s].trust);
        }
    }
    return true;
}

// read_profiles makes a revision of each profile.
static enum err read_profiles(struct loader *loader, const struct snapshot *current,
                              const struct node *root, const struct node *next,
                              struct taking *taking)
{
    taking->trusts = arena_alloc(taking->notes.arena, current->trust_count, sizeof *taking->trusts);
    if (taking->trusts == NULL)
        return ERR_MEMORY;
    const struct node *profiles = node_get(root, "trust");
    for (size_t i = 0; i < current->trust_count; i++) {
        const char *name = trust_name(current->trusts[i]);
        TRY(trust_profile_take(loader, node_get(profiles, name),
                               node_get(node_get(next, "trust"), name), current->trusts[i],
                               &taking->trusts[i]));
        taking->trust_count = i + 1;
    }
    return ERR_OK;
}

// keep_source keeps a digest of the text that was refused, to see whether it is another one.
static bool keep_source(struct taking *taking, struct slice next)
{
    uint8_t *digest = arena_alloc(taking->notes.arena, 1, SHA256_DIGEST_LENGTH);
    if (digest == NULL)
        return false;
    (void)SHA256(next.data, next.len, digest);
    taking->notes.source = slice_of(digest, SHA256_DIGEST_LENGTH);
    return true;
}

static enum err fill(struct taking *taking, struct snapshot *current,
                     const struct yaml_document *document, const struct yaml_document *next,
                     struct reader *reader, int64_t now_s)
{
    struct loader loader = {.reader = reader, .snapshot = &taking->notes, .now_s = now_s};
    const struct node *root = yaml_document_root(document);
    loader.folder = loader_folder(reader->arena, current->path);
    if (loader.folder == NULL)
        return ERR_MEMORY;
    TRY(read_profiles(&loader, current, root, next == NULL ? NULL : yaml_document_root(next),
                      taking));
    TRY(denials_read(&loader, current, root,
                     current->taking == NULL ? NULL : current->taking->denials, &taking->denials));
    taking->is_early = loader.is_early;
    if (reader->is_out_of_memory || !move_listeners(taking, current))
        return ERR_MEMORY;
    return ERR_OK;
}

// parse gives NULL where the text is none.
static struct yaml_document *parse(struct slice text, const char *path,
                                   struct diagnostics *diagnostics)
{
    struct yaml_document *document = NULL;
    if (text.len == 0 || yaml_document_parse(text, path, diagnostics, &document) != ERR_OK)
        return NULL;
    return document;
}

static bool is_same(const struct taking *a, const struct taking *b)
{
    return b != NULL && !b->is_early && snapshot_has_same_files(&a->notes, &b->notes);
}

enum err taking_read(struct snapshot *current, struct slice next, int64_t now_s,
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
    taking->notes.arena = arena_create();
    struct reader reader = {
        .diagnostics = &diagnostics, .file = current->path, .arena = taking->notes.arena};
    struct yaml_document *document = parse(current->source, current->path, &diagnostics);
    struct yaml_document *refused = parse(next, current->path, &diagnostics);
    if (document != NULL && reader.arena != NULL && keep_source(taking, next))
        error = fill(taking, current, document, refused, &reader, now_s);
    yaml_document_destroy(document);
    yaml_document_destroy(refused);
    diagnostics_deinit(&diagnostics);
    if (error == ERR_OK && !is_same(taking, current->taking))
        *out = taking;
    else
        taking_unref(taking);
    return error;
}
