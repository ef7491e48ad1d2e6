// A table that is mapped by all that have the file. A holder can be killed at any moment: what stands there is then still right, for
// sizes are written first and only grow, and an entry counts only once it is whole.
#include "proxy/keys/key_history.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "proxy/keeper/keeper_holder.h"

enum {
    FORMAT = 1,
    TRIES_MAX = 10 * 1000, // to get the file's lock
};

// history_entry is what was signed last of one instance.
struct history_entry {
    uint8_t name[KEY_NAME_LEN]; // of the key
    _Atomic uint64_t size;
    uint8_t root[32];
    uint32_t instance;
    uint32_t is_end;
};

struct history_file {
    uint32_t format; // 0: nobody has written to it yet
    _Atomic uint32_t count;
    struct history_entry entries[KEY_INSTANCES_MAX];
};

_Static_assert(sizeof(struct history_file) <= KEEPER_HISTORY_LEN, "the keeper makes room for it");

enum err key_history_open(struct key_history *history, int fd, struct errinfo *info)
{
    struct stat status;
    *history = (struct key_history){.fd = fd};
    if (fstat(fd, &status) != 0 || status.st_size < (off_t)sizeof *history->file)
        return errinfo_set(info, ERR_SYSTEM, "there is no file for the history of checkpoints");
    void *memory = mmap(NULL, sizeof *history->file, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return errinfo_set(info, ERR_SYSTEM, "no memory for the history of checkpoints: %m");
    history->file = memory;
    (void)pthread_mutex_init(&history->mutex, NULL);
    if (history->file->format <= FORMAT && history->file->count <= KEY_INSTANCES_MAX)
        return ERR_OK;
    key_history_close(history);
    return errinfo_set(info, ERR_SYSTEM,
                       "the history of checkpoints is of another version of the program: restart "
                       "the proxy");
}

void key_history_close(struct key_history *history)
{
    if (history->file == NULL)
        return;
    (void)munmap(history->file, sizeof *history->file);
    (void)pthread_mutex_destroy(&history->mutex);
    history->file = NULL;
}

static bool set_lock(const struct key_history *history, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(history->fd, F_SETLK, &lock) == 0;
}

// lock_file takes the file's lock, which others have for moments.
static bool lock_file(const struct key_history *history)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        if (set_lock(history, F_WRLCK))
            return true;
        (void)sched_yield();
    }
    return false;
}

// find gives the entry of an instance; NULL: there is none.
static struct history_entry *find(struct history_file *file, const uint8_t name[KEY_NAME_LEN],
                                  uint32_t instance)
{
    for (uint32_t i = 0; i < file->count; i++) {
        struct history_entry *entry = &file->entries[i];
        if (entry->instance == instance && memcmp(entry->name, name, KEY_NAME_LEN) == 0)
            return entry;
    }
    return NULL;
}

static void note(struct history_entry *entry, const struct checkpoint *next)
{
    entry->size = next->size;
    (void)bytes_copy(entry->root, sizeof entry->root, merkle_hash_slice(&next->root));
    entry->is_end = next->is_end;
}

static bool is_same(const struct history_entry *entry, const struct checkpoint *next)
{
    return entry->size == next->size && (entry->is_end != 0) == next->is_end &&
           slice_equal(slice_of(entry->root, sizeof entry->root), merkle_hash_slice(&next->root));
}

// add_new notes the first checkpoint of an instance.
static enum err add_new(struct history_file *file, const uint8_t name[KEY_NAME_LEN],
                        const struct checkpoint *next, struct errinfo *info)
{
    if (file->count >= KEY_INSTANCES_MAX)
        return errinfo_set(
            info, ERR_LIMIT,
            "checkpoints of %d instances of audit logs were signed: restart the proxy",
            (int)KEY_INSTANCES_MAX);
    struct history_entry *entry = &file->entries[file->count];
    (void)bytes_copy(entry->name, sizeof entry->name, slice_of(name, KEY_NAME_LEN));
    entry->instance = next->instance;
    note(entry, next);
    file->format = FORMAT;
    file->count++;
    return ERR_OK;
}

static enum err add(struct history_file *file, const uint8_t name[KEY_NAME_LEN],
                    const struct checkpoint *next, struct errinfo *info)
{
    struct history_entry *entry = find(file, name, next->instance);
    if (entry == NULL)
        return add_new(file, name, next, info);
    if (is_same(entry, next))
        return ERR_OK;
    if (entry->is_end != 0 || next->size <= entry->size)
        return errinfo_set(info, ERR_DENIED,
                           "the checkpoint is not larger than the last one of this log");
    note(entry, next);
    return ERR_OK;
}

enum err key_history_add(struct key_history *history, const uint8_t name[KEY_NAME_LEN],
                         const struct checkpoint *next, struct errinfo *info)
{
    enum err error = ERR_TIMEOUT;
    (void)pthread_mutex_lock(&history->mutex);
    if (lock_file(history)) {
        error = add(history->file, name, next, info);
        (void)set_lock(history, F_UNLCK);
    } else {
        (void)errinfo_set(info, error, "the history of checkpoints is locked by another process");
    }
    (void)pthread_mutex_unlock(&history->mutex);
    return error;
}
