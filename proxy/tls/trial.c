// Two ends in one thread, which take turns until both have finished or one has failed.
#include "proxy/tls/trial.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include "proxy/tls/groups.h"
#include "proxy/tls/rules.h"

enum { TURNS_MAX = 64 };

static enum ssl_verify_result_t believe(SSL *ssl, uint8_t *out_alert)
{
    (void)ssl;
    (void)out_alert;
    return ssl_verify_ok;
}

// make_client makes the context of a client that can do whatever a server of ours may ask for.
static SSL_CTX *make_client(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_with_buffers_method());
    if (ctx == NULL)
        return NULL;
    SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER, believe);
    const struct tls_groups groups = tls_groups_of_library();
    if (tls_set_common_rules(ctx) && tls_groups_set(ctx, &groups))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

// connect_ends puts a pipe of memory between them.
static bool connect_ends(SSL *server, SSL *client)
{
    BIO *server_end = NULL;
    BIO *client_end = NULL;
    if (!BIO_new_bio_pair(&server_end, 0, &client_end, 0))
        return false;
    SSL_set_bio(server, server_end, server_end);
    SSL_set_bio(client, client_end, client_end);
    return true;
}

static bool is_waiting(const SSL *ssl, int result)
{
    const int error = SSL_get_error(ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

// run drives both ends. ERR_INPUT with what stopped them.
static enum err run(SSL *server, SSL *client, struct errinfo *info)
{
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        const int asked = SSL_do_handshake(client);
        const bool client_waits = asked != 1 && is_waiting(client, asked);
        const int answered = asked == 1 || client_waits ? SSL_do_handshake(server) : 0;
        if (asked == 1 && answered == 1)
            return ERR_OK;
        if ((asked != 1 && !client_waits) || (answered != 1 && !is_waiting(server, answered)))
            break;
    }
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return errinfo_set(info, ERR_INPUT, "%s", reason == NULL ? "it does not end" : reason);
}

// prepare makes the server's end as a listener does, but for what a stream answers: who is believed.
static bool prepare(SSL *server, const struct certificate *certificate, uint16_t version)
{
    SSL_set_accept_state(server);
    SSL_set_custom_verify(server, SSL_VERIFY_PEER, believe);
    (void)SSL_set_options(server, SSL_OP_NO_TICKET);
    return SSL_set_min_proto_version(server, version) &&
           SSL_set_max_proto_version(server, version) && certificate_serve(certificate, server);
}

static enum err try_version(SSL_CTX *server_ctx, SSL_CTX *client_ctx,
                            const struct certificate *certificate, uint16_t version,
                            struct errinfo *info)
{
    SSL *server = SSL_new(server_ctx);
    SSL *client = SSL_new(client_ctx);
    enum err error = ERR_MEMORY;
    ERR_clear_error();
    if (server != NULL && client != NULL && prepare(server, certificate, version) &&
        connect_ends(server, client)) {
        SSL_set_connect_state(client);
        error = run(server, client, info);
    }
    SSL_free(server);
    SSL_free(client);
    ERR_clear_error();
    return error;
}

enum err trial_run(SSL_CTX *server, const struct certificate *certificate, uint16_t min,
                   uint16_t max, struct errinfo *info)
{
    SSL_CTX *client = make_client();
    enum err error = ERR_MEMORY;
    struct errinfo why = {0};
    (void)SSL_CTX_set_app_data(server, certificate->apart); // who signs in a trial
    for (uint16_t version = max; client != NULL && error != ERR_OK && version >= min; version--) {
        error = try_version(server, client, certificate, version, &why);
        if (error == ERR_MEMORY)
            break;
    }
    (void)SSL_CTX_set_app_data(server, NULL);
    SSL_CTX_free(client);
    if (error == ERR_INPUT)
        return errinfo_set(info, ERR_INPUT,
                           "no handshake can succeed with it: one that was tried in memory ended "
                           "with %.100s",
                           why.text);
    if (error == ERR_MEMORY)
        return errinfo_set(info, ERR_MEMORY, "no memory to try a handshake");
    return ERR_OK;
}
