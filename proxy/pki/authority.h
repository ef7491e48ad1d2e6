// authority: a certificate authority in a directory: ca.crt and ca.key, and what it issues.
//
// ca.crt has the trust domain of the clients' SPIFFE ids as a URI SAN, as the X509-SVID specification (4.2) says for
// signing certificates, so nothing else needs to be kept. Blocking. Overwrites a file only when it renews it. Knows no
// command line.
#pragma once

#include "proxy/pki/certificate.h"
#include "proxy/pki/index.h"
#include "proxy/pki/names.h"

enum {
    AUTHORITY_COMMON_NAME_MAX = 64, // bytes of the authority's own CN (RFC 5280 ub-common-name)
    AUTHORITY_MAX_SANS = 64,        // in one certificate
};

struct authority;

struct authority_options {
    const char *common_name;  // of the CA
    const char *trust_domain; // `example.org`
    int64_t ttl_s;
    struct slice passphrase; // for the private keys; empty: none
    bool has_root;           // root.crt and root.key above ca.crt and ca.key
};

// authority_init makes the directory where there is none, and in it ca.key and ca.crt; with
// `has_root` also root.key and root.crt, which signs ca.crt and nothing else. ERR_DENIED when one of
// them exists, ERR_INPUT when a value cannot be used, else ERR_SYSTEM or ERR_MEMORY.
enum err authority_init(const char *directory, const struct authority_options *options,
                        int64_t now_s, struct errinfo *info) MUST_USE;

// authority_load reads ca.crt and, with `with_key`, ca.key, and checks that they fit each other and
// are a CA within its validity. `*out` is the caller's.
enum err authority_load(const char *directory, bool with_key, int64_t now_s, struct authority **out,
                        struct errinfo *info) MUST_USE;

// authority_succeed makes a new CA in another `directory`, with the name, the trust domain and the kind of `old`, whose
// files stay as they are. `ttl_s` 0: valid for as long as the old one. Errors as of authority_init.
enum err authority_succeed(const struct authority *old, const char *directory, int64_t ttl_s,
                           struct slice passphrase, int64_t now_s, struct errinfo *info) MUST_USE;

enum authority_part { AUTHORITY_ISSUING, AUTHORITY_ROOT };

// authority_open does the same for ca.crt or root.crt, with the key under a passphrase when it has
// one. ERR_INPUT when a passphrase is needed and empty, or not the right one.
enum err authority_open(const char *directory, enum authority_part part, struct slice passphrase,
                        int64_t now_s, struct authority **out, struct errinfo *info) MUST_USE;

// authority_has_root tells whether ca.crt is an intermediate, made by another CA (root.crt).
bool authority_has_root(const struct authority *authority);

// authority_read_index reads the index, for reading or, with `is_writing`, ready for records and
// locked until index_deinit. Where there is none it holds the certificates of this CA found in the
// directory; `out->is_missing` tells, or with `is_writing` it is made.
enum err authority_read_index(const struct authority *authority, bool is_writing, struct index *out,
                              struct errinfo *info) MUST_USE;

// authority_create_index does so for one that index_open found missing.
enum err authority_create_index(const struct authority *authority, struct index *index,
                                struct errinfo *info) MUST_USE;

// authority_format_crl makes a CRL of what `index` says is revoked: with AUTHORITY_ISSUING of what
// ca.crt has issued, with AUTHORITY_ROOT of what root.crt has (ca.crt). The authority was opened as
// that part. `*out` is the caller's. ERR_MEMORY.
enum err authority_format_crl(const struct authority *authority, enum authority_part part,
                              const struct index *index, uint64_t number, int64_t now_s,
                              int64_t ttl_s, struct pem *out, struct errinfo *info) MUST_USE;

// authority_publish_crl writes the CRL of `authority`, and that of `root` after it unless it is NULL, to `path`, in
// place of the CRL that is there, with the next number, which is recorded first. Both were opened with their keys, and
// `index` for writing. ERR_DENIED when something else than a CRL is there; ERR_SYSTEM, ERR_MEMORY.
enum err authority_publish_crl(const struct authority *authority, const struct authority *root,
                               struct index *index, const char *path, int64_t now_s, int64_t ttl_s,
                               uint64_t *out_number, struct errinfo *info) MUST_USE;

// authority_destroy frees it and wipes the key. NULL is allowed.
void authority_destroy(struct authority *authority);

// authority_trust_domain gives the trust domain; "" when ca.crt names none.
const char *authority_trust_domain(const struct authority *authority);

// authority_not_after_s gives the end of ca.crt's validity in Unix seconds.
int64_t authority_not_after_s(const struct authority *authority);

// authority_has_issued tells whether `cert` was signed by this authority.
bool authority_has_issued(const struct authority *authority, X509 *cert);

struct issue_options {
    const char *name; // CN and the files' name: [A-Za-z0-9._-]{1,32}
    bool is_server;   // serverAuth, else clientAuth
    const struct san *sans;
    size_t san_count;      // a client without a URI gets spiffe://TRUST-DOMAIN/NAME in front
    int64_t ttl_s;         // whole validity, back-dating included; cut at the authority's end
    const char *directory; // where NAME.crt and NAME.key go
    const char *csr_path;  // NULL: a new key; else the public key of this request, and no NAME.key
    struct slice p12_passphrase; // ASCII; not empty: NAME.p12 too
    bool wants_bundle;           // NAME.pem too: the chain, then the key
};

// issued is what authority_issue made.
struct issued {
    char *chain_path;    // owned
    char *key_path;      // owned; NULL with a request
    char *bundle_path;   // owned; NULL when not wanted
    char *p12_path;      // owned; NULL when not wanted
    int64_t not_after_s; // Unix seconds
    bool is_cut;         // the authority ends before the ttl would
};

// authority_issue makes a key and a certificate, adds it to the index, and writes NAME.key and
// NAME.crt (with the intermediate, if there is one). The authority was loaded with its key. Errors
// as with authority_init; no file is left after by a failure, but the index may know of one more
// certificate than there is.
enum err authority_issue(const struct authority *authority, const struct issue_options *options,
                         int64_t now_s, struct issued *out, struct errinfo *info) MUST_USE;

// issued_deinit frees the paths. A zeroed value is allowed.
void issued_deinit(struct issued *issued);

struct renew_options {
    const char *name;
    const char *directory;       // where NAME.crt is
    int64_t ttl_s;               // 0: as long as the old one
    bool keeps_key;              // the same key; otherwise a new one
    const struct authority *old; // the CA that issued it; NULL: the one that renews
    struct slice p12_passphrase; // not empty: NAME.p12 too
};

// authority_renew makes a certificate with the names and the kind of NAME.crt, records it, writes it
// and its key beside the old ones and gives both their names, one rename after the other; NAME.pem
// and NAME.p12 likewise where they are. `out` names what was replaced; p12_path is NULL when one is
// there that was not. Under another CA than the one that issued it the new one is recorded with `authority`; whether
// the old one is revoked `options->old` knows. ERR_DENIED when it is, when its key is kept elsewhere, or when it is
// the CA itself.
enum err authority_renew(const struct authority *authority, const struct renew_options *options,
                         int64_t now_s, struct issued *out, struct errinfo *info) MUST_USE;

// authority_due_names gives the names of the certificates in `directory` that this CA has issued,
// that are not revoked, and that have less left than `numerator`/`denominator` of their life, in
// order; the caller frees each and the array. ERR_SYSTEM, ERR_MEMORY.
enum err authority_due_names(const struct authority *authority, const char *directory,
                             unsigned numerator, unsigned denominator, int64_t now_s, char ***out,
                             size_t *out_count, struct errinfo *info) MUST_USE;
