// session_tops: what the page about the proxy shows of a worker's clients beside numbers: who is denied what, who is refused,
// which targets are asked for. In fixed memory, since clients choose the names.
//
// For the worker's thread. There is none where nobody can ask for the page.
#pragma once

#include "proxy/metrics/tops.h"

enum { ENDS_COUNT = 4 };

struct session_tops {
    struct tops denials; // who: the client; what: the target; why: the reason
    struct tops refused; // who: the address; what: the certificate's subject; why: the reason
    struct tops targets; // what: the target
    // handshakes by how long the client's certificate was still good: less than 1, 7 and 30 days, and longer
    uint64_t ends[ENDS_COUNT];
};

// session_tops_note_end counts a handshake with a certificate that is good for `left_s` seconds.
void session_tops_note_end(struct session_tops *tops, int64_t left_s);

// session_tops_add adds what another worker has counted.
void session_tops_add(struct session_tops *sum, const struct session_tops *part);
