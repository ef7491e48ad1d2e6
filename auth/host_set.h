// host_set: many host patterns as one value that is asked in constant time: is this name in it?
//
// Compiled once while a configuration is loaded, then immutable and shared by every rule that names
// it. Few patterns are compared one by one; many are found through a table of hashes, whose hits
// are always compared byte by byte. Patterns with a `*` inside are found by their shape: how many
// labels, and which of them are `*`. Each shape costs a look-up, so a set holds HOST_SET_SHAPES_MAX of
// them at most, and a long name costs no more than these. Fields are private to host_set.c.
#pragma once

#include "auth/base/arena.h"
#include "auth/hostname.h"

struct host_set; // opaque; lives in the arena that it was built in

enum { HOST_SET_SHAPES_MAX = 32 };

// host_shape is where the `*` are inside a pattern.
struct host_shape {
    uint8_t labels; // of the name, without the `*` in front
    uint8_t stars
        [HOST_PATTERN_STARS_MAX]; // the first label is 0; where there is no second `*`, the first one again
};

// host_set_builder collects patterns on the heap. A zeroed one is empty; fields are private.
struct host_set_builder {
    uint8_t *records; // owned
    size_t len;       // bytes
    size_t cap;       // bytes
    size_t count;
    bool has_any;
    struct host_shape shapes[HOST_SET_SHAPES_MAX];
    size_t shape_count;
};

// host_set_builder_add takes one pattern; repeats are allowed. ERR_MEMORY, or ERR_LIMIT for one shape too many and at
// 4 GiB.
enum err host_set_builder_add(struct host_set_builder *builder,
                              const struct host_pattern *pattern) MUST_USE;

// host_set_builder_finish compiles what was added into `arena` and empties the builder. An empty
// set is a set. NULL without memory.
const struct host_set *host_set_builder_finish(struct host_set_builder *builder,
                                               struct arena *arena) MUST_USE;

// host_set_builder_deinit frees what an abandoned builder holds. A zeroed one is allowed.
void host_set_builder_deinit(struct host_set_builder *builder);

// host_set_matches tells whether any pattern of the set matches the canonical name.
bool host_set_matches(const struct host_set *set, const struct hostname *name);

// host_record is a pattern of a set: its name without the `*.` in front, borrowed from the set.
struct host_record {
    enum host_pattern_kind kind;
    struct slice name; // empty with HOST_PATTERN_ANY
};

// host_set_next gives the next pattern, `*` last; false after it. `*cursor` is 0 at the start.
bool host_set_next(const struct host_set *set, size_t *cursor, struct host_record *out);
