// record_scanner: where the TLS records of a stream end, so that a relay can keep to their borders.
//
// GnuTLS clients that speak TLS inside TLS stall for ever when one outer record carries the end of one
// inner record and the start of the next: the rest sits decrypted in the outer session while they
// wait on the socket. So the bytes sent to a client are cut here. A stream that is not TLS is
// recognised at its first bytes, or at the first header that makes no sense, and left whole.
#pragma once

#include "auth/base/slice.h"

enum { RECORD_HEADER_LEN = 5 };

struct record_scanner {
    uint32_t body_left;                // bytes of the current record's body still to come
    uint8_t header_len;                // bytes of the next header seen so far
    bool is_plain;                     // not TLS: no borders
    uint8_t header[RECORD_HEADER_LEN]; // what has been seen of it
};

// record_scanner_piece tells how many of the next bytes of the stream, `bytes`, may go into one outer
// record: the part up to the next border, or all. It changes nothing.
size_t record_scanner_piece(const struct record_scanner *scanner, struct slice bytes);

// record_scanner_advance notes that `bytes` have been passed on: at most the piece that
// record_scanner_piece gave, and shorter where the stream took less.
void record_scanner_advance(struct record_scanner *scanner, struct slice bytes);
