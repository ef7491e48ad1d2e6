// audit_log: the queue of audit records and the thread that writes them.
//
// Workers hand records over with one lock-free push; the writer owns them from then on. The queue is
// bounded in decisions. Their room is reserved before a request waits for anything: without room, or after a failed
// write, the code that admits work decides what to do. A client that holds more of the room than is free gets no more.
// A `close` always finds room, because its memory was taken with its decision.
#pragma once

#include "proxy/outlet/outlet_list.h"
#include "proxy/audit/record.h"
#include "proxy/chain/chain_settings.h"

struct audit_log;

struct audit_log_options {
    const char *path;                      // copied
    const struct chain_settings *chain;    // copied; NULL: the records are numbered and not chained
    bool is_shared;                        // see audit_log_share
    const struct outlet_settings *outlets; // copied; where records go beside the file
    size_t outlet_count;                   // at most OUTLETS_MAX
    outlet_event_fn on_outlet;             // told of their receivers; may be NULL
    uint32_t max_decisions; // decisions queued and not yet written; 0: the default of 16,384
    uint32_t max_refusals;  // handshake_refused likewise, and requests_refused; 0: 1,024 of each
    // on_problem is told, on the writer's thread, when writing starts to fail (`error` is an errno)
    // and when it works again (`error` is 0). May be NULL.
    void (*on_problem)(const char *path, int error);
    // on_removed is told, on the writer's thread, that somebody had removed the file and that it was made again at
    // its path; `count` is how often since the start. May be NULL.
    void (*on_removed)(const char *path, uint64_t count);
    // on_written is told that a decision of this holder waits no more: on the writer's thread, or by audit_log_close, so
    // `arg` lives longer than the log. May be NULL.
    void (*on_written)(void *arg, void *holder);
    void *arg; // borrowed; of on_written
};

// audit_log_open opens the file, or stdout for `-` (proxy/audit/sink.h), for appending (created with mode 0640), ends a
// torn last line, and starts the writer's thread. A file that was removed is made again at its path within half a
// second; while that fails the log counts as failing. A file that was renamed stays in use. ERR_SYSTEM or ERR_MEMORY with a
// sentence in `info`.
enum err audit_log_open(const struct audit_log_options *options, struct audit_log **out,
                        struct errinfo *info) MUST_USE;

// audit_log_close writes all that is queued, as far as the file takes it, ends the thread and frees.
// Returns how many records could not be written. Every other user must be gone.
uint64_t audit_log_close(struct audit_log *log);

// audit_log_is_full tells whether new work should be refused. Any thread.
bool audit_log_is_full(const struct audit_log *log);

// audit_log_is_failing tells whether the last write has failed, or a required receiver is away. Any thread.
bool audit_log_is_failing(const struct audit_log *log);

// audit_log_reserve takes room for one decision, for a client that holds room for `held` others. False: there is none,
// or it has its share (auth/base/share.h). audit_log_submit_decision is to follow. Any thread, lock-free.
bool audit_log_reserve(struct audit_log *log, uint32_t held) MUST_USE;

// audit_log_give_back gives back room that was reserved. Any thread, lock-free.
void audit_log_give_back(struct audit_log *log);

// audit_log_submit_decision takes over a `decision` record, for which room was reserved; `holder` is for on_written,
// or NULL. Any thread, lock-free.
void audit_log_submit_decision(struct audit_log *log, struct audit_record *record, void *holder);

// audit_log_submit takes over a `close`, for which there always is room. Any thread, lock-free.
void audit_log_submit(struct audit_log *log, struct audit_record *record);

// audit_log_submit_bounded takes over a record of a kind with a small queue of its own (refusal, requests, admin) that
// stands for `count` events, or counts these as lost where the queue is full. NULL (no memory for it) is counted too.
// Any thread, lock-free.
void audit_log_submit_bounded(struct audit_log *log, enum audit_kind kind,
                              struct audit_record *record, uint32_t count);

struct audit_log_status {
    uint64_t queued;   // decisions that wait to be written
    uint64_t lost;     // records since the start that were not kept
    uint64_t removed;  // how often the file was found removed
    uint32_t instance; // of the writer (proxy/audit/sealer.h)
    int64_t
        lag_ms; // for how long the writer has not been able to write all that waits; 0: nothing does
    bool is_failing; // the last write failed
    bool is_full;    // see audit_log_is_full
};

// audit_log_look tells how it is. Any thread.
void audit_log_look(const struct audit_log *log, struct audit_log_status *out);

// audit_log_look_at_sinks tells how each receiver beside the file is; gives how many there are. The labels are good until
// audit_log_move or audit_log_close is called next. Called by main.
size_t audit_log_look_at_sinks(struct audit_log *log, struct outlet_status out[OUTLETS_MAX]);

// audit_log_note_lost counts records that could not be made; the writer tells in `records_lost`.
void audit_log_note_lost(struct audit_log *log, uint64_t count);

// audit_log_target is what a reload may change.
struct audit_log_target {
    const char *path;                      // of another file, copied; NULL: it stays
    bool has_other_chain;                  // `chain` differs from the present one
    const struct chain_settings *chain;    // copied; NULL: no chain
    bool has_other_outlets;                // the following differs from the present ones
    const struct outlet_settings *outlets; // copied
    size_t outlet_count;
};

// audit_log_move makes the writer go on in the file at `path`, as audit_log_reopen does, and with another chain, which
// begins another instance, and to send to other receivers (outlet_list_change). ERR_SYSTEM with a sentence when the file cannot
// be opened, ERR_LIMIT where receivers that were removed before are still being sent to, ERR_MEMORY: then nothing changes.
// Blocking; called by main.
enum err audit_log_move(struct audit_log *log, const struct audit_log_target *target,
                        struct errinfo *info) MUST_USE;

// audit_log_share says whether other processes write to the file too. Then they take turns, by a lock on the file, and a record
// that a full disk has cut begins again where another one has written since. Called by main.
void audit_log_share(struct audit_log *log, bool is_shared);

// audit_log_reopen makes the writer open the path again before it writes on; when that fails it keeps the
// old file. Any thread; returns at once.
void audit_log_reopen(struct audit_log *log);
