// pending: requests of an audit log whose `close` is still to come: what it says of the tunnel counts too.
//
// A log may hold decisions without a close, without end: no more than PENDING_MAX wait at a time.
#pragma once

#include "proxy/history/replay.h"

enum { PENDING_MAX = 16 * 1024, PENDING_TEXT_CAP = 256 };

// pending_request is a decision with its replay. The texts of `past` are copies; it has no identity.
struct pending_request {
    uint64_t id;
    struct history_decision past;
    struct replay replay;
    char client[PENDING_TEXT_CAP];
    char entry[PENDING_TEXT_CAP];
    char reason[PENDING_TEXT_CAP];
    char rule[PENDING_TEXT_CAP];
    struct pending_request *older; // borrowed
    struct pending_request *newer; // borrowed
};

// pending is begun zeroed.
struct pending {
    void *by_id; // of tsearch(3); owns the requests
    struct pending_request *oldest;
    struct pending_request *newest;
    size_t count;
};

// pending_add copies a request. ERR_LIMIT when PENDING_MAX wait; ERR_INPUT when one with this id waits, which no proxy writes,
// or a text of it is too long; ERR_MEMORY.
enum err pending_add(struct pending *pending, uint64_t id, const struct history_decision *past,
                     const struct replay *replay) MUST_USE;

// pending_find gives the request with this id; NULL: none waits.
struct pending_request *pending_find(const struct pending *pending, uint64_t id);

// pending_remove ends the wait of a request, and frees it.
void pending_remove(struct pending *pending, struct pending_request *request);
