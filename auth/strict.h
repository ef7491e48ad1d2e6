// strict: what is looked at in a path that the library has found good. Private to auth.
//
// strict_find_hole is for every profile: certificates that would pass for something that they are
// not. strict_find_fault is the letter of RFC 5280 section 4, for profiles with `strict: true`: what
// a conforming CA must not issue, though OpenSSL and Go take it.
#pragma once

#include <openssl/x509.h>
#include <stddef.h>

// strict_find_hole looks at the leaf: no CA, and yet it has keyCertSign or name constraints. NULL,
// or one sentence in static memory.
const char *strict_find_hole(X509 *leaf);

// strict_find_fault looks at every certificate of a path, the leaf first, the anchor last. NULL, or
// one sentence in static memory about the first that is against the letter.
const char *strict_find_fault(X509 *const *certs, size_t count);
