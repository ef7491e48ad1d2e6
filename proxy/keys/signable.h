// signable: is a message one that TLS has signed? A key that signs anything could be made to sign a certificate, or a word of
// another protocol.
//
// In TLS 1.3 and for a client of TLS 1.2 the first bytes say what it is. What a server of TLS 1.2 signs begins with 64 random
// bytes, and some bytes of a key are free too: what is a SEQUENCE or a SET of ASN.1 from its first byte to its last, and begins as such does, is
// refused there, as certificates, requests, lists of revoked ones, answers of OCSP and attributes of CMS do. So do, by chance,
// less than thirty of a million honest messages with X25519, and far fewer with the other groups: such a handshake fails.
//
// Pure.
#pragma once

#include "auth/base/slice.h"

enum signable {
    SIGNABLE_NOT,
    SIGNABLE_TLS_1_2,
    SIGNABLE_TLS_1_3,
};

// signable_by_tls tells whether `message` is what a server or a client signs in TLS 1.3 (RFC 8446 4.4.3), a server in TLS 1.2
// with ECDHE in one of the groups that we offer (RFC 8422 5.4), or a client in TLS 1.2 (RFC 5246 7.4.8). It is strict about their
// form, and says nothing about their content.
enum signable signable_by_tls(struct slice message);

// signable_with tells whether our TLS signs such a message with an algorithm (SSL_SIGN_...): none with SHA-1, and in TLS 1.3 none
// with the padding of PKCS #1.
bool signable_with(enum signable message, uint16_t algorithm);
