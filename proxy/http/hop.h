// hop: which fields belong to one connection and are never passed on (RFC 9110 7.6.1), and which fields may not follow
// a body (6.5.1).
#pragma once

#include "auth/base/slice.h"

enum { HOP_MAX_OPTIONS = 32 }; // of all Connection fields of a head

// hop_options is what the Connection fields of a head name.
struct hop_options {
    struct slice items[HOP_MAX_OPTIONS]; // borrowed from the head
    size_t count;
};

// hop_options_read reads them out of `fields` (whole lines, as of a head). False: there are more than
// HOP_MAX_OPTIONS, or one is no token.
bool hop_options_read(struct slice fields, struct hop_options *out);

// hop_options_have tells whether `option` is among them, in either case.
bool hop_options_have(const struct hop_options *options, struct slice option);

// hop_is_by_hop tells whether a field of this name is dropped on the way from one connection to the next: it
// is one of those that always are, or one of the `options`. Fields that frame the
// message, or say where it goes (Content-Length, Transfer-Encoding, Host, Expect), count too: who passes
// the message on writes its own. So do those that say whose request it is (client_cert.h): nobody but a proxy may.
bool hop_is_by_hop(struct slice name, const struct hop_options *options);

// hop_is_forbidden_trailer tells whether a field of this name, after a body, would frame, route, authenticate or
// control what has been said already.
bool hop_is_forbidden_trailer(struct slice name);
