// The client's side is driven by hand; certificates come from proxy/pki.
#include "tests/unit/proxy/tls_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "proxy/pki/certificate.h"

static void make_party(struct tls_party *party, enum certificate_kind kind, const char *name)
{
    const struct certificate_plan plan = {
        .kind = kind, .common_name = name, .not_before_s = 1700000000, .not_after_s = 2000000000};
    assert_int_equal(keypair_generate(&party->key), ERR_OK);
    assert_int_equal(certificate_make(&plan, party->key, NULL, party->key, &party->cert), ERR_OK);
}

static void make_context(struct tls_rig *rig)
{
    struct pem chain = {0};
    struct pem key = {0};
    struct errinfo info;
    assert_int_equal(certificate_format(&rig->server.cert, 1, &chain), ERR_OK);
    assert_int_equal(keypair_format(rig->server.key, (struct slice){0}, &key), ERR_OK);
    const struct tls_context_options options = {.chain_pem = pem_slice(&chain),
                                                .key = {.pem = pem_slice(&key)},
                                                .min = TLS_VERSION_1_2,
                                                .max = TLS_VERSION_1_3,
                                                .groups = rig->groups};
    assert_int_equal(tls_context_create(&options, &rig->context, &info), ERR_OK);
    pem_deinit(&chain);
    pem_deinit(&key);
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    (void)session;
    struct tls_rig *rig = SSL_get_app_data(ssl);
    rig->tickets++;
    return 0;
}

int tls_rig_create(void **state)
{
    struct tls_rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    make_party(&rig->server, CERTIFICATE_SERVER, "proxy");
    make_party(&rig->client, CERTIFICATE_CLIENT, "worker-7");
    make_context(rig);
    rig->client_ctx = SSL_CTX_new(TLS_method());
    assert_non_null(rig->client_ctx);
    SSL_CTX_set_verify(rig->client_ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(rig->client_ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(rig->client_ctx, on_new_session);
    *state = rig;
    return 0;
}

// drop_ends frees what tls_rig_begin has made.
static void drop_ends(struct tls_rig *rig)
{
    tls_stream_destroy(rig->tls);
    fake_stream_destroy(rig->below);
    SSL_free(rig->ssl);
    rig->tls = NULL;
    rig->below = NULL;
    rig->ssl = NULL;
    assert_int_equal(rig->pool.buffers.lent_count, 0);
}

int tls_rig_destroy(void **state)
{
    struct tls_rig *rig = *state;
    drop_ends(rig);
    buffer_pool_deinit(&rig->pool);
    tls_context_unref(rig->context);
    SSL_CTX_free(rig->client_ctx);
    X509_free(rig->server.cert);
    X509_free(rig->client.cert);
    EVP_PKEY_free(rig->server.key);
    EVP_PKEY_free(rig->client.key);
    free(rig);
    return 0;
}

void tls_rig_remake(struct tls_rig *rig)
{
    drop_ends(rig);
    tls_context_unref(rig->context);
    make_context(rig);
}

static enum err on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                          enum tls_alert *out_alert)
{
    struct tls_rig *rig = arg;
    uint8_t *der = NULL;
    const int len = i2d_X509(rig->client.cert, &der);
    const CRYPTO_BUFFER *leaf = sk_CRYPTO_BUFFER_value(chain, 0);
    rig->verify_count++;
    rig->chain_count = sk_CRYPTO_BUFFER_num(chain);
    rig->saw_client_leaf =
        leaf != NULL && slice_equal(slice_of(CRYPTO_BUFFER_data(leaf), CRYPTO_BUFFER_len(leaf)),
                                    slice_of(der, (size_t)len));
    OPENSSL_free(der);
    *out_alert = rig->alert;
    return rig->verdict;
}

void tls_rig_begin(struct tls_rig *rig, uint16_t min, uint16_t max)
{
    drop_ends(rig);
    rig->verify_count = 0;
    rig->tickets = 0;
    rig->below = fake_stream_create();
    rig->tls = tls_stream_create(rig->context, &rig->below->stream, &rig->pool, on_verify, rig);
    assert_non_null(rig->tls);
    rig->stream = &rig->tls->stream;
    rig->ssl = SSL_new(rig->client_ctx);
    rig->to_client = BIO_new(BIO_s_mem());
    rig->from_client = BIO_new(BIO_s_mem());
    assert_true(rig->ssl != NULL && rig->to_client != NULL && rig->from_client != NULL);
    BIO_set_mem_eof_return(rig->to_client, -1);
    SSL_set_bio(rig->ssl, rig->to_client, rig->from_client);
    SSL_set_app_data(rig->ssl, rig);
    SSL_set_connect_state(rig->ssl);
    assert_true(SSL_set_min_proto_version(rig->ssl, min) &&
                SSL_set_max_proto_version(rig->ssl, max));
    assert_true(SSL_use_certificate(rig->ssl, rig->client.cert) &&
                SSL_use_PrivateKey(rig->ssl, rig->client.key));
}

void tls_rig_carry(struct tls_rig *rig)
{
    struct fake_stream *below = rig->below;
    const uint8_t *bytes = NULL;
    size_t len = 0;
    if (below->in_taken == below->in_len) {
        below->in_taken = 0;
        below->in_len = 0;
    }
    assert_true(BIO_mem_contents(rig->from_client, &bytes, &len));
    fake_stream_feed(below, slice_of(bytes, len));
    assert_true(BIO_reset(rig->from_client));
    if (below->out_len > 0)
        assert_int_equal(BIO_write(rig->to_client, below->out, (int)below->out_len),
                         below->out_len);
    below->out_len = 0;
    below->piece_count = 0;
}

enum err tls_rig_handshake(struct tls_rig *rig)
{
    enum err error = ERR_AGAIN;
    for (int i = 0; i < 20 && error == ERR_AGAIN; i++) {
        (void)SSL_do_handshake(rig->ssl);
        ERR_clear_error();
        tls_rig_carry(rig);
        error = tls_stream_handshake(rig->tls);
    }
    return error;
}

void tls_rig_meet(struct tls_rig *rig, uint16_t version)
{
    tls_rig_begin(rig, version, version);
    assert_int_equal(tls_rig_handshake(rig), ERR_OK);
    tls_rig_carry(rig);
    assert_int_equal(SSL_do_handshake(rig->ssl), 1);
}

int tls_rig_alert(struct tls_rig *rig)
{
    uint8_t byte = 0;
    tls_rig_carry(rig);
    ERR_clear_error();
    int result = SSL_do_handshake(rig->ssl);
    if (result == 1)
        result = SSL_read(rig->ssl, &byte, 1);
    const uint32_t code = ERR_peek_error();
    ERR_clear_error();
    const bool is_alert =
        ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET;
    return result <= 0 && is_alert ? ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET : -1;
}

void tls_rig_say(struct tls_rig *rig, struct slice bytes)
{
    while (bytes.len > 0) {
        const int count = SSL_write(rig->ssl, bytes.data, (int)slice_first(bytes, 16384).len);
        assert_true(count > 0);
        bytes = slice_from(bytes, (size_t)count);
    }
    tls_rig_carry(rig);
}

size_t tls_rig_hear(struct tls_rig *rig, void *out, size_t cap)
{
    uint8_t *at = out;
    size_t total = 0;
    tls_rig_carry(rig);
    while (total < cap) {
        const int count = SSL_read(rig->ssl, at + total, (int)(cap - total));
        if (count <= 0)
            break;
        total += (size_t)count;
    }
    ERR_clear_error();
    return total;
}
