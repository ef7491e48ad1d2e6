// keeper_link: a version's end of the link to its keeper. Lives on main's loop; never waits.
#pragma once

#include <ev.h>

#include "proxy/keeper/keeper_message.h"

// What the keeper tells of the process that keeper_link_start has asked for.
struct keeper_events {
    // on_started tells its number.
    void (*on_started)(void *arg, int64_t pid);
    // on_not_started tells why there is none; in the place of on_started.
    void (*on_not_started)(void *arg, const char *why);
    // on_ended tells the wait status that it ended with.
    void (*on_ended)(void *arg, int64_t pid, int status);
    // on_lost tells that the keeper is gone: nothing may outlive it. Once.
    void (*on_lost)(void *arg);
    void *arg; // borrowed
};

// Zeroed but for `io.fd`, which is -1 then, is none. Private to keeper_link.c.
struct keeper_link {
    ev_io io; // its descriptor is owned
    struct keeper_events events;
};

// keeper_link_find takes the descriptor that the environment names (KEEPER_VARIABLE), and removes it there. -1: no keeper has
// started this process. Called by main, before there are threads.
int keeper_link_find(void);

// keeper_link_begin begins to listen, at `fd`, which it takes over.
void keeper_link_begin(struct keeper_link *link, struct ev_loop *loop, int fd,
                       const struct keeper_events *events);

// keeper_link_end closes it.
void keeper_link_end(struct keeper_link *link, struct ev_loop *loop);

// keeper_link_serve says that this process serves from now on, and whether its log is JSON.
void keeper_link_serve(const struct keeper_link *link, bool is_json);

// keeper_link_notify tells the service manager `state`, one of those of sd_notify(3) that keeper_message.c knows. Only what
// the process that serves says gets there.
void keeper_link_notify(const struct keeper_link *link, const char *state);

// keeper_link_notify_reloading tells it that a reload begins, as Type=notify-reload requires. READY=1 must follow.
void keeper_link_notify_reloading(const struct keeper_link *link);

// keeper_link_start asks for another version, which gets a copy of `handover`, a link over which it takes this one's place.
// False with errno set: the keeper was not asked.
bool keeper_link_start(const struct keeper_link *link, int handover) MUST_USE;

// keeper_link_hold asks, at the descriptor that keeper_link_find has given or a copy of it, for a key holder that speaks over
// `socket`. False with errno set: the keeper was not asked. Any thread.
bool keeper_link_hold(int fd, int socket) MUST_USE;

// keeper_link_settle says that this process is about to hear strangers, and has the key holder that it needs, or needs none. False
// with errno set: the keeper was not told.
bool keeper_link_settle(const struct keeper_link *link) MUST_USE;

// keeper_link_signal gives a signal to a process that the keeper has started: SIGKILL to any, if this one serves; one that
// came to this process, to the one that serves. Others get none.
void keeper_link_signal(const struct keeper_link *link, int64_t pid, int number);
