// control_server: clients of the control socket: accepts them, asks the kernel who they are, reads one
// request each, and sends what is answered, however slowly it is taken.
//
// Lives on main's loop. Bounds: 32 clients, one request each, 10 s to send it, 30 s without taking a byte of
// the answer, 16 MiB of answer. What a request means is the owner's business.
#pragma once

#include <ev.h>
#include <sys/socket.h>

#include "auth/base/text.h"
#include "proxy/admin/control_request.h"

enum { CONTROL_CALLS_MAX = 32 };

struct control_server;

// control_call is one client with its request. It is the owner's from on_call to control_call_end; the client
// may be gone meanwhile, which changes nothing but that nobody reads.
struct control_call;

struct control_events {
    // on_call is called from the loop with a request that wants an answer, now or later.
    void (*on_call)(void *arg, struct control_call *call);
    // on_refused tells of one who may not ask, or whose request cannot be read.
    void (*on_refused)(void *arg, const struct ucred *caller, const char *why);
    void *arg; // borrowed
};

// control_server_create serves a listening socket, which stays the caller's, for this process's user and
// root. NULL when there is no memory.
struct control_server *control_server_create(struct ev_loop *loop, int fd,
                                             const struct control_events *events) MUST_USE;

// control_server_pause accepts nobody any more: they wait in the socket's queue, for us or for the process that serves it next. Those who
// are there already may ask. control_server_resume undoes it.
void control_server_pause(struct control_server *server);
void control_server_resume(struct control_server *server);

// control_server_move goes on with another listening socket, which stays the caller's too. Calls that are there stay.
void control_server_move(struct control_server *server, int fd);

// control_server_destroy closes every client. No call may be open. NULL is allowed.
void control_server_destroy(struct control_server *server);

const struct control_request *control_call_request(const struct control_call *call);
const struct ucred *control_call_caller(const struct control_call *call);

// control_call_text gives the text that adds to the answer, which is lines of JSON: pieces of at most 1 KiB each. An
// answer that grows beyond its bound is not sent.
struct text *control_call_text(struct control_call *call);

// control_call_append adds bytes of any length.
void control_call_append(struct control_call *call, struct slice bytes);

// control_call_send begins to send what has been added, while there is more to come.
void control_call_send(struct control_call *call);

// control_call_unsent gives the bytes that the client has not taken yet.
size_t control_call_unsent(const struct control_call *call);

// control_call_is_gone tells whether nobody is at the other end any more.
bool control_call_is_gone(const struct control_call *call);

// control_call_end adds the last line, `{"exit":EXIT,"message":"..."}`, and gives the call back.
void control_call_end(struct control_call *call, int exit_status, const char *message);
