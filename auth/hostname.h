// hostname: host names in their one canonical form, and the patterns that rules are made of.
//
// Canonical: lower case, A-labels only (ASCII; letters, digits, hyphen and underscore), no final
// dot, labels of 1-63 and names of 1-253 bytes (RFC 1035 2.3.4). A name whose last label is all
// digits, or starts with 0x, is no name but a number in disguise and is refused (WHATWG URL, "ends
// in a number").
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum { HOSTNAME_MAX_LEN = 253 };

struct hostname {
    uint8_t len;                     // bytes: 1-253
    char text[HOSTNAME_MAX_LEN + 1]; // canonical, NUL-terminated
};

// hostname_parse canonicalises `s`: case folded, exactly one final dot dropped. ERR_INPUT for
// everything that is not a host name: empty, empty labels, hyphen at an edge of a label, numbers in
// disguise, brackets, `%`, `*`, controls, NUL, non-ASCII, too long.
enum err hostname_parse(struct slice s, struct hostname *out) MUST_USE;

// hostname_slice gives the canonical text, borrowed from `name`.
struct slice hostname_slice(const struct hostname *name);

enum host_pattern_kind {
    HOST_PATTERN_EXACT,  // this name
    HOST_PATTERN_SUFFIX, // one or more labels in front of this name, written `*.name`
    HOST_PATTERN_ANY,    // any name, written `*`
};

struct host_pattern {
    enum host_pattern_kind kind;
    struct hostname name; // unused with HOST_PATTERN_ANY
};

// host_pattern_parse reads `name`, `*.name` or `*`. An address, a `*` elsewhere and anything that
// is no host name is ERR_INPUT, with the reason and a way out in `info`.
enum err host_pattern_parse(struct slice s, struct host_pattern *out,
                            struct errinfo *info) MUST_USE;

// host_pattern_matches compares canonical forms.
bool host_pattern_matches(const struct host_pattern *pattern, const struct hostname *name);
