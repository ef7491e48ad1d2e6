// via: the hops that a request has come through, as the Via fields of its head tell (RFC 9110 7.6.3), so that one that
// goes round in a circle is found.
//
// Pure. What others write is counted and passed on, and otherwise not believed.
#pragma once

#include "proxy/http/field.h"

enum {
    VIA_HOPS_MAX = 8,   // a request that has come through so many proxies goes no further
    VIA_TEXT_MAX = 512, // bytes of all entries together
    VIA_TOKEN_CAP = 17, // bytes of an instance's token, with the NUL
};

// via_trail is the entries, in one line. Zeroed: there are none.
struct via_trail {
    char text[VIA_TEXT_MAX];
    size_t len;
    size_t hops;
    bool is_too_long; // more has come than is kept
};

// via_collect reads the Via fields among the field lines of a head.
void via_collect(struct slice fields, struct via_trail *out);

// via_is_loop tells whether the request has been here, where proxies are told apart by `token`, or has come through too
// many proxies.
bool via_is_loop(const struct via_trail *trail, const char *token);

// via_append appends the field with the entries and, as the last one, that of this proxy: HTTP/1.`minor_version`.
void via_append(const struct via_trail *trail, uint8_t minor_version, const char *token,
                struct text *out);
