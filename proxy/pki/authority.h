// authority: a certificate authority in a directory: ca.crt, ca.key, and the certificates that it issues.
//
// ca.crt has the trust domain of the clients' SPIFFE ids as a URI SAN, as the X509-SVID specification (4.2) says for
// signing certificates, so nothing else needs to be kept. Blocking. Replaces a file only when it renews it or publishes
// a CRL. Knows no command line.
#pragma once

#include "proxy/pki/certificate.h"
#include "proxy/pki/index.h"
#include "proxy/pki/names.h"

enum {
    AUTHORITY_COMMON_NAME_MAX = 64, // bytes of the authority's own CN (RFC 5280 ub-common-name)
    AUTHORITY_MAX_SANS = 64,        // in one certificate
};

enum authority_part {
    AUTHORITY_ISSUING, // ca.crt and ca.key
    AUTHORITY_ROOT,    // root.crt and root.key
};

// authority is one loaded CA. Its owner ends it with authority_deinit; {0} is a valid state for that.
struct authority {
    enum authority_part part;
    const char *directory;     // borrowed
    X509 *cert;                // owned
    EVP_PKEY *key;             // owned; NULL until authority_load_key
    struct identity *identity; // owned; the names of `cert`; NULL: they cannot be read
    bool has_root;             // `cert` is an intermediate: it is handed out with what it issues
    char trust_domain[AUTHORITY_TRUST_DOMAIN_MAX + 1]; // "": `cert` names none
};

struct authority_options {
    const char *common_name;  // of the CA
    const char *trust_domain; // `example.org`
    int64_t ttl_s;
    struct slice passphrase; // for the private keys; empty: none
    bool has_root;           // root.crt and root.key above ca.crt and ca.key
};

// authority_init makes a new CA: the directory if it is missing, and in it ca.key, ca.crt and ca.index. With `has_root`
// it also makes root.key and root.crt, which signs ca.crt and nothing else. ERR_DENIED when one of these files exists;
// ERR_INPUT when an option cannot be used; ERR_SYSTEM, ERR_MEMORY.
enum err authority_init(const char *directory, const struct authority_options *options,
                        int64_t now_s, struct errinfo *info) MUST_USE;

// authority_init_like makes a new CA in another `directory`, with the name, the trust domain and the kind of `old`. The
// files of `old` do not change. With `ttl_s` 0 it is valid for as long as the old one. Errors as of authority_init.
enum err authority_init_like(const struct authority *old, const char *directory, int64_t ttl_s,
                             struct slice passphrase, int64_t now_s, struct errinfo *info) MUST_USE;

// authority_load reads the certificate of a CA and checks that it is a CA and has not expired. `directory` is borrowed
// until authority_deinit. After an error `out` is zeroed. ERR_SYSTEM, ERR_INPUT, ERR_MEMORY.
enum err authority_load(const char *directory, enum authority_part part, int64_t now_s,
                        struct authority *out, struct errinfo *info) MUST_USE;

// authority_load_key reads the private key and checks that it belongs to the certificate. ERR_INPUT also when a
// passphrase is needed and empty, or wrong.
enum err authority_load_key(struct authority *authority, struct slice passphrase,
                            struct errinfo *info) MUST_USE;

// authority_deinit frees what the authority owns, wipes the key, and zeroes the struct.
void authority_deinit(struct authority *authority);

// authority_has_issued tells whether `cert` was signed by this authority.
bool authority_has_issued(const struct authority *authority, X509 *cert);

// authority_load_leaf reads the certificate at `path`, which this authority has issued. The caller owns `*out`. ERR_INPUT
// when it has not issued it; or the errors of file_read.
enum err authority_load_leaf(const struct authority *authority, const char *path, X509 **out,
                             struct errinfo *info) MUST_USE;

// authority_read_index opens the index. With `is_writing` it is locked until index_deinit, and records can be added. If
// the directory has no index, the certificates of this CA in the directory become its entries. Then
// `out->is_missing` is set, or with `is_writing` the file is made.
enum err authority_read_index(const struct authority *authority, bool is_writing, struct index *out,
                              struct errinfo *info) MUST_USE;

// authority_publish_crl writes the CRL of `authority`, and after it the CRL of `root` unless that is NULL, to `path`. It
// replaces the CRL that is there. The next CRL number is recorded in the index first. Both authorities have their keys,
// and `index` is open for writing. ERR_DENIED when `path` exists and is not a CRL; ERR_SYSTEM, ERR_MEMORY.
enum err authority_publish_crl(const struct authority *authority, const struct authority *root,
                               struct index *index, const char *path, int64_t now_s, int64_t ttl_s,
                               uint64_t *out_number, struct errinfo *info) MUST_USE;

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
    const char *crl_url;         // that it names as the place of its revocation list; NULL: none
    const char *ocsp_url;        // that it names as its OCSP responder; NULL: none
};

// The files of one certificate, in the order in which commands print them.
enum issued_file {
    ISSUED_CHAIN,  // NAME.crt
    ISSUED_KEY,    // NAME.key
    ISSUED_BUNDLE, // NAME.pem
    ISSUED_P12,    // NAME.p12
    ISSUED_FILES,
};

// issued says what authority_issue or authority_renew has made.
struct issued {
    char paths[ISSUED_FILES][PATH_CAP]; // "": not made
    int64_t not_after_s;                // Unix seconds
    bool is_cut;                        // the authority ends before the ttl would
};

// authority_issue makes a key and a certificate, adds the certificate to the index, and writes NAME.key and NAME.crt
// (with the intermediate, if there is one). The authority has its key. Errors as of authority_init. After an error no
// file of NAME is left, but the index may know one certificate more than there is.
enum err authority_issue(const struct authority *authority, const struct issue_options *options,
                         int64_t now_s, struct issued *out, struct errinfo *info) MUST_USE;

struct renew_options {
    const char *name;
    const char *directory;       // where NAME.crt is
    int64_t ttl_s;               // 0: as long as the old one
    bool keeps_key;              // the same key; otherwise a new one
    const struct authority *old; // the CA that issued it; NULL: the one that renews
    struct slice p12_passphrase; // not empty: NAME.p12 too
};

// authority_renew makes a new certificate with the names, the kind and the URLs of NAME.crt, records it in the index of
// `authority`, and replaces NAME.crt and NAME.key; NAME.pem too if it exists, and NAME.p12 if there is a passphrase.
// `out` names what was replaced. Whether the old certificate is revoked is read from the index of the CA that issued it.
// ERR_DENIED when it is revoked, when its key is kept elsewhere, or when NAME is the CA itself.
enum err authority_renew(const struct authority *authority, const struct renew_options *options,
                         int64_t now_s, struct issued *out, struct errinfo *info) MUST_USE;

// authority_find_due finds the certificates in `directory` that this CA has issued, that are not revoked, and that have
// less than `numerator`/`denominator` of their lifetime left, sorted by name. The caller frees `*out` after ERR_OK.
// ERR_SYSTEM, ERR_MEMORY.
enum err authority_find_due(const struct authority *authority, const char *directory,
                            unsigned numerator, unsigned denominator, int64_t now_s,
                            struct index_entry **out, size_t *out_count,
                            struct errinfo *info) MUST_USE;
