// A guard is a counted reference to whom it believes; each stream has one of its own.
#include "proxy/tls/tls_guard.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "proxy/tls/failure_text.h"

struct tls_guard {
    struct stream_guard guard; // first
    atomic_uint refs;
    struct server_trust *trust; // ref
};

struct guarded {
    struct server_trust *trust; // ref
    struct tls_stream *tls;     // owned
    struct errinfo why;         // the server was refused
};

static void guard_ref(struct stream_guard *guard)
{
    (void)atomic_fetch_add_explicit(&((struct tls_guard *)guard)->refs, 1, memory_order_relaxed);
}

static void guard_unref(struct stream_guard *guard)
{
    struct tls_guard *tls_guard = (struct tls_guard *)guard;
    if (atomic_fetch_sub_explicit(&tls_guard->refs, 1, memory_order_acq_rel) != 1)
        return;
    server_trust_unref(tls_guard->trust);
    free(tls_guard);
}

static bool guard_equal(const struct stream_guard *a, const struct stream_guard *b)
{
    return server_trust_equal(((const struct tls_guard *)a)->trust,
                              ((const struct tls_guard *)b)->trust);
}

static enum err on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                          enum tls_alert *out_alert)
{
    struct guarded *guarded = arg;
    return server_trust_judge(guarded->trust, chain, NULL, time(NULL), out_alert, &guarded->why);
}

static void guarded_end(struct guarded *guarded)
{
    tls_stream_destroy(guarded->tls);
    server_trust_unref(guarded->trust);
    free(guarded);
}

static struct guarded *guarded_begin(struct stream_guard *guard, struct stream *below,
                                     struct buffer_pool *pool)
{
    struct guarded *guarded = calloc(1, sizeof *guarded);
    if (guarded == NULL)
        return NULL;
    guarded->trust = server_trust_ref(((struct tls_guard *)guard)->trust);
    guarded->tls = server_trust_connect(guarded->trust, NULL, below, pool, on_verify, guarded);
    if (guarded->tls != NULL) {
        tls_client_stream_offer_no_protocol(guarded->tls);
        return guarded;
    }
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

struct stream_guard *tls_guard_create(struct server_trust *trust)
{
    struct tls_guard *guard = calloc(1, sizeof *guard);
    if (guard == NULL) {
        server_trust_unref(trust);
        return NULL;
    }
    *guard = (struct tls_guard){.guard = {.ops = &ops}, .trust = trust};
    atomic_init(&guard->refs, 1);
    return &guard->guard;
}
