// request: the public key of a certificate signing request (RFC 2986). Everything else in the request is ignored: the
// operator of the CA chooses the names.
#pragma once

#include "proxy/pki/keypair.h"

// request_load_key reads the first request in the PEM file at `path`. It checks that the request is signed with its own
// key, and that the proxy accepts keys of this strength. The caller owns `*out`, the public key. ERR_INPUT with a
// sentence, or the errors of file_read.
enum err request_load_key(const char *path, EVP_PKEY **out, struct errinfo *info) MUST_USE;
