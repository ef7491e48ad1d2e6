// Who is there.
#include "proxy/session/peer.h"

#include <stdlib.h>

#include "proxy/limits/ledger.h"
#include "proxy/net/stream.h"
#include "proxy/session/ocsp_hold.h"
#include "proxy/session/upstream_pool.h"

bool peer_is_current(const struct peer *peer)
{
    return peer->snapshot == peer->context->snapshot;
}

int64_t peer_ends_s(const struct peer *peer)
{
    const int64_t edge_s = peer_connected(peer)->not_after_s;
    return peer->not_after_s < edge_s ? peer->not_after_s : edge_s;
}

const struct ip_addr *peer_source(const struct peer *peer)
{
    static const struct ip_addr unknown = {.family = IP_NONE};
    return peer->is_unannounced ? &unknown : &peer->address;
}

const STACK_OF(CRYPTO_BUFFER) *peer_chain(const struct peer *peer)
{
    return peer->edge == NULL ? tls_stream_peer_chain(peer->tls) : peer->passed_on;
}

const char *peer_limit_detail(enum reason reason)
{
    if (reason == REASON_LIMIT_SESSIONS)
        return "the proxy has as many connections as it may (limits.sessions)";
    if (reason == REASON_LIMIT_MEMORY)
        return "the proxy uses as much memory as it may (limits.memory)";
    return "too many handshakes of this source are under way (limits.source.half_open)";
}

const char *peer_client_name(const struct peer *peer)
{
    return peer->client == NULL ? NULL : peer->account->name;
}

void peer_record_refusal(const struct peer *peer, struct audit_refusal *refusal)
{
    const struct session_context *context = peer->context;
    const struct refusal_subject subject = {.source = &peer->address,
                                            .port = peer->port,
                                            .reason = refusal->reason,
                                            .listener = peer->listener->name};
    if (!refusals_note(context->refusals, &subject, context->now_ms))
        return;
    refusal->now_ms = wall_clock_ms();
    refusal->listener = peer->listener->name;
    refusal->address = peer->address;
    refusal->port = peer->port;
    refusal->via = peer->via;
    refusal->is_unannounced = peer->is_unannounced;
    refusal->count = 1;
    audit_log_submit_bounded(context->audit, AUDIT_KIND_REFUSAL, audit_refusal_create(refusal), 1);
}

void peer_leave(struct peer *peer)
{
    if (peer->is_counted)
        count_down(&peer->account->sessions);
    peer->is_counted = false;
}

size_t peer_head_max_len(const struct peer *peer)
{
    return peer->json == NULL ? HEAD_CONNECT_MAX_LEN : peer->snapshot->limits.head;
}

void peer_deinit(struct peer *peer)
{
    free(peer->json);
    sk_CRYPTO_BUFFER_pop_free(peer->passed_on, CRYPTO_BUFFER_free);
    ocsp_hold_destroy(peer->ocsp);
    identity_destroy(peer->identity);
    tls_stream_destroy(peer->tls);
    upstream_pool_destroy(peer->upstreams);
    peer_leave(peer);
    if (peer->account != NULL)
        ledger_close_account(peer->context->ledger, peer->account, peer->context->now_ms);
    snapshot_unref(peer->snapshot);
    *peer = (struct peer){0};
}
