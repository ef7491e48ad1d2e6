// request: the public key of a certificate signing request (RFC 2986). Nothing else in the request counts: the operator
// of the CA gives the names.
#pragma once

#include "proxy/pki/keypair.h"

// request_load_key reads the first request in the PEM file at `path` and checks that its maker
// holds the private key, and that the key is one that the proxy takes; `*out` is the public key and
// the caller's. ERR_INPUT with the sentence, or what new_file_read says.
enum err request_load_key(const char *path, EVP_PKEY **out, struct errinfo *info) MUST_USE;
