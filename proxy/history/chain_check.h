// chain_check: does a log hold together? Follows each instance of the writer from line to line (proxy/chain/seal.h): its
// numbers, the hash of the line before, and the Merkle trees that checkpoints sign. Says what was removed, added, changed
// or moved, and where.
//
// Lines come in the order of their files, the oldest first. Memory does not grow with the log, but with what is wrong
// in it. Reads no file. Everything is believed only as far as hashes and signatures go.
#pragma once

#include "proxy/history/chain_finding.h"
#include "proxy/history/log_file.h"

struct chain_check;

// chain_check_create begins. NULL without memory.
struct chain_check *chain_check_create(const struct chain_check_options *options) MUST_USE;

// chain_check_keep says of a checkpoint that was kept somewhere else: the log has to have it. Before the first line.
// False: there are too many.
bool chain_check_keep(struct chain_check *check, const struct checkpoint *kept);

// chain_check_line goes on with the next line. False: no memory.
bool chain_check_line(struct chain_check *check, const struct log_line *line) MUST_USE;

// chain_check_finish says what can only be said at the end.
void chain_check_finish(struct chain_check *check);

// chain_sums is what there was.
struct chain_sums {
    uint64_t instances;
    uint64_t sealed;    // lines that belong to an instance
    uint64_t unsealed;  // lines that do not
    uint64_t uncovered; // lines at the end of an instance that no checkpoint covers
};

// chain_check_sum gives the sums after chain_check_finish.
struct chain_sums chain_check_sum(const struct chain_check *check);

void chain_check_destroy(struct chain_check *check);
