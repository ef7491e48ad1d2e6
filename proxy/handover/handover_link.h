// handover_link: one end of the pair of sockets over which two processes speak; see handover_message.h.
//
// Lives on main's loop. It never waits: what the other end does not take stays in a queue. What is received is wiped, for it
// may hold keys. Knows no meaning of a message.
#pragma once

#include <ev.h>

#include "proxy/handover/handover_message.h"

enum { HANDOVER_QUEUE_MAX = 96 * 1024 * 1024 }; // bytes that wait to be sent

struct handover_link;

struct handover_events {
    // on_message gets a message with the descriptors beside it. Those that it takes it replaces by -1; the others are closed
    // afterwards. It may destroy the link.
    void (*on_message)(void *arg, const struct handover_message *message, int *fds,
                       size_t fd_count);
    // on_end tells that the other process has ended, or that it says what cannot be understood: `why` is a sentence then, and
    // NULL otherwise. Once, and the last call; it may destroy the link.
    void (*on_end)(void *arg, const char *why);
    void *arg; // borrowed
};

// handover_pair makes the two ends, both closed on exec. False with errno set.
bool handover_pair(int out_fds[2]) MUST_USE;

// handover_link_create takes the descriptor over, also on an error. NULL without memory.
struct handover_link *handover_link_create(struct ev_loop *loop, int fd,
                                           const struct handover_events *events) MUST_USE;

// handover_link_destroy closes it; what was not sent is lost. NULL is allowed.
void handover_link_destroy(struct handover_link *link);

// handover_link_send queues a message, and copies of descriptors beside it (HANDOVER_FDS_MAX at most). False: there is no
// memory for it, or no descriptor, or too much waits already; then nothing is sent.
bool handover_link_send(struct handover_link *link, const struct handover_message *message,
                        const int *fds, size_t fd_count) MUST_USE;

// handover_link_say sends a message without content or with a number alone, as handover_link_send does.
bool handover_link_say(struct handover_link *link, enum handover_kind kind, uint64_t number);

// handover_link_set_events says who hears what comes from now on.
void handover_link_set_events(struct handover_link *link, const struct handover_events *events);

// handover_link_is_sent tells whether nothing waits to be sent.
bool handover_link_is_sent(const struct handover_link *link);

// handover_link_has_ended tells whether on_end was called.
bool handover_link_has_ended(const struct handover_link *link);

// handover_link_is_held tells whether the other process lives, by its end of the link: whatever waits to be read.
bool handover_link_is_held(const struct handover_link *link);

// handover_link_hear passes on at once what has come: for when the other process is known to have ended. It may destroy the
// link.
void handover_link_hear(struct handover_link *link);

// handover_link_pause stops listening; what comes waits in the socket, for us or for the process that gets the descriptor.
void handover_link_pause(struct handover_link *link);

// handover_link_resume listens again.
void handover_link_resume(struct handover_link *link);

// handover_link_fd gives the descriptor, which stays the link's.
int handover_link_fd(const struct handover_link *link);

// For a process that has no loop yet:

// handover_receive waits at most `patience_ms` for a message and writes its bytes to `data` of HANDOVER_MESSAGE_MAX bytes,
// which the message borrows, and its descriptors to `fds` of HANDOVER_FDS_MAX, which are the caller's. ERR_EOF: the other
// process has ended, ERR_TIMEOUT, ERR_INPUT or ERR_SYSTEM; a sentence in `info` in any case.
enum err handover_receive(int fd, int patience_ms, uint8_t *data, struct handover_message *out,
                          int *fds, size_t *out_fd_count, struct errinfo *info) MUST_USE;

// handover_tell sends a message, at once or not at all.
bool handover_tell(int fd, const struct handover_message *message);
