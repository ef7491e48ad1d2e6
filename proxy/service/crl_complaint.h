// crl_complaint: which failures to fetch a revocation list are said aloud. Pure.
//
// The first one after a success; then what differs from what was said last, once a minute at most; and once an hour in any
// case. So a server that fails in another way now is no secret, and one that fails in two ways by turns fills no log.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CRL_COMPLAINT_CAP = 400 }; // bytes of a problem with its NUL

// crl_complaint is what was said last. Zeroed: nothing.
struct crl_complaint {
    int64_t said_at_s; // Unix seconds
    bool is_urgent;
    char problem[CRL_COMPLAINT_CAP];
};

// crl_complaint_note tells whether the failure `problem` is to be said at `now_s`, and then keeps it as what was said.
// `failures` counts them in a row, this one with them. `is_urgent`: the list in force ends before it can be fetched often again.
bool crl_complaint_note(struct crl_complaint *said, const char *problem, bool is_urgent,
                        uint32_t failures, int64_t now_s);
