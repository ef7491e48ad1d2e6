// reader: typed reading of configuration nodes, with one wording for every kind of mistake.
//
// A mistake goes into the diagnostics with its place, and reading continues, so that one run shows
// all mistakes: functions return `false` when there is no usable value, and the file is bad when the
// diagnostics hold an error at the end. Knows no section of the configuration and opens no file.
#pragma once

#include "auth/base/arena.h"
#include "proxy/config/diagnostics.h"
#include "proxy/config/yaml_document.h"

enum {
    CONFIG_NAME_MAX = 32,   // bytes of a name: of a listener, trust profile, client or rule
    CONFIG_TEXT_MAX = 4096, // bytes of any other text
    CONFIG_PATH_MAX = 4095, // bytes of a path
};

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

struct file_content;
struct key_source;
struct known_zone;
struct process_hook;
struct reader;

// list_file_read reads the list file at `path`, which `node` names. On `true` the content is the
// caller's; otherwise an error is in the diagnostics.
typedef bool list_file_read(struct reader *reader, const struct node *node, const char *path,
                            struct file_content *out);

// kept_list is a list file as it was when it was good last.
struct kept_list {
    const char *path;
    int kind; // of list_kind
    struct slice text;
    bool is_former; // it is not good now
    const struct kept_list *next;
};

// list_keeper keeps list files while a configuration is read, and takes what `former` has of one that is no good.
struct list_keeper {
    const struct kept_list *former; // borrowed; NULL: none
    const struct kept_list *kept;   // in the reader's arena
};

struct reader {
    struct diagnostics *diagnostics; // borrowed
    const char *file;                // borrowed; of the configuration, as the user named it
    struct arena *arena;             // borrowed; values that outlive the document go here
    const char *folder;              // borrowed; paths are relative to it; NULL: the current one
    struct key_source *keys;         // borrowed; NULL: private keys are read by this process
    bool
        has_keys_apart; // where this process reads keys all the same (`check`), their files are noted as those of another one
    list_file_read *read_list;   // NULL: a list from a file is an error
    struct list_keeper *keeper;  // borrowed; NULL: a list that is no good is an error
    int64_t now_s;               // Unix seconds
    struct arena *files_arena;   // borrowed; of `files`
    struct snapshot_file *files; // in `files_arena`: what has been read, the last one first
    struct known_zone *zones;    // in `arena`: time zones that have been read (schedules.c)
    const struct process_hook *process_hook; // borrowed; NULL: nothing is done about the process
    bool is_out_of_memory;                   // set by reader_no_memory
    char quoted[72];                         // of reader_quote
    char hint[sizeof((struct diagnostic *)0)->hint]; // of reader_words
};

// reader_report adds a finding at the place of `node` (NULL: about the whole file). `format` is the message, and
// after a line break the hint, as with diagnostics_add. Returns `false`, so that a refusal is one statement.
bool reader_report(struct reader *reader, enum severity severity, const struct node *node,
                   const char *format, ...) PRINTF_LIKE(4, 5);

// reader_error, reader_warning and reader_note are reader_report with their severity.
#define reader_error(reader, node, ...) reader_report((reader), SEVERITY_ERROR, (node), __VA_ARGS__)
#define reader_warning(reader, node, ...)                                                          \
    reader_report((reader), SEVERITY_WARNING, (node), __VA_ARGS__)
#define reader_note(reader, node, ...) reader_report((reader), SEVERITY_NOTE, (node), __VA_ARGS__)

// reader_no_memory adds an error, sets `is_out_of_memory`, and returns `false`.
bool reader_no_memory(struct reader *reader);

// reader_quote gives a text for use in one message, cut after 64 bytes; valid until the next one.
const char *reader_quote(struct reader *reader, struct slice text);

// reader_refuse reports that the text of `node` is bad: "WHAT `TEXT`: REASON", with `hint`, which may be empty.
// Returns `false`.
bool reader_refuse(struct reader *reader, const struct node *node, const char *what,
                   const char *reason, const char *hint);

// reader_words gives a hint: which of `words` was perhaps meant by `wrong`, and all of them. Valid until the next one.
const char *reader_words(struct reader *reader, struct slice wrong, const char *const *words,
                         size_t count);

// reader_alloc returns zeroed elements of the arena; NULL, and an error, without memory.
void *reader_alloc(struct reader *reader, size_t count, size_t size) MUST_USE;

// reader_copy copies a text into the arena; NULL, and an error, without memory.
const char *reader_copy(struct reader *reader, struct slice text) MUST_USE;

// reader_expect tells whether `node` is of this kind, and reports it when not. NULL gives `false`.
bool reader_expect(struct reader *reader, const struct node *node, enum node_kind kind,
                   const char *what);

// reader_list tells whether `node` is a list of `min` to `max` entries. NULL gives `false`.
bool reader_list(struct reader *reader, const struct node *node, const char *what, size_t min,
                 size_t max);

// item_read reads one entry of a list into `out`, a zeroed element, and tells whether to keep it.
typedef bool item_read(struct reader *reader, const struct node *node, void *out, void *arg);

// items describes a list whose entries are read one by one.
struct items {
    const char *what; // for messages
    size_t min;       // entries
    size_t max;       // entries
    size_t size;      // bytes of an element
    item_read *read;
    void *arg; // borrowed; for `read`
};

// reader_items reads the list `node` into an array in the arena and sets `*out_count`, which is also
// right while an entry is being read. NULL, and a count of 0, when there is no usable list.
void *reader_items(struct reader *reader, const struct node *node, const struct items *items,
                   size_t *out_count);

// reader_text reads a text of 1 to `max_len` bytes without control characters, borrowed from the
// document. A bare `true`, `false`, `null` or `~` is no text unless quoted. NULL gives `false`.
bool reader_text(struct reader *reader, const struct node *node, const char *what, size_t max_len,
                 struct slice *out);

// reader_path reads a path and resolves it against the folder of the configuration; in the arena.
bool reader_path(struct reader *reader, const struct node *node, const char *what,
                 const char **out);

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

// reader_choice reads one of `count` words and sets its index.
bool reader_choice(struct reader *reader, const struct node *node, const char *what,
                   const char *const *words, size_t count, size_t *out);

// named_places is names and where they stand. A zeroed one is empty.
struct named_places {
    struct named_place {
        const char *name;        // borrowed
        const struct node *node; // borrowed
    } * items;                   // owned
    size_t count;
    size_t cap;
};

// reader_note_name adds a name, for reader_unique.
void reader_note_name(struct reader *reader, struct named_places *places, const char *name,
                      const struct node *node);

// reader_check_unique reports each name that was added more than once, and sorts `places`. reader_unique frees it, too.
void reader_check_unique(struct reader *reader, const char *what, struct named_places *places);
void reader_unique(struct reader *reader, const char *what, struct named_places *places);

// named_places_deinit frees it.
void named_places_deinit(struct named_places *places);
