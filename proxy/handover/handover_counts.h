// handover_counts: what an old process still has, for the limits of the one that serves: lines of text in a COUNTS message. Pure.
//
//     sessions N
//     memory N
//     tunnels N NAME
//
// Each line says what the number is from now on. NAME is that of an account.
#pragma once

#include "auth/base/text.h"

enum handover_count_kind {
    HANDOVER_COUNT_SESSIONS, // connections of the whole process
    HANDOVER_COUNT_MEMORY,   // bytes of the whole process
    HANDOVER_COUNT_TUNNELS,  // of one account
};

enum { HANDOVER_ACCOUNT_MAX = 255 }; // bytes of a name

struct handover_count {
    enum handover_count_kind kind;
    uint64_t number;
    struct slice name; // borrowed from the line
};

// handover_counts_next reads the first line of `*left` and drops it. ERR_EOF: there is none; ERR_INPUT: it is malformed.
enum err handover_counts_next(struct slice *left, struct handover_count *out) MUST_USE;

// handover_counts_add appends a line.
void handover_counts_add(struct text *out, const struct handover_count *count);
