// A client's context and a trust profile, shared by all streams of the guard.
#include "proxy/tls/tls_guard.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "auth/server_name.h"
#include "proxy/tls/failure_text.h"
#include "proxy/tls/tls_client.h"

struct tls_guard {
    struct stream_guard guard; // first
    atomic_uint refs;
    struct tls_context *client; // ref
    struct trust *trust;        // owned
    struct target server;
};

struct guarded {
    struct tls_guard *guard; // ref
    struct tls_stream *tls;  // owned
    struct errinfo why;      // the server was refused
};

static void guard_ref(struct stream_guard *guard)
{
    atomic_fetch_add_explicit(&((struct tls_guard *)guard)->refs, 1, memory_order_relaxed);
}

static void guard_unref(struct stream_guard *guard)
{
    struct tls_guard *tls_guard = (struct tls_guard *)guard;
    if (atomic_fetch_sub_explicit(&tls_guard->refs, 1, memory_order_acq_rel) != 1)
        return;
    tls_context_unref(tls_guard->client);
    trust_destroy(tls_guard->trust);
    free(tls_guard);
}

static bool guard_equal(const struct stream_guard *a, const struct stream_guard *b)
{
    const struct tls_guard *left = (const struct tls_guard *)a;
    const struct tls_guard *right = (const struct tls_guard *)b;
    return target_equal_host(&left->server, &right->server) &&
           trust_has_same_cas(left->trust, right->trust);
}

static enum err on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                          enum tls_alert *out_alert)
{
    struct guarded *guarded = arg;
    const struct tls_guard *guard = guarded->guard;
    struct trust_verdict verdict;
    char host[TARGET_TEXT_CAP];
    enum err error = trust_verify(guard->trust, chain, time(NULL), &verdict);
    *out_alert = TLS_ALERT_UNKNOWN_CA;
    if (error != ERR_OK) {
        (void)errinfo_set(&guarded->why, error, "its certificate is refused: %s%s%s",
                          reason_name(verdict.reason), *verdict.detail == '\0' ? "" : ", ",
                          verdict.detail);
    } else if (!server_name_fits(sk_CRYPTO_BUFFER_value(chain, 0), &guard->server)) {
        *out_alert = TLS_ALERT_BAD_CERTIFICATE;
        error = errinfo_set(&guarded->why, ERR_DENIED, "its certificate does not have the name %s",
                            target_format_host(&guard->server, host));
    }
    identity_destroy(verdict.identity);
    identity_destroy(verdict.presented);
    return error;
}

static void guarded_end(struct guarded *guarded)
{
    tls_stream_destroy(guarded->tls);
    guard_unref(&guarded->guard->guard);
    free(guarded);
}

static struct guarded *guarded_begin(struct stream_guard *guard, struct stream *below,
                                     struct buffer_pool *pool)
{
    struct tls_guard *tls_guard = (struct tls_guard *)guard;
    const struct target *server = &tls_guard->server;
    struct guarded *guarded = calloc(1, sizeof *guarded);
    if (guarded == NULL)
        return NULL;
    guard_ref(guard);
    guarded->guard = tls_guard;
    guarded->tls = tls_client_stream_create(tls_guard->client, NULL,
                                            server->kind == TARGET_NAME ? server->name.text : NULL,
                                            below, pool, on_verify, guarded);
    if (guarded->tls != NULL)
        return guarded;
    guarded_end(guarded);
    return NULL;
}

static enum err guarded_agree(struct guarded *guarded, struct errinfo *info)
{
    struct tls_stream *tls = guarded->tls;
    const enum err error = tls_stream_handshake(tls);
    if (error == ERR_OK || error == ERR_AGAIN)
        return error;
    const enum err sent = stream_flush(&tls->stream); // the alert; nobody waits for it
    (void)sent;
    if (*guarded->why.text != '\0')
        return errinfo_set(info, error, "%s", guarded->why.text);
    if (tls->failure == TLS_FAILURE_ABORTED)
        return errinfo_set(info, error, "it has ended the handshake");
    return errinfo_set(info, error, "the handshake failed: %s",
                       failure_sentence(tls->failure_detail));
}

static struct stream *guarded_stream(struct guarded *guarded)
{
    return &guarded->tls->stream;
}

static const struct stream_guard_ops ops = {
    .ref = guard_ref,
    .unref = guard_unref,
    .equal = guard_equal,
    .begin = guarded_begin,
    .agree = guarded_agree,
    .stream = guarded_stream,
    .end = guarded_end,
};

enum err tls_guard_create(struct trust *trust, const struct target *server,
                          struct stream_guard **out)
{
    struct tls_guard *guard = calloc(1, sizeof *guard);
    struct errinfo info;
    *out = NULL;
    if (guard == NULL) {
        trust_destroy(trust);
        return ERR_MEMORY;
    }
    *guard = (struct tls_guard){.guard = {.ops = &ops}, .server = *server, .trust = trust};
    atomic_init(&guard->refs, 1);
    const enum err error =
        tls_client_create((struct slice){0}, (struct slice){0}, &guard->client, &info);
    if (error == ERR_OK)
        *out = &guard->guard;
    else
        guard_unref(&guard->guard);
    return error;
}
