// audit_tail: sends the audit log to a client of the control socket, record by record.
//
// It reads the file itself, at the pace of the client: nothing is lost and nothing is buffered for a slow client, and
// neither the writer nor a worker knows of it. It follows the file over rotation. On main's loop.
#pragma once

#include <ev.h>

#include "proxy/admin/control_server.h"

struct audit_tail;

// audit_tail_start begins after the last record of the file at `path` (copied). `on_gone` is called from the
// loop when the client has gone; the owner then destroys the tail and ends the call. ERR_INPUT when the path is not a
// file that can be read again, such as a pipe; ERR_SYSTEM, ERR_MEMORY; with a sentence.
enum err audit_tail_start(struct ev_loop *loop, const char *path, struct control_call *call,
                          void (*on_gone)(void *arg, struct control_call *call), void *arg,
                          struct audit_tail **out, struct errinfo *info) MUST_USE;

// audit_tail_follow goes on at `path` (copied), if it is another one, once the present file has been read.
void audit_tail_follow(struct audit_tail *tail, const char *path);

// audit_tail_destroy sends what is there, and stops. The call stays the caller's. NULL is allowed.
void audit_tail_destroy(struct audit_tail *tail);
