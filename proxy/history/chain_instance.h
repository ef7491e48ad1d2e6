// chain_instance: how far one instance of the writer has been followed, and what did not fit. Private to chain_check.
#pragma once

#include "proxy/chain/seal.h"
#include "proxy/history/chain_finding.h"

enum { CHAIN_RECENT = 64, CHAIN_STRAYS_MAX = 4096 };

// chain_at is one line.
struct chain_at {
    uint64_t seq;
    struct merkle_hash hash;
    struct chain_place place;
};

// chain_progress is where an instance goes on. The tree has every line before the last one, or before the doubted one.
struct chain_progress {
    uint64_t next; // the number that the next line should have
    bool has_last;
    struct chain_at last;
    bool has_doubt; // `doubted`, the line before the last, or the last itself is not what it was
    struct chain_at doubted;
    struct merkle_hash claimed; // of the doubted line, by the `prev` of the last
    struct merkle tree;
    bool is_synced; // the tree is known
};

// chain_gap is numbers that are missing.
struct chain_gap {
    uint64_t from;
    uint64_t to; // the number after the last missing one
    struct chain_place
        before;            // the line in front of them; path NULL: the instance begins with the gap
    struct chain_place at; // the line after them
    struct merkle_hash before_hash;
    struct merkle_hash claim; // of the last missing line, by the `prev` of the line after
};

// chain_run is lines in sequence that stand where they do not belong.
struct chain_run {
    uint64_t first;
    uint64_t last;
    struct chain_place place; // of the first
    struct merkle_hash first_prev;
    struct merkle_hash last_hash;
    bool is_settled; // it has its place
};

struct chain_instance {
    uint32_t id;
    bool is_chained;
    struct chain_place first; // line
    struct seal_link after;   // of its first record
    bool is_early;            // its first record stands before the line that it has found
    uint64_t lines;
    struct chain_progress now;
    bool has_jump; // the last line left numbers out; it may itself be the one that does not belong
    struct chain_progress before_jump;
    struct chain_gap jump;
    struct chain_gap *gaps; // owned
    size_t gap_count;
    size_t gap_cap;
    struct chain_run *strays; // owned
    size_t stray_count;
    size_t stray_cap;
    uint64_t covered; // lines from the first that checkpoints cover
    uint64_t
        signed_before; // good checkpoints of all instances that stand before its last line, or are it
    uint64_t last_good; // the number after that of the last good checkpoint; 0: none
    uint64_t last_end;  // likewise of one that says that it is the last
    struct chain_at recent[CHAIN_RECENT]; // by number
};

// chain_instance_gap adds a gap; false: no memory.
bool chain_instance_gap(struct chain_instance *instance, const struct chain_gap *gap) MUST_USE;

// chain_instance_stray adds a line to what does not belong, after the run that it continues; false: no memory.
bool chain_instance_stray(struct chain_instance *instance, const struct chain_at *line,
                          const struct merkle_hash *prev) MUST_USE;

// chain_instance_true_line finds the stray line that belongs where the last one stands: it has the last one's number, and
// the hash that the next line knows.
struct chain_run *chain_instance_true_line(struct chain_instance *instance,
                                           const struct merkle_hash *hash);

// chain_instance_settle finds the gap that a stray run fills, and closes that part of it; false: there is none, or no
// memory.
bool chain_instance_settle(struct chain_instance *instance, const struct chain_run *run,
                           struct chain_place *out_before);

// chain_instance_find_recent gives the line with this number if it is one of the last; NULL otherwise.
const struct chain_at *chain_instance_find_recent(const struct chain_instance *instance,
                                                  uint64_t seq);

void chain_instance_deinit(struct chain_instance *instance);
