// BoringSSL's callbacks of the server's role. An SSL without a stream is a trial's, which has chosen already.
#include "proxy/tls/tls_server.h"

#include <openssl/err.h>
#include <time.h>

#include "proxy/tls/context_internal.h"
#include "proxy/tls/tls_stream_internal.h"

enum { TICKET_CONTENT_MAX = 12 * 1024 };

struct server_stream {
    struct tls_stream tls;        // first
    struct tls_context *context;  // ref; what the stream was made with
    struct tls_context *selected; // ref; NULL, or what the client's server name has led to
    tls_select_fn select;         // NULL: the stream's own, whatever the name
    tls_resume_fn resume;         // NULL: no tickets
    struct ticket_keys *keys;     // borrowed
};

static struct server_stream *server_of(struct tls_stream *tls)
{
    return (struct server_stream *)tls;
}

static void release(struct tls_stream *tls)
{
    struct server_stream *server = server_of(tls);
    tls_context_unref(server->selected);
    tls_context_unref(server->context);
}

// on_client_hello is called for every ClientHello, before anything is agreed.
static enum ssl_select_cert_result_t on_client_hello(const SSL_CLIENT_HELLO *hello)
{
    struct server_stream *server = SSL_get_app_data(hello->ssl);
    if (server == NULL)
        return ssl_select_cert_success;
    struct tls_context *selected = server->context;
    if (server->select != NULL)
        selected = server->select(server->tls.verify_arg, tls_stream_server_name(&server->tls));
    if (!tls_context_apply(selected, hello))
        return ssl_select_cert_error;
    SSL_set_custom_verify(hello->ssl, tls_context_verify_mode(selected), tls_stream_on_verify);
    tls_context_unref(server->selected);
    server->selected = tls_context_ref(selected);
    return ssl_select_cert_success;
}

static const uint8_t *binding_of(const struct server_stream *server)
{
    return tls_context_binding(server->selected == NULL ? server->context : server->selected);
}

static size_t ticket_overhead(SSL *ssl)
{
    (void)ssl;
    return TICKET_OVERHEAD;
}

// ticket_seal makes a ticket. One that cannot be made, or would burden each later connection with a
// chain of unusual size, becomes a single byte, which nobody will take: an error here would end a good
// handshake, and TLS 1.3 has no empty tickets.
static int ticket_seal(SSL *ssl, uint8_t *out, size_t *out_len, size_t cap, const uint8_t *in,
                       size_t in_len)
{
    const struct server_stream *server = SSL_get_app_data(ssl);
    if (server->keys != NULL && in_len <= TICKET_CONTENT_MAX &&
        ticket_keys_seal(server->keys, time(NULL), binding_of(server), slice_of(in, in_len), out,
                         cap, out_len))
        return 1;
    ERR_clear_error();
    out[0] = 0;
    *out_len = 1;
    return 1;
}

// ticket_open lets a session be resumed whose client would be let in today. Everything else is no
// error: a full handshake follows, which tells the client the true reason.
static enum ssl_ticket_aead_result_t ticket_open(SSL *ssl, uint8_t *out, size_t *out_len,
                                                 size_t cap, const uint8_t *in, size_t in_len)
{
    struct server_stream *server = SSL_get_app_data(ssl);
    SSL_SESSION *session = NULL;
    enum err error = ERR_DENIED;
    if (server->keys != NULL && ticket_keys_open(server->keys, time(NULL), binding_of(server),
                                                 slice_of(in, in_len), out, cap, out_len))
        session = SSL_SESSION_from_bytes(out, *out_len, SSL_get_SSL_CTX(ssl));
    if (session != NULL) {
        const STACK_OF(CRYPTO_BUFFER) *chain = SSL_SESSION_get0_peer_certificates(session);
        const bool is_empty = chain == NULL || sk_CRYPTO_BUFFER_num(chain) == 0;
        error = server->resume(server->tls.verify_arg, is_empty ? NULL : chain);
    }
    SSL_SESSION_free(session);
    ERR_clear_error();
    return error == ERR_OK ? ssl_ticket_aead_success : ssl_ticket_aead_ignore_ticket;
}

enum err tls_context_create(const struct tls_context_options *options, struct tls_context **out,
                            struct errinfo *info)
{
    static const SSL_TICKET_AEAD_METHOD tickets = {
        .max_overhead = ticket_overhead, .seal = ticket_seal, .open = ticket_open};
    TRY(tls_context_make(options, tls_bio_method_create(), out, info));
    SSL_CTX *ctx = tls_context_ssl_ctx(*out);
    SSL_CTX_set_custom_verify(ctx, tls_context_verify_mode(*out), tls_stream_on_verify);
    SSL_CTX_set_select_certificate_cb(ctx, on_client_hello);
    SSL_CTX_set_ticket_aead_method(ctx, &tickets);
    return ERR_OK;
}

struct tls_stream *tls_stream_create(struct tls_context *context, struct stream *below,
                                     struct buffer_pool *pool, tls_verify_fn verify,
                                     void *verify_arg)
{
    struct tls_stream *tls =
        tls_stream_make(sizeof(struct server_stream), release, tls_context_ssl_ctx(context),
                        tls_context_bio_method(context), below, pool, verify, verify_arg);
    if (tls == NULL)
        return NULL;
    server_of(tls)->context = tls_context_ref(context);
    SSL_set_accept_state(tls->ssl);
    (void)SSL_set_options(tls->ssl, SSL_OP_NO_TICKET);
    return tls;
}

void tls_stream_select_by_name(struct tls_stream *tls, tls_select_fn select)
{
    server_of(tls)->select = select;
}

void tls_stream_allow_resumption(struct tls_stream *tls, struct ticket_keys *keys,
                                 tls_resume_fn resume)
{
    server_of(tls)->keys = keys;
    server_of(tls)->resume = resume;
    (void)SSL_clear_options(tls->ssl, SSL_OP_NO_TICKET);
}

void tls_stream_limit_tickets(struct tls_stream *tls, int64_t max_s)
{
    const int64_t life_s = max_s < TLS_TICKET_LIFE_S ? max_s : TLS_TICKET_LIFE_S;
    (void)SSL_SESSION_set_timeout(SSL_get_session(tls->ssl), life_s > 0 ? (uint32_t)life_s : 0);
}
