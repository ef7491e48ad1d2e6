// leaf: one certificate of a client or a server on its way into its files: what issuing and renewing share. Private to
// proxy/pki.
//
// In these functions ERR_MEMORY comes without a sentence in `info`; leaf_end adds it.
#pragma once

#include "proxy/pki/authority.h"
#include "proxy/pki/new_file.h"

// leaf is one certificate in the making.
struct leaf {
    EVP_PKEY *key;     // owned; its public half at least
    bool has_key_file; // the private half is here
    X509 *cert;        // owned
    struct index_entry entry;
    struct pem texts[ISSUED_FILES]; // owned; empty: not wanted
};

// leaf_choose sets the paths of NAME.crt and of the other wanted files in `directory`.
void leaf_choose(const char *directory, const char *name, bool has_key, bool has_bundle,
                 bool has_p12, struct issued *out);

// leaf_make makes the certificate for `leaf->key` from `plan`, without its validity, which is `ttl_s` from `now_s`; the
// texts of the files that `out` names; and the entry for the index. It completes `out`.
enum err leaf_make(const struct authority *authority, struct certificate_plan *plan, int64_t ttl_s,
                   int64_t now_s, struct slice p12_passphrase, const char *name, struct leaf *leaf,
                   struct issued *out) MUST_USE;

// leaf_list lists the files to be written. The key and the certificate come last, next to each other. Gives their number.
size_t leaf_list(const struct leaf *leaf, const struct issued *issued,
                 struct new_file out[ISSUED_FILES]);

// leaf_end frees the leaf and gives `error`, with a sentence for ERR_MEMORY.
enum err leaf_end(struct leaf *leaf, enum err error, struct errinfo *info) MUST_USE;
