// control_socket: the listening Unix socket: made for its owner alone, never over a living one, taken away
// at the end.
//
// Knows no protocol. Called by main.
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "auth/base/err.h"

enum { CONTROL_PATH_MAX = sizeof((struct sockaddr_un *)0)->sun_path - 1 }; // bytes, without the NUL

struct control_socket {
    int fd; // owned; -1: none
    dev_t device;
    ino_t inode; // of what stands at the path while it is ours
    char path[CONTROL_PATH_MAX + 1];
};

// control_socket_open binds `path`, which the configuration has under `key`, with mode 0600 and listens. A socket that nobody serves any more is
// taken away first; one that is served, or what is no socket, is ERR_DENIED, and stays. ERR_SYSTEM otherwise;
// `info` has the sentence. `out->fd` is -1 on an error.
enum err control_socket_open(const char *path, const char *key, struct control_socket *out,
                             struct errinfo *info) MUST_USE;

// control_socket_adopt goes on with a socket that another process has made at `path` and given to us, and takes `fd` over.
// ERR_DENIED if it is not the one that stands there; ERR_LIMIT.
enum err control_socket_adopt(const char *path, int fd, struct control_socket *out,
                              struct errinfo *info) MUST_USE;

// control_socket_is_nameless tells whether somebody has removed the path of an open socket, so that nobody finds it.
bool control_socket_is_nameless(const struct control_socket *socket);

// control_socket_leave closes it, and leaves the path to the process that goes on with it.
void control_socket_leave(struct control_socket *socket);

// control_socket_close closes it, and removes the path if it is still ours. `fd` -1 is allowed.
void control_socket_close(struct control_socket *socket);

// control_socket_connect makes a blocking connection as a client, which takes no longer than some seconds, nor does a write that nobody
// reads. ERR_SYSTEM with a sentence; the descriptor
// is the caller's.
enum err control_socket_connect(const char *path, int *out_fd, struct errinfo *info) MUST_USE;
