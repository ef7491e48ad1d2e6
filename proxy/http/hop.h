// hop: which fields belong to one connection and are never passed on (RFC 9110 7.6.1), and which may not
// come behind a body (6.5.1).
#pragma once

#include "auth/base/slice.h"

enum { HOP_MAX_OPTIONS = 32 }; // of all Connection fields of a head

// hop_options_fit tells whether the Connection fields among `fields` (whole lines, as of a head) hold at most
// HOP_MAX_OPTIONS options, all of them tokens.
bool hop_options_fit(struct slice fields);

// hop_is_by_hop tells whether a field of this name is dropped on the way from one connection to the next: it
// is one of those that always are, or the Connection fields among `fields` name it. Fields that frame the
// message, or say where it goes (Content-Length, Transfer-Encoding, Host, Expect), count too: who passes
// the message on writes its own.
bool hop_is_by_hop(struct slice name, struct slice fields);

// hop_is_forbidden_trailer tells whether a field of this name, behind a body, would frame, route, authenticate or
// control what has been said already.
bool hop_is_forbidden_trailer(struct slice name);
