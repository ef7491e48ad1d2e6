// Opens what is new, takes what is given, and remembers where everything listens.
#include "proxy/service/sockets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/config/endpoint_text.h"
#include "proxy/net/listener.h"

// find_place gives the index of the old listener in the same place, or the count of the old ones.
static size_t find_place(const struct listener_config *listener, const struct snapshot *old)
{
    size_t i = 0;
    while (i < old->listener_count && !listener_config_is_same_place(&old->listeners[i], listener))
        i++;
    return i;
}

// find_given gives the sockets that were opened for this listener; NULL: there are none.
static struct given_sockets *find_given(const struct listener_config *listener,
                                        struct given_sockets *given, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct listener_config before = {.name = given[i].name,
                                               .address = given[i].configured};
        if (listener_config_is_same_place(&before, listener))
            return &given[i];
    }
    return NULL;
}

// index_of gives the place of a listener's socket `number` in the arrays. Workers have them in turn.
static size_t index_of(const struct sockets *sockets, size_t listener, size_t number)
{
    const size_t worker = number % sockets->worker_count;
    const size_t share = number / sockets->worker_count;
    return (worker * sockets->shares + share) * sockets->listener_count + listener;
}

static size_t cap_of(const struct sockets *sockets)
{
    return sockets->listener_count * sockets->worker_count * sockets->shares;
}

// put_socket takes a descriptor over, and makes main's copy of it.
static enum err put_socket(struct sockets *sockets, size_t listener, size_t number, int fd,
                           struct errinfo *info)
{
    const size_t at = index_of(sockets, listener, number);
    sockets->fds[at] = fd;
    sockets->copies[at] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (sockets->copies[at] < 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot keep a listening socket: %m");
    return ERR_OK;
}

// put_group takes the descriptors over, also after an error.
static enum err put_group(struct sockets *sockets, size_t listener, size_t first, const int *group,
                          size_t count, struct errinfo *info)
{
    enum err error = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        if (error == ERR_OK)
            error = put_socket(sockets, listener, first + i, group[i], info);
        else
            (void)close(group[i]);
    }
    return error;
}

// share_given gives the workers from `first` on copies of the sockets that are there: they accept from one queue.
static enum err share_given(struct sockets *sockets, size_t listener, size_t first,
                            struct errinfo *info)
{
    for (size_t number = first; number < sockets->worker_count; number++) {
        const int of = sockets->copies[index_of(sockets, listener, number % first)];
        const int fd = fcntl(of, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return errinfo_set(info, ERR_SYSTEM, "cannot share a listening socket: %m");
        TRY(put_socket(sockets, listener, number, fd, info));
    }
    return ERR_OK;
}

// take_given takes all that was given for the listener, and makes more where there are more workers.
static enum err take_given(struct sockets *sockets, size_t listener, struct given_sockets *given,
                           int *group, struct errinfo *info)
{
    const size_t count = given->fd_count;
    for (size_t i = 0; i < count; i++) {
        const int fd = given->fds[i];
        given->fds[i] = -1;
        TRY(put_socket(sockets, listener, i, fd, info));
    }
    if (count >= sockets->worker_count)
        return ERR_OK;
    const size_t missing = sockets->worker_count - count;
    if (listener_join(&given->bound.address, given->bound.port, missing, group, info) == ERR_OK)
        return put_group(sockets, listener, count, group, missing, info);
    return share_given(sockets, listener, count, info); // it may need a right that we do not have
}

// name_holder says that a listener of ours is why `config` cannot listen, if it has what that needs.
static void name_holder(const struct listener_config *config, const char *holder,
                        const struct endpoint *bound, struct errinfo *info)
{
    char wanted[ENDPOINT_TEXT_CAP];
    char held[ENDPOINT_TEXT_CAP];
    if (endpoint_is_taken(bound, &config->address))
        (void)errinfo_set(
            info, ERR_DENIED,
            "cannot listen on %s: listener `%s` of this proxy has %s, and cannot go from there "
            "to here while it listens: move it to another port first, or restart the proxy",
            endpoint_format(&config->address, wanted), holder, endpoint_format(bound, held));
}

// name_given_holder looks for it among the listeners of the process before.
static void name_given_holder(const struct listener_config *config,
                              const struct given_sockets *given, size_t count, struct errinfo *info)
{
    for (size_t i = 0; i < count; i++)
        name_holder(config, given[i].name, &given[i].bound, info);
}

// name_old_holder looks for it among those of the snapshot in force.
static void name_old_holder(const struct listener_config *config, const struct snapshot *old,
                            const struct sockets *sockets, struct errinfo *info)
{
    for (size_t i = 0; i < old->listener_count; i++)
        name_holder(config, old->listeners[i].name, &sockets->bound[i], info);
}

// open_listener makes one listener's sockets for all workers. `group` has room for one a worker.
static enum err open_listener(const struct listener_config *config, size_t listener,
                              struct given_sockets *given, int *group, struct sockets *out,
                              struct errinfo *info)
{
    if (given != NULL && given->fd_count > 0) {
        out->bound[listener] = given->bound;
        return take_given(out, listener, given, group, info);
    }
    out->bound[listener] = config->address;
    TRY(listener_bind(&config->address.address, config->address.port, out->worker_count, group,
                      &out->bound[listener].port, info));
    return put_group(out, listener, 0, group, out->worker_count, info);
}

// make_room makes the arrays. ERR_MEMORY.
static enum err make_room(struct sockets *sockets, struct errinfo *info)
{
    const size_t cap = cap_of(sockets);
    sockets->bound = calloc(sockets->listener_count, sizeof *sockets->bound);
    sockets->fds = calloc(cap, sizeof *sockets->fds);
    sockets->copies = calloc(cap, sizeof *sockets->copies);
    if (sockets->bound == NULL || sockets->fds == NULL || sockets->copies == NULL) {
        free(sockets->fds);
        free(sockets->copies);
        sockets->fds = NULL;
        sockets->copies = NULL;
        return errinfo_set(info, ERR_MEMORY, "no memory for the listeners");
    }
    for (size_t i = 0; i < cap; i++) {
        sockets->fds[i] = -1;
        sockets->copies[i] = -1;
    }
    return ERR_OK;
}

// shares_for gives how many sockets of one listener a worker needs to have, so that none is left over.
static uint32_t shares_for(const struct given_sockets *given, size_t given_count, uint32_t workers)
{
    size_t shares = 1;
    for (size_t i = 0; i < given_count; i++) {
        const size_t needed = (given[i].fd_count + workers - 1) / workers;
        shares = needed > shares ? needed : shares;
    }
    return (uint32_t)shares;
}

enum err sockets_open(const struct snapshot *snapshot, uint32_t worker_count,
                      struct given_sockets *given, size_t given_count, struct sockets *out,
                      struct errinfo *info)
{
    *out = (struct sockets){.listener_count = snapshot->listener_count,
                            .worker_count = worker_count,
                            .shares = shares_for(given, given_count, worker_count)};
    int *group = calloc(worker_count, sizeof *group);
    enum err error = group == NULL ? errinfo_set(info, ERR_MEMORY, "no memory for the listeners")
                                   : make_room(out, info);
    for (size_t l = 0; l < snapshot->listener_count && error == ERR_OK; l++) {
        const struct listener_config *config = &snapshot->listeners[l];
        error = open_listener(config, l, find_given(config, given, given_count), group, out, info);
        if (error == ERR_DENIED)
            name_given_holder(config, given, given_count, info);
    }
    free(group);
    if (error != ERR_OK)
        sockets_close(out);
    return error;
}

enum err sockets_open_next(const struct snapshot *snapshot, const struct snapshot *old_snapshot,
                           const struct sockets *old, struct sockets *out, struct errinfo *info)
{
    *out = (struct sockets){.listener_count = snapshot->listener_count,
                            .worker_count = old->worker_count,
                            .shares = old->shares,
                            .is_given_up = old->is_given_up};
    int *group = calloc(old->worker_count, sizeof *group);
    enum err error = group == NULL ? errinfo_set(info, ERR_MEMORY, "no memory for the listeners")
                                   : make_room(out, info);
    for (size_t l = 0; l < snapshot->listener_count && error == ERR_OK; l++) {
        const struct listener_config *config = &snapshot->listeners[l];
        const size_t place = find_place(config, old_snapshot);
        if (place < old_snapshot->listener_count)
            out->bound[l] = old->bound[place];
        else if (out->is_given_up)
            out->bound[l] = config->address;
        else
            error = open_listener(config, l, NULL, group, out, info);
        if (error == ERR_DENIED)
            name_old_holder(config, old_snapshot, old, info);
    }
    free(group);
    if (error != ERR_OK)
        sockets_close(out);
    return error;
}

int *sockets_of(struct sockets *sockets, uint32_t worker)
{
    return sockets->fds + (size_t)worker * sockets->shares * sockets->listener_count;
}

// carry moves one descriptor, if it is there.
static void carry(int *to, int *from)
{
    if (*from < 0)
        return;
    *to = *from;
    *from = -1;
}

void sockets_carry(struct sockets *sockets, const struct snapshot *snapshot, struct sockets *old,
                   const struct snapshot *old_snapshot)
{
    const size_t count = (size_t)sockets->worker_count * sockets->shares;
    for (size_t l = 0; l < snapshot->listener_count; l++) {
        const size_t place = find_place(&snapshot->listeners[l], old_snapshot);
        for (size_t i = 0; place < old->listener_count && i < count; i++) {
            const size_t to = i * sockets->listener_count + l;
            const size_t from = i * old->listener_count + place;
            carry(&sockets->fds[to], &old->fds[from]);
            carry(&sockets->copies[to], &old->copies[from]);
        }
    }
}

size_t sockets_copies(const struct sockets *sockets, size_t listener, int *out)
{
    const size_t cap = (size_t)sockets->worker_count * sockets->shares;
    size_t count = 0;
    for (size_t number = 0; number < cap; number++) {
        const int fd = sockets->copies[index_of(sockets, listener, number)];
        if (fd >= 0)
            out[count++] = fd;
    }
    return count;
}

// close_all closes an array of descriptors.
static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; fds != NULL && i < count; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
        fds[i] = -1;
    }
}

void sockets_give_up(struct sockets *sockets)
{
    sockets->is_given_up = true;
    close_all(sockets->fds, cap_of(sockets));
    close_all(sockets->copies, cap_of(sockets));
}

void sockets_close(struct sockets *sockets)
{
    close_all(sockets->fds, cap_of(sockets));
    close_all(sockets->copies, cap_of(sockets));
    free(sockets->fds);
    free(sockets->copies);
    free(sockets->bound);
    *sockets = (struct sockets){0};
}

void given_sockets_deinit(struct given_sockets *given)
{
    close_all(given->fds, given->fd_count);
    free(given->fds);
    *given = (struct given_sockets){0};
}
