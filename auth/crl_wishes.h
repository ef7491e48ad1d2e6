// crl_wishes: the URLs of revocation lists that verified certificates name (RFC 5280 4.2.1.13), as far as they are under
// prefixes that somebody has allowed, and when each was named last.
//
// Nobody else may put one in: what a certificate says counts once its chain is verified up to an anchor. Bounded: what nobody
// has named for CRL_WISHES_KEEP_S is given back, and where all places are taken, the issuer whose certificates have named most
// makes room for others with what was named longest ago. Any thread may note and read at once, and on the way of a handshake
// nobody waits: who finds it in use notes nothing, this time.
#pragma once

#include <openssl/x509.h>

#include "auth/chain_record.h"
#include "auth/http_url.h"

enum {
    CRL_WISHES_MAX = 64, // URLs
    CRL_WISHES_MAX_PREFIXES = 8,
    CRL_WISHES_MAX_UNLISTED = 8, // URLs below no prefix that are remembered
    CRL_WISHES_KEEP_S = 7 * 24 * 60 * 60,
    CRL_WISHES_FRESH_S =
        60 * 60, // what was named within makes no room for another one of its own issuer
};

struct crl_wishes;

// crl_wishes_create makes an empty one with one reference, the caller's. `prefixes` (http_url_is_prefix) are copied. NULL
// without memory.
struct crl_wishes *crl_wishes_create(const struct http_url *prefixes, size_t count) MUST_USE;

// crl_wishes_ref takes another reference and returns its argument, crl_wishes_unref gives one back. NULL is allowed.
struct crl_wishes *crl_wishes_ref(struct crl_wishes *wishes);
void crl_wishes_unref(struct crl_wishes *wishes);

// crl_wishes_note notes at `now_s`, Unix seconds, what a verified certificate names: each http:// and https:// URI of a distribution point
// that speaks for all reasons and in its issuer's own name. `issuer` is cert_id_of_authority of its issuer. NULL wishes: nothing.
void crl_wishes_note(struct crl_wishes *wishes, const X509 *cert,
                     const uint8_t issuer[CERT_DIGEST_LEN], int64_t now_s);

// crl_wishes_renew notes at `now_s` that the certificates of a verified chain still name what is known. NULL wishes: nothing.
void crl_wishes_renew(struct crl_wishes *wishes, const struct chain_record *record, int64_t now_s);

// crl_wishes_inherit takes over what is in `before` (NULL: nothing) and under a prefix of `wishes` (NULL: none). It may wait for others.
void crl_wishes_inherit(struct crl_wishes *wishes, struct crl_wishes *before);

// crl_wishes_read_unlisted puts into `out`, of CRL_WISHES_MAX_UNLISTED places, the first URLs that verified certificates have named and
// that are under no prefix: a prefix may have been mistyped. Those from `*out_news` on were given to nobody before who said
// `is_said`, as this call may. False: it is in use, try again. NULL wishes: none.
bool crl_wishes_read_unlisted(struct crl_wishes *wishes, bool is_said, struct http_url *out,
                              size_t *out_count, size_t *out_news) MUST_USE;

// crl_wishes_read gives back what nobody has named for long, and puts the rest into `out`, of CRL_WISHES_MAX places. False: it
// is in use, try again. NULL wishes: none.
bool crl_wishes_read(struct crl_wishes *wishes, int64_t now_s, struct http_url *out,
                     size_t *out_count) MUST_USE;
