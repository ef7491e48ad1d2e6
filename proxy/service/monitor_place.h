// monitor_place: the socket at which metrics and health can be asked for: opened before anything changes, closed where it
// comes to nothing.
#pragma once

#include "proxy/admin/control_socket.h"
#include "proxy/config/snapshot.h"
#include "proxy/service/sockets.h"

// monitor_place is a socket that is open, but not served yet.
struct monitor_place {
    const struct admin_settings *settings; // borrowed from its snapshot; NULL: there is none
    int fd;                                // owned; -1: none, or the one that is served already
    struct control_socket file;            // owned; of a Unix socket; its `fd` is -1 otherwise
    struct endpoint bound;                 // its port is known; family IP_NONE: not on TCP
    bool is_kept;                          // it is the one that is served already
    bool is_given;                         // another process may have to go on with it
};

// given_place is one that the process was started with.
struct given_place {
    struct given_sockets tcp; // its one socket; none: it is not on TCP
    char *path;  // owned; of a Unix socket; NULL: it is not in the file system, or was taken
    int file_fd; // owned; of that; -1: none
};

// given_place_remove removes the name of a Unix socket that nobody goes on with.
void given_place_remove(struct given_place *given);

// given_place_deinit closes what was not taken, and frees.
void given_place_deinit(struct given_place *given);

// monitor_place_open_first opens what `snapshot` names at the start, or takes what was given, if it is that. Errors as of
// monitor_place_open.
enum err monitor_place_open_first(const struct snapshot *snapshot, struct given_place *given,
                                  struct monitor_place *out, struct errinfo *info) MUST_USE;

// monitor_place_open opens what `snapshot` names, if that is not the place `served`, or the path of that is
// gone. ERR_SYSTEM or ERR_DENIED with a
// sentence; then nothing is open.
enum err monitor_place_open(const struct snapshot *snapshot, const struct monitor_place *served,
                            struct monitor_place *out, struct errinfo *info) MUST_USE;

// monitor_place_close closes one that is not served.
void monitor_place_close(struct monitor_place *place);

// monitor_place_set_own tells the policy of `snapshot` where the proxy listens, `place` included, so that no tunnel
// leads there. ERR_MEMORY.
enum err monitor_place_set_own(struct snapshot *snapshot, const struct sockets *sockets,
                               const struct monitor_place *place) MUST_USE;
