// signature: how BoringSSL gets a signature that a private_key makes elsewhere.
//
// Private to proxy/tls. Knows of a stream only that somebody owns it.
#pragma once

#include <openssl/ssl.h>

#include "proxy/tls/private_key.h"

// signature is what the handshake of one SSL needs for it; it is the SSL's app data. Zeroed but for `stream` and `on_signed`.
struct signature {
    void *stream;                    // borrowed; the owner
    void (*on_signed)(void *stream); // called from the loop when the handshake may go on
    struct private_key *key; // borrowed; of the certificate that is shown; NULL: BoringSSL has it
    struct signing *signing; // owned; one that is waited for, or NULL
    bool has_failed;         // there will be no signature
};

// signature_method is for certificates whose key is apart. Of an SSL without app data, which is a trial's, the key is the app data
// of its SSL_CTX.
extern const SSL_PRIVATE_KEY_METHOD signature_method;

// signature_end waits no longer, if it does.
void signature_end(struct signature *signature);
