// audit_keys: the keys and checkpoints that `sallyport audit` is given as files.
#pragma once

#include "proxy/chain/checkpoint.h"
#include "proxy/cli/options.h"

enum { AUDIT_KEYS_MAX = 16, AUDIT_KEPT_MAX = 64 };

struct audit_keys {
    size_t count;
    struct note_verifier keys[AUDIT_KEYS_MAX];
    size_t kept_count;
    const char *kept[AUDIT_KEPT_MAX]; // paths; borrowed from argv
};

// audit_key_take reads the file of a public key into a struct audit_keys: a cli_take_fn.
enum err audit_key_take(void *arg, const char *path, struct errinfo *info);

// audit_kept_take notes the file of a checkpoint: a cli_take_fn.
enum err audit_kept_take(void *arg, const char *path, struct errinfo *info);

// audit_kept_read reads the checkpoint in the file at `path`, signed by one of the keys. ERR_INPUT, or the errors of
// file_read, with a sentence.
enum err audit_kept_read(const struct audit_keys *keys, const char *path, struct checkpoint *out,
                         struct errinfo *info) MUST_USE;
