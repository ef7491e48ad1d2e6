// record_scanner: finds where the TLS records inside a stream end, so that a relay can cut there.
//
// A GnuTLS client that speaks TLS inside TLS can stall for ever if one outer record carries the end of one inner record
// and the start of the next: the rest sits decrypted in the outer session while the client waits on the socket. So the
// bytes sent to a client are cut at the borders of inner records. A stream that is not TLS is recognised at its first
// bytes, or at the first header that makes no sense, and left whole.
#pragma once

#include "auth/base/slice.h"

enum { RECORD_HEADER_LEN = 5 };

struct record_scanner {
    uint32_t body_left;                // bytes of the current record's body still to come
    uint8_t header_len;                // bytes of the next header seen so far
    bool is_plain;                     // not TLS: no borders
    uint8_t header[RECORD_HEADER_LEN]; // what has been seen of it
};

// record_scanner_piece gives how many of `bytes`, the next ones of the stream, may go into one outer record: those up to
// the next border, or all. Pure.
size_t record_scanner_piece(const struct record_scanner *scanner, struct slice bytes);

// record_scanner_advance notes that `bytes` have been passed on: the piece that record_scanner_piece gave, or its start.
void record_scanner_advance(struct record_scanner *scanner, struct slice bytes);
