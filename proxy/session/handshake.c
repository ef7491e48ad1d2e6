// Which certificates and trust the server name stands for, what the shown or resumed chain is worth, and how a refusal
// is told and recorded.
#include "proxy/session/handshake.h"

#include "auth/ocsp_settings.h"
#include "proxy/http/answer.h"
#include "proxy/limits/sources.h"
#include "proxy/session/handshake_failure.h"
#include "proxy/session/ocsp_hold.h"
#include "proxy/session/tally.h"

// Handshakes of a worker that wait for OCSP; with more under way the next ones do not wait. What a client has sent after its
// certificate is kept meanwhile.
enum { ASKING_MAX = 1024 };

struct tls_context *session_on_select(void *arg, const char *server_name)
{
    struct session *session = arg;
    ASSERT(session->magic == SESSION_MAGIC);
    const struct site *site = listener_config_find_site(session->peer.listener, server_name);
    session->peer.trust = site->trust;
    return site->tls;
}

// judge_chain judges by what was remembered where that is of today's snapshot.
static enum err judge_chain(struct session *session, const STACK_OF(CRYPTO_BUFFER) *chain,
                            struct trust_verdict *out)
{
    const int64_t now_s = wall_clock_ms() / 1000;
    if (!peer_is_current(&session->peer))
        return trust_verify(session->peer.trust, chain, now_s, out);
    return chain_cache_verify(&session->peer.context->chains, session->peer.trust, chain, now_s,
                              out);
}

// judge_today judges a chain by its size, by trust and by today's blocks.
static enum err judge_today(struct session *session, const STACK_OF(CRYPTO_BUFFER) *chain,
                            struct trust_verdict *out)
{
    TRY(trust_check_size(chain, session->peer.listener->max_chain, out));
    const enum err error = judge_chain(session, chain, out);
    if (error != ERR_OK || !peer_is_blocked(&session->peer, out->identity))
        return error;
    *out = (struct trust_verdict){
        .reason = REASON_BLOCKED,
        .detail = "an operator has blocked this client or certificate (sallyport block)",
        .presented = out->identity,
    };
    return ERR_DENIED;
}

// is_told_in_http tells whether the handshake is completed so that the client can read why it is refused. The holder of a
// certificate of the right CA can always read it, as with no_client.
static bool is_told_in_http(const struct session *session, enum reason reason)
{
    return session->peer.listener->refuses_in_http || reason == REASON_WRONG_TRUST_DOMAIN;
}

// ask_ocsp asks what OCSP says of a chain that is good otherwise. ERR_AGAIN: an answer is to be waited for. An identity that is
// not let in becomes what was presented.
static enum err ask_ocsp(struct session *session, struct trust_verdict *verdict)
{
    struct peer *peer = &session->peer;
    struct session_context *context = peer->context;
    const struct ocsp_verdict found = ocsp_hold_judge(
        &peer->ocsp, context->ocsp, verdict->identity,
        &(struct ocsp_hearer){peer->trust, context->snapshot->blocks}, context->now_ms);
    const struct ocsp_settings *settings = trust_ocsp(peer->trust);
    if (found.waits && session->asking.until_ms == 0 && context->asking_count < ASKING_MAX)
        session->asking.until_ms = context->now_ms + settings->timeout_ms;
    if (found.waits && session->asking.until_ms > context->now_ms) {
        identity_destroy(verdict->identity);
        verdict->identity = NULL;
        return ERR_AGAIN;
    }
    peer->unanswered = found.why;
    if (found.reason == REASON_NONE)
        return ERR_OK;
    *verdict = (struct trust_verdict){
        .reason = found.reason,
        .detail = found.detail,
        .presented = verdict->identity,
    };
    return found.reason == REASON_NO_MEMORY ? ERR_MEMORY : ERR_DENIED;
}

enum err session_on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                           enum tls_alert *out_alert)
{
    struct session *session = arg;
    ASSERT(session->magic == SESSION_MAGIC);
    struct trust_verdict verdict;
    enum err error = judge_today(session, chain, &verdict);
    if (error == ERR_OK)
        error = ask_ocsp(session, &verdict);
    if (error == ERR_AGAIN)
        return error;
    if (error == ERR_OK) {
        session->peer.identity = verdict.identity;
        session->peer.not_after_s = verdict.not_after_s;
        tls_stream_limit_tickets(session->peer.tls, verdict.not_after_s - wall_clock_ms() / 1000);
        return ERR_OK;
    }
    session->refusal.reason = verdict.reason;
    session->refusal.detail = verdict.detail;
    session->refusal.presented = verdict.presented;
    if (is_told_in_http(session, verdict.reason) && error != ERR_MEMORY) {
        tls_stream_limit_tickets(session->peer.tls, 0);
        return ERR_OK; // finish_handshake looks at the refusal
    }
    *out_alert = handshake_alert(verdict.reason);
    return error;
}

// offer_anonymous is for a ticket of a client that has shown no certificate.
static enum err offer_anonymous(struct session *session)
{
    if (!session->peer.listener->is_certificate_optional)
        return ERR_DENIED;
    identity_destroy(session->offer.identity);
    session->offer = (struct session_offer){.not_after_s = NEVER_S};
    return ERR_OK;
}

enum err session_on_resume(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain)
{
    struct session *session = arg;
    ASSERT(session->magic == SESSION_MAGIC);
    struct trust_verdict verdict;
    if (chain == NULL)
        return offer_anonymous(session);
    const enum err error = judge_today(session, chain, &verdict);
    identity_destroy(verdict.presented);
    if (error != ERR_OK)
        return error;
    const struct session_context *context = session->peer.context;
    const struct ocsp_hearer hearer = {session->peer.trust, context->snapshot->blocks};
    if (!ocsp_hold_is_good(context->ocsp, verdict.identity, &hearer, context->now_ms)) {
        identity_destroy(verdict.identity);
        return ERR_DENIED; // the handshake that follows can wait
    }
    identity_destroy(session->offer.identity);
    session->offer = (struct session_offer){verdict.identity, verdict.not_after_s};
    return ERR_OK;
}

// take_resumed makes the identity of the resumed session's chain the session's.
static void take_resumed(struct session *session)
{
    session->peer.is_resumed = tls_stream_is_resumed(session->peer.tls);
    if (!session->peer.is_resumed)
        return;
    identity_destroy(session->peer.identity);
    session->peer.identity = session->offer.identity;
    session->offer.identity = NULL;
    session->peer.not_after_s = session->offer.not_after_s;
    // What has changed since the ticket was opened the first request will meet.
    const struct session_context *context = session->peer.context;
    const struct ocsp_hearer hearer = {session->peer.trust, context->snapshot->blocks};
    (void)ocsp_hold_judge(&session->peer.ocsp, context->ocsp, session->peer.identity, &hearer,
                          context->now_ms);
}

static struct handshake_judgement judgement_of(const struct session *session)
{
    return (struct handshake_judgement){session->refusal.reason, session->refusal.detail};
}

// note_failure counts a refused handshake against its source, where that is a failure: a client that ends the connection
// by itself, as browsers do while a person looks for a certificate, has failed nothing.
static void note_failure(const struct peer *peer, enum reason reason)
{
    if (reason != REASON_CLIENT_ABORTED && reason != REASON_NO_MEMORY &&
        reason != REASON_LIMIT_SESSIONS)
        sources_note_failure(peer->context->sources, &peer->address, peer->context->now_ms);
}

void handshake_record_refusal(struct session *session, enum reason reason)
{
    struct peer *peer = &session->peer;
    struct session_context *context = peer->context;
    if (!session->peer.tls->has_begun) {
        context->counters.silent++;
        return;
    }
    context->counters.handshakes_refused++;
    if (reason == REASON_CRL_MISSING)
        context->counters.crl_missing++;
    note_failure(peer, reason);
    session_context_make_id(context, session->refusal.id);
    tally_refusal(peer, session->refusal.id, reason, session->refusal.presented);
    char code[FAILURE_CODE_CAP];
    const struct handshake_judgement judgement = judgement_of(session);
    struct audit_refusal refusal = {
        .id = session->refusal.id,
        .tls_version = tls_stream_version_name(session->peer.tls),
        .reason = reason,
        .detail = handshake_failure_detail(peer->tls, reason, &judgement),
        .code = handshake_failure_code(peer->tls, code),
        .presented = session->refusal.presented,
    };
    peer_record_refusal(peer, &refusal);
}

// say writes what is the first on a stream, so that there is room, or the client has gone.
static void say(struct stream *stream, const struct text *text)
{
    size_t len = 0;
    if (stream_write(stream, text_slice(text), &len) != ERR_OK) {
        // Nothing waits for these bytes.
    }
}

// say_https answers a client that speaks plain HTTP, in plain HTTP.
static void say_https(struct session *session)
{
    char data[ANSWER_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    answer_plain_http(&text);
    say(&session->tcp.stream, &text);
    session->is_plain = true;
}

static enum session_step refuse_handshake(struct session *session)
{
    const struct handshake_judgement judgement = judgement_of(session);
    const enum reason reason = handshake_failure_reason(session->peer.tls, &judgement);
    handshake_record_refusal(session, reason);
    if (reason == REASON_PLAIN_HTTP)
        say_https(session);
    return reason == REASON_CLIENT_ABORTED ? SESSION_STEP_END : SESSION_STEP_CLOSE;
}

// is_let_in tells whether the handshake has made the client somebody: a verified certificate, or none at
// all where that will do.
static bool is_let_in(const struct peer *peer)
{
    return peer->identity != NULL ||
           (peer->listener->is_certificate_optional && tls_stream_peer_chain(peer->tls) == NULL);
}

// finish_handshake goes on where TLS is done: to serve the client, or to tell it why not.
static enum session_step finish_handshake(struct session *session)
{
    struct peer *peer = &session->peer;
    session->channel.owes_ack = tls_stream_is_peer_unanswered(peer->tls);
    if (session->refusal.reason == REASON_NONE && tls_stream_peer_chain(peer->tls) == NULL &&
        !peer->listener->is_certificate_optional)
        session->refusal.reason = REASON_NO_CERTIFICATE;
    if (session->refusal.reason != REASON_NONE) {
        handshake_record_refusal(session, session->refusal.reason);
        return SESSION_STEP_REFUSE;
    }
    take_resumed(session);
    if (!is_let_in(peer) || !peer_identify(peer, peer->snapshot))
        return SESSION_STEP_RESET;
    tally_handshake(peer, session->since_ms);
    return SESSION_STEP_SERVE;
}

// has_left tells whether the client of a handshake that waits for OCSP is gone.
static bool has_left(struct session *session)
{
    struct tls_stream *tls = session->peer.tls;
    return tls_stream_is_waiting(tls) && !tls_stream_look(tls);
}

// is_still_asking tells whether what a handshake waits for is still to come: what the client sends meanwhile changes nothing,
// and judging its chain again at each of its bytes would be work that a stranger orders.
static bool is_still_asking(const struct session *session)
{
    return tls_stream_is_waiting(session->peer.tls) &&
           session->peer.context->now_ms < session->asking.until_ms &&
           ocsp_hold_waits(session->peer.ocsp, session->peer.context->now_ms);
}

enum session_step handshake_step(struct session *session)
{
    if (has_left(session)) {
        handshake_record_refusal(session, REASON_CLIENT_ABORTED);
        return SESSION_STEP_END;
    }
    if (is_still_asking(session))
        return SESSION_STEP_WAIT;
    const enum err error = tls_stream_handshake(session->peer.tls);
    if (error == ERR_AGAIN)
        return SESSION_STEP_WAIT;
    return error == ERR_OK ? finish_handshake(session) : refuse_handshake(session);
}
