// The client's role: own certificate, sessions kept for resumption, the server's requests and alerts noted.
//
// A session is taken out of its store when it is offered, for TLS 1.3 wants each ticket used once
// (RFC 8446 C.4); those of TLS 1.2 stay. BoringSSL calls the verify callback on resumption too
// (reverify_on_resume), so that a proxy's certificate that is no longer good ends there.
#include "proxy/tls/tls_client.h"

#include <openssl/err.h>

#include "proxy/tls/context_internal.h"

void tls_sessions_drop(struct tls_sessions *sessions)
{
    while (sessions->count > 0)
        SSL_SESSION_free(sessions->kept[--sessions->count]);
    tls_context_unref(sessions->client);
    sessions->client = NULL;
}

// take_session gives the newest session to `ssl`.
static void take_session(struct tls_sessions *sessions, struct tls_context *client, SSL *ssl)
{
    if (sessions->client != client) {
        tls_sessions_drop(sessions);
        sessions->client = tls_context_ref(client);
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
    const struct tls_stream *stream = tls_stream_of(ssl);
    struct tls_sessions *sessions = stream->sessions;
    if (sessions == NULL || sessions->client != stream->context)
        return 0;
    if (sessions->count == TLS_SESSIONS_MAX) {
        SSL_SESSION_free(sessions->kept[0]);
        for (size_t i = 1; i < TLS_SESSIONS_MAX; i++)
            sessions->kept[i - 1] = sessions->kept[i];
        sessions->count--;
    }
    sessions->kept[sessions->count++] = session;
    return 1;
}

static int on_certificate_request(SSL *ssl, void *arg)
{
    (void)arg;
    const struct tls_stream *stream = tls_stream_of(ssl);
    if (stream->on_request != NULL)
        stream->on_request(stream->verify_arg, SSL_get0_server_requested_CAs(ssl));
    return 1;
}

static void on_info(const SSL *ssl, int kind, int value)
{
    struct tls_stream *stream = tls_stream_of(ssl);
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
    return SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1) == 0;
}

enum err tls_client_create(struct slice chain_pem, const struct tls_key *key,
                           struct tls_context **out, struct errinfo *info)
{
    const struct tls_groups groups = tls_groups_of_client();
    struct tls_context *client = tls_context_begin(TLS_VERSION_1_2, TLS_VERSION_1_3, &groups);
    enum err error = client != NULL && set_rules(client->ssl_ctx) ? ERR_OK : ERR_MEMORY;
    if (error == ERR_OK && chain_pem.len > 0)
        error = tls_context_add(client, chain_pem, key, false, info);
    return tls_context_finish(client, error, out, info);
}

struct tls_stream *tls_client_stream_create(struct tls_context *client,
                                            struct tls_sessions *sessions, const char *server_name,
                                            struct stream *below, struct buffer_pool *pool,
                                            tls_verify_fn verify, void *verify_arg)
{
    struct tls_stream *tls = tls_stream_make(client, below, pool, verify, verify_arg);
    if (tls == NULL)
        return NULL;
    tls->sessions = sessions;
    tls->signature.key = client->certificate_count == 0 ? NULL : client->certificates[0].apart;
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

void tls_client_stream_offer_http2(struct tls_stream *tls)
{
    static const uint8_t both[] = "\x02h2\x08http/1.1";
    if (SSL_set_alpn_protos(tls->ssl, both, sizeof both - 1) != 0)
        ERR_clear_error();
}

void tls_client_stream_offer_no_protocol(struct tls_stream *tls)
{
    if (SSL_set_alpn_protos(tls->ssl, NULL, 0) != 0)
        ERR_clear_error();
}
