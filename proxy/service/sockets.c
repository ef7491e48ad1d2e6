// Opens what is new and remembers where everything listens.
#include "proxy/service/sockets.h"

#include <stdlib.h>
#include <unistd.h>

#include "proxy/net/listener.h"

// find_place gives the index of the old listener in the same place, or the count of the old ones.
static size_t find_place(const struct listener_config *listener, const struct snapshot *old)
{
    size_t i = 0;
    while (i < old->listener_count && !listener_config_is_same_place(&old->listeners[i], listener))
        i++;
    return i;
}

// open_listener opens one listener's sockets for all workers.
static enum err open_listener(const struct listener_config *listener, size_t index,
                              struct sockets *out, struct errinfo *info)
{
    int *group = calloc(out->worker_count, sizeof *group);
    if (group == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the listeners");
    out->bound[index] = listener->address;
    const enum err error = listener_bind(&listener->address.address, listener->address.port,
                                         out->worker_count, group, &out->bound[index].port, info);
    for (size_t w = 0; w < out->worker_count && error == ERR_OK; w++)
        out->fds[w * out->listener_count + index] = group[w];
    free(group);
    return error;
}

static enum err open_all(const struct snapshot *snapshot, const struct snapshot *old_snapshot,
                         const struct sockets *old, struct sockets *out, struct errinfo *info)
{
    for (size_t l = 0; l < snapshot->listener_count; l++) {
        const struct listener_config *listener = &snapshot->listeners[l];
        const size_t place = old_snapshot == NULL ? 0 : find_place(listener, old_snapshot);
        if (old_snapshot != NULL && place < old_snapshot->listener_count)
            out->bound[l] = old->bound[place];
        else
            TRY(open_listener(listener, l, out, info));
    }
    return ERR_OK;
}

enum err sockets_open(const struct snapshot *snapshot, uint32_t worker_count,
                      const struct snapshot *old_snapshot, const struct sockets *old,
                      struct sockets *out, struct errinfo *info)
{
    *out =
        (struct sockets){.listener_count = snapshot->listener_count, .worker_count = worker_count};
    const size_t count = out->listener_count * worker_count;
    out->bound = calloc(out->listener_count, sizeof *out->bound);
    out->fds = calloc(count, sizeof *out->fds);
    for (size_t i = 0; out->fds != NULL && i < count; i++)
        out->fds[i] = -1;
    const enum err error = out->bound == NULL || out->fds == NULL
                               ? errinfo_set(info, ERR_MEMORY, "no memory for the listeners")
                               : open_all(snapshot, old_snapshot, old, out, info);
    if (error != ERR_OK)
        sockets_close(out);
    return error;
}

int *sockets_of(struct sockets *sockets, uint32_t worker)
{
    return sockets->fds + worker * sockets->listener_count;
}

void sockets_carry(struct sockets *sockets, const struct snapshot *snapshot, struct sockets *old,
                   const struct snapshot *old_snapshot)
{
    for (size_t l = 0; l < snapshot->listener_count; l++) {
        const size_t place = find_place(&snapshot->listeners[l], old_snapshot);
        for (uint32_t w = 0; place < old->listener_count && w < old->worker_count; w++) {
            sockets_of(sockets, w)[l] = sockets_of(old, w)[place];
            sockets_of(old, w)[place] = -1;
        }
    }
}

void sockets_close(struct sockets *sockets)
{
    const size_t count = sockets->listener_count * sockets->worker_count;
    for (size_t i = 0; sockets->fds != NULL && i < count; i++) {
        if (sockets->fds[i] >= 0)
            (void)close(sockets->fds[i]);
    }
    free(sockets->fds);
    free(sockets->bound);
    *sockets = (struct sockets){0};
}
