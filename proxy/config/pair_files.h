// pair_files: the files of a certificate and its key, `chain` and `key`, for every section that has such a pair. A pair that
// cannot be read counts as one that failed, so that a later reload may find it whole.
#pragma once

#include "proxy/config/key_source.h"
#include "proxy/config/section.h"

// Zeroed: none. Paths are in the reader's arena.
struct pair_files {
    const char *chain_path; // NULL: no certificate is shown
    const char *key_path;
    struct file_content chain;
    bool is_chain_empty;   // the file has no bytes
    bool has_key_in_chain; // `chain` holds a private key, too
    struct file_content key_text;
    struct key_content apart;
    struct tls_key key; // borrowed from the two above
};

// pair_files_read reads what the map `node` names, whose keys have been checked. False, and reported, where one of them cannot
// be used. pair_files_deinit follows in any case.
bool pair_files_read(struct reader *reader, const struct node *node, struct pair_files *out);

// signer_file_read reads the key that signs audit logs from the file that `node` names. NULL, and reported, where it cannot be
// used; otherwise the caller owns a reference.
struct checkpoint_signer *signer_file_read(struct reader *reader, const struct node *node) MUST_USE;

void pair_files_deinit(struct pair_files *files);
