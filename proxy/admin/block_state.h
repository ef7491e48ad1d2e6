// block_state: the file in which blocks outlive a restart. JSON, read strictly, written whole.
//
//     {"v":1,"blocks":[
//     {"block":"client:scrapers","since":1795311600,"uid":0}
//     ]}
//
// Version 2 is written where there is something that version 1 cannot say: proxies share their blocks by a store, so that each
// word on a block has a version, and unblocking leaves a word too. An older program refuses it, and so does not start as if
// nobody were blocked.
//
//     {"v":2,"store":"32 hexadecimal digits, or none","tickets":3,"newest":7,"blocks":[
//     {"block":"client:scrapers","since":1795311600,"uid":0,"op":"block","version":7,"by":"0123456789abcdef","shared":1,"after":6,
//     "after_by":"fedcba9876543210"}
//     ]}
//
// A file that cannot be read as a whole is an error, never an empty list. The calls block: for main, at its start and
// when a block changes.
#pragma once

#include "auth/base/text.h"
#include "proxy/fleet/fleet_blocks.h"

enum { BLOCK_STATE_STORE_CAP = 33 };

// block_state is what is kept. Zeroed is none.
struct block_state {
    struct fleet_blocks *words; // owned
    char store
        [BLOCK_STATE_STORE_CAP]; // mark of the store and key (fleet_key_mark) with which all of it was compared once; "": with none
    uint64_t
        tickets; // number of the newest shared ticket secrets of that fleet that were taken; 0: none
};

// block_state_init makes an empty one; ERR_MEMORY. block_state_deinit frees what it holds.
enum err block_state_init(struct block_state *state) MUST_USE;
void block_state_deinit(struct block_state *state);

// block_state_parse reads the text of the file at `path`, which is for messages. ERR_INPUT, ERR_LIMIT or ERR_MEMORY with a
// sentence in `info`; then `*out` is zeroed. Pure.
enum err block_state_parse(struct slice bytes, const char *path, struct block_state *out,
                           struct errinfo *info) MUST_USE;

// block_state_format gives the text to `sink`, piece by piece; block_state_format_list that of a list of those that are blocked,
// for a process that shares nothing itself. False: a block did not fit into a piece.
bool block_state_format(const struct block_state *state, text_sink_fn sink, void *arg) MUST_USE;
bool block_state_format_list(const struct blocklist *list, text_sink_fn sink, void *arg) MUST_USE;

// block_state_load reads the file. One that does not exist is written, empty, so that what would stop the
// first block stops the start. ERR_INPUT, whatever it is, with the sentence.
enum err block_state_load(const char *path, struct block_state *out, struct errinfo *info) MUST_USE;

// block_state_save writes it in the place of the file, in one step: after a crash it is the old one or
// the new one. ERR_SYSTEM or ERR_MEMORY with a sentence; then the file is as it was.
enum err block_state_save(const char *path, const struct block_state *state,
                          struct errinfo *info) MUST_USE;
