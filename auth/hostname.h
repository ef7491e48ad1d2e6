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
    HOST_PATTERN_LABELS, // this name, in which each label `*` stands for exactly one label
    HOST_PATTERN_SUFFIX, // one or more labels in front of this name, written `*.name`
    HOST_PATTERN_ANY,    // any name, written `*`
};

enum { HOST_PATTERN_STARS_MAX = 2 }; // labels `*` inside a name, the one in front not counted

struct host_pattern {
    enum host_pattern_kind kind;
    // inside `name`; with HOST_PATTERN_LABELS at least 1, with HOST_PATTERN_SUFFIX 0 or more, else 0
    uint8_t star_count;
    struct hostname name; // canonical but for labels `*`; unused with HOST_PATTERN_ANY
};

// host_pattern_parse reads `name`, `*.name` or `*`. Inside a name, but not at its end and not next to the `*` in front, up
// to HOST_PATTERN_STARS_MAX labels may be `*`: `ec2.*.amazonaws.com`. An address, a `*` elsewhere and anything that is no
// host name is ERR_INPUT, with the reason and a way out in `info`.
enum err host_pattern_parse(struct slice s, struct host_pattern *out,
                            struct errinfo *info) MUST_USE;

// host_pattern_matches compares canonical forms.
bool host_pattern_matches(const struct host_pattern *pattern, const struct hostname *name);

// host_labels_match tells whether a canonical name is what `labels` says, in which each label `*` stands for one label.
// host_tail_matches tells whether what is after its first label, or its first labels, is.
bool host_labels_match(struct slice labels, struct slice name);
bool host_tail_matches(struct slice labels, struct slice name);
