// The server's role: a certificate by the client's server name, tickets given and taken.
#include <openssl/err.h>
#include <time.h>

#include "proxy/tls/context_internal.h"
#include "proxy/tls/tls_stream_internal.h"

enum { TICKET_CONTENT_MAX = 12 * 1024 };

enum ssl_select_cert_result_t tls_stream_on_client_hello(const SSL_CLIENT_HELLO *hello)
{
    struct tls_stream *tls = SSL_get_app_data(hello->ssl);
    if (tls == NULL)
        return ssl_select_cert_success; // a trial, which has chosen already
    struct tls_context *selected = tls->context;
    if (tls->select != NULL)
        selected = tls->select(tls->verify_arg, tls_stream_server_name(tls));
    if (!tls_context_apply(selected, hello))
        return ssl_select_cert_error;
    tls_context_unref(tls->selected);
    tls->selected = tls_context_ref(selected);
    return ssl_select_cert_success;
}

static const struct tls_context *selected_context(const struct tls_stream *tls)
{
    return tls->selected == NULL ? tls->context : tls->selected;
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
    const struct tls_stream *tls = SSL_get_app_data(ssl);
    if (tls->keys != NULL && in_len <= TICKET_CONTENT_MAX &&
        ticket_keys_seal(tls->keys, time(NULL), tls_context_binding(selected_context(tls)),
                         slice_of(in, in_len), out, cap, out_len))
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
    struct tls_stream *tls = SSL_get_app_data(ssl);
    SSL_SESSION *session = NULL;
    enum err error = ERR_DENIED;
    if (tls->keys != NULL &&
        ticket_keys_open(tls->keys, time(NULL), tls_context_binding(selected_context(tls)),
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

const SSL_TICKET_AEAD_METHOD *tls_stream_ticket_method(void)
{
    static const SSL_TICKET_AEAD_METHOD method = {
        .max_overhead = ticket_overhead, .seal = ticket_seal, .open = ticket_open};
    return &method;
}

struct tls_stream *tls_stream_create(struct tls_context *context, struct stream *below,
                                     struct buffer_pool *pool, tls_verify_fn verify,
                                     void *verify_arg)
{
    struct tls_stream *tls =
        tls_stream_make(tls_context_ssl_ctx(context), tls_context_bio_method(context), below, pool,
                        verify, verify_arg);
    if (tls == NULL)
        return NULL;
    tls->context = tls_context_ref(context);
    SSL_set_accept_state(tls->ssl);
    (void)SSL_set_options(tls->ssl, SSL_OP_NO_TICKET);
    return tls;
}

void tls_stream_select_by_name(struct tls_stream *tls, tls_select_fn select)
{
    tls->select = select;
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
