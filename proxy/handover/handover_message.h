// handover_message: what two processes say to each other when one takes the other's place, as datagrams. Pure.
//
// The process that has the sockets (the old one) and the one that the keeper has started with SALLYPORT_HANDOVER (the new one) talk over
// a pair of sockets, in three parts:
//
//     old: HELLO, LISTENER..., CONTROL, ADMIN, BEGIN      what there is; the new one prepares itself, and serves nobody
//     new: PREPARED, or FAILED
//     old: BLOCKS..., TICKETS, SECRETS, OCSP..., COUNTS..., PREDECESSOR..., COMMIT   what may have changed meanwhile; the new one makes ready to serve
//     new: READY, or FAILED
//     old: YOURS                                      the new one serves
//     new: SERVING
//     new: FOLLOW, BLOCKS..., OBEY, ASK, REOPEN, RELOAD, DRAIN, STOP   the old one obeys as long as it has tunnels
//     old: OBEYED, COUNTS..., ANSWER..., ANSWERED, ENDED
//
// Who serves is decided in one place: by the old process, when it says YOURS. Until then it may end the new one, which serves
// nobody; from then on it may not. A new process that finds the old one dead when it has got COMMIT serves. A process of an older
// version says nothing of READY and YOURS: it begins to serve at COMMIT, and says SERVING.
//
// A datagram is its kind in one byte, and what the kind has, in order: numbers in big endian, a text or bytes with their
// length in two bytes before them. Nothing may follow. Descriptors travel beside the datagram (SCM_RIGHTS); the kind says how
// many. The order is the business of those who speak. No process but one of ours ever holds an end, and what comes is judged
// all the same: the other end may be another version.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"
#include "auth/rules.h"

enum {
    HANDOVER_FORMAT = 1, // of HELLO; another one is another language
    HANDOVER_MESSAGE_MAX = 16 * 1024,
    HANDOVER_TEXT_MAX = 4096,
    HANDOVER_NAME_MAX = 32,
    HANDOVER_FDS_MAX = 64, // beside one datagram; the kernel takes 253
    HANDOVER_BYTES_MAX = HANDOVER_MESSAGE_MAX - 64,
};

// What each kind has is beside it.
enum handover_kind {
    HANDOVER_HELLO,       // number: pid; `format`, `control`, `state`
    HANDOVER_LISTENER,    // `name`, `configured`, `bound`; sockets beside it
    HANDOVER_CONTROL,     // the control socket beside it
    HANDOVER_ADMIN,       // as a listener: where metrics are asked for, on TCP
    HANDOVER_ADMIN_FILE,  // `text`: its path, as a Unix socket; the socket beside it
    HANDOVER_BEGIN,       // that was all: prepare
    HANDOVER_PREPARED,    // nothing can go wrong any more but memory
    HANDOVER_FAILED,      // `text`: why
    HANDOVER_BLOCKS,      // number: 1 for the first piece; `bytes` of a state
    HANDOVER_TICKETS,     // `bytes` of ticket keys
    HANDOVER_PREDECESSOR, // number: pid; its link beside it
    HANDOVER_COMMIT,      // number: of handover_commit
    HANDOVER_SERVING,     // the old one may stop listening
    HANDOVER_OBEY,        // number: of the list of blocks before it
    HANDOVER_OBEYED,      // number: likewise; every worker goes by it
    HANDOVER_FOLLOW,      // who says this is obeyed from now on: tell it all counts
    HANDOVER_COUNTS,      // `bytes`: lines, see handover_counts.h
    HANDOVER_ASK,         // number: of the question; `text`: what all workers are asked
    HANDOVER_ANSWER,      // number: of the question; `bytes` of the answer
    HANDOVER_ANSWERED,    // number: of the question, whose answer is complete
    HANDOVER_REOPEN,      // the audit log was moved away
    HANDOVER_RELOAD, // read the configuration again; one that is asked what it has in force, or drains, only what takes
    // trust away
    HANDOVER_DRAIN,   // tunnels have `timeouts.drain`
    HANDOVER_STOP,    // end everything now
    HANDOVER_ENDED,   // number: requests that had to be cut
    HANDOVER_OCSP,    // number: the format; `bytes` of a note, see ocsp_note.h
    HANDOVER_SECRETS, // `bytes` of the set of ticket secrets that a fleet shares, see ticket_set.h
    HANDOVER_READY,   // nothing can go wrong any more: may I serve?
    HANDOVER_YOURS,   // serve
    HANDOVER_KIND_COUNT
};

// What COMMIT says, added up. An older version takes any number but 1 for 0, and then writes the file itself.
enum handover_commit {
    HANDOVER_COMMIT_KEPT = 1, // the file of blocks is as it should be
    HANDOVER_COMMIT_ASKS = 2, // the new process has to say READY, and to wait for YOURS
};

// handover_message is one datagram; which members count depends on the kind, see the table. Slices are borrowed from what
// was parsed.
struct handover_message {
    enum handover_kind kind;
    uint64_t number;
    uint32_t format;
    struct slice control; // path of the control socket; empty: there is none
    struct slice state;   // path of the file of blocks
    struct slice name;    // of the listener
    struct endpoint configured;
    struct endpoint bound;
    struct slice text;
    struct slice bytes;
};

// handover_kind_name gives the word; static memory.
const char *handover_kind_name(enum handover_kind kind);

// handover_message_fds gives how many descriptors may be beside a datagram of this kind, and whether there must be one.
size_t handover_message_fds(enum handover_kind kind, bool *out_is_required);

// handover_message_parse reads a datagram, strictly. ERR_INPUT with a sentence in `info`.
enum err handover_message_parse(struct slice datagram, struct handover_message *out,
                                struct errinfo *info) MUST_USE;

// handover_message_format writes the datagram to `out` of HANDOVER_MESSAGE_MAX bytes and gives its length. 0: a slice is
// longer than it may be.
size_t handover_message_format(const struct handover_message *message, uint8_t *out);
