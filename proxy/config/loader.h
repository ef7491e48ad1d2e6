// loader: a configuration's text and everything that it names become a snapshot, the whole or nothing.
#pragma once

#include "proxy/config/key_source.h"
#include "proxy/config/snapshot.h"

// load_options is what a configuration is loaded with; all is borrowed for the call.
struct load_options {
    int64_t now_s; // Unix seconds
    // called as soon as `process` is known; NULL: nothing is done about the process
    const struct process_hook *hook;
    // used where the configuration wants keys apart; NULL: this process reads them
    struct key_source *keys;
    // what is known of included files is what a start knows: a file that is no good any more keeps nothing of `current`
    bool is_afresh;
};

// snapshot_load reads the file at `path` (`-`: stdin, proxy/config/source.h) and everything that it names.
// ERR_OK with one reference in `*out`; otherwise `diagnostics` holds at least one error with its place.
// Warnings and notes (days left of each certificate, a missing `clients`) are in `diagnostics` either way.
// Which texts of included files were in force is read from their record, if there is one (proxy/config/included_record.h).
// An included file that is no good does not refuse it: it has no clients, and its errors are `included_count` of those in
// `diagnostics` (proxy/config/assembly.h). Blocking: for start-up and loader threads, never for workers.
enum err snapshot_load(const char *path, const struct load_options *options,
                       struct diagnostics *diagnostics, struct snapshot **out) MUST_USE;

// snapshot_reload reads the configuration file of `current`, which is in force, again: an included file that is no good any
// more keeps what it says in `current`. Otherwise as snapshot_load.
enum err snapshot_reload(const struct snapshot *current, const struct load_options *options,
                         struct diagnostics *diagnostics, struct snapshot **out) MUST_USE;

// snapshot_load_again reads again what the configuration of `like` names, but not the configuration file:
// later changes to it do not count. What the profiles of `like` deny stays denied, also where a refused
// configuration has added it. Otherwise as snapshot_reload.
enum err snapshot_load_again(const struct snapshot *like, const struct load_options *options,
                             struct diagnostics *diagnostics, struct snapshot **out) MUST_USE;
