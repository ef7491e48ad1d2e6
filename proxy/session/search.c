// Holds the candidates between the resolver, the policy and the dialer.
#include "proxy/session/search.h"

#include <stdlib.h>

#include "proxy/net/sockaddr.h"
#include "proxy/net/tcp_stream.h"

enum {
    SEARCH_MAGIC = 0x5EA4C400,
    RESOLUTION_DELAY_MS =
        50, // the wait for the preferred family once the other is there: RFC 8305 3
};

struct search {
    uint32_t magic;
    struct ev_loop *loop;        // borrowed
    const struct target *target; // borrowed from the exchange
    void (*wake)(void *owner);
    void *owner;                  // borrowed
    struct resolver_query *query; // owned; NULL when nothing more will come from it
    ev_timer delay;
    bool is_resolved;
    bool needs_all; // what was there did not do: judge again only when all is there
    bool has_late;  // addresses have come, or the last word, since they were judged
    enum resolve_result resolved;
    struct dialer *dialer; // owned
    struct dial_places places;
    bool is_dialled;
    enum dial_result dialled;
    int fd; // owned; -1: none
    size_t candidate_count;
    size_t judged_count; // of the candidates, from the first one on
    struct candidate candidates[RESOLVER_MAX_ADDRESSES];
    size_t admitted_count;
    struct ip_addr admitted[RESOLVER_MAX_ADDRESSES];
    struct dns_aliases aliases;
};

static void on_delay(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct search *search = timer->data;
    ASSERT(search->magic == SEARCH_MAGIC);
    search->is_resolved = true;
    search->wake(search->owner);
}

struct search *search_create(struct ev_loop *loop, const struct target *target,
                             void (*wake)(void *owner), void *owner)
{
    struct search *search = calloc(1, sizeof *search);
    if (search == NULL)
        return NULL;
    search->magic = SEARCH_MAGIC;
    search->loop = loop;
    search->target = target;
    search->wake = wake;
    search->owner = owner;
    search->fd = -1;
    ev_timer_init(&search->delay, on_delay, RESOLUTION_DELAY_MS / 1000., 0.);
    search->delay.data = search;
    return search;
}

void search_destroy(struct search *search)
{
    if (search == NULL)
        return;
    resolver_cancel(search->query);
    ev_timer_stop(search->loop, &search->delay);
    dialer_destroy(search->dialer);
    if (search->fd >= 0) {
        struct tcp_stream unwanted;
        tcp_stream_init(&unwanted, search->loop, search->fd);
        stream_close(&unwanted.stream, true);
    }
    search->magic = 0;
    free(search);
}

static bool is_candidate(const struct search *search, const struct ip_addr *addr)
{
    for (size_t i = 0; i < search->candidate_count; i++) {
        if (ip_addr_equal(&search->candidates[i].address, addr))
            return true;
    }
    return false;
}

// take_answer takes over what DNS knows now. Addresses that have been judged keep their places.
static void take_answer(struct search *search)
{
    struct resolver_answer answer;
    resolver_query_read(search->query, &answer);
    search->resolved = answer.result;
    search->aliases = answer.aliases;
    search->candidate_count = search->judged_count;
    for (size_t i = 0; i < answer.count && search->candidate_count < RESOLVER_MAX_ADDRESSES; i++) {
        if (!is_candidate(search, &answer.addresses[i]))
            search->candidates[search->candidate_count++] =
                (struct candidate){.address = answer.addresses[i]};
    }
    if (answer.is_complete) {
        resolver_cancel(search->query);
        search->query = NULL;
    }
    if (search->judged_count > 0) {
        search->has_late = true;
    } else if (answer.is_complete || (answer.has_preferred && !search->needs_all)) {
        search->is_resolved = true;
        ev_timer_stop(search->loop, &search->delay);
    } else if (answer.count > 0 && !search->needs_all && !ev_is_active(&search->delay)) {
        ev_timer_start(search->loop, &search->delay);
    }
}

static void on_answer(void *arg)
{
    struct search *search = arg;
    ASSERT(search->magic == SEARCH_MAGIC);
    take_answer(search);
    if (search->is_resolved)
        search->wake(search->owner);
}

void search_assume(struct search *search, const struct ip_addr *address)
{
    search->candidates[0] = (struct candidate){.address = *address};
    search->candidate_count = 1;
    search->is_resolved = true;
    search->resolved = RESOLVE_OK;
}

enum err search_resolve(struct search *search, struct resolver *resolver, uint64_t asker)
{
    if (search->target->kind == TARGET_ADDRESS) {
        search_assume(search, &search->target->address);
        return ERR_OK;
    }
    search->query =
        resolver_submit(resolver, hostname_slice(&search->target->name), asker, on_answer, search);
    if (search->query == NULL)
        return ERR_MEMORY;
    take_answer(search);
    return ERR_OK;
}

bool search_is_resolved(const struct search *search, enum resolve_result *out)
{
    *out = search->resolved;
    return search->is_resolved;
}

// judge fills in what only the machine knows, and asks the policy.
static void judge(const struct policy *policy, const struct client *client,
                  const struct ip_addr *source, const struct target *target,
                  struct candidate *candidates, size_t count, struct decision *out)
{
    if (policy_is_own_port(policy, target->port)) {
        for (size_t i = 0; i < count; i++)
            candidates[i].is_local = address_is_local(&candidates[i].address);
    }
    policy_decide_addresses(policy, client, source, target, candidates, count, out);
    for (size_t i = 0; i < count; i++)
        candidates[i].rule = NULL; // the policy's: candidates live longer
}

// has_source tells whether an admitted address can be dialled from one of the client's own.
static bool has_source(const struct search *search, const struct client *client)
{
    for (size_t i = 0; i < client->egress_count; i++) {
        if (!address_is_local(&client->egress[i]))
            continue;
        for (size_t j = 0; j < search->admitted_count; j++) {
            if (search->admitted[j].family == client->egress[i].family)
                return true;
        }
    }
    return client->egress_count == 0;
}

bool search_judge(struct search *search, const struct policy *policy, const struct client *client,
                  const struct ip_addr *source, struct decision *out)
{
    judge(policy, client, source, search->target, search->candidates, search->candidate_count, out);
    search->judged_count = search->candidate_count;
    search->admitted_count = 0;
    for (size_t i = 0; i < search->candidate_count; i++) {
        if (search->candidates[i].is_admitted)
            search->admitted[search->admitted_count++] = search->candidates[i].address;
    }
    if (out->action == ACTION_ALLOW && !has_source(search, client))
        *out = (struct decision){
            .action = ACTION_ERROR, .reason = REASON_EGRESS_UNAVAILABLE, .mode = out->mode};
    // What a mode lets through could still come by a rule, and then the mode would not count.
    if (search->query == NULL || (out->action == ACTION_ALLOW && out->reason == REASON_RULE))
        return true;
    search->judged_count = 0;
    search->is_resolved = false;
    search->needs_all = true;
    return false;
}

void search_judge_late(struct search *search, const struct policy *policy,
                       const struct client *client, const struct ip_addr *source)
{
    struct ip_addr admitted[RESOLVER_MAX_ADDRESSES];
    size_t count = 0;
    if (!search->has_late || search->is_dialled)
        return;
    search->has_late = false;
    while (search->judged_count < search->candidate_count) {
        struct candidate *candidate = &search->candidates[search->judged_count++];
        struct decision decision;
        judge(policy, client, source, search->target, candidate, 1, &decision);
        if (decision.action == ACTION_ALLOW && decision.reason == REASON_RULE)
            admitted[count++] = candidate->address;
    }
    dialer_add(search->dialer, admitted, count, search->query != NULL);
}

const struct dns_aliases *search_aliases(const struct search *search)
{
    return &search->aliases;
}

const struct candidate *search_candidates(const struct search *search, size_t *out_count)
{
    *out_count = search->candidate_count;
    return search->candidates;
}

void search_judge_one(const struct policy *policy, const struct client *client,
                      const struct ip_addr *source, const struct target *target,
                      const struct ip_addr *address, struct decision *out)
{
    struct candidate candidate = {.address = *address};
    judge(policy, client, source, target, &candidate, 1, out);
}

static void on_dialled(void *arg, enum dial_result result, int fd)
{
    struct search *search = arg;
    ASSERT(search->magic == SEARCH_MAGIC);
    search->is_dialled = true;
    search->dialled = result;
    search->fd = fd;
    search->wake(search->owner);
}

static bool on_take_place(void *arg)
{
    const struct search *search = arg;
    return search->places.take(search->places.arg);
}

static void on_give_place(void *arg)
{
    const struct search *search = arg;
    search->places.give(search->places.arg);
}

enum err search_dial(struct search *search, const struct client *client, uint32_t turn,
                     int64_t attempt_ms, const struct dial_places *places)
{
    const struct dialer_events events = {.on_done = on_dialled,
                                         .take_place = on_take_place,
                                         .give_place = on_give_place,
                                         .arg = search};
    const struct dialer_options options = {
        .addresses = search->admitted,
        .count = search->admitted_count,
        .port = search->target->port,
        .attempt_ms = attempt_ms,
        .sources = client->egress,
        .source_count = client->egress_count,
        .source_turn = turn,
        .expects_more = search->query != NULL,
    };
    search->places = *places;
    search->dialer = dialer_start(search->loop, &options, &events);
    return search->dialer == NULL ? ERR_MEMORY : ERR_OK;
}

bool search_is_dialled(const struct search *search, enum dial_result *out)
{
    *out = search->dialled;
    return search->is_dialled;
}

int search_take_fd(struct search *search)
{
    const int fd = search->fd;
    search->fd = -1;
    return fd;
}

uint32_t search_attempts(const struct search *search)
{
    return search->dialer == NULL ? 0 : dialer_attempts(search->dialer);
}

struct ip_addr search_last_dialled(const struct search *search)
{
    return search->dialer == NULL ? (struct ip_addr){0} : dialer_last_dialled(search->dialer);
}
