// The client's role: own certificate, sessions kept for resumption, the server's requests and alerts noted.
//
// A session is taken out of its store when it is offered, for TLS 1.3 wants each ticket used once
// (RFC 8446 C.4); those of TLS 1.2 stay. BoringSSL calls the verify callback on resumption too
// (reverify_on_resume), so that a proxy's certificate that is no longer good ends there.
#include "proxy/tls/tls_client.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "proxy/tls/certificate.h"
#include "proxy/tls/rules.h"
#include "proxy/tls/tls_stream_internal.h"

enum { SESSIONS_MAX = 32 };

struct tls_client {
    atomic_size_t refs;
    SSL_CTX *ssl_ctx;               // owned
    BIO_METHOD *bio_method;         // owned
    struct certificate certificate; // zeroed without one
};

struct tls_sessions {
    struct tls_client *client;       // ref; that the sessions were made with
    SSL_SESSION *kept[SESSIONS_MAX]; // owned; the newest last
    size_t count;
};

struct client_stream {
    struct tls_stream tls;         // first
    struct tls_client *client;     // ref
    struct tls_sessions *sessions; // borrowed; NULL: nothing is resumed
    tls_request_fn on_request;     // NULL: not called
    bool has_alert;                // the server has sent a fatal alert
    uint8_t alert;                 // which one
};

static struct client_stream *client_of(struct tls_stream *tls)
{
    return (struct client_stream *)tls;
}

static void release(struct tls_stream *tls)
{
    tls_client_unref(client_of(tls)->client);
}

static void drop_sessions(struct tls_sessions *sessions)
{
    while (sessions->count > 0)
        SSL_SESSION_free(sessions->kept[--sessions->count]);
    tls_client_unref(sessions->client);
    sessions->client = NULL;
}

struct tls_sessions *tls_sessions_create(void)
{
    return calloc(1, sizeof(struct tls_sessions));
}

void tls_sessions_destroy(struct tls_sessions *sessions)
{
    if (sessions == NULL)
        return;
    drop_sessions(sessions);
    free(sessions);
}

// take_session gives the newest session to `ssl`.
static void take_session(struct tls_sessions *sessions, struct tls_client *client, SSL *ssl)
{
    if (sessions->client != client) {
        drop_sessions(sessions);
        sessions->client = tls_client_ref(client);
    }
    if (sessions->count == 0)
        return;
    SSL_SESSION *newest = sessions->kept[sessions->count - 1];
    (void)SSL_set_session(ssl, newest);
    if (!SSL_SESSION_should_be_single_use(newest))
        return;
    sessions->count--;
    SSL_SESSION_free(newest);
}

// on_session keeps a new session, in the place of the oldest where there is no room. 1: it is ours now.
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct client_stream *stream = SSL_get_app_data(ssl);
    struct tls_sessions *sessions = stream->sessions;
    if (sessions == NULL || sessions->client != stream->client)
        return 0;
    if (sessions->count == SESSIONS_MAX) {
        SSL_SESSION_free(sessions->kept[0]);
        for (size_t i = 1; i < SESSIONS_MAX; i++)
            sessions->kept[i - 1] = sessions->kept[i];
        sessions->count--;
    }
    sessions->kept[sessions->count++] = session;
    return 1;
}

static int on_certificate_request(SSL *ssl, void *arg)
{
    (void)arg;
    const struct client_stream *stream = SSL_get_app_data(ssl);
    if (stream->on_request != NULL)
        stream->on_request(stream->tls.verify_arg, SSL_get0_server_requested_CAs(ssl));
    return 1;
}

static void on_info(const SSL *ssl, int kind, int value)
{
    struct client_stream *stream = SSL_get_app_data(ssl);
    if (kind != SSL_CB_READ_ALERT || value >> 8 != SSL3_AL_FATAL)
        return;
    stream->has_alert = true;
    stream->alert = (uint8_t)value;
}

static bool set_rules(SSL_CTX *ctx)
{
    static const uint8_t alpn[] = "\x08http/1.1";
    SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER, tls_stream_on_verify);
    SSL_CTX_set_reverify_on_resume(ctx, 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    SSL_CTX_set_cert_cb(ctx, on_certificate_request, NULL);
    SSL_CTX_set_info_callback(ctx, on_info);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
           SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1) == 0 && tls_set_common_rules(ctx);
}

// set_certificate reads the client's own certificate, where it has one.
static enum err set_certificate(struct tls_client *client, const struct tls_client_options *options,
                                struct errinfo *info)
{
    struct certificate *own = &client->certificate;
    if (options->chain_pem.len == 0)
        return ERR_OK;
    TRY(certificate_init(own, options->chain_pem, options->key_pem, info));
    return SSL_CTX_set_chain_and_key(client->ssl_ctx, own->chain, own->count, own->key, NULL)
               ? ERR_OK
               : ERR_MEMORY;
}

enum err tls_client_create(const struct tls_client_options *options, struct tls_client **out,
                           struct errinfo *info)
{
    *out = NULL;
    enum err error = ERR_MEMORY;
    struct tls_client *client = calloc(1, sizeof *client);
    if (client != NULL) {
        atomic_init(&client->refs, 1);
        client->ssl_ctx = SSL_CTX_new(TLS_with_buffers_method());
        client->bio_method = tls_bio_method_create();
        if (client->ssl_ctx != NULL && client->bio_method != NULL && set_rules(client->ssl_ctx))
            error = set_certificate(client, options, info);
    }
    if (error == ERR_MEMORY)
        (void)errinfo_set(info, ERR_MEMORY, "no memory for a TLS context");
    if (error == ERR_OK)
        *out = client;
    else
        tls_client_unref(client);
    return error;
}

struct tls_client *tls_client_ref(struct tls_client *client)
{
    (void)atomic_fetch_add_explicit(&client->refs, 1, memory_order_relaxed);
    return client;
}

void tls_client_unref(struct tls_client *client)
{
    if (client == NULL || atomic_fetch_sub_explicit(&client->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(client->ssl_ctx);
    certificate_deinit(&client->certificate);
    BIO_meth_free(client->bio_method);
    free(client);
}

struct tls_stream *tls_client_stream_create(struct tls_client *client,
                                            struct tls_sessions *sessions, const char *server_name,
                                            struct stream *below, struct buffer_pool *pool,
                                            tls_verify_fn verify, void *verify_arg)
{
    struct tls_stream *tls = tls_stream_make(sizeof(struct client_stream), release, client->ssl_ctx,
                                             client->bio_method, below, pool, verify, verify_arg);
    if (tls == NULL)
        return NULL;
    client_of(tls)->client = tls_client_ref(client);
    client_of(tls)->sessions = sessions;
    SSL_set_connect_state(tls->ssl);
    if (server_name != NULL && !SSL_set_tlsext_host_name(tls->ssl, server_name)) {
        ERR_clear_error();
        tls_stream_destroy(tls);
        return NULL;
    }
    if (sessions != NULL)
        take_session(sessions, client, tls->ssl);
    return tls;
}

void tls_client_stream_on_request(struct tls_stream *tls, tls_request_fn on_request)
{
    client_of(tls)->on_request = on_request;
}

bool tls_stream_alert(const struct tls_stream *tls, uint8_t *out)
{
    const struct client_stream *stream = (const struct client_stream *)tls;
    *out = stream->alert;
    return stream->has_alert;
}

const char *tls_alert_name(uint8_t alert)
{
    static const struct {
        uint8_t alert;
        const char *name;
    } names[] = {
        {SSL_AD_UNEXPECTED_MESSAGE, "unexpected_message"},
        {SSL_AD_BAD_RECORD_MAC, "bad_record_mac"},
        {SSL_AD_RECORD_OVERFLOW, "record_overflow"},
        {SSL_AD_HANDSHAKE_FAILURE, "handshake_failure"},
        {SSL_AD_BAD_CERTIFICATE, "bad_certificate"},
        {SSL_AD_UNSUPPORTED_CERTIFICATE, "unsupported_certificate"},
        {SSL_AD_CERTIFICATE_REVOKED, "certificate_revoked"},
        {SSL_AD_CERTIFICATE_EXPIRED, "certificate_expired"},
        {SSL_AD_CERTIFICATE_UNKNOWN, "certificate_unknown"},
        {SSL_AD_ILLEGAL_PARAMETER, "illegal_parameter"},
        {SSL_AD_UNKNOWN_CA, "unknown_ca"},
        {SSL_AD_ACCESS_DENIED, "access_denied"},
        {SSL_AD_DECODE_ERROR, "decode_error"},
        {SSL_AD_DECRYPT_ERROR, "decrypt_error"},
        {SSL_AD_PROTOCOL_VERSION, "protocol_version"},
        {SSL_AD_INSUFFICIENT_SECURITY, "insufficient_security"},
        {SSL_AD_INTERNAL_ERROR, "internal_error"},
        {SSL_AD_USER_CANCELLED, "user_canceled"},
        {SSL_AD_MISSING_EXTENSION, "missing_extension"},
        {SSL_AD_UNRECOGNIZED_NAME, "unrecognized_name"},
        {SSL_AD_CERTIFICATE_REQUIRED, "certificate_required"},
        {SSL_AD_NO_APPLICATION_PROTOCOL, "no_application_protocol"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].alert == alert)
            return names[i].name;
    }
    return "unknown";
}
