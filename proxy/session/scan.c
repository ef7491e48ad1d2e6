// A cursor over the list of serving sessions: a session that leaves the list moves it on (`enter` in session.c).
#include "proxy/session/scan.h"

#include <stdlib.h>

#include "auth/base/hash.h"
#include "proxy/session/session.h"

enum { FIRST_CLIENT_CAP = 64 };

static size_t hash_name(const char *name)
{
    return (size_t)hash_end(hash_add_slice(hash_begin(), slice_of_string(name)));
}

// find_place gives the place of a name in the table, taken or free.
static struct scan_client *find_place(struct scan_client *clients, size_t cap, const char *name)
{
    for (size_t i = hash_name(name);; i++) {
        struct scan_client *place = &clients[i & (cap - 1)];
        if (place->name[0] == '\0' || strcmp(place->name, name) == 0)
            return place;
    }
}

// make_room keeps half of the table free.
static bool make_room(struct scan *scan)
{
    if (scan->client_count * 2 < scan->client_cap)
        return true;
    const size_t cap = scan->client_cap == 0 ? FIRST_CLIENT_CAP : scan->client_cap * 2;
    struct scan_client *larger = calloc(cap, sizeof *larger);
    if (larger == NULL)
        return false;
    for (size_t i = 0; i < scan->client_cap; i++) {
        if (scan->clients[i].name[0] != '\0')
            *find_place(larger, cap, scan->clients[i].name) = scan->clients[i];
    }
    free(scan->clients);
    scan->clients = larger;
    scan->client_cap = cap;
    return true;
}

// take_place gives the place of a client, a new one where it has none yet. NULL without memory.
static struct scan_client *take_place(struct scan *scan, const char *name)
{
    if (!make_room(scan)) {
        scan->is_partial = true;
        return NULL;
    }
    struct scan_client *place = find_place(scan->clients, scan->client_cap, name);
    if (place->name[0] == '\0') {
        (void)string_copy(place->name, sizeof place->name, slice_of_string(name));
        scan->client_count++;
    }
    return place;
}

// scan_add_client adds to the numbers of a client.
void scan_add_client(struct scan *scan, const struct scan_client *client)
{
    struct scan_client *place = take_place(scan, client->name);
    if (place == NULL)
        return;
    place->sessions += client->sessions;
    place->tunnels += client->tunnels;
    place->bytes_up += client->bytes_up;
    place->bytes_down += client->bytes_down;
    if (client->seen_s > place->seen_s) {
        place->seen_s = client->seen_s;
        place->not_after_s = client->not_after_s;
    }
    for (size_t i = 0; i < CLIENT_ACTIONS; i++)
        place->decided[i] += client->decided[i];
}

static uint64_t bytes_of(const struct scan_tunnel *tunnel)
{
    return tunnel->bytes_up + tunnel->bytes_down;
}

static size_t find_least(const struct scan *scan)
{
    size_t least = 0;
    for (size_t i = 1; i < scan->tunnel_count; i++) {
        if (bytes_of(&scan->tunnels[i]) < bytes_of(&scan->tunnels[least]))
            least = i;
    }
    return least;
}

// scan_add_tunnel keeps a tunnel if it is one of the `max_tunnels` that have moved the most bytes.
void scan_add_tunnel(struct scan *scan, const struct scan_tunnel *tunnel)
{
    if (scan->tunnels == NULL)
        scan->tunnels = calloc(scan->max_tunnels, sizeof *scan->tunnels);
    if (scan->tunnels == NULL || scan->max_tunnels == 0) {
        scan->is_partial = true;
        return;
    }
    if (scan->tunnel_count < scan->max_tunnels) {
        scan->tunnels[scan->tunnel_count++] = *tunnel;
    } else if (bytes_of(tunnel) > bytes_of(&scan->tunnels[scan->tunnel_least])) {
        scan->tunnels[scan->tunnel_least] = *tunnel;
    } else {
        return;
    }
    if (scan->tunnel_count == scan->max_tunnels)
        scan->tunnel_least = find_least(scan);
}

// add_tops adds what is most frequent; NULL: there is none.
static void add_tops(struct scan *sum, const struct session_tops *part)
{
    if (part == NULL)
        return;
    if (sum->tops == NULL)
        sum->tops = calloc(1, sizeof *sum->tops);
    if (sum->tops == NULL)
        sum->is_partial = true;
    else
        session_tops_add(sum->tops, part);
}

void scan_add(struct scan *sum, const struct scan *part)
{
    const uint64_t *from = (const uint64_t *)&part->counters; // that is all there is in them
    uint64_t *to = (uint64_t *)&sum->counters;
    for (size_t i = 0; i < sizeof sum->counters / sizeof *to; i++)
        to[i] += from[i];
    for (size_t i = 0; i < SESSION_STATE_COUNT; i++)
        sum->sessions[i] += part->sessions[i];
    for (size_t i = 0; i < EXCHANGE_STATE_COUNT; i++)
        sum->exchanges[i] += part->exchanges[i];
    for (size_t i = 0; i < part->client_cap; i++) {
        const struct scan_client *client = &part->clients[i];
        if (client->name[0] != '\0')
            scan_add_client(sum, client);
    }
    for (size_t i = 0; i < part->tunnel_count; i++)
        scan_add_tunnel(sum, &part->tunnels[i]);
    add_tops(sum, part->tops);
    sum->http2_sessions += part->http2_sessions;
    sum->http2_streams += part->http2_streams;
    sum->nobody_sessions += part->nobody_sessions;
    sum->open_count += part->open_count;
    sum->killed += part->killed;
    sum->is_found |= part->is_found;
    sum->is_partial |= part->is_partial;
}

// is_of_client tells whether somebody is this account, or one of this template, or asks through one that is.
static bool is_of_client(const struct peer *peer, const char *name)
{
    const bool is_it = peer->client != NULL && (strcmp(peer->client->name, name) == 0 ||
                                                strcmp(peer->account->name, name) == 0);
    return is_it || (peer->edge != NULL && is_of_client(peer->edge, name));
}

static void list_tunnel(const struct exchange *exchange, const char *client, struct scan *scan)
{
    const struct peer *peer = exchange->peer;
    const struct target target = exchange_target(exchange);
    struct scan_tunnel tunnel = {
        .stream_id = exchange->channel->stream_id,
        .port = target.port,
        .upstream = exchange->route.upstream,
        .source = peer->address,
        .age_ms = peer->context->now_ms - exchange->timing.begun_ms,
    };
    route_bytes(&exchange->route, &tunnel.bytes_up, &tunnel.bytes_down);
    (void)string_copy(tunnel.id, sizeof tunnel.id, slice_of_string(exchange->id));
    (void)string_copy(tunnel.session, sizeof tunnel.session, slice_of_string(peer->id));
    (void)string_copy(tunnel.client, sizeof tunnel.client, slice_of_string(client));
    (void)target_format_host(&target, tunnel.host);
    scan_add_tunnel(scan, &tunnel);
    scan->open_count++;
}

// name_of gives the name that somebody is counted by; NULL: no client fits.
static const char *name_of(const struct peer *peer, const struct scan *scan)
{
    if (scan->kind == SCAN_METRICS || scan->kind == SCAN_PAGE)
        return peer->client == NULL ? NULL : peer->client->name;
    return peer_client_name(peer);
}

// count_of_client counts for a client.
static void count_of_client(struct scan *scan, const char *name, uint32_t sessions,
                            uint32_t tunnels)
{
    struct scan_client *place = name == NULL ? NULL : take_place(scan, name);
    if (place == NULL)
        return;
    place->sessions += sessions;
    place->tunnels += tunnels;
}

static void count_session(const struct session *session, struct scan *scan)
{
    const char *client = name_of(&session->peer, scan);
    const struct exchange *exchange = NULL;
    const bool is_http2 = session->multiplex != NULL;
    uint32_t tunnels = 0;
    scan->http2_sessions += is_http2;
    while ((exchange = session_next_exchange(session, exchange)) != NULL) {
        scan->http2_streams += is_http2;
        if (!exchange_is_tunnel(exchange))
            continue;
        const char *name = name_of(exchange->peer, scan);
        if (exchange->guest == NULL)
            tunnels++;
        else
            count_of_client(scan, name, 0, 1);
        if (scan->kind == SCAN_TUNNELS &&
            (scan->client[0] == '\0' || is_of_client(exchange->peer, scan->client)))
            list_tunnel(exchange, name == NULL ? "" : name, scan);
    }
    scan->nobody_sessions += client == NULL;
    count_of_client(scan, client, 1, tunnels);
}

// is_meant tells whether an exchange is to be ended.
static bool is_meant(const struct exchange *exchange, const struct scan *scan)
{
    if (scan->kind == SCAN_KILL_SESSION)
        return true;
    if (scan->kind == SCAN_KILL_CLIENT)
        return is_of_client(exchange->peer, scan->client);
    return strcmp(exchange->id, scan->id) == 0;
}

// end_exchanges ends those of a session that are meant, until it is `until_us`. False: there may be more.
static bool end_exchanges(const struct session *session, struct scan *scan, int64_t until_us)
{
    struct exchange *next = session_next_exchange(session, NULL);
    while (next != NULL) {
        struct exchange *exchange = next;
        next = session_next_exchange(session, exchange);
        if (!is_meant(exchange, scan))
            continue;
        exchange_end(exchange, REASON_KILLED);
        channel_drive(exchange->channel);
        scan->killed++;
        if (next != NULL && monotonic_us() >= until_us)
            return false;
    }
    return true;
}

// visit does what is asked with one session. False: it is to be visited once more, in the next turn.
static bool visit(struct session *session, struct scan *scan, int64_t until_us)
{
    switch (scan->kind) {
    case SCAN_TOTALS:
        break;
    case SCAN_COUNT:
    case SCAN_METRICS:
    case SCAN_PAGE:
    case SCAN_TUNNELS:
        count_session(session, scan);
        break;
    case SCAN_KILL_ID:
    case SCAN_KILL_CLIENT:
        return end_exchanges(session, scan, until_us);
    case SCAN_KILL_SESSION:
        if (strcmp(session->peer.id, scan->id) != 0)
            break;
        scan->is_found = true;
        if (!end_exchanges(session, scan, until_us))
            return false;
        session_leave(session);
        break;
    }
    return true;
}

// copy_counts copies what is counted for each client.
static void copy_counts(const struct client_counts *table, struct scan *scan)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct client_count *from = &table->counts[i];
        struct scan_client *place = take_place(scan, from->name);
        if (place == NULL)
            return;
        place->bytes_up = from->bytes_up;
        place->bytes_down = from->bytes_down;
        place->seen_s = from->seen_s;
        place->not_after_s = from->not_after_s;
        for (size_t a = 0; a < CLIENT_ACTIONS; a++)
            place->decided[a] = from->decided[a];
    }
}

void scan_start(struct session_context *context, struct scan *scan)
{
    ASSERT(context->scan == NULL);
    scan->counters = context->counters;
    for (size_t i = 0; i < SESSION_STATE_COUNT; i++)
        scan->sessions[i] = context->state_counts[i];
    for (size_t i = 0; i < EXCHANGE_STATE_COUNT; i++)
        scan->exchanges[i] = context->exchange_counts[i];
    if (scan->kind == SCAN_METRICS || scan->kind == SCAN_PAGE)
        copy_counts(&context->client_counts, scan);
    if (scan->kind == SCAN_PAGE)
        add_tops(scan, context->tops);
    context->scan = scan;
    context->scan_next = TAILQ_FIRST(&context->by_state[SESSION_SERVING]);
    if (scan->kind == SCAN_TOTALS) {
        scan_finish(context);
        return;
    }
    turn_enqueue(&context->scan_turn, &context->scan_entry, context);
}

void scan_step(void *owner)
{
    struct session_context *context = owner;
    const int64_t until_us = monotonic_us() + context->scan_turn.budget_us;
    while (context->scan_next != NULL && monotonic_us() < until_us) {
        struct session *session = context->scan_next;
        context->scan_next = TAILQ_NEXT(session, link);
        if (!visit(session, context->scan, until_us))
            context->scan_next = session;
    }
    if (context->scan_next == NULL)
        scan_finish(context);
    else
        turn_enqueue(&context->scan_turn, &context->scan_entry, context);
}

void scan_finish(struct session_context *context)
{
    struct scan *scan = context->scan;
    context->scan = NULL;
    context->scan_next = NULL;
    turn_leave(&context->scan_entry);
    if (scan != NULL)
        scan->on_done(scan->arg);
}

const struct scan_client **scan_sort_clients(const struct scan *scan,
                                             int (*compare)(const void *a, const void *b),
                                             size_t *out_count)
{
    const struct scan_client **sorted = calloc(scan->client_count + 1, sizeof *sorted);
    size_t count = 0;
    for (size_t i = 0; sorted != NULL && i < scan->client_cap; i++) {
        if (scan->clients[i].name[0] != '\0')
            sorted[count++] = &scan->clients[i];
    }
    if (count > 1)
        qsort(sorted, count, sizeof *sorted, compare);
    *out_count = count;
    return sorted;
}

void scan_deinit(struct scan *scan)
{
    free(scan->clients);
    free(scan->tunnels);
    free(scan->tops);
    scan->tops = NULL;
    scan->clients = NULL;
    scan->tunnels = NULL;
}
