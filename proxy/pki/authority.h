// authority: a certificate authority in a directory: ca.crt and ca.key, and what it issues.
//
// The trust domain of its clients' SPIFFE ids stands as a URI SAN in ca.crt, as the X509-SVID
// specification (4.2) has it for signing certificates, so that nothing else needs to be kept.
// Blocking. Never overwrites a file. Knows no command line.
#pragma once

#include "proxy/pki/certificate.h"

enum {
    AUTHORITY_NAME_MAX = 32,          // bytes of what a certificate is issued to
    AUTHORITY_COMMON_NAME_MAX = 64,   // bytes of the authority's own CN (RFC 5280 ub-common-name)
    AUTHORITY_TRUST_DOMAIN_MAX = 255, // bytes (SPIFFE ID 2.1)
    AUTHORITY_MAX_SANS = 64,          // in one certificate
};

struct authority;

struct authority_options {
    const char *common_name;  // of the CA
    const char *trust_domain; // `example.org`
    int64_t ttl_s;
};

// authority_init makes the directory where there is none, and in it ca.key and ca.crt. ERR_DENIED
// when one of them exists, ERR_INPUT when a value cannot be used, else ERR_SYSTEM or ERR_MEMORY.
enum err authority_init(const char *directory, const struct authority_options *options,
                        int64_t now_s, struct errinfo *info) MUST_USE;

// authority_load reads ca.crt and, with `with_key`, ca.key, and checks that they fit each other and
// are a CA within its validity. `*out` is the caller's.
enum err authority_load(const char *directory, bool with_key, int64_t now_s, struct authority **out,
                        struct errinfo *info) MUST_USE;

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
    int64_t ttl_s;         // whole validity, 5 minutes back included; cut at the authority's end
    const char *directory; // where NAME.crt and NAME.key go
};

// issued is what authority_issue made.
struct issued {
    char *chain_path;    // owned
    char *key_path;      // owned
    int64_t not_after_s; // Unix seconds
    bool is_cut;         // the authority ends before the ttl would
};

// authority_issue makes a key and a certificate and writes NAME.key and NAME.crt. The authority was
// loaded with its key. Errors as with authority_init; nothing is left behind by a failure.
enum err authority_issue(const struct authority *authority, const struct issue_options *options,
                         int64_t now_s, struct issued *out, struct errinfo *info) MUST_USE;

// issued_deinit frees the paths. A zeroed value is allowed.
void issued_deinit(struct issued *issued);

// authority_name_is_valid tells whether `name` is [A-Za-z0-9._-]{1,32} without a dot in front, for it
// becomes a file's name.
bool authority_name_is_valid(const char *name);

// authority_trust_domain_is_valid tells whether `domain` is [a-z0-9._-]{1,255} (SPIFFE ID 2.1).
bool authority_trust_domain_is_valid(const char *domain);

// path_join gives `directory`/`name``suffix` on the heap; NULL without memory.
char *path_join(const char *directory, const char *name, const char *suffix) MUST_USE;
