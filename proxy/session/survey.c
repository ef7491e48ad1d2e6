// A cursor over the list of serving sessions: whoever leaves the list moves it on (session_enter).
#include "proxy/session/survey.h"

#include <stdlib.h>

#include "auth/base/hash.h"
#include "proxy/session/session.h"

enum { FIRST_CLIENT_CAP = 64 };

static size_t hash_name(const char *name)
{
    uint64_t hash = hash_begin();
    for (; *name != '\0'; name++)
        hash = hash_add(hash, (uint8_t)*name);
    return (size_t)hash_end(hash);
}

// find_place gives the place of a name in the table, taken or free.
static struct survey_client *find_place(struct survey_client *clients, size_t cap, const char *name)
{
    for (size_t i = hash_name(name);; i++) {
        struct survey_client *place = &clients[i & (cap - 1)];
        if (place->name[0] == '\0' || strcmp(place->name, name) == 0)
            return place;
    }
}

// make_room keeps half of the table free.
static bool make_room(struct survey *survey)
{
    if (survey->client_count * 2 < survey->client_cap)
        return true;
    const size_t cap = survey->client_cap == 0 ? FIRST_CLIENT_CAP : survey->client_cap * 2;
    struct survey_client *larger = calloc(cap, sizeof *larger);
    if (larger == NULL)
        return false;
    for (size_t i = 0; i < survey->client_cap; i++) {
        if (survey->clients[i].name[0] != '\0')
            *find_place(larger, cap, survey->clients[i].name) = survey->clients[i];
    }
    free(survey->clients);
    survey->clients = larger;
    survey->client_cap = cap;
    return true;
}

void survey_add_client(struct survey *survey, const char *name, uint64_t sessions, uint64_t tunnels)
{
    if (!make_room(survey)) {
        survey->is_partial = true;
        return;
    }
    struct survey_client *place = find_place(survey->clients, survey->client_cap, name);
    if (place->name[0] == '\0') {
        (void)string_copy(place->name, sizeof place->name, slice_of_string(name));
        survey->client_count++;
    }
    place->sessions += sessions;
    place->tunnels += tunnels;
}

static uint64_t bytes_of(const struct survey_tunnel *tunnel)
{
    return tunnel->bytes_up + tunnel->bytes_down;
}

void survey_add_tunnel(struct survey *survey, const struct survey_tunnel *tunnel)
{
    if (survey->tunnels == NULL)
        survey->tunnels = calloc(survey->max_tunnels, sizeof *survey->tunnels);
    if (survey->tunnels == NULL || survey->max_tunnels == 0) {
        survey->is_partial = true;
        return;
    }
    if (survey->tunnel_count < survey->max_tunnels) {
        survey->tunnels[survey->tunnel_count++] = *tunnel;
        return;
    }
    struct survey_tunnel *least = &survey->tunnels[0];
    for (size_t i = 1; i < survey->tunnel_count; i++) {
        if (bytes_of(&survey->tunnels[i]) < bytes_of(least))
            least = &survey->tunnels[i];
    }
    if (bytes_of(tunnel) > bytes_of(least))
        *least = *tunnel;
}

void survey_add(struct survey *sum, const struct survey *part)
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
        const struct survey_client *client = &part->clients[i];
        if (client->name[0] != '\0')
            survey_add_client(sum, client->name, client->sessions, client->tunnels);
    }
    for (size_t i = 0; i < part->tunnel_count; i++)
        survey_add_tunnel(sum, &part->tunnels[i]);
    sum->nobody_sessions += part->nobody_sessions;
    sum->killed += part->killed;
    sum->is_partial |= part->is_partial;
}

static void list_tunnel(const struct session *session, const char *client, struct survey *survey)
{
    const struct peer *peer = &session->peer;
    const struct exchange *exchange = session->exchange;
    const struct target *target = &exchange->request.url.target;
    struct survey_tunnel tunnel = {
        .port = target->port,
        .upstream = exchange->route.upstream,
        .source = peer->address,
        .age_ms = peer->context->now_ms - exchange->timing.begun_ms,
    };
    route_bytes(&exchange->route, &tunnel.bytes_up, &tunnel.bytes_down);
    (void)string_copy(tunnel.id, sizeof tunnel.id, slice_of_string(exchange->id));
    (void)string_copy(tunnel.client, sizeof tunnel.client, slice_of_string(client));
    (void)target_format_host(target, tunnel.host);
    survey_add_tunnel(survey, &tunnel);
}

static void count_session(const struct session *session, struct survey *survey)
{
    const struct client *client = session->peer.client;
    const bool has_tunnel = session->exchange != NULL && exchange_is_tunnel(session->exchange);
    if (client == NULL)
        survey->nobody_sessions++;
    else
        survey_add_client(survey, client->name, 1, has_tunnel ? 1 : 0);
    if (has_tunnel && survey->kind == SURVEY_TUNNELS)
        list_tunnel(session, client == NULL ? "" : client->name, survey);
}

// is_meant tells whether a session's exchange is to be ended.
static bool is_meant(const struct session *session, const struct survey *survey)
{
    if (session->exchange == NULL)
        return false;
    if (survey->kind == SURVEY_KILL_CLIENT)
        return session->peer.client != NULL &&
               strcmp(session->peer.client->name, survey->client) == 0;
    return strcmp(session->exchange->id, survey->id) == 0;
}

static void visit(struct session *session, struct survey *survey)
{
    if (survey->kind == SURVEY_COUNT || survey->kind == SURVEY_TUNNELS) {
        count_session(session, survey);
    } else if (is_meant(session, survey)) {
        exchange_end(session->exchange, REASON_KILLED);
        session_drive(session);
        survey->killed++;
    }
}

void survey_start(struct session_context *context, struct survey *survey)
{
    ASSERT(context->survey == NULL);
    survey->counters = context->counters;
    for (size_t i = 0; i < SESSION_STATE_COUNT; i++)
        survey->sessions[i] = context->state_counts[i];
    for (size_t i = 0; i < EXCHANGE_STATE_COUNT; i++)
        survey->exchanges[i] = context->exchange_counts[i];
    context->survey = survey;
    context->survey_next = TAILQ_FIRST(&context->by_state[SESSION_SERVING]);
    turn_enqueue(&context->survey_turn, &context->surveyor, context);
}

void survey_step(void *owner)
{
    struct session_context *context = owner;
    const int64_t until_us = monotonic_us() + context->survey_turn.budget_us;
    while (context->survey_next != NULL && monotonic_us() < until_us) {
        struct session *session = context->survey_next;
        context->survey_next = TAILQ_NEXT(session, link);
        visit(session, context->survey);
    }
    if (context->survey_next == NULL)
        survey_finish(context);
    else
        turn_enqueue(&context->survey_turn, &context->surveyor, context);
}

void survey_finish(struct session_context *context)
{
    struct survey *survey = context->survey;
    context->survey = NULL;
    context->survey_next = NULL;
    turn_leave(&context->surveyor);
    if (survey != NULL)
        survey->on_done(survey->arg);
}

void survey_deinit(struct survey *survey)
{
    free(survey->clients);
    free(survey->tunnels);
    survey->clients = NULL;
    survey->tunnels = NULL;
}
