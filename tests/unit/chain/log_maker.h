// log_maker: chained logs in memory, made by the sealer of the writer, in up to MAKER_FILES files.
#pragma once

#include "proxy/audit/sealer.h"
#include "proxy/history/chain_check.h"
#include "proxy/history/chain_record.h"

enum { MAKER_FILES = 3, MAKER_LINES = 160, MAKER_LINE_CAP = 1280 };

struct made_line {
    size_t file;
    size_t len;
    char text[MAKER_LINE_CAP]; // without the line break
};

struct made_log {
    struct note_signer signer;
    struct sealer sealer;
    size_t file; // where the next line goes
    size_t count;
    struct made_line lines[MAKER_LINES];
    struct checkpoint last; // the last checkpoint
};

// made_log_begin makes an empty log; the caller frees it with made_log_destroy.
struct made_log *made_log_begin(void);
void made_log_destroy(struct made_log *log);

// made_log_start begins an instance after what is there; `is_chained`: with the key.
void made_log_start(struct made_log *log, bool is_chained);

// made_log_add adds records of about this size in bytes, each with a text of its own.
void made_log_add(struct made_log *log, size_t count, size_t size);

// made_log_sign adds a checkpoint.
void made_log_sign(struct made_log *log, bool is_end);

// made_log_rotate goes on in the next file.
void made_log_rotate(struct made_log *log);

// made_path gives the path of a file.
const char *made_path(size_t file);

// made_log_check runs chain_check over the lines.
void made_log_check(const struct made_log *log, struct chain_check *check);
