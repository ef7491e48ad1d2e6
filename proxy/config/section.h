// section: a map of the configuration as a table: one row for each key, with its kind, its place in the struct,
// bounds, default and words. One reader for all of them.
//
// A row without a kind (KEY_BY_HAND) only makes its key known: the section's own code reads its value. A test checks
// the tables of docs/CONFIG.md against these.
#pragma once

#include <stddef.h>

#include "proxy/config/reader.h"

enum key_support {
    KEY_OPTIONAL,
    KEY_REQUIRED,
    KEY_NOT_YET, // promised by the interface, not enforced by this version: an error
};

// What a value is, and the type of its field. Integers are 4 or 8 bytes wide. Everything before KEY_NAME
// has a default.
enum key_kind {
    KEY_BY_HAND,
    KEY_BOOL,      // bool
    KEY_CHOICE,    // enum: the index of the word; or bool: the second of two words is `true`
    KEY_NUMBER,    // integer
    KEY_DURATION,  // integer: milliseconds
    KEY_SECONDS,   // integer: seconds; bounds and default are milliseconds
    KEY_MOMENT,    // integer: microseconds
    KEY_SIZE,      // integer: bytes
    KEY_RATE,      // integer: events a second
    KEY_BANDWIDTH, // integer: bytes a second
    KEY_NAME,      // const char *, in the arena
    KEY_PATH,      // const char *, resolved, in the arena
    KEY_ADDRESS,   // struct endpoint
    KEY_READ,      // whatever `read` of the row reads
    KEY_SECTION,   // a map: the struct that `section` of the row fills
};

// key_read reads the value `node` of a key into its field; `what` is the key for messages. A bad value is reported,
// and leaves the field as it is.
typedef void key_read(struct reader *reader, const struct node *node, const char *what,
                      void *field);

struct key {
    const char *name;
    enum key_support support;
    enum key_kind kind;
    size_t offset;                 // of the field
    size_t size;                   // bytes of the field
    int64_t min;                   // least value of an integer
    int64_t max;                   // largest; 0: only what the kind itself allows
    int64_t fallback;              // the value when the key is not there, of integers and choices
    const char *const *words;      // of a choice; the last one is NULL
    bool takes_none;               // `none` is 0: no limit
    key_read *read;                // of KEY_READ
    const struct section *section; // of KEY_SECTION
    const char *label; // for messages, such as "client name"; NULL: the key in backquotes
};

// KEY_ROW makes the row of a key whose value goes into a field; KEY_KNOWN one that is read by hand.
#define KEY_ROW(key_name, key_kind, type, field, ...)                                              \
    {                                                                                              \
        .name = (key_name), .kind = (key_kind), .offset = offsetof(type, field),                   \
        .size = sizeof(((type *)0)->field), __VA_ARGS__                                            \
    }
#define KEY_KNOWN(key_name, key_support)                                                           \
    {                                                                                              \
        .name = (key_name), .support = (key_support)                                               \
    }

// KEY_OF makes the row of a key that `function`, a key_read, reads into a field.
#define KEY_OF(key_name, function, type, field)                                                    \
    KEY_ROW(key_name, KEY_READ, type, field, .read = (function))

struct section {
    const char *what; // names the map in messages ("a listener")
    const struct key *keys;
    size_t count;
};

// SECTION makes a section of an array of rows.
#define SECTION(section_what, rows)                                                                \
    {                                                                                              \
        .what = (section_what), .keys = (rows), .count = sizeof(rows) / sizeof((rows)[0])          \
    }

// section_read sets the defaults in `out`, the struct that the rows speak about, and reads each key of the
// map `node` that has a row with a kind. Unknown, unsupported, missing and bad keys are reported; a field
// with a bad value keeps its default. `out` may be NULL when no row has a kind. Tells whether `node` is a
// map; NULL gives `false` without a finding, since the missing key has been reported.
bool section_read(struct reader *reader, const struct node *node, const struct section *section,
                  void *out);

// key_value returns the integer or choice that a row's field in `from` holds; 0 for other kinds.
int64_t key_value(const struct key *key, const void *from);

enum { KEY_VALUE_CAP = 48 }; // bytes, with the NUL

// key_format_value writes an integer or choice as the configuration has it (`10s`, `16KiB`, `50/s`),
// NUL-terminated, and returns `out`.
const char *key_format_value(const struct key *key, int64_t value, char out[KEY_VALUE_CAP]);
