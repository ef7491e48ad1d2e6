// What right a session has today: who its client is, whether its certificate is still good, and what becomes of
// live tunnels when a new snapshot says otherwise. A chain that was verified once is rechecked without
// signatures.
#include <stdlib.h>

#include "proxy/session/session_internal.h"

enum {
    CLIENT_JSON_CAP = 8192, // bytes
    SWEEP_TURN_US = 4000,   // microseconds of a pass of the loop spent on judging again
};

// note_expiry works out when, on the monotonic clock, the certificate's right ends.
static void note_expiry(struct session *session)
{
    const struct peer *peer = &session->peer;
    session->expires_ms = INT64_MAX;
    if (peer->not_after_s != NEVER_S)
        session->expires_ms =
            peer->context->now_ms + (peer->not_after_s + 1) * 1000 - wall_clock_ms();
}

bool session_take_identity(struct session *session, const struct snapshot *snapshot)
{
    struct peer *peer = &session->peer;
    const struct client *found = policy_find_client(snapshot->policy, session->identity);
    const struct audit_client client = {
        .address = peer->address,
        .port = peer->port,
        .name = found == NULL ? NULL : found->name,
        .trust = session->identity == NULL ? NULL : identity_trust_name(session->identity),
        .identity = session->identity,
    };
    char data[CLIENT_JSON_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    audit_client_format(&client, &text);
    ASSERT(!text.is_cut);
    if (!peer_become(peer, snapshot, found, text_slice(&text)))
        return false;
    peer->identity = session->identity;
    note_expiry(session);
    return true;
}

// recheck_record judges what is kept of the verified chain by `trust` as it is now, without a signature.
// REASON_UNKNOWN_CA says that only a verification can tell: the profile is another one, whose name is
// part of who the client is, or the anchor is not found again, for it may have been issued anew.
static enum reason recheck_record(const struct session *session, const struct trust *trust,
                                  int64_t now_s)
{
    const char *detail = NULL;
    if (session->identity == NULL)
        return REASON_NONE;
    if (strcmp(identity_trust_name(session->identity), trust_name(trust)) != 0)
        return REASON_UNKNOWN_CA;
    return trust_recheck(trust, identity_record(session->identity), now_s, &detail);
}

// recheck_chain judges the shown certificates by `trust` as it is now. What was verified once needs no
// second verification as long as the record says enough.
static enum reason recheck_chain(struct session *session, const struct trust *trust,
                                 const STACK_OF(CRYPTO_BUFFER) *chain)
{
    const int64_t now_s = wall_clock_ms() / 1000;
    struct trust_verdict verdict;
    const enum reason reason = recheck_record(session, trust, now_s);
    if (reason != REASON_UNKNOWN_CA || chain == NULL)
        return reason;
    if (trust_verify(trust, chain, now_s, &verdict) != ERR_OK) {
        identity_destroy(verdict.presented);
        return verdict.reason;
    }
    identity_destroy(session->identity);
    session->identity = verdict.identity;
    session->peer.identity = verdict.identity;
    session->peer.not_after_s = verdict.not_after_s;
    return REASON_NONE;
}

// is_blocked_as tells whether today's blocks stop this client, or a certificate of its chain.
static bool is_blocked_as(const struct session *session, const struct client *client,
                          const struct identity *identity)
{
    const struct blocklist *blocks = session->peer.context->snapshot->blocks;
    return blocklist_judge(blocks, client == NULL ? NULL : client->name,
                           identity == NULL ? NULL : identity_record(identity)) != NULL;
}

bool session_is_blocked(const struct session *session, const struct identity *identity)
{
    const struct snapshot *today = session->peer.context->snapshot;
    return blocklist_count(today->blocks) > 0 &&
           is_blocked_as(session, policy_find_client(today->policy, identity), identity);
}

// is_blocked asks the same for a session that has its identity.
static bool is_blocked(const struct session *session)
{
    if (peer_is_current(&session->peer))
        return is_blocked_as(session, session->peer.client, session->identity);
    return session_is_blocked(session, session->identity);
}

// move_to_today makes today's snapshot the peer's, and finds out who its client is by it. Everything that the session
// borrows from a snapshot moves here, at once, or nothing does.
static enum reason move_to_today(struct session *session, const struct listener_config *listener,
                                 const struct trust *trust)
{
    struct peer *peer = &session->peer;
    if (peer_is_current(peer))
        return REASON_NONE;
    if (!session_take_identity(session, peer->context->snapshot))
        return REASON_NO_MEMORY;
    snapshot_unref(peer->snapshot);
    peer->snapshot = snapshot_ref(peer->context->snapshot);
    peer->listener = listener;
    session->trust = trust;
    return REASON_NONE;
}

enum reason session_judge(struct session *session, bool is_live)
{
    ASSERT(session->magic == SESSION_MAGIC);
    struct peer *peer = &session->peer;
    struct snapshot *today = peer->context->snapshot;
    const struct listener_config *listener = snapshot_find_listener(today, peer->listener);
    const STACK_OF(CRYPTO_BUFFER) *chain = tls_stream_peer_chain(session->tls);
    if (listener == NULL)
        return REASON_POLICY_CHANGED;
    if (chain == NULL && !listener->is_certificate_optional)
        return REASON_NO_CERTIFICATE;
    const struct site site =
        listener_config_find_site(listener, tls_stream_server_name(session->tls));
    enum reason reason = recheck_chain(session, site.trust, chain);
    if (is_live && (reason == REASON_CRL_MISSING || reason == REASON_CRL_EXPIRED))
        reason = REASON_NONE; // nobody knows: that takes no tunnel away
    if (reason == REASON_NONE && is_blocked(session))
        reason = REASON_BLOCKED;
    // Only who still has its right is moved on: the others stay to be judged again.
    return reason == REASON_NONE ? move_to_today(session, listener, site.trust) : reason;
}

enum reason session_judge_again(void *owner)
{
    return session_judge(owner, false);
}

bool session_is_expired(struct session *session)
{
    if (wall_clock_ms() / 1000 > session->peer.not_after_s)
        return true;
    note_expiry(session);
    return false;
}

// queue_for_sweep puts a session behind those that are still to be judged again.
static void queue_for_sweep(struct session *session)
{
    session->is_in_sweep = true;
    TAILQ_INSERT_TAIL(&session->peer.context->sweep, session, sweep_link);
}

void sessions_judge_again(struct session_context *context)
{
    chain_cache_clear(&context->chains);
    struct session *session = NULL;
    TAILQ_FOREACH(session, &context->by_state[SESSION_SERVING], link)
    {
        session->is_put_off = false;
        if (session->exchange != NULL && !session->is_in_sweep)
            queue_for_sweep(session);
    }
    ev_timer_stop(context->loop, &context->sweep_turn);
    ev_timer_set(&context->sweep_turn, 0., 0.);
    ev_timer_start(context->loop, &context->sweep_turn);
}

void sessions_adopt(struct session_context *context, struct snapshot *snapshot)
{
    context->snapshot = snapshot;
    sessions_judge_again(context);
}

// needs_verification tells whether judging the session again costs signatures.
static bool needs_verification(const struct session *session)
{
    const struct listener_config *listener =
        snapshot_find_listener(session->peer.context->snapshot, session->peer.listener);
    if (listener == NULL)
        return false;
    const struct site site =
        listener_config_find_site(listener, tls_stream_server_name(session->tls));
    return recheck_record(session, site.trust, wall_clock_ms() / 1000) == REASON_UNKNOWN_CA;
}

// sweep_session judges one again, and its tunnel. One that costs signatures waits until all the others have
// been judged: whoever was revoked need not wait for it.
static void sweep_session(struct session *session)
{
    if (session->state != SESSION_SERVING || session->exchange == NULL)
        return;
    if (!session->is_put_off && needs_verification(session)) {
        session->is_put_off = true;
        queue_for_sweep(session);
        return;
    }
    note_expiry(session); // the clock may have been set
    const enum reason reason = session_judge(session, exchange_is_tunnel(session->exchange));
    if (reason == REASON_NONE)
        exchange_judge_again(session->exchange);
    else if (exchange_is_tunnel(session->exchange))
        exchange_end(session->exchange, reason_of_end(reason));
    session_drive(session);
}

void sessions_sweep(struct session_context *context)
{
    const int64_t until_us = monotonic_us() + SWEEP_TURN_US;
    while (!TAILQ_EMPTY(&context->sweep) && monotonic_us() < until_us) {
        struct session *session = TAILQ_FIRST(&context->sweep);
        TAILQ_REMOVE(&context->sweep, session, sweep_link);
        session->is_in_sweep = false;
        sweep_session(session);
    }
    if (!TAILQ_EMPTY(&context->sweep))
        ev_timer_start(context->loop, &context->sweep_turn);
}
