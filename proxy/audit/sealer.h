// sealer: what ties the records of one instance of the writer together: their numbers, the hash of the line before, and
// the Merkle tree that checkpoints sign.
//
// An instance is a process; a reload that changes the chain begins another one, so that each has one key from its first
// record to its last. The writer's thread alone uses it. Knows no file and no clock.
#pragma once

#include "proxy/audit/record.h"
#include "proxy/chain/chain_settings.h"
#include "proxy/chain/seal.h"

// seal_text is the end of one line, from after the record's last member to the line break.
struct seal_text {
    uint32_t len;
    char data[SEAL_CAP];
};

struct sealer {
    uint32_t instance;
    uint64_t seq;                 // of the next record
    struct seal_link after;       // for the first record
    struct chain_settings *chain; // owned; NULL: the records are numbered and not chained
    struct merkle_hash last;      // of the last line
    struct merkle tree;           // of the hashes of all lines
    uint64_t signed_seq;          // the number after that of the last checkpoint; 0: there is none
    int64_t tried_ms;             // monotonic; when one was asked for, or when the instance began
};

// sealer_begin begins an instance with a random name, after the line that `after` names. It takes over `chain`, which is of
// chain_settings_create, or NULL.
void sealer_begin(struct sealer *sealer, struct seal_link after, struct chain_settings *chain,
                  int64_t now_ms);

// sealer_deinit frees the chain. {0} is allowed.
void sealer_deinit(struct sealer *sealer);

// sealer_seal makes the end of the next line, which begins with `body`: a record without its last two bytes, the brace
// and the line break.
void sealer_seal(struct sealer *sealer, struct slice body, struct seal_text *out);

// sealer_is_due tells whether it is time for a checkpoint: there are records after the last one, and it is long enough ago that one
// was asked for, whether or not it could be signed: that may have taken a while;
// `now_ms` is monotonic.
bool sealer_is_due(const struct sealer *sealer, int64_t now_ms);

// sealer_has_unsigned tells whether there are records that no checkpoint of the chain covers yet.
bool sealer_has_unsigned(const struct sealer *sealer);

// sealer_checkpoint makes the checkpoint of all lines so far, which has to be sealed next. NULL: there is no memory, or
// no chain. `wall_ms` is Unix time.
struct audit_record *sealer_checkpoint(struct sealer *sealer, int64_t wall_ms, int64_t now_ms,
                                       bool is_end) MUST_USE;

// sealer_link names the last line of this instance, for the next one; `found` where it has none, or no hash of it.
struct seal_link sealer_link(const struct sealer *sealer, struct seal_link found);
