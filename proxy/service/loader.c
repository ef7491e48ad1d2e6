// One thread, one file, one result.
#include "proxy/service/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "proxy/config/file.h"
#include "proxy/config/loader.h"
#include "proxy/config/yaml_document.h"

struct loader {
    pthread_t thread;
    const struct wakeup *done; // borrowed
    struct snapshot *current;  // ref
    enum loader_scope scope;
    enum err error;
    struct diagnostics diagnostics;
    struct snapshot *snapshot; // ref, until finish hands it over
    struct taking *taking;     // ref, likewise
};

// take reads what takes trust away. A configuration file that cannot be read has nothing to say.
static enum err take(struct loader *loader, int64_t now_s)
{
    struct file_content next = {0};
    struct errinfo info;
    if (loader->scope == LOADER_TAKING_ALL &&
        file_read(loader->current->path, YAML_MAX_BYTES, FILE_PUBLIC, &next, &info) != ERR_OK)
        next = (struct file_content){0};
    const enum err error = taking_read(loader->current, next.bytes, now_s, &loader->taking);
    file_content_deinit(&next);
    return error;
}

static enum err load(struct loader *loader)
{
    const int64_t now_s = (int64_t)time(NULL);
    struct diagnostics *diagnostics = &loader->diagnostics;
    switch (loader->scope) {
    case LOADER_ALL:
        return snapshot_load(loader->current->path, now_s, diagnostics, &loader->snapshot);
    case LOADER_FILES:
        return snapshot_load_again(loader->current, now_s, diagnostics, &loader->snapshot);
    case LOADER_TAKING:
    case LOADER_TAKING_ALL:
        break;
    }
    return take(loader, now_s);
}

static void *run(void *arg)
{
    struct loader *loader = arg;
    loader->error = load(loader);
    wakeup_send(loader->done);
    return NULL;
}

static void destroy(struct loader *loader)
{
    snapshot_unref(loader->current);
    free(loader);
}

struct loader *loader_start(struct snapshot *current, enum loader_scope scope,
                            const struct wakeup *done)
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

bool loader_is_taking(const struct loader *loader)
{
    return loader->scope == LOADER_TAKING || loader->scope == LOADER_TAKING_ALL;
}

enum err loader_finish_taking(struct loader *loader, struct taking **out)
{
    (void)pthread_join(loader->thread, NULL);
    const enum err error = loader->error;
    *out = loader->taking;
    diagnostics_deinit(&loader->diagnostics);
    destroy(loader);
    return error;
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
