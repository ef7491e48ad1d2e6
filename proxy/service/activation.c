// Every socket is named and checked before one is used.
#include "proxy/service/activation.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/config/endpoint_text.h"
#include "proxy/net/sockaddr.h"

enum err activation_parse(const char *count_text, const char *names_text,
                          struct slice names[ACTIVATION_FDS_MAX], size_t *out_count,
                          struct errinfo *info)
{
    uint64_t count = 0;
    if (!decimal_parse(slice_of_string(count_text), ACTIVATION_FDS_MAX, &count))
        return errinfo_set(info, ERR_INPUT, "LISTEN_FDS is no number from 0 to %d: %.40s",
                           (int)ACTIVATION_FDS_MAX, count_text);
    struct slice left = slice_of_string(names_text == NULL ? "" : names_text);
    bool has_more = left.len > 0;
    for (size_t i = 0; i < count; i++) {
        const size_t len = slice_find(left, ':');
        names[i] = slice_first(left, len);
        has_more = len < left.len; // also where the last name is empty
        if (names_text != NULL && i + 1 < count && !has_more)
            return errinfo_set(info, ERR_INPUT, "LISTEN_FDNAMES has fewer names than LISTEN_FDS");
        left = slice_from(left, len + 1);
    }
    if (has_more)
        return errinfo_set(info, ERR_INPUT, "LISTEN_FDNAMES has more names than LISTEN_FDS");
    *out_count = (size_t)count;
    return ERR_OK;
}

// find_listener gives the listener of a name; NULL: there is none.
static const struct listener_config *find_listener(const struct snapshot *snapshot,
                                                   struct slice name)
{
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        if (slice_equal(slice_of_string(snapshot->listeners[i].name), name))
            return &snapshot->listeners[i];
    }
    return NULL;
}

// is_listening tells whether the descriptor is a TCP socket that listens, and where.
static bool is_listening(int fd, struct endpoint *out)
{
    int type = 0;
    int listens = 0;
    socklen_t type_len = sizeof type;
    socklen_t listens_len = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_len) == 0 && listens != 0 &&
           socket_name(fd, SOCKET_LOCAL, &out->address, &out->port);
}

// check_place tells whether a socket is where the configuration wants the listener.
static enum err check_place(const struct listener_config *listener, const struct endpoint *bound,
                            struct errinfo *info)
{
    char wanted[ENDPOINT_TEXT_CAP];
    char there[ENDPOINT_TEXT_CAP];
    if (ip_addr_equal(&listener->address.address, &bound->address) &&
        (listener->address.port == 0 || listener->address.port == bound->port))
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT,
                       "listener %s: the socket that the service manager has opened for it is at "
                       "%s, and the configuration says %s: write the same in both",
                       listener->name, endpoint_format(bound, there),
                       endpoint_format(&listener->address, wanted));
}

// add adds a socket to those of its listener. `inheritance` has room for one more.
static enum err add(struct inheritance *inheritance, const struct listener_config *listener,
                    const struct endpoint *bound, int fd, struct errinfo *info)
{
    struct given_sockets *given = inheritance->given;
    const struct given_sockets *end = given + inheritance->given_count;
    while (given < end && strcmp(given->name, listener->name) != 0)
        given++;
    if (given == end) {
        inheritance->given_count++;
        (void)string_copy(given->name, sizeof given->name, slice_of_string(listener->name));
        given->configured = listener->address;
        given->bound = *bound;
    } else if (given->bound.port != bound->port) {
        return errinfo_set(info, ERR_INPUT,
                           "listener %s: there are sockets at several ports for it",
                           listener->name);
    }
    int *fds = reallocarray(given->fds, given->fd_count + 1, sizeof *fds);
    if (fds == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the listeners");
    given->fds = fds;
    given->fds[given->fd_count++] = fd;
    return ERR_OK;
}

static enum err take_one(const struct snapshot *snapshot, struct inheritance *inheritance,
                         struct slice name, int fd, struct errinfo *info)
{
    struct endpoint bound = {0};
    const struct listener_config *listener = find_listener(snapshot, name);
    if (listener == NULL)
        return errinfo_set(
            info, ERR_INPUT,
            "the service manager has opened a socket named `%.*s`, and no listener is "
            "called so: write FileDescriptorName=NAME into the socket unit, with the "
            "`name` of a listener",
            (int)(name.len < 64 ? name.len : 64), (const char *)name.data);
    if (!is_listening(fd, &bound))
        return errinfo_set(info, ERR_INPUT,
                           "listener %s: what the service manager has opened for it is no TCP "
                           "socket that listens (ListenStream=, Accept=no)",
                           listener->name);
    TRY(check_place(listener, &bound, info));
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
        return errinfo_set(info, ERR_INPUT, "listener %s: its socket cannot be used: %m",
                           listener->name);
    return add(inheritance, listener, &bound, fd, info);
}

// is_for_us tells whether the sockets are for this process, by way of its keeper, and not for one that has started that.
static bool is_for_us(const char *pid_text)
{
    uint64_t pid = 0;
    return pid_text != NULL && decimal_parse(slice_of_string(pid_text), INT32_MAX, &pid) &&
           pid == (uint64_t)getppid();
}

enum err activation_take(const struct snapshot *snapshot, struct inheritance *inheritance,
                         struct errinfo *info)
{
    struct slice names[ACTIVATION_FDS_MAX];
    size_t count = 0;
    const char *count_text = getenv("LISTEN_FDS");
    if (count_text == NULL || !is_for_us(getenv("LISTEN_PID")))
        return ERR_OK;
    TRY(activation_parse(count_text, getenv("LISTEN_FDNAMES"), names, &count, info));
    inheritance->given = calloc(ACTIVATION_FDS_MAX, sizeof *inheritance->given);
    if (inheritance->given == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the listeners");
    for (size_t i = 0; i < count; i++)
        TRY(take_one(snapshot, inheritance, names[i], ACTIVATION_FIRST_FD + (int)i, info));
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return ERR_OK;
}
