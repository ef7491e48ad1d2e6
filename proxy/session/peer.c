// The inbox: small at first, never larger than a request head may be, gone when empty.
#include "proxy/session/peer.h"

#include <stdlib.h>

#include "auth/client_hello.h"
#include "proxy/limits/ledger.h"
#include "proxy/net/stream.h"
#include "proxy/session/upstream_pool.h"

bool peer_is_current(const struct peer *peer)
{
    return peer->snapshot == peer->context->snapshot;
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

// inbox_max_len gives how many bytes the inbox may have beside the head of the request under way.
static size_t inbox_max_len(const struct peer *peer)
{
    const size_t max = peer->awaits_hello ? CLIENT_HELLO_MAX_LEN : peer_head_max_len(peer);
    return max > peer->head_len ? max - peer->head_len : 0;
}

// grow makes room for more, where there may be more.
static enum err grow(struct peer *peer)
{
    if (peer->inbox_len < peer->inbox_cap)
        return ERR_OK;
    const size_t max = inbox_max_len(peer);
    const size_t doubled = peer->inbox_cap == 0 ? INBOX_FIRST_CAP : peer->inbox_cap * 2;
    const size_t cap = doubled < max ? doubled : max;
    if (cap <= peer->inbox_cap)
        return ERR_LIMIT;
    uint8_t *larger = realloc(peer->inbox, cap);
    if (larger == NULL)
        return ERR_MEMORY;
    peer->inbox = larger;
    peer->inbox_cap = cap;
    return ERR_OK;
}

enum err peer_fill_inbox(struct peer *peer)
{
    size_t total = 0;
    for (;;) {
        enum err error = peer->has_end ? ERR_EOF : grow(peer);
        size_t len = 0;
        if (error == ERR_OK)
            error = stream_read(peer->stream, peer->inbox + peer->inbox_len,
                                peer->inbox_cap - peer->inbox_len, &len);
        if (error == ERR_EOF)
            peer->has_end = true;
        if (error != ERR_OK) {
            if (peer->inbox_len == 0)
                peer_empty_inbox(peer);
            return total > 0 ? ERR_OK : error;
        }
        peer->inbox_len += len;
        total += len;
    }
}

struct slice peer_unread(const struct peer *peer)
{
    return slice_of(peer->inbox, peer->inbox_len);
}

void peer_empty_inbox(struct peer *peer)
{
    free(peer->inbox);
    peer->inbox = NULL;
    peer->inbox_len = 0;
    peer->inbox_cap = 0;
}

enum err peer_take_head(struct peer *peer, struct message_head *head)
{
    struct slice *const slices[] = {&head->method_text, &head->target, &head->host, &head->fields};
    uint8_t *taken = malloc(head->len);
    if (taken == NULL)
        return ERR_MEMORY;
    (void)bytes_copy(taken, head->len, slice_first(peer_unread(peer), head->len));
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        if (slices[i]->len > 0)
            slices[i]->data = taken + (slices[i]->data - peer->inbox);
    }
    peer->head = taken;
    peer->head_len = head->len;
    peer_consume_inbox(peer, head->len);
    return ERR_OK;
}

void peer_drop_head(struct peer *peer)
{
    free(peer->head);
    peer->head = NULL;
    peer->head_len = 0;
}

void peer_consume_inbox(struct peer *peer, size_t len)
{
    ASSERT(len <= peer->inbox_len);
    bytes_drop_front(peer->inbox, peer->inbox_len, len);
    peer->inbox_len -= len;
    if (peer->inbox_len == 0) {
        peer_empty_inbox(peer);
        return;
    }
    uint8_t *smaller = realloc(peer->inbox, peer->inbox_len);
    if (smaller == NULL)
        return;
    peer->inbox = smaller;
    peer->inbox_cap = peer->inbox_len;
}

enum err peer_put_back(struct peer *peer, struct slice bytes)
{
    const size_t len = bytes.len + peer->inbox_len;
    if (bytes.len == 0)
        return ERR_OK;
    if (len > HEAD_MAX_LEN)
        return ERR_LIMIT;
    uint8_t *joined = malloc(len);
    if (joined == NULL)
        return ERR_MEMORY;
    const bool fits = bytes_copy(joined, len, bytes) &&
                      bytes_copy(joined + bytes.len, len - bytes.len, peer_unread(peer));
    ASSERT(fits);
    free(peer->inbox);
    peer->inbox = joined;
    peer->inbox_len = len;
    peer->inbox_cap = len;
    return ERR_OK;
}

enum reason peer_end_reason(const struct peer *peer)
{
    return stream_is_truncated(peer->stream) ? REASON_CLIENT_TRUNCATED : REASON_CLIENT_CLOSED;
}

bool peer_inbox_has_room(const struct peer *peer)
{
    return !peer->has_end && peer->inbox_len < inbox_max_len(peer);
}

void peer_deinit(struct peer *peer)
{
    peer_drop_head(peer);
    free(peer->inbox);
    free(peer->json);
    identity_destroy(peer->identity);
    tls_stream_destroy(peer->tls);
    upstream_pool_destroy(peer->upstreams);
    peer_leave(peer);
    if (peer->account != NULL)
        ledger_close_account(peer->context->ledger, peer->account, peer->context->now_ms);
    snapshot_unref(peer->snapshot);
    *peer = (struct peer){0};
}
