// One socket of TCP, or one in the file system, which is made for its owner alone.
#include "proxy/service/monitor_place.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/log/log.h"
#include "proxy/net/listener.h"

static enum err open_tcp(const struct admin_settings *settings, struct monitor_place *out,
                         struct errinfo *info)
{
    struct errinfo why;
    out->bound = settings->address;
    if (listener_bind(&settings->address.address, settings->address.port, 1, &out->fd,
                      &out->bound.port, &why) == ERR_OK)
        return ERR_OK;
    out->fd = -1;
    return errinfo_set(info, ERR_SYSTEM, "`admin`: %.480s", why.text);
}

static enum err open_unix(const struct admin_settings *settings, struct monitor_place *out,
                          struct errinfo *info)
{
    TRY(control_socket_open(settings->socket_path, "admin.address", &out->file, info));
    out->fd =
        fcntl(out->file.fd, F_DUPFD_CLOEXEC, 0); // the server's own; this one goes with the name
    return out->fd >= 0 ? ERR_OK : errinfo_set(info, ERR_SYSTEM, "`admin`: %m");
}

enum err monitor_place_open(const struct snapshot *snapshot, const struct monitor_place *served,
                            struct monitor_place *out, struct errinfo *info)
{
    const struct admin_settings *settings = snapshot->admin;
    *out = (struct monitor_place){.settings = settings, .fd = -1, .file = {.fd = -1}};
    if (settings == NULL)
        return ERR_OK;
    if (admin_settings_is_same_place(settings, served->settings) &&
        !control_socket_is_nameless(&served->file)) {
        out->is_kept = true;
        out->bound = served->bound;
        return ERR_OK;
    }
    const enum err error = settings->socket_path == NULL ? open_tcp(settings, out, info)
                                                         : open_unix(settings, out, info);
    if (error != ERR_OK)
        monitor_place_close(out);
    return error;
}

// take_given takes the place that the process before had, if it is the one that `settings` want. False: it is not.
static bool take_given(const struct admin_settings *settings, struct given_place *given,
                       struct monitor_place *out)
{
    struct errinfo info;
    out->is_given = true;
    if (settings->socket_path == NULL) {
        if (given->tcp.fd_count != 1 || given->tcp.configured.port != settings->address.port ||
            !ip_addr_equal(&given->tcp.configured.address, &settings->address.address))
            return false;
        out->fd = given->tcp.fds[0];
        out->bound = given->tcp.bound;
        given->tcp.fds[0] = -1;
        return true;
    }
    if (given->path == NULL || strcmp(given->path, settings->socket_path) != 0)
        return false;
    const int fd = given->file_fd;
    free(given->path);
    given->path = NULL;
    given->file_fd = -1;
    if (control_socket_adopt(settings->socket_path, fd, &out->file, &info) != ERR_OK)
        return false;
    out->fd = fcntl(out->file.fd, F_DUPFD_CLOEXEC, 0);
    return out->fd >= 0;
}

enum err monitor_place_open_first(const struct snapshot *snapshot, struct given_place *given,
                                  struct monitor_place *out, struct errinfo *info)
{
    static const struct monitor_place none = {.fd = -1, .file = {.fd = -1}};
    const struct admin_settings *settings = snapshot->admin;
    *out = (struct monitor_place){.settings = settings, .fd = -1, .file = {.fd = -1}};
    if (settings == NULL || take_given(settings, given, out))
        return ERR_OK;
    monitor_place_close(out);
    return monitor_place_open(snapshot, &none, out, info);
}

void given_place_remove(struct given_place *given)
{
    struct control_socket file;
    struct errinfo info;
    const int fd = given->file_fd;
    given->file_fd = -1;
    if (control_socket_adopt(given->path, fd, &file, &info) != ERR_OK)
        return;
    control_socket_close(&file);
    if (access(given->path, F_OK) == 0)
        log_warning(LOG_CAGE,
                    "socket %s, where `admin` was before, cannot be removed by this process, whose "
                    "configuration does not name its folder: remove it",
                    given->path);
}

void given_place_deinit(struct given_place *given)
{
    given_sockets_deinit(&given->tcp);
    free(given->path);
    if (given->file_fd >= 0)
        (void)close(given->file_fd);
    *given = (struct given_place){.file_fd = -1};
}

void monitor_place_close(struct monitor_place *place)
{
    if (place->is_kept)
        return;
    if (place->fd >= 0)
        (void)close(place->fd);
    place->fd = -1;
    if (place->is_given)
        control_socket_leave(&place->file);
    else
        control_socket_close(&place->file);
}

enum err monitor_place_set_own(struct snapshot *snapshot, const struct sockets *sockets,
                               const struct monitor_place *place)
{
    const size_t count = sockets->listener_count;
    struct endpoint *own = calloc(count + 1, sizeof *own);
    if (own == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        own[i] = sockets->bound[i];
    own[count] = place->bound;
    const enum err error = snapshot_set_own_endpoints(
        snapshot, own, count + (place->bound.address.family == IP_NONE ? 0 : 1));
    free(own);
    return error;
}
