// One thread, one file, one result.
#include "proxy/service/loader.h"

#include <time.h>

#include "proxy/config/file.h"
#include "proxy/config/loader.h"
#include "proxy/config/yaml_document.h"

enum { LOOK_MS = 1000 }; // for a sign of the process that holds the private keys

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

// load_snapshot loads a whole configuration, which goes on with what was seen of clients.
static enum err load_snapshot(struct loader *loader, const struct load_options *options)
{
    const struct snapshot *current = loader->current;
    struct diagnostics *diagnostics = &loader->diagnostics;
    TRY(loader->scope == LOADER_ALL
            ? snapshot_reload(current, options, diagnostics, &loader->snapshot)
            : snapshot_load_again(current, options, diagnostics, &loader->snapshot));
    snapshot_keep_seen(loader->snapshot, current);
    return ERR_OK;
}

static enum err load(struct loader *loader)
{
    const int64_t now_s = (int64_t)time(NULL);
    switch (loader->scope) {
    case LOADER_ALL:
    case LOADER_FILES:
        loader->is_put_off = !loader->is_patient && loader->keys != NULL &&
                             !loader->keys->ops->answers(loader->keys, LOOK_MS);
        if (loader->is_put_off)
            return ERR_AGAIN;
        return load_snapshot(loader, &(struct load_options){.now_s = now_s,
                                                            .keys = loader->keys,
                                                            .is_afresh = loader->is_afresh});
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
    wakeup_send(&loader->done);
    return NULL;
}

bool loader_start(struct loader *loader, struct snapshot *current, enum loader_scope scope)
{
    loader->scope = scope;
    loader->current = snapshot_ref(current);
    loader->snapshot = NULL;
    loader->taking = NULL;
    loader->is_put_off = false;
    loader->error = ERR_MEMORY;
    diagnostics_init(&loader->diagnostics);
    loader->is_running = pthread_create(&loader->thread, NULL, run, loader) == 0;
    if (!loader->is_running)
        snapshot_unref(current);
    return loader->is_running;
}

void loader_join(struct loader *loader)
{
    if (!loader->is_running)
        return;
    (void)pthread_join(loader->thread, NULL);
    loader->is_running = false;
    snapshot_unref(loader->current);
}

void loader_clear(struct loader *loader)
{
    loader_join(loader);
    snapshot_unref(loader->snapshot);
    taking_unref(loader->taking);
    diagnostics_deinit(&loader->diagnostics);
    loader->snapshot = NULL;
    loader->taking = NULL;
    loader->error = ERR_OK;
}
