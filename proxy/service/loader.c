// One thread, one file, one result.
#include "proxy/service/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct loader {
    pthread_t thread;
    const struct bell *done;  // borrowed
    struct snapshot *current; // ref
    enum loader_scope scope;
    enum err error;
    struct diagnostics diagnostics;
    struct snapshot *snapshot; // ref, until finish hands it over
};

static void *run(void *arg)
{
    struct loader *loader = arg;
    const int64_t now_s = (int64_t)time(NULL);
    struct diagnostics *diagnostics = &loader->diagnostics;
    if (loader->scope == LOADER_ALL)
        loader->error = snapshot_load(loader->current->path, now_s, diagnostics, &loader->snapshot);
    else
        loader->error = snapshot_load_again(loader->current, now_s, diagnostics, &loader->snapshot);
    bell_ring(loader->done);
    return NULL;
}

static void destroy(struct loader *loader)
{
    snapshot_unref(loader->current);
    free(loader);
}

struct loader *loader_start(struct snapshot *current, enum loader_scope scope,
                            const struct bell *done)
{
    struct loader *loader = calloc(1, sizeof *loader);
    if (loader == NULL)
        return NULL;
    loader->done = done;
    loader->scope = scope;
    loader->current = snapshot_ref(current);
    diagnostics_init(&loader->diagnostics);
    if (pthread_create(&loader->thread, NULL, run, loader) == 0)
        return loader;
    diagnostics_deinit(&loader->diagnostics);
    destroy(loader);
    return NULL;
}

enum loader_scope loader_scope_of(const struct loader *loader)
{
    return loader->scope;
}

enum err loader_finish(struct loader *loader, struct diagnostics *diagnostics,
                       struct snapshot **out)
{
    (void)pthread_join(loader->thread, NULL);
    const enum err error = loader->error;
    *diagnostics = loader->diagnostics;
    *out = loader->snapshot;
    destroy(loader);
    return error;
}
