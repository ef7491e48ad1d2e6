// private_key: a key that signs somewhere else: in another process, and one day on a token. Here is its public half, and how
// a signature is asked for.
//
// Immutable and counted; any thread may hold one. Its ops say how a signature comes about. TLS knows no
// more of it.
#pragma once

#include <openssl/evp.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum signing_state {
    SIGNING_WAITS,  // `on_done` will be called
    SIGNING_DONE,   // the signature is there
    SIGNING_FAILED, // there will be none
};

enum { SIGNATURE_MAX = 1024 }; // bytes of the longest: RSA with 8192 bits

struct private_key;

// signing is one signature under way. It belongs to the thread that has begun it.
struct signing;

struct private_key_ops {
    void (*ref)(struct private_key *key);
    void (*unref)(struct private_key *key); // the last one frees
    // begin asks for the signature of `message`, borrowed for the call, with one of TLS's algorithms (SSL_SIGN_...). `on_done`
    // is called from the loop of this thread once the state is another than SIGNING_WAITS, and never from within begin. On a
    // thread without a loop begin itself waits. The caller owns what it gets, and gives it to `end`. NULL without memory.
    struct signing *(*begin)(struct private_key *key, uint16_t algorithm, struct slice message,
                             void (*on_done)(void *owner), void *owner);
    // look tells how it stands, and gives the signature, borrowed until `end`, with SIGNING_DONE.
    enum signing_state (*look)(const struct signing *signing, struct slice *out);
    // end frees it, also where it waits: then `on_done` is not called any more.
    void (*end)(struct signing *signing);
};

struct private_key {
    const struct private_key_ops *ops; // static memory
    EVP_PKEY *public_key;              // owned
    uint8_t digest[32];                // SHA-256 of the file that it is in
};

// tls_key is the key of a certificate as its owner gives it: its PEM text, or a key that signs elsewhere. Borrowed.
struct tls_key {
    struct slice pem;          // where `apart` is NULL
    struct private_key *apart; // NULL: the text is here
    const char *problem;       // why neither can be used; NULL: nothing is known against it
};

// private_key_ref takes another reference and returns its argument, private_key_unref gives one back. NULL is allowed for both.
static inline struct private_key *private_key_ref(struct private_key *key)
{
    if (key != NULL)
        key->ops->ref(key);
    return key;
}

static inline void private_key_unref(struct private_key *key)
{
    if (key != NULL)
        key->ops->unref(key);
}

// private_key_parse reads an unencrypted key from PEM; the caller owns it (EVP_PKEY_free). ERR_INPUT with a sentence in `info`,
// also where TLS cannot use a key of this kind.
enum err private_key_parse(struct slice pem, EVP_PKEY **out, struct errinfo *info) MUST_USE;

// private_key_sign makes a signature of `message` with one of TLS's algorithms, in `out` of SIGNATURE_MAX bytes. ERR_INPUT:
// the algorithm is not one for this key.
enum err private_key_sign(EVP_PKEY *key, uint16_t algorithm, struct slice message, uint8_t *out,
                          size_t *out_len) MUST_USE;

// tls_key_digest gives the SHA-256 of what identifies a key: of its file.
void tls_key_digest(const struct tls_key *key, uint8_t out[32]);
