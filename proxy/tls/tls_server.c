// BoringSSL's callbacks of the server's role. An SSL without a stream is a trial's, which has chosen already.
#include "proxy/tls/tls_server.h"

#include <openssl/err.h>
#include <time.h>

#include "proxy/tls/context_internal.h"

enum {
    TICKET_CONTENT_MAX = 12 * 1024,
    // Bytes of a Certificate message beside the certificates: lengths, and in TLS 1.3 empty extensions, of the 16
    // certificates that a chain may have (RFC 8446 4.4.2).
    CHAIN_FRAMING_LEN = 4 + 16 * 5,
};

// on_client_hello is called for every ClientHello, before anything is agreed.
static enum ssl_select_cert_result_t on_client_hello(const SSL_CLIENT_HELLO *hello)
{
    struct tls_stream *tls = tls_stream_of(hello->ssl);
    if (tls == NULL)
        return ssl_select_cert_success;
    struct tls_context *selected = tls->context;
    if (tls->select != NULL)
        selected = tls->select(tls->verify_arg, tls_stream_server_name(tls));
    if (!tls_context_apply(selected, hello, &tls->signature.key))
        return ssl_select_cert_error;
    SSL_set_custom_verify(hello->ssl, selected->verify_mode, tls_stream_on_verify);
    tls_context_unref(tls->selected);
    tls->selected = tls_context_ref(selected);
    return ssl_select_cert_success;
}

static size_t ticket_overhead(SSL *ssl)
{
    (void)ssl;
    return TICKET_OVERHEAD;
}

// ticket_seal makes a ticket. If it cannot be made, or its chain is too large to be sent with each later connection, the
// ticket is a single byte, which nobody accepts: an error here would end a good handshake, and TLS 1.3 has no empty
// tickets.
static int ticket_seal(SSL *ssl, uint8_t *out, size_t *out_len, size_t cap, const uint8_t *in,
                       size_t in_len)
{
    const struct tls_stream *tls = tls_stream_of(ssl);
    if (tls->keys != NULL && in_len <= TICKET_CONTENT_MAX &&
        ticket_keys_seal(tls->keys, time(NULL), tls->selected->binding, slice_of(in, in_len), out,
                         cap, out_len))
        return 1;
    ERR_clear_error();
    out[0] = 0;
    *out_len = 1;
    return 1;
}

// ticket_open lets a session be resumed if its client would be accepted today. Otherwise a full handshake follows, which
// tells the client the true reason.
static enum ssl_ticket_aead_result_t ticket_open(SSL *ssl, uint8_t *out, size_t *out_len,
                                                 size_t cap, const uint8_t *in, size_t in_len)
{
    struct tls_stream *tls = tls_stream_of(ssl);
    SSL_SESSION *session = NULL;
    enum err error = ERR_DENIED;
    if (tls->keys != NULL && ticket_keys_open(tls->keys, time(NULL), tls->selected->binding,
                                              slice_of(in, in_len), out, cap, out_len))
        session = SSL_SESSION_from_bytes(out, *out_len, SSL_get_SSL_CTX(ssl));
    if (session != NULL) {
        const STACK_OF(CRYPTO_BUFFER) *chain = SSL_SESSION_get0_peer_certificates(session);
        const bool is_empty = chain == NULL || sk_CRYPTO_BUFFER_num(chain) == 0;
        error = tls->resume(tls->verify_arg, is_empty ? NULL : chain);
    }
    SSL_SESSION_free(session);
    ERR_clear_error();
    return error == ERR_OK ? ssl_ticket_aead_success : ssl_ticket_aead_ignore_ticket;
}

// has_protocol tells whether the client offers a protocol, and where its name stands.
static bool has_protocol(struct slice rest, struct slice protocol, struct slice *out)
{
    while (rest.len > 0) {
        *out = slice_first(slice_from(rest, 1), rest.data[0]);
        if (slice_equal(*out, protocol))
            return true;
        rest = slice_from(rest, 1 + out->len);
    }
    return false;
}

// on_alpn takes h2, or else http/1.1, where it is offered, and refuses a client that offers only other protocols
// (RFC 7301 3.2).
static int on_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                   unsigned in_len, void *arg)
{
    const struct tls_stream *tls = tls_stream_of(ssl);
    const struct slice offer = slice_of(in, in_len);
    struct slice name = {0};
    (void)arg;
    if (!(tls->selected->offers_http2 && has_protocol(offer, SLICE_LITERAL("h2"), &name)) &&
        !has_protocol(offer, SLICE_LITERAL("http/1.1"), &name))
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = name.data;
    *out_len = (uint8_t)name.len;
    return SSL_TLSEXT_ERR_OK;
}

// set_rules sets what a server's context has beside its certificates. False without memory.
static bool set_rules(struct tls_context *context, const struct tls_context_options *options)
{
    static const SSL_TICKET_AEAD_METHOD tickets = {
        .max_overhead = ticket_overhead, .seal = ticket_seal, .open = ticket_open};
    SSL_CTX *ctx = context->ssl_ctx;
    const int need = options->is_certificate_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    context->verify_mode = SSL_VERIFY_PEER | need;
    context->offers_http2 = options->offers_http2;
    context->pool = CRYPTO_BUFFER_POOL_new();
    if (options->binding != NULL)
        (void)bytes_copy(context->binding, sizeof context->binding,
                         slice_of(options->binding, TICKET_BINDING_LEN));
    SSL_CTX_set_custom_verify(ctx, context->verify_mode, tls_stream_on_verify);
    SSL_CTX_set_select_certificate_cb(ctx, on_client_hello);
    SSL_CTX_set_ticket_aead_method(ctx, &tickets);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_timeout(ctx, TLS_TICKET_LIFE_S);
    SSL_CTX_set_session_psk_dhe_timeout(ctx, TLS_TICKET_LIFE_S);
    SSL_CTX_set0_buffer_pool(ctx, context->pool);
    // The name is too narrow: it bounds each message of a handshake in which a certificate is asked for.
    SSL_CTX_set_max_cert_list(ctx, options->max_chain + CHAIN_FRAMING_LEN);
    return context->pool != NULL && SSL_CTX_set_num_tickets(ctx, 1) &&
           SSL_CTX_set_session_id_context(ctx, context->binding, sizeof context->binding);
}

enum err tls_context_create(const struct tls_context_options *options, struct tls_context **out,
                            struct errinfo *info)
{
    const struct tls_groups groups =
        options->groups.count > 0 ? options->groups : tls_groups_of_server();
    struct tls_context *context = tls_context_begin(options->min, options->max, &groups);
    enum err error = ERR_MEMORY;
    if (context == NULL)
        sk_CRYPTO_BUFFER_pop_free(options->client_ca_names, CRYPTO_BUFFER_free);
    else if (options->client_ca_names != NULL)
        SSL_CTX_set0_client_CAs(context->ssl_ctx, options->client_ca_names);
    if (context != NULL && set_rules(context, options))
        error = tls_context_add(context, options->chain_pem, &options->key, true, info);
    return tls_context_finish(context, error, out, info);
}

struct tls_stream *tls_stream_create(struct tls_context *context, struct stream *below,
                                     struct buffer_pool *pool, tls_verify_fn verify,
                                     void *verify_arg)
{
    struct tls_stream *tls = tls_stream_make(context, below, pool, verify, verify_arg);
    if (tls == NULL)
        return NULL;
    SSL_set_accept_state(tls->ssl);
    (void)SSL_set_options(tls->ssl, SSL_OP_NO_TICKET);
    return tls;
}

void tls_stream_allow_resumption(struct tls_stream *tls, struct ticket_keys *keys,
                                 tls_resume_fn resume)
{
    tls->keys = keys;
    tls->resume = resume;
    (void)SSL_clear_options(tls->ssl, SSL_OP_NO_TICKET);
}

void tls_stream_limit_tickets(struct tls_stream *tls, int64_t max_s)
{
    const int64_t life_s = max_s < TLS_TICKET_LIFE_S ? max_s : TLS_TICKET_LIFE_S;
    (void)SSL_SESSION_set_timeout(SSL_get_session(tls->ssl), life_s > 0 ? (uint32_t)life_s : 0);
}
