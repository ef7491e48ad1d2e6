// idn: host names as people write them (U-labels) turned into what DNS and clients use (A-labels).
//
// For the configuration only: on the wire only ASCII is accepted. The only user of libidn2.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum { IDN_CAP = 256 }; // bytes of an ASCII name, with the NUL

// idn_to_ascii converts the UTF-8 name `s` as IDNA2008 with UTS #46's mapping says, NUL-terminated.
// A name that is ASCII already is copied as it is; labels `*` are kept. ERR_INPUT with a
// sentence in `info` for what is no name, ERR_MEMORY.
enum err idn_to_ascii(struct slice s, char out[IDN_CAP], struct errinfo *info) MUST_USE;
