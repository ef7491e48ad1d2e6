// ocsp_urls: the OCSP responders that a certificate names itself (authority information access, RFC 5280 4.2.2.1). Private
// to auth.
#pragma once

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OCSP_URLS_MAX = 4,    // further ones are left aside
    OCSP_URLS_CAP = 1024, // bytes of all of them; one that has no room is left aside
};

// ocsp_urls_read writes the URIs of the access method id-ad-ocsp that begin with `http://`, each followed by a NUL, and gives
// the length of all. What is malformed, or has a byte that no URL has, names nobody.
size_t ocsp_urls_read(const X509 *cert, uint8_t out[OCSP_URLS_CAP]);
