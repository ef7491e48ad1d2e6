// A holder that has ended is followed by another one: it opens what is open, and gets a line for each loop. A generation tells
// which holder an opening belongs to, so that none is closed twice.
#include "proxy/keys/key_store.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/cage/rights.h"
#include "proxy/clock/clock.h"
#include "proxy/keys/kept_keys.h"
#include "proxy/keys/key_desk.h"
#include "proxy/keys/key_line.h"
#include "proxy/keys/key_path.h"
#include "proxy/log/log.h"

enum {
    SOON_MS = 10 * 1000, // a holder that ends sooner is not started again at once
    PAUSE_MS = 1000,
    HANG_MS = 5000, // without an answer
    PING_MS = 1000, // between two questions whether it is there, while signatures wait
};

struct key_store {
    struct key_desk desk;
    pthread_t thread; // where `has_thread` of the desk says so
};

// ---- starting -----------------------------------------------------------------------------------

static enum err allow(struct key_desk *desk, const char *path, struct errinfo *info)
{
    struct key_message answer;
    char whole[KEY_PATH_MAX + 1];
    TRY(key_path_whole(path, whole, info));
    struct key_message request = {.kind = KEY_ALLOW, .bytes = slice_of_string(whole)};
    return key_desk_say(desk, &request, -1, &answer, info);
}

// ---- lines --------------------------------------------------------------------------------------

// connect_line makes the holder's end of a line, and gives the loop its own. Under `calls`.
static enum err connect_line(struct key_desk *desk, struct key_line *line, struct errinfo *info)
{
    int ends[2];
    struct key_message answer;
    struct key_message request = {.kind = KEY_LINE};
    if (!key_wire_pair(ends))
        return errinfo_set(info, ERR_SYSTEM, "no sockets for the key holder: %m");
    const enum err error = key_desk_say(desk, &request, ends[1], &answer, info);
    (void)close(ends[1]);
    if (error != ERR_OK)
        (void)close(ends[0]);
    else
        key_line_give(desk, line, ends[0], desk->generation);
    return error;
}

// find_unconnected gives a line that has nothing of this holder. NULL: there is none.
static struct key_line *find_unconnected(struct key_desk *desk)
{
    struct key_line *found = NULL;
    (void)pthread_mutex_lock(&desk->state);
    for (size_t i = 0; i < desk->line_count && found == NULL; i++) {
        if (key_line_generation(desk->lines[i]) < desk->generation)
            found = desk->lines[i];
    }
    (void)pthread_mutex_unlock(&desk->state);
    return found;
}

// connect_lines connects every line. Under `calls`.
static enum err connect_lines(struct key_desk *desk, struct errinfo *info)
{
    struct key_line *line = NULL;
    while ((line = find_unconnected(desk)) != NULL)
        TRY(connect_line(desk, line, info));
    return ERR_OK;
}

// ---- the thread ---------------------------------------------------------------------------------

// pause waits a while, or until it is to stop.
static void pause_ms(const struct key_desk *desk, int ms)
{
    struct pollfd woken = {.fd = desk->wake_fd, .events = POLLIN};
    const int64_t until_ms = monotonic_ms() + ms;
    for (int64_t left = ms; left > 0 && !atomic_load(&desk->must_stop);
         left = until_ms - monotonic_ms()) {
        uint64_t count = 0;
        if (poll(&woken, 1, (int)left) > 0)
            (void)!read(desk->wake_fd, &count, sizeof count);
    }
}

// restart starts another holder and brings it to where the last one was. Under `calls`.
static enum err restart(struct key_desk *desk, struct errinfo *info)
{
    TRY(key_desk_begin(desk, info));
    desk->generation++;
    TRY(key_desk_seal(desk, info)); // it knows where keys may be
    TRY(kept_keys_open_again(desk, info));
    return connect_lines(desk, info);
}

// revive starts holders until one works.
static void revive(struct key_desk *desk)
{
    struct errinfo info;
    (void)pthread_mutex_lock(&desk->calls);
    const bool is_soon = monotonic_ms() - desk->started_ms < SOON_MS;
    key_desk_end(desk);
    (void)pthread_mutex_unlock(&desk->calls);
    if (atomic_load(&desk->must_stop))
        return;
    log_warning(LOG_KEY_HOLDER, "the process that holds the private keys has ended: it is started "
                                "again, and handshakes wait for it");
    if (is_soon && atomic_load(&desk->restarts) > 0)
        pause_ms(desk, PAUSE_MS);
    (void)pthread_mutex_lock(&desk->calls);
    const enum err error = restart(desk, &info);
    if (error == ERR_OK) {
        (void)atomic_fetch_add(&desk->restarts, 1);
        atomic_store(&desk->is_alive, true);
        log_info(LOG_KEY_HOLDER, "private keys: process %d holds them now",
                 atomic_load(&desk->pid));
    } else {
        key_desk_end(desk);
    }
    (void)pthread_cond_broadcast(&desk->renewed);
    (void)pthread_mutex_unlock(&desk->calls);
    if (error != ERR_OK) {
        log_error(LOG_KEY_HOLDER, "%s; it is tried again", info.text);
        pause_ms(desk, PAUSE_MS);
    }
}

// has_gone tells whether the holder has ended, or is taken for such.
static bool has_gone(const struct key_desk *desk)
{
    struct pollfd looked = {.fd = desk->call.fd, .events = POLLRDHUP};
    return desk->call.fd < 0 || (poll(&looked, 1, 0) > 0 && looked.revents != 0);
}

// look_after does what the lists ask for. False: it is to be tried again.
static bool look_after(struct key_desk *desk)
{
    struct errinfo info;
    (void)pthread_mutex_lock(&desk->calls);
    kept_keys_close(desk);
    const bool is_good = connect_lines(desk, &info) == ERR_OK;
    if (!is_good && !has_gone(desk))
        log_error(LOG_KEY_HOLDER, "%s; it is tried again", info.text);
    (void)pthread_mutex_unlock(&desk->calls);
    return is_good;
}

// ping asks the holder, where signatures are waited for, for something that it always does: one that does not answer is gone, and
// another one is started in its place.
static void ping(struct key_desk *desk)
{
    struct errinfo info;
    if (atomic_load(&desk->waiting) == 0)
        return;
    (void)pthread_mutex_lock(&desk->calls);
    desk->call.patience_ms = HANG_MS;
    const enum err error = key_desk_seal(desk, &info);
    desk->call.patience_ms = 0;
    if (error != ERR_OK)
        log_warning(LOG_KEY_HOLDER, "%s, or does not answer any more", info.text);
    (void)pthread_mutex_unlock(&desk->calls);
}

static void *run(void *arg)
{
    struct key_desk *desk = arg;
    bool is_good = true;
    while (!atomic_load(&desk->must_stop)) {
        struct pollfd waited[] = {{.fd = desk->wake_fd, .events = POLLIN},
                                  {.fd = desk->call.fd, .events = POLLRDHUP}};
        if (desk->call.fd >= 0)
            (void)poll(waited, 2, is_good ? PING_MS : PAUSE_MS);
        if (desk->call.fd < 0 || waited[1].revents != 0) {
            revive(desk);
            continue;
        }
        if (waited[0].revents == 0)
            ping(desk);
        uint64_t count = 0;
        if (waited[0].revents != 0)
            (void)!read(desk->wake_fd, &count, sizeof count);
        is_good = look_after(desk);
    }
    return NULL;
}

// ---- its life -----------------------------------------------------------------------------------

struct key_store *key_store_create(int keeper_fd)
{
    struct key_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return NULL;
    store->desk.source.ops = &kept_keys_ops;
    if (key_desk_init(&store->desk, keeper_fd))
        return store;
    key_store_destroy(store);
    return NULL;
}

struct key_desk *key_store_desk(struct key_store *store)
{
    return &store->desk;
}

enum err key_store_set_user(struct key_store *store, const char *user, struct errinfo *info)
{
    struct rights_user found;
    struct key_groups *groups = &store->desk.groups;
    *groups = (struct key_groups){.count = 0};
    if (user == NULL)
        return ERR_OK;
    TRY(rights_find_user(user, &found, info));
    groups->ids[groups->count++] = found.gid;
    for (size_t i = 0; i < found.group_count; i++)
        groups->ids[groups->count++] = found.groups[i];
    return ERR_OK;
}

struct key_source *key_store_source(struct key_store *store)
{
    return &store->desk.source;
}

// seal_first seals the first holder. Under `calls`.
static enum err seal_first(struct key_desk *desk, const char *const *folders, size_t folder_count,
                           struct errinfo *info)
{
    for (size_t i = 0; i < folder_count; i++) {
        if (allow(desk, folders[i], info) != ERR_OK) {
            // What is not there cannot be opened, which is said where it is wanted.
        }
    }
    return key_desk_seal(desk, info);
}

enum err key_store_seal(struct key_store *store, const char *const *folders, size_t folder_count,
                        bool needs_sandbox, struct errinfo *info)
{
    if (!store->desk.source.is_in_use)
        return ERR_OK;
    store->desk.needs_sandbox = needs_sandbox;
    (void)pthread_mutex_lock(&store->desk.calls);
    const enum err error = seal_first(&store->desk, folders, folder_count, info);
    (void)pthread_mutex_unlock(&store->desk.calls);
    if (error != ERR_OK)
        return error;
    store->desk.has_thread = true;
    if (pthread_create(&store->thread, NULL, run, &store->desk) == 0)
        return ERR_OK;
    store->desk.has_thread = false;
    return errinfo_set(info, ERR_SYSTEM, "no thread for the private keys");
}

void key_store_status_read(struct key_store *store, struct key_store_status *out)
{
    *out = (struct key_store_status){
        .is_apart = store->desk.source.is_in_use,
        .is_alive = atomic_load(&store->desk.is_alive),
        .pid = atomic_load(&store->desk.pid),
        .restarts = atomic_load(&store->desk.restarts),
        .signatures = atomic_load(&store->desk.signatures),
        .failures = atomic_load(&store->desk.failures),
    };
    (void)pthread_mutex_lock(&store->desk.state);
    out->key_count = store->desk.key_count;
    out->sandbox = store->desk.sandbox;
    (void)pthread_mutex_unlock(&store->desk.state);
}

void key_store_destroy(struct key_store *store)
{
    if (store == NULL)
        return;
    struct key_desk *desk = &store->desk;
    atomic_store(&desk->must_stop, true);
    if (desk->has_thread) {
        key_desk_wake(desk);
        (void)pthread_join(store->thread, NULL);
    }
    desk->has_thread = false;
    kept_keys_close(desk);
    ASSERT(LIST_EMPTY(&desk->keys) && desk->line_count == 0);
    key_desk_deinit(desk);
    free(store);
}
