// notes: what an import says about the lines of another program's configuration, and the memory that an import uses.
//
// Pure: no files, no streams. Who imports adds notes; the command prints them. Without memory `is_out_of_memory` is set, and
// everything goes on: it is looked at once, at the end.
#pragma once

#include "auth/base/arena.h"
#include "auth/base/err.h"
#include "auth/base/slice.h"

// import_weight is what a note means for the result.
enum import_weight {
    IMPORT_REMARK,   // nothing is missing: what has no meaning here, or what to know
    IMPORT_LEFT_OUT, // the output does not say, or not exactly say, what the line says
};

// import_place is a line of a file. A NULL file is the whole configuration.
struct import_place {
    const char *file; // as the user named it; arena
    uint32_t line;    // from 1
};

struct import_note {
    enum import_weight weight;
    struct import_place place;
    const char *text; // what, why, and what to write instead; arena
    const char *whom; // the first clients that it is about, as a list; NULL: about no client; arena
    size_t whom_count;
    struct import_note *next;
};

enum {
    IMPORT_NOTES_MAX = 2000, // further ones are counted, not kept
    IMPORT_WHOM_MAX = 4,     // clients that a note names; further ones are counted
};

// import_notes is a list in the order of its making. A zeroed one with an arena is empty.
struct import_notes {
    struct arena *arena; // borrowed
    struct import_note *first;
    struct import_note *last;
    size_t count;          // kept
    size_t dropped_count;  // not kept
    size_t left_out_count; // of IMPORT_LEFT_OUT, kept or not, each once
    bool is_out_of_memory;
};

// import_say adds a note. One that is there already, at the same place and with the same text, is not added again.
void import_say(struct import_notes *notes, enum import_weight weight, struct import_place place,
                const char *format, ...) PRINTF_LIKE(4, 5);

// import_tell adds a note that is left out for a client, `whom` as it is shown. Where the same is said for others at the same
// place, the client is added to these.
void import_tell(struct import_notes *notes, struct import_place place, const char *whom,
                 const char *text);

// import_is_noted tells whether anything is said of a line.
bool import_is_noted(const struct import_notes *notes, struct import_place place);

// import_alloc gives zeroed elements of the arena; NULL, and `is_out_of_memory`, without memory.
void *import_alloc(struct import_notes *notes, size_t count, size_t size) MUST_USE;

// import_grow gives an array with room for one more than `count` elements, moved if need be, and keeps `*cap`. NULL, and
// `is_out_of_memory`, without memory.
void *import_grow(struct import_notes *notes, void *items, size_t count, size_t *cap,
                  size_t size) MUST_USE;

// import_copy copies a text with a NUL after it; "" without memory.
const char *import_copy(struct import_notes *notes, struct slice text);
