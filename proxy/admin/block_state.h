// block_state: the file in which blocks outlive a restart. JSON, read strictly, written whole.
//
//     {"v":1,"blocks":[
//     {"block":"client:scrapers","since":1795311600,"uid":0}
//     ]}
//
// A file that cannot be read as a whole is an error, never an empty list. The calls block: for main, at its start and
// when a block changes.
#pragma once

#include "auth/base/text.h"
#include "auth/blocklist.h"

// block_state_parse reads the text of the file at `path`, which is for messages. ERR_INPUT, ERR_LIMIT or
// ERR_MEMORY with a sentence in `info`. Pure.
enum err block_state_parse(struct slice bytes, const char *path, struct blocklist **out,
                           struct errinfo *info) MUST_USE;

// block_state_format gives the text of a list to `sink`, piece by piece. False: a block did not fit into a piece.
bool block_state_format(const struct blocklist *list, text_sink_fn sink, void *arg) MUST_USE;

// block_state_load reads the file. One that does not exist is written, empty, so that what would stop the
// first block stops the start. ERR_INPUT, whatever it is, with the sentence.
enum err block_state_load(const char *path, struct blocklist **out, struct errinfo *info) MUST_USE;

// block_state_save writes the list in the place of the file, in one step: after a crash it is the old one or
// the new one. ERR_SYSTEM or ERR_MEMORY with a sentence; then the file is as it was.
enum err block_state_save(const char *path, const struct blocklist *list,
                          struct errinfo *info) MUST_USE;
