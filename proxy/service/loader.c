// One thread, one file, one result.
#include "proxy/service/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct loader {
    pthread_t thread;
    int done_fd; // borrowed
    char *path;  // owned
    enum err error;
    struct diagnostics diagnostics;
    struct snapshot *snapshot; // ref, until finish hands it over
};

static void *run(void *arg)
{
    struct loader *loader = arg;
    loader->error =
        snapshot_load(loader->path, (int64_t)time(NULL), &loader->diagnostics, &loader->snapshot);
    const uint64_t one = 1;
    (void)!write(loader->done_fd, &one, sizeof one);
    return NULL;
}

struct loader *loader_start(const char *path, int done_fd)
{
    struct loader *loader = calloc(1, sizeof *loader);
    if (loader == NULL)
        return NULL;
    loader->done_fd = done_fd;
    loader->path = strdup(path);
    diagnostics_init(&loader->diagnostics);
    if (loader->path != NULL && pthread_create(&loader->thread, NULL, run, loader) == 0)
        return loader;
    diagnostics_deinit(&loader->diagnostics);
    free(loader->path);
    free(loader);
    return NULL;
}

enum err loader_finish(struct loader *loader, struct diagnostics *diagnostics,
                       struct snapshot **out)
{
    (void)pthread_join(loader->thread, NULL);
    const enum err error = loader->error;
    *diagnostics = loader->diagnostics;
    *out = loader->snapshot;
    free(loader->path);
    free(loader);
    return error;
}
