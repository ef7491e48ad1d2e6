// reader: typed reading of configuration nodes, with one wording for every kind of mistake.
//
// A mistake is put into the diagnostics with its place and reading goes on, so that one run shows
// all of them: functions give `false` where there is no usable value, and the file is bad when the
// diagnostics hold an error at the end. Knows no section of the configuration and no files.
#pragma once

#include "auth/base/arena.h"
#include "proxy/config/diagnostics.h"
#include "proxy/config/yaml_document.h"

enum {
    CONFIG_NAME_MAX = 32,   // bytes of a name: of a listener, trust profile, client or rule
    CONFIG_TEXT_MAX = 4096, // bytes of any other text
    CONFIG_QUOTE_CAP = 72,  // bytes that reader_quote needs, with the NUL
};

struct reader {
    struct diagnostics *diagnostics; // borrowed
    const char *file;                // borrowed; of the configuration, as the user named it
    struct arena *arena;             // borrowed; values that outlive the document go here
    bool is_out_of_memory;           // set by reader_no_memory
};

// reader_error, reader_warning and reader_note add a finding at the place of `node` (NULL: about
// the whole file) and give it for diagnostic_set_hint. It is valid until the next finding.
struct diagnostic *reader_error(struct reader *reader, const struct node *node, const char *format,
                                ...) PRINTF_LIKE(3, 4);
struct diagnostic *reader_warning(struct reader *reader, const struct node *node,
                                  const char *format, ...) PRINTF_LIKE(3, 4);
struct diagnostic *reader_note(struct reader *reader, const struct node *node, const char *format,
                               ...) PRINTF_LIKE(3, 4);

// reader_no_memory adds an error, sets `is_out_of_memory`, and gives `false`.
bool reader_no_memory(struct reader *reader);

// reader_not_yet adds the error for what is promised and this version does not do; `what` is
// such as "`crl`".
void reader_not_yet(struct reader *reader, const struct node *node, const char *what);

// reader_quote writes a text for use in a message, cut after 64 bytes, and returns `out`.
const char *reader_quote(struct slice text, char out[CONFIG_QUOTE_CAP]);

// reader_alloc gives zeroed elements of the arena; NULL, and an error, when there is no memory.
void *reader_alloc(struct reader *reader, size_t count, size_t size) MUST_USE;

// reader_copy copies a text into the arena; NULL, and an error, when there is no memory.
const char *reader_copy(struct reader *reader, struct slice text) MUST_USE;

enum key_support {
    KEY_OPTIONAL,
    KEY_REQUIRED,
    KEY_NOT_YET, // promised by the interface, not enforced by this version: an error
};

struct key {
    const char *name;
    enum key_support support;
};

// reader_map tells whether `node` is a map, and reports keys that are not among `keys`, not yet
// supported, or missing. `what` names the map in messages ("a listener"). A map with such mistakes
// is read further by the caller, who must expect that a required key is missing. `node` may be
// NULL, which gives `false` without a finding: the missing key has been reported.
bool reader_map(struct reader *reader, const struct node *node, const char *what,
                const struct key *keys, size_t key_count);

// reader_list tells whether `node` is a list of `min` to `max` entries. NULL gives `false`.
bool reader_list(struct reader *reader, const struct node *node, const char *what, size_t min,
                 size_t max);

// reader_text reads a text of 1 to `max_len` bytes without control characters, borrowed from the
// document. A bare `true`, `false`, `null` or `~` is no text unless quoted. NULL gives `false`.
bool reader_text(struct reader *reader, const struct node *node, const char *what, size_t max_len,
                 struct slice *out);

// reader_name reads a name of the shape [A-Za-z0-9._-]{1,32} and copies it into the arena.
bool reader_name(struct reader *reader, const struct node *node, const char *what,
                 const char **out);

// reader_check_name tells whether the text of `node` has that shape, and reports it when not.
bool reader_check_name(struct reader *reader, const struct node *node, const char *what);

// reader_integer reads a whole decimal number within the bounds.
bool reader_integer(struct reader *reader, const struct node *node, const char *what, int64_t min,
                    int64_t max, int64_t *out);

// reader_boolean reads a bare `true` or `false`.
bool reader_boolean(struct reader *reader, const struct node *node, const char *what, bool *out);

// reader_duration reads a duration with its unit, within the bounds.
bool reader_duration(struct reader *reader, const struct node *node, const char *what,
                     int64_t min_ms, int64_t max_ms, int64_t *out_ms);

// reader_choice reads one of `count` words and gives its index.
bool reader_choice(struct reader *reader, const struct node *node, const char *what,
                   const char *const *words, size_t count, size_t *out);

// A name and where it stands, for reader_unique.
struct named_place {
    const char *name;        // borrowed
    const struct node *node; // borrowed
};

// reader_unique reports each name that stands among `places` more than once. Reorders `places`.
void reader_unique(struct reader *reader, const char *what, struct named_place *places,
                   size_t count);
