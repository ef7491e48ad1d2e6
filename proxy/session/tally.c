// Each event in every place that counts it.
#include "proxy/session/tally.h"

#include "auth/base/text.h"
#include "proxy/session/revalidation.h"

enum { SUBJECT_CAP = TOP_WHAT_CAP, WHAT_CAP = TARGET_TEXT_CAP + 8 };

// target_text writes `HOST:PORT`.
static const char *target_text(const struct exchange *exchange, char out[WHAT_CAP])
{
    char host[TARGET_TEXT_CAP];
    struct text text;
    const struct target target = exchange_target(exchange);
    text_init(&text, out, WHAT_CAP);
    if (exchange->request == NULL || exchange->request->has_target)
        text_append_format(&text, "%s:%u", target_format_host(&target, host), target.port);
    return out;
}

static void note_denial(const struct exchange *exchange, const struct decision *ruled)
{
    const struct peer *peer = exchange->peer;
    char what[WHAT_CAP];
    char why[TOP_WHY_CAP];
    struct text text;
    if (peer->context->tops == NULL)
        return;
    text_init(&text, why, sizeof why);
    text_append_string(&text, reason_name(ruled->reason));
    if (ruled->rule != NULL)
        text_append_format(&text, " %s", ruled->rule);
    const struct top_subject subject = {.who = peer_client_name(peer),
                                        .what = target_text(exchange, what),
                                        .why = why,
                                        .id = exchange->id};
    tops_note(&peer->context->tops->denials, &subject, wall_clock_ms() / 1000);
}

static void note_target(const struct exchange *exchange, bool is_failure)
{
    const struct session_context *context = exchange->peer->context;
    char what[WHAT_CAP];
    if (context->tops == NULL)
        return;
    const struct top_subject subject = {.owner = peer_client_name(exchange->peer),
                                        .what = target_text(exchange, what),
                                        .is_failure = is_failure};
    tops_note(&context->tops->targets, &subject, wall_clock_ms() / 1000);
}

void tally_decision(const struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    const struct decision ruled = verdict_decision(&exchange->verdict);
    struct session_counters *counters = &peer->context->counters;
    struct client_count *client = client_counts_find(&peer->context->client_counts, peer->client);
    counters->decided[ruled.action][ruled.reason]++;
    counters->would_deny += ruled.would_deny;
    if (client != NULL)
        client->decided[ruled.action]++;
    if (ruled.action == ACTION_DENY)
        note_denial(exchange, &ruled);
}

void tally_dial(const struct exchange *exchange)
{
    struct session_context *context = exchange->peer->context;
    const enum dial_result result = exchange->route.search->dialled;
    context->counters.dialled[result]++;
    note_target(exchange, result != DIAL_CONNECTED);
    if (result == DIAL_CONNECTED)
        histogram_note(&context->counters.connect_time, &histogram_waits,
                       context->now_ms - exchange->timing.since_ms);
}

void tally_hop(const struct exchange *exchange)
{
    struct session_context *context = exchange->peer->context;
    note_target(exchange, false);
    histogram_note(&context->counters.connect_time, &histogram_waits,
                   context->now_ms - exchange->timing.since_ms);
}

void tally_bytes(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    struct session_counters *counters = &peer->context->counters;
    struct exchange_counted *counted = &exchange->counted;
    uint64_t up = 0;
    uint64_t down = 0;
    route_bytes(&exchange->route, &up, &down);
    if (up < counted->up || down < counted->down) // the request is sent again, from its start
        *counted = (struct exchange_counted){0};
    const uint64_t more_up = up - counted->up;
    const uint64_t more_down = down - counted->down;
    if ((more_up | more_down) == 0)
        return;
    *counted = (struct exchange_counted){up, down};
    counters->bytes_up += more_up;
    counters->bytes_down += more_down;
    struct client_count *client = client_counts_find(&peer->context->client_counts, peer->client);
    if (client != NULL) {
        client->bytes_up += more_up;
        client->bytes_down += more_down;
    }
}

void tally_end(const struct exchange *exchange)
{
    struct session_context *context = exchange->peer->context;
    if (exchange->state != EXCHANGE_TUNNEL)
        return;
    context->counters.ended[exchange->ending.reason]++;
    histogram_note(&context->counters.tunnel_time, &histogram_lives,
                   context->now_ms - exchange->timing.since_ms);
}

void tally_handshake(const struct peer *peer, int64_t since_ms)
{
    struct session_context *context = peer->context;
    struct client_count *client = client_counts_find(&context->client_counts, peer->client);
    const int64_t now_s = wall_clock_ms() / 1000;
    context->counters.handshakes++;
    context->counters.resumed += peer->is_resumed;
    context->counters.groups[tls_stream_group(peer_connected(peer)->tls)]++;
    histogram_note(&context->counters.handshake_time, &histogram_waits, context->now_ms - since_ms);
    if (client != NULL) {
        client->seen_s = (uint64_t)now_s;
        client->not_after_s = peer->not_after_s == NEVER_S ? 0 : (uint64_t)peer->not_after_s;
    }
    if (context->tops != NULL && peer->not_after_s != NEVER_S)
        session_tops_note_end(context->tops, peer->not_after_s - now_s);
}

void tally_refusal(const struct peer *peer, const char *id, enum reason reason,
                   const struct identity *presented)
{
    struct session_context *context = peer->context;
    char address[IP_TEXT_CAP];
    char subject[SUBJECT_CAP];
    struct text text;
    context->counters.refused[reason]++;
    if (context->tops == NULL)
        return;
    text_init(&text, subject, sizeof subject);
    if (presented != NULL)
        dn_format(&presented->subject, &text);
    const struct top_subject refused = {.who = ip_addr_format(&peer->address, address),
                                        .what = subject,
                                        .why = reason_name(reason),
                                        .id = id};
    tops_note(&context->tops->refused, &refused, wall_clock_ms() / 1000);
}
