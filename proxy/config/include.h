// include: the files that a configuration is continued in: `include`. Which there are, in which order, and their bytes.
//
// Knows folders, names and bounds, and nothing of what a file says. Blocking.
#pragma once

#include "proxy/config/file.h"
#include "proxy/config/included_parts.h"
#include "proxy/config/reader.h"

enum {
    INCLUDE_PATTERNS_MAX = 16,
    INCLUDE_FILES_MAX = 1000,
    INCLUDE_FILE_MAX = 4 * 1024 * 1024,   // bytes of one
    INCLUDE_BYTES_MAX = 32 * 1024 * 1024, // of all
    INCLUDE_NAME_MAX = 64,                // bytes of a file's own name
};

// include_pattern_check tells what is wrong with a pattern: a path whose last part ends with .yaml, .yml or .json, is made of
// [A-Za-z0-9._-] and `*`, and does not begin with a dot, and whose folders have no wildcard. NULL: nothing. Pure.
const char *include_pattern_check(struct slice pattern);

// include_name_fits tells whether a file's own name fits the last part of a pattern, in which each `*` stands for any bytes,
// also none. A name that begins with a dot fits none. Pure.
bool include_name_fits(struct slice pattern, struct slice name);

// included_file is one of them.
struct included_file {
    const char *path;            // in the reader's arena; as findings name it
    struct file_content content; // owned
    bool is_read;                // false: `problem` says why not
    bool leads_out; // it was read through a link out of its folder: it may be anybody's
    bool is_out;    // private to include.c
    struct errinfo problem;
};

// include_list is all of them, by path, byte by byte.
struct include_list {
    struct included_file *files; // owned
    size_t count;
    struct errinfo problem; // why not all of them are here; "": they are
};

// include_read lists and reads the files that the list `node` of patterns names (NULL: none). Each is noted in the reader, and
// so is each folder. A folder that is not there has no files, and is a warning; so
// is a pattern that fits no file, where it names one, or there are others. Those of which `in_force` (NULL: none) has a
// text or holdings come first where there is more than the bounds allow, and stay listed, without content, where their folder cannot
// be read. A bad pattern is an error of the configuration. include_list_deinit frees what is in `out`.
void include_read(struct reader *reader, const struct node *node,
                  const struct included_parts *in_force, struct include_list *out);
void include_list_deinit(struct include_list *list);
