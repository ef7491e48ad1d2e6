// control: what is asked at the control socket, and what comes of it.
//
// On main's loop. Every command ends with one answer and one `admin` record. A client that has to wait (for a reload, for
// the workers to adopt a block, for their numbers) is kept in a list, which is looked through before the loop waits.
#pragma once

#include "proxy/service/state.h"

struct control;

// control_create opens the control socket of the configuration, or takes over `fd`, if that is not -1: the same one, of the
// process before. It serves nobody yet. ERR_DENIED or ERR_SYSTEM with a sentence in `info`.
enum err control_create(struct service *service, int fd, struct control **out,
                        struct errinfo *info) MUST_USE;

// control_serve begins to answer. The workers run.
enum err control_serve(struct control *control, struct errinfo *info) MUST_USE;

// For all of these NULL is allowed: there is no control socket.

// control_socket_fd gives the listening socket; -1: there is none, or nobody finds it, because its path was removed.
int control_socket_fd(const struct control *control);

// control_pause accepts nobody any more; those who come wait for the process that serves next. control_resume undoes it.
void control_pause(struct control *control);
void control_resume(struct control *control);

// control_restore makes the socket again whose path somebody has removed, so that nobody could ask any more.
void control_restore(struct control *control);

// control_is_quiet tells whether no command is under way but those that never end, and one that waits for an upgrade.
bool control_is_quiet(const struct control *control);

// control_keep_state writes the file.
void control_keep_state(struct control *control);

// control_is_given tells whether the socket is that of the process before. NULL has none.
bool control_is_given(const struct control *control);

// control_leave leaves the socket to another process.
void control_leave(struct control *control);

// control_end records what everybody who still waits will be told: that the process ends. The workers have ended and had to cut
// so many requests; the audit log has not ended. NULL is allowed.
void control_end(struct control *control, uint64_t cut_count);

// control_destroy tells it, after control_end and once the audit log is written, and removes the socket. NULL is allowed.
void control_destroy(struct control *control);
