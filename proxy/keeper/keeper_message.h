// keeper_message: what the keeper and the versions of the program that it has started say to each other, as datagrams of one
// size. Pure.
//
// A version of the program says:
//
//     SERVING    it serves from now on
//     NOTIFY     this is for the service manager
//     START      start the program's file once more; beside it is the link over which that one takes the sender's place
//     SIGNAL     give a signal to a process that the keeper has started
//     HOLD       start a key holder for the sender; beside it is the holder's end of a socket pair, which ends if that fails
//     SETTLED    it is about to hear strangers: it gets a key holder later on only if it has one now that opens no further folders
//
// The keeper says:
//
//     STARTED, or NOT_STARTED     what became of START
//     ENDED                       the process that START has started is gone
//
// What comes is judged: a version that strangers have taken over shall get no more from the keeper than this. Both ends are on
// one machine, but the keeper may be older than who speaks to it.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum {
    KEEPER_FORMAT = 1,
    KEEPER_TEXT_CAP = 232, // with the NUL
    KEEPER_MESSAGE_LEN = 256,
};

// What each kind has is beside it.
enum keeper_kind {
    KEEPER_SERVING,     // number: 1 if the log is JSON
    KEEPER_NOTIFY,      // `text`, one of those that keeper_message_parse knows
    KEEPER_START,       // a descriptor beside it
    KEEPER_SIGNAL,      // pid; number: the signal
    KEEPER_STARTED,     // pid
    KEEPER_NOT_STARTED, // `text`: why
    KEEPER_ENDED,       // pid; number: its wait status
    KEEPER_HOLD,        // a descriptor beside it
    KEEPER_SETTLED,
    KEEPER_KIND_COUNT
};

// keeper_message is one datagram; which members count depends on the kind.
struct keeper_message {
    enum keeper_kind kind;
    int64_t pid;    // not negative
    int64_t number; // likewise
    char text[KEEPER_TEXT_CAP];
};

// keeper_message_parse reads a datagram, strictly. ERR_INPUT with a sentence in `info`.
enum err keeper_message_parse(struct slice datagram, struct keeper_message *out,
                              struct errinfo *info) MUST_USE;

// keeper_message_format writes the datagram to `out` of KEEPER_MESSAGE_LEN bytes.
void keeper_message_format(const struct keeper_message *message, uint8_t *out);
