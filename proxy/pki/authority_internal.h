// authority_internal: what the files of the CA share: the loaded authority, and how certificates and keys get into
// files. Private to proxy/pki.
#pragma once

#include "proxy/pki/authority.h"
#include "proxy/pki/index.h"

struct authority {
    X509 *cert;      // owned
    EVP_PKEY *key;   // owned; NULL when loaded without
    char *directory; // owned
    bool has_root;   // `cert` is an intermediate: what it issues is handed out with it
    char trust_domain[AUTHORITY_TRUST_DOMAIN_MAX + 1];
};

// leaf_files are the paths of what belongs to one name, owned; see leaf_files_init.
struct leaf_files {
    char *chain_path;
    char *key_path;
    char *bundle_path;
    char *p12_path;
};

// leaf_files_init makes the paths; ERR_MEMORY. leaf_files_deinit frees them.
enum err leaf_files_init(const char *directory, const char *name, struct leaf_files *out,
                         struct errinfo *info) MUST_USE;
void leaf_files_deinit(struct leaf_files *files);

// leaf_texts are the contents of these files; what is not wanted has a length of 0.
struct leaf_texts {
    struct pem chain;
    struct pem key;
    struct pem bundle;
    struct pem p12;
};

// leaf_texts_make writes a leaf and, when `key` is not NULL, its key as they go into files: the
// chain with the intermediate, the bundle with the key after it, and with `p12_passphrase` of some
// length PKCS#12. `out` is the caller's on every return. ERR_MEMORY.
enum err leaf_texts_make(const struct authority *authority, X509 *cert, EVP_PKEY *key,
                         const char *name, struct slice p12_passphrase, struct leaf_texts *out,
                         struct errinfo *info) MUST_USE;
void leaf_texts_deinit(struct leaf_texts *texts);

// authority_load_leaf reads PATH, a certificate that this authority has issued; `*out` is the
// caller's.
enum err authority_load_leaf(const struct authority *authority, const char *path, X509 **out,
                             struct errinfo *info) MUST_USE;

enum { AUTHORITY_BACKDATE_S = 5 * 60 }; // for clocks that are a little slow

// validity is from when until when a certificate is good, in Unix seconds.
struct validity {
    int64_t not_before_s;
    int64_t not_after_s;
    bool is_cut; // it ends at the limit, before the life asked for is over
};

// authority_validity gives a validity of `ttl_s` seconds that includes `now_s` and ends at `limit_s`
// at the latest. It begins before `now_s` by AUTHORITY_BACKDATE_S, but by no more than a tenth of the
// life. The back-dating is part of the life, so that a ttl of 90d passes a max_lifetime of 90d.
struct validity authority_validity(int64_t now_s, int64_t ttl_s, int64_t limit_s);
