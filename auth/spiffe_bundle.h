// spiffe_bundle: the CAs in a SPIFFE bundle, a JSON text (SPIFFE_Trust_Domain_and_Bundle 4, X509-SVID 6, RFC 7517). Pure:
// bytes in, certificates out, as with PEM. Knows no profile and no trust domain, which is not in a bundle.
#pragma once

#include "auth/pem.h"

enum { SPIFFE_BUNDLE_MAX_KEYS = 4096 };

// spiffe_bundle_is tells whether a file of certificates is a bundle: its first byte that is no white space is `{`.
bool spiffe_bundle_is(struct slice bytes);

// spiffe_bundle_read gives the certificate of each key whose `use` is `x509-svid` to `on_block`, in order, as a block
// CERTIFICATE with the number 1, and their number to `*out_count`. Keys with another `use`, or a `kty` that nobody knows,
// are ignored. ERR_INPUT when the text is no bundle, such a key has not exactly one certificate in `x5c`, or a key is
// private; ERR_LIMIT; ERR_MEMORY; or what `on_block` says. `info` names the key, from 1.
enum err spiffe_bundle_read(struct slice bytes, pem_block_function *on_block, void *arg,
                            size_t *out_count, struct errinfo *info) MUST_USE;
