// included_record: what each included file holds, written down, so that a restart and an upgrade know it.
//
// A text: the line `sallyport included 2`, and two lines for each file: its path, and what it holds (holdings.h). In order of the
// paths, byte by byte, and whole: each line ends. It stands beside the file of blocks (`control.state`), is
// written by main alone, and is as private as that. The number changes whenever files that fit together do not any more.
#pragma once

#include "auth/base/arena.h"
#include "auth/base/text.h"
#include "proxy/config/included_parts.h"
#include "proxy/config/reader.h"

enum {
    INCLUDED_RECORD_FILES_MAX = 1000,
    INCLUDED_RECORD_BYTES_MAX = 96 * 1024 * 1024, // three times as many as of all included files
    INCLUDED_RECORD_PATH_CAP = CONFIG_PATH_MAX + 16,
};

// included_record_path writes where the record is: the path of the file of blocks, and `.included`. False: it is too long.
bool included_record_path(const char *state_path, char out[INCLUDED_RECORD_PATH_CAP]);

// included_record_parse reads a record: parts with `path` and `holdings`, in the arena. What a file holds is not looked into.
// ERR_INPUT: it is none, and nothing is known; ERR_LIMIT: it has too many files, or a path too long; ERR_MEMORY. Pure.
enum err included_record_parse(struct slice bytes, struct arena *arena,
                               struct included_parts *out) MUST_USE;

// included_record_format gives the record of the parts that hold something to `sink`, piece by piece. A path that has a
// byte below 0x20 is left out.
void included_record_format(const struct included_parts *parts, text_sink_fn sink, void *arg);

// included_record_read reads the record beside `state_path` for a start. What is not there is nothing in force, without a word; what
// cannot be read or is none is the same, and a warning at `node`. Blocking.
void included_record_read(struct reader *reader, const struct node *node, const char *state_path,
                          struct included_parts *out);
