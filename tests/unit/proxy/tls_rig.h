// tls_rig: a server's tls_stream over a stream in memory, and a client of BoringSSL's own at its other
// end; bytes go from one to the other only when the test says so.
#pragma once

#include <openssl/ssl.h>

#include "proxy/tls/tls_server.h"
#include "tests/unit/proxy/fake_stream.h"

// One key pair and self-signed certificate, for either side.
struct tls_party {
    EVP_PKEY *key;
    X509 *cert;
};

struct tls_rig {
    struct tls_party server;
    struct tls_party client;
    struct tls_groups groups; // of the context; empty: the default
    struct tls_context *context;
    struct buffer_pool pool;
    struct fake_stream *below; // the server's socket
    struct tls_stream *tls;
    struct stream *stream; // of `tls`
    SSL_CTX *client_ctx;
    SSL *ssl; // the client
    BIO *to_client;
    BIO *from_client;
    // What the verify callback does, and what it saw.
    enum err verdict;
    enum tls_alert alert;
    size_t verify_count;
    size_t chain_count;
    bool saw_client_leaf;
    size_t tickets; // that the client has got
};

// tls_rig_create and tls_rig_destroy fit cmocka's setup and teardown. Destroying checks that every
// buffer is back in the pool.
int tls_rig_create(void **state);
int tls_rig_destroy(void **state);

// tls_rig_remake makes the server's context again, with `groups`. Before tls_rig_begin.
void tls_rig_remake(struct tls_rig *rig);

// tls_rig_begin starts both ends again; the client speaks versions from `min` to `max` and shows its
// certificate.
void tls_rig_begin(struct tls_rig *rig, uint16_t min, uint16_t max);

// tls_rig_carry moves what either side has written to the other.
void tls_rig_carry(struct tls_rig *rig);

// tls_rig_handshake drives both ends until the server has finished or failed, or nothing moves.
enum err tls_rig_handshake(struct tls_rig *rig);

// tls_rig_meet begins and finishes a handshake; the test fails when it does not succeed.
void tls_rig_meet(struct tls_rig *rig, uint16_t version);

// tls_rig_alert gives the code of the alert that the client receives, or -1.
int tls_rig_alert(struct tls_rig *rig);

// tls_rig_say makes the client write and carries it over; tls_rig_hear reads all that the client has
// received, and tells how much.
void tls_rig_say(struct tls_rig *rig, struct slice bytes);
size_t tls_rig_hear(struct tls_rig *rig, void *out, size_t cap);
