// crl_wishes: the URLs of revocation lists that verified certificates name (RFC 5280 4.2.1.13), as far as they are under
// prefixes that somebody has allowed.
//
// Nobody else may put one in: what a certificate says counts once its chain is verified up to an anchor. Bounded, and it only
// grows. Any thread may note and read at once, and nobody waits: who finds it in use notes nothing, this time.
#pragma once

#include <openssl/x509.h>

#include "auth/http_url.h"

enum {
    CRL_WISHES_MAX = 64, // URLs; further ones are left out
    CRL_WISHES_MAX_PREFIXES = 8,
};

struct crl_wishes;

// crl_wishes_create makes an empty one with one reference, the caller's. `prefixes` (http_url_is_prefix) are copied. NULL
// without memory.
struct crl_wishes *crl_wishes_create(const struct http_url *prefixes, size_t count) MUST_USE;

// crl_wishes_ref takes another reference and returns its argument, crl_wishes_unref gives one back. NULL is allowed.
struct crl_wishes *crl_wishes_ref(struct crl_wishes *wishes);
void crl_wishes_unref(struct crl_wishes *wishes);

// crl_wishes_note notes what a verified certificate names: each http:// URI of a distribution point that speaks for all
// reasons and in its issuer's own name. NULL wishes: nothing.
void crl_wishes_note(struct crl_wishes *wishes, const X509 *cert);

// crl_wishes_at gives the URL with this index, from 0; NULL: there is none (yet). It never changes.
const struct http_url *crl_wishes_at(const struct crl_wishes *wishes, size_t index);
