// First the record of the verified chain, then the blocks, then the entry of the config.
#include "proxy/session/revalidation.h"

#include <stdlib.h>

#include "auth/account.h"
#include "proxy/limits/ledger.h"
#include "proxy/session/ocsp_hold.h"
#include "proxy/session/overlaps.h"

enum { CLIENT_JSON_CAP = 8192 + IDENTITY_EXTENSIONS_JSON_CAP }; // bytes

void peer_note_expiry(struct peer *peer)
{
    peer->expires_ms = INT64_MAX;
    const int64_t ends_s = peer_ends_s(peer);
    if (ends_s != NEVER_S)
        peer->expires_ms = peer->context->now_ms + (ends_s + 1) * 1000 - wall_clock_ms();
}

// open_account opens the account that counts `found` (NULL: no client; these share one). `name` is that of the account; if
// it has none, or there is no room for it, it is counted with all others of its entry that have none, and `*refusal` says why.
// NULL without memory.
static struct account *open_account(const struct peer *peer, const struct snapshot *snapshot,
                                    const struct client *found, const char *name,
                                    enum reason *refusal)
{
    static const struct client_limits none = {0};
    struct ledger *ledger = peer->context->ledger;
    const struct account_request shared = {
        .name = found == NULL ? "" : found->name,
        .limits = found == NULL ? &none : &found->limits,
        .generation = snapshot->generation,
        .now_ms = peer->context->now_ms,
    };
    struct account *account = NULL;
    enum err error = ERR_LIMIT;
    if (*refusal == REASON_NONE && found != NULL && found->name_template != NULL) {
        struct account_request own = shared;
        own.name = name;
        own.owner = found->name;
        own.members_max = found->accounts;
        error = ledger_open_account(ledger, &own, &account);
        *refusal = error == ERR_LIMIT ? REASON_LIMIT_ACCOUNTS : REASON_NONE;
    }
    if (error == ERR_LIMIT && ledger_open_account(ledger, &shared, &account) != ERR_OK)
        return NULL;
    return account;
}

// client_json makes the audit's object of the client. `data` NULL without memory.
static struct slice client_json(const struct peer *peer, const struct snapshot *snapshot,
                                const struct client *found, const char *name)
{
    const bool is_named_from_certificate = found != NULL && found->name_template != NULL;
    const struct audit_client client = {
        .address = peer->address,
        .port = peer->port,
        .via = peer->via,
        .is_unannounced = peer->is_unannounced,
        .name = name,
        .entry = is_named_from_certificate ? found->name : NULL,
        .trust = peer->identity == NULL ? NULL : peer->identity->trust_name,
        .identity = peer->identity,
        .ocsp = ocsp_hold_count(peer->ocsp) == 0 ? NULL
                : peer->unanswered != NULL       ? "unanswered"
                                                 : "good",
        .extensions = snapshot->policy->extensions,
    };
    char data[CLIENT_JSON_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    audit_client_format(&client, &text);
    ASSERT(!text.is_cut);
    char *json = malloc(text.len);
    if (json == NULL)
        return (struct slice){0};
    (void)bytes_copy(json, text.len, text_slice(&text));
    return slice_of(json, text.len);
}

bool peer_identify(struct peer *peer, const struct snapshot *snapshot)
{
    struct session_context *context = peer->context;
    const struct client *found = policy_find_client(snapshot->policy, peer->identity, NULL);
    struct account_name name;
    enum reason refusal = account_name_decide(snapshot->policy, found, peer->identity, &name);
    const struct slice json = client_json(peer, snapshot, found, name.text);
    struct account *account = open_account(peer, snapshot, found, name.text, &refusal);
    if (json.data == NULL || account == NULL) {
        ledger_close_account(context->ledger, account, context->now_ms);
        free((char *)json.data);
        return false;
    }
    peer_leave(peer);
    ledger_close_account(context->ledger, peer->account, context->now_ms);
    free(peer->json);
    peer->client = found;
    peer->account = account;
    peer->account_refusal = refusal;
    peer->json = (char *)json.data;
    peer->json_len = json.len;
    peer->is_counted = peer->edge == NULL; // one that is passed on has no connection
    account->sessions += peer->is_counted;
    context->counters.contested +=
        overlaps_note(context->overlaps, snapshot->policy, peer->identity, found);
    peer_note_expiry(peer);
    return true;
}

// recheck_record judges what is kept of the verified chain by `trust` as it is now, without a signature.
// REASON_UNKNOWN_CA says that only a verification can tell: the profile is another one, whose name is
// part of who the client is, or the anchor is not found again, for it may have been issued again.
static enum reason recheck_record(const struct peer *peer, const struct trust *trust, int64_t now_s)
{
    const char *detail = NULL;
    if (peer->identity == NULL)
        return REASON_NONE;
    if (strcmp(peer->identity->trust_name, trust_name(trust)) != 0)
        return REASON_UNKNOWN_CA;
    return trust_recheck(trust, peer->identity, now_s, &detail);
}

// verify_chain verifies the shown certificates by `trust`, which is of today. Of guests there may be many on one connection:
// what was verified for one of them holds for all.
static enum err verify_chain(struct peer *peer, const struct trust *trust,
                             const STACK_OF(CRYPTO_BUFFER) *chain, int64_t now_s,
                             struct trust_verdict *out)
{
    return peer->edge == NULL
               ? trust_verify(trust, chain, now_s, out)
               : chain_cache_verify(&peer->context->chains, trust, chain, now_s, out);
}

// recheck_chain judges the shown certificates by `trust` as it is now. What was verified once needs no
// second verification as long as the record says enough.
static enum reason recheck_chain(struct peer *peer, const struct trust *trust,
                                 const STACK_OF(CRYPTO_BUFFER) *chain)
{
    const int64_t now_s = wall_clock_ms() / 1000;
    struct trust_verdict verdict;
    const enum reason reason = recheck_record(peer, trust, now_s);
    if (reason != REASON_UNKNOWN_CA || chain == NULL)
        return reason;
    if (verify_chain(peer, trust, chain, now_s, &verdict) != ERR_OK) {
        identity_destroy(verdict.presented);
        return verdict.reason;
    }
    identity_destroy(peer->identity);
    peer->identity = verdict.identity;
    peer->not_after_s = verdict.not_after_s;
    return REASON_NONE;
}

// retell_ocsp makes the audit's object of a guest again who had no answer when the request came, and has one now. It gets
// shorter, so the room that was taken for it is enough. Without memory the old one stays.
static void retell_ocsp(struct peer *peer)
{
    const struct slice json =
        client_json(peer, peer->snapshot, peer->client, peer_client_name(peer));
    if (json.data == NULL)
        return;
    free(peer->json);
    peer->json = (char *)json.data;
    peer->json_len = json.len;
}

// recheck_ocsp asks what OCSP says today. That nobody answers takes no tunnel away.
static enum reason recheck_ocsp(struct peer *peer, const struct trust *trust, bool is_live)
{
    const struct ocsp_verdict found = ocsp_hold_judge(
        &peer->ocsp, peer->context->ocsp, peer->identity,
        &(struct ocsp_hearer){trust, peer->context->snapshot->blocks}, peer->context->now_ms);
    const bool is_heard = peer->unanswered != NULL && found.why == NULL;
    peer->unanswered = found.why;
    if (is_heard && peer->edge != NULL && !is_live && peer->account_refusal == REASON_NONE)
        retell_ocsp(peer);
    return is_live && found.reason == REASON_OCSP_UNAVAILABLE ? REASON_NONE : found.reason;
}

// is_blocked_as tells whether today's blocks stop the account of this name (NULL: none), or a certificate of its chain.
static bool is_blocked_as(const struct peer *peer, const char *name,
                          const struct identity *identity)
{
    return blocklist_judge(peer->context->snapshot->blocks, name,
                           identity == NULL ? NULL : identity->record) != NULL;
}

bool peer_is_blocked(const struct peer *peer, const struct identity *identity)
{
    const struct snapshot *today = peer->context->snapshot;
    struct account_name name;
    if (blocklist_count(today->blocks) == 0)
        return false;
    const struct client *client = policy_find_client(today->policy, identity, NULL);
    (void)account_name_decide(today->policy, client, identity, &name); // without one it is refused
    return is_blocked_as(peer, name.text, identity);
}

// is_blocked asks the same for the peer's own identity.
static bool is_blocked(const struct peer *peer)
{
    if (peer_is_current(peer))
        return is_blocked_as(peer, peer_client_name(peer), peer->identity);
    return peer_is_blocked(peer, peer->identity);
}

// move_to_today makes today's snapshot the peer's, and finds out who its client is by it. Everything that the peer
// borrows from a snapshot moves here, at once, or nothing does.
static enum reason move_to_today(struct peer *peer, const struct listener_config *listener,
                                 const struct trust *trust)
{
    if (peer_is_current(peer))
        return REASON_NONE;
    if (!peer_identify(peer, peer->context->snapshot))
        return REASON_NO_MEMORY;
    snapshot_unref(peer->snapshot);
    peer->snapshot = snapshot_ref(peer->context->snapshot);
    peer->listener = listener;
    peer->trust = trust;
    return REASON_NONE;
}

// judge_by judges the client by this listener and profile of today's.
static enum reason judge_by(struct peer *peer, const struct listener_config *listener,
                            const struct trust *trust, bool is_live)
{
    enum reason reason = recheck_chain(peer, trust, peer_chain(peer));
    if (is_live && (reason == REASON_CRL_MISSING || reason == REASON_CRL_EXPIRED))
        reason = REASON_NONE; // nobody knows: that takes no tunnel away
    if (reason == REASON_NONE)
        reason = recheck_ocsp(peer, trust, is_live);
    if (reason == REASON_NONE && is_blocked(peer))
        reason = REASON_BLOCKED;
    // Only a client that still has its right moves on: the others stay to be judged again.
    if (reason == REASON_NONE)
        reason = move_to_today(peer, listener, trust);
    return reason == REASON_NONE ? peer->account_refusal : reason;
}

// revalidate_connected judges a client that is connected itself.
static enum reason revalidate_connected(struct peer *peer, bool is_live)
{
    const struct snapshot *today = peer->context->snapshot;
    const struct listener_config *listener = snapshot_find_listener(today, peer->listener);
    if (listener == NULL)
        return REASON_POLICY_CHANGED;
    if (peer->via.family != IP_NONE && !listener_config_is_balancer(listener, &peer->via))
        return REASON_POLICY_CHANGED; // what it has said about the client counts no more
    if (peer_chain(peer) == NULL && !listener->is_certificate_optional)
        return REASON_NO_CERTIFICATE;
    const struct site *site =
        listener_config_find_site(listener, tls_stream_server_name(peer->tls));
    return judge_by(peer, listener, site->trust, is_live);
}

const struct trust *peer_trust_of_guests(const struct peer *edge)
{
    const struct client *speaker = edge->client;
    return speaker == NULL || speaker->speaks_for == NULL
               ? NULL
               : snapshot_find_trust(edge->snapshot, speaker->speaks_for);
}

enum reason peer_judge_speaker(const struct peer *guest, int64_t *out_changes_s)
{
    const struct peer *edge = guest->edge;
    *out_changes_s = INT64_MAX;
    if (edge == NULL)
        return REASON_NONE;
    return policy_decide_speaker(edge->client, guest->client, peer_source(edge),
                                 wall_clock_ms() / 1000, out_changes_s);
}

// revalidate_guest judges a client whose certificate is passed on: first the one who does that.
static enum reason revalidate_guest(struct peer *peer, bool is_live)
{
    int64_t changes_s = 0;
    enum reason reason = revalidate_connected(peer->edge, is_live);
    if (reason != REASON_NONE)
        return reason;
    const struct trust *trust = peer_trust_of_guests(peer->edge);
    if (trust == NULL)
        return REASON_POLICY_CHANGED;
    reason = judge_by(peer, peer->edge->listener, trust, is_live);
    return reason == REASON_NONE ? peer_judge_speaker(peer, &changes_s) : reason;
}

enum reason peer_revalidate(struct peer *peer, bool is_live)
{
    return peer->edge == NULL ? revalidate_connected(peer, is_live)
                              : revalidate_guest(peer, is_live);
}

bool peer_is_expired(struct peer *peer)
{
    if (wall_clock_ms() / 1000 > peer_ends_s(peer))
        return true;
    peer_note_expiry(peer);
    return false;
}

bool peer_needs_signatures(const struct peer *peer)
{
    const struct listener_config *listener =
        snapshot_find_listener(peer->context->snapshot, peer->listener);
    if (listener == NULL)
        return false;
    const struct site *site =
        listener_config_find_site(listener, tls_stream_server_name(peer->tls));
    return recheck_record(peer, site->trust, wall_clock_ms() / 1000) == REASON_UNKNOWN_CA;
}
