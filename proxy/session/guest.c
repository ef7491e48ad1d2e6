// The edge first, then its fields, then the certificates in them.
#include "proxy/session/guest.h"

#include <openssl/pool.h>
#include <stdlib.h>

#include "auth/ocsp_settings.h"
#include "proxy/http/client_cert.h"
#include "proxy/session/admission.h"
#include "proxy/session/ocsp_hold.h"

enum {
    TURN_US = 1000
}; // microseconds of a pass of the loop that go into certificates that are passed on

static const char field_name[] = "of Client-Cert";

static struct verdict go(void)
{
    return (struct verdict){.kind = VERDICT_GO};
}

// deny refuses a request; the connection may bring others. `opens_s`: with a reason of time, when it may be allowed.
static struct verdict deny(const struct peer *edge, enum reason reason, int64_t opens_s)
{
    const struct decision denial = {.action = ACTION_DENY, .reason = reason, .changes_s = opens_s};
    return verdict_of_decision(&denial, edge->snapshot->id, 403);
}

// deny_guest refuses the certificate that is passed on.
static struct verdict deny_guest(const struct peer *edge, enum reason reason)
{
    struct verdict verdict = deny(edge, reason, INT64_MAX);
    verdict.detail = field_name;
    return verdict;
}

// push appends a certificate to a chain.
static enum err push(STACK_OF(CRYPTO_BUFFER) *chain, struct slice der)
{
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der.data, der.len, NULL);
    if (buffer != NULL && sk_CRYPTO_BUFFER_push(chain, buffer) != 0)
        return ERR_OK;
    CRYPTO_BUFFER_free(buffer);
    return ERR_MEMORY;
}

// read_chain reads the certificates, each of `max_len` bytes at most. Errors as of client_cert_next. `*out` is owned by
// the caller either way.
static enum err read_chain(struct client_cert *cert, size_t max_len, STACK_OF(CRYPTO_BUFFER) **out)
{
    uint8_t *bytes = malloc(max_len);
    enum err error = ERR_OK;
    size_t len = 0;
    *out = sk_CRYPTO_BUFFER_new_null();
    if (bytes == NULL || *out == NULL)
        error = ERR_MEMORY;
    while (error == ERR_OK) {
        error = client_cert_next(cert, bytes, max_len, &len);
        if (error == ERR_OK)
            error = push(*out, slice_of(bytes, len));
    }
    free(bytes);
    return error == ERR_EOF ? ERR_OK : error;
}

// verify judges the certificates by today's profile, and by what is remembered of it.
static enum err verify(const struct peer *edge, const struct trust *trust,
                       const STACK_OF(CRYPTO_BUFFER) *chain, struct trust_verdict *out)
{
    struct session_context *context = edge->context;
    TRY(trust_check_size(chain, edge->listener->max_chain, out));
    const int64_t begun_us = monotonic_us();
    const enum err error =
        chain_cache_verify(&context->chains, trust, chain, wall_clock_ms() / 1000, out);
    context->guests_us += monotonic_us() - begun_us;
    return error;
}

bool guest_settle(struct peer *guest)
{
    const struct ocsp_verdict found =
        ocsp_hold_judge(&guest->ocsp, guest->context->ocsp, guest->identity,
                        &(struct ocsp_hearer){guest->trust, guest->context->snapshot->blocks},
                        guest->context->now_ms);
    guest->unanswered = found.why;
    return peer_identify(guest, guest->snapshot);
}

// make makes the guest of verified certificates, which it takes. NULL without memory.
static struct peer *make(struct peer *edge, const struct trust *trust,
                         STACK_OF(CRYPTO_BUFFER) *chain, const struct trust_verdict *verified)
{
    struct peer *guest = calloc(1, sizeof *guest);
    if (guest == NULL) {
        sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
        identity_destroy(verified->identity);
        return NULL;
    }
    *guest = (struct peer){
        .context = edge->context,
        .snapshot = snapshot_ref(edge->snapshot),
        .listener = edge->listener,
        .trust = trust,
        .address = edge->address,
        .via = edge->via,
        .is_unannounced = edge->is_unannounced,
        .is_resumed = edge->is_resumed,
        .port = edge->port,
        .identity = verified->identity,
        .not_after_s = verified->not_after_s,
        .edge = edge,
        .passed_on = chain,
    };
    (void)string_copy(guest->id, sizeof guest->id, slice_of_string(edge->id));
    if (guest_settle(guest))
        return guest;
    guest_destroy(guest);
    return NULL;
}

// read_guest reads the fields of an edge that may speak.
static struct verdict read_guest(struct peer *edge, const struct trust *trust,
                                 struct client_cert *cert, struct peer **out,
                                 struct identity **out_presented)
{
    STACK_OF(CRYPTO_BUFFER) *chain = NULL;
    struct trust_verdict verified = {.reason = REASON_WORK_LIMIT};
    int64_t changes_s = 0;
    enum err error = read_chain(cert, edge->listener->max_chain, &chain);
    if (error == ERR_OK)
        error = verify(edge, trust, chain, &verified);
    if (error != ERR_OK)
        sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    if (error == ERR_INPUT)
        return verdict_error(400, REASON_BAD_REQUEST, "malformed Client-Cert");
    if (error == ERR_MEMORY) {
        identity_destroy(verified.presented);
        return verdict_error(503, REASON_NO_MEMORY, NULL);
    }
    *out_presented = verified.presented;
    if (error != ERR_OK)
        return deny_guest(edge, verified.reason);
    *out = make(edge, trust, chain, &verified);
    if (*out == NULL)
        return verdict_error(503, REASON_NO_MEMORY, NULL);
    const enum reason reason = peer_judge_speaker(*out, &changes_s);
    if (reason == REASON_NONE)
        return go();
    if (reason != REASON_NOT_SPOKEN_FOR) // nothing is wrong with the guest
        return deny(edge, reason, changes_s);
    *out_presented = (*out)->identity;
    (*out)->identity = NULL;
    return deny_guest(edge, reason);
}

struct verdict guest_introduce(struct peer *edge, const struct message_head *head,
                               struct peer **out, struct identity **out_presented)
{
    struct client_cert cert;
    const char *why = NULL;
    *out = NULL;
    *out_presented = NULL;
    const enum client_cert_result found = client_cert_find(head->fields, &cert, &why);
    if (found == CLIENT_CERT_NONE)
        return go();
    const enum reason reason = peer_revalidate(edge, false);
    const struct verdict right = admission_decide_right(edge->snapshot, reason, edge->unanswered,
                                                        edge->not_after_s, wall_clock_ms() / 1000);
    if (right.kind != VERDICT_GO)
        return right;
    const struct trust *trust = peer_trust_of_guests(edge);
    if (trust == NULL && head->method != METHOD_CONNECT)
        return go(); // the fields go no further
    if (trust == NULL)
        why = "Client-Cert of one that speaks for nobody";
    if (trust == NULL || found == CLIENT_CERT_BAD)
        return verdict_error(400, REASON_BAD_REQUEST, why);
    return read_guest(edge, trust, &cert, out, out_presented);
}

bool guest_has_turn(const struct peer *edge)
{
    return peer_trust_of_guests(edge) == NULL || edge->context->guests_us < TURN_US;
}

bool guest_waits(const struct peer *guest)
{
    return ocsp_hold_waits(guest->ocsp, guest->context->now_ms);
}

int64_t guest_wait_ms(const struct peer *guest)
{
    const struct ocsp_settings *settings = trust_ocsp(guest->trust);
    return settings == NULL ? 0 : settings->timeout_ms;
}

void guest_destroy(struct peer *guest)
{
    if (guest == NULL)
        return;
    peer_deinit(guest);
    free(guest);
}
