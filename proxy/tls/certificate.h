// certificate: one certificate of a context: chain, key, and the names that it is chosen by.
//
// Private to proxy/tls. Immutable once made. Knows no listener; of an SSL only the client's first message.
#pragma once

#include <openssl/ssl.h>

#include "auth/base/err.h"
#include "auth/hostname.h"
#include "proxy/tls/certificate_info.h"
#include "proxy/tls/private_key.h"

enum { CHAIN_MAX_CERTIFICATES = 16, NAMES_MAX = 1024 };

// served_name is a DNS name of the leaf.
struct served_name {
    struct hostname name;
    bool is_wildcard; // `*.` in front of it
};

struct certificate {
    STACK_OF(CRYPTO_BUFFER) *stack;               // owned
    CRYPTO_BUFFER *chain[CHAIN_MAX_CERTIFICATES]; // borrowed from `stack`; leaf first
    size_t count;
    EVP_PKEY *key;             // owned; of a key that is apart, the public half
    struct private_key *apart; // ref; NULL: `key` signs
    struct served_name *names; // owned
    size_t name_count;
    struct tls_context_info info;
};

// certificate_init reads the chain from PEM, and takes the key. ERR_INPUT with a sentence when TLS cannot use them, or ERR_MEMORY.
// certificate_deinit must follow either way.
enum err certificate_init(struct certificate *certificate, struct slice chain_pem,
                          const struct tls_key *key, struct errinfo *info) MUST_USE;

// certificate_serve has `ssl` show the certificate and sign with its key. False without memory.
bool certificate_serve(const struct certificate *certificate, SSL *ssl);

// certificate_serve_all likewise for every SSL that `ctx` makes from now on.
bool certificate_serve_all(const struct certificate *certificate, SSL_CTX *ctx);

// certificate_deinit frees what certificate_init has made.
void certificate_deinit(struct certificate *certificate);

// certificates_choose gives the first certificate that has the name asked for and that the client can verify. If none has
// the name, the candidates are those with the same names as the first one. If the client can verify none of the
// candidates, it is the first of them.
const struct certificate *certificates_choose(const struct certificate *certificates, size_t count,
                                              const SSL_CLIENT_HELLO *hello, bool speaks_1_3);
