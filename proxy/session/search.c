// Holds the candidates between the resolver, the policy and the dialer.
#include "proxy/session/search.h"

#include <stdlib.h>

#include "auth/base/share.h"
#include "proxy/net/sockaddr.h"
#include "proxy/net/tcp_stream.h"

enum {
    // the wait for the preferred family once the other is there: RFC 8305 3
    RESOLUTION_DELAY_MS = 50,
};

static void wake(const struct search *search)
{
    const struct stream *client = search->channel->stream;
    client->on_ready(client->owner);
}

static void on_delay(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct search *search = timer->data;
    search->is_resolved = true;
    wake(search);
}

struct search *search_create(struct channel *channel, const struct target *target,
                             struct quota *quota)
{
    struct search *search = calloc(1, sizeof *search);
    if (search == NULL)
        return NULL;
    search->channel = channel;
    search->target = target;
    search->quota = quota;
    search->fd = -1;
    ev_timer_init(&search->delay, on_delay, RESOLUTION_DELAY_MS / 1000., 0.);
    search->delay.data = search;
    return search;
}

void search_destroy(struct search *search)
{
    if (search == NULL)
        return;
    struct ev_loop *loop = search->channel->peer->context->loop;
    resolver_cancel(search->query);
    ev_timer_stop(loop, &search->delay);
    dialer_destroy(search->dialer);
    if (search->fd >= 0)
        tcp_stream_discard(loop, search->fd, search->dialer != NULL);
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
    struct ev_loop *loop = search->channel->peer->context->loop;
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
        ev_timer_stop(loop, &search->delay);
    } else if (answer.count > 0 && !search->needs_all && !ev_is_active(&search->delay)) {
        ev_timer_start(loop, &search->delay);
    }
}

static void on_answer(void *arg)
{
    struct search *search = arg;
    take_answer(search);
    if (search->is_resolved)
        wake(search);
}

void search_assume(struct search *search, const struct ip_addr *address, int fd)
{
    search->candidates[0] = (struct candidate){.address = *address};
    search->candidate_count = 1;
    search->is_resolved = true;
    search->resolved = RESOLVE_OK;
    search->fd = fd;
}

void search_leave_name(struct search *search)
{
    static const struct ip_addr none = {.family = IP_NONE};
    search_assume(search, &none, -1);
}

bool search_is_by_name(const struct search *search)
{
    return search->candidate_count == 1 && search->candidates[0].address.family == IP_NONE;
}

enum err search_resolve(struct search *search)
{
    const struct peer *peer = search->channel->peer;
    if (search->target->kind == TARGET_ADDRESS) {
        search_assume(search, &search->target->address, -1);
        return ERR_OK;
    }
    search->query = resolver_submit(peer->context->resolver, hostname_slice(&search->target->name),
                                    peer->account->id, on_answer, search);
    if (search->query == NULL)
        return ERR_MEMORY;
    take_answer(search);
    return ERR_OK;
}

enum err search_resolve_all(struct search *search)
{
    search->needs_all = true;
    return search_resolve(search);
}

bool search_has_found(const struct search *search, const struct ip_addr *address)
{
    return is_candidate(search, address);
}

// note_local fills in which candidates are of this machine, where that counts.
static void note_local(const struct admission *admission, struct candidate *candidates,
                       size_t count)
{
    if (!policy_is_own_port(admission->snapshot->policy, admission->target->port))
        return;
    for (size_t i = 0; i < count && candidates[i].address.family != IP_NONE; i++)
        candidates[i].is_local = address_is_local(&candidates[i].address);
}

// has_source tells whether the client's `egress` has an address of `family` that is of this machine.
static bool has_source(const struct client *client, enum ip_family family)
{
    for (size_t i = 0; i < client->egress_count; i++) {
        if (client->egress[i].family == family && address_is_local(&client->egress[i]))
            return true;
    }
    return false;
}

// choose_way takes the way of the first address that is admitted. Those of other ways are left out: a request takes one.
static void choose_way(struct search *search)
{
    bool has_way = false;
    search->via = NULL;
    for (size_t i = 0; i < search->candidate_count; i++) {
        struct candidate *candidate = &search->candidates[i];
        if (candidate->is_admitted && !has_way)
            search->via = candidate->via;
        has_way = has_way || candidate->is_admitted;
        candidate->is_admitted = candidate->is_admitted && via_equal(candidate->via, search->via);
        candidate->via = NULL;
    }
}

struct verdict search_judge(struct search *search, const struct admission *admission)
{
    const bool is_complete = search->query == NULL;
    struct candidate *candidates = search->candidates;
    const size_t count = search->candidate_count;
    note_local(admission, candidates, count);
    struct verdict verdict = admission_decide_addresses(admission, candidates, count, is_complete);
    choose_way(search);
    if (verdict.kind == VERDICT_GO && admission->client->egress_count > 0 &&
        via_equal(search->via, NULL))
        verdict = admission_decide_egress(&verdict, candidates, count, is_complete,
                                          has_source(admission->client, IP_V4),
                                          has_source(admission->client, IP_V6));
    const bool waits = verdict.kind == VERDICT_WAIT;
    search->judged_count = waits ? 0 : count;
    search->is_resolved = !waits;
    search->needs_all = search->needs_all || waits;
    return verdict;
}

void search_judge_late(struct search *search, const struct admission *admission)
{
    struct ip_addr admitted[RESOLVER_MAX_ADDRESSES];
    size_t count = 0;
    if (!search->has_late || search->is_dialled || search->dialer == NULL)
        return;
    search->has_late = false;
    while (search->judged_count < search->candidate_count) {
        struct candidate *candidate = &search->candidates[search->judged_count++];
        note_local(admission, candidate, 1);
        candidate->is_admitted = admission_judge_address(admission, candidate).is_by_rule &&
                                 !candidate->asks && // it was not in the question
                                 via_equal(candidate->via, NULL);
        if (candidate->is_admitted)
            admitted[count++] = candidate->address;
        candidate->via = NULL;
    }
    dialer_add(search->dialer, admitted, count, search->query != NULL);
}

struct standing search_judge_address(const struct admission *admission,
                                     const struct ip_addr *address, const char *parent)
{
    struct candidate candidate = {.address = *address};
    note_local(admission, &candidate, 1);
    struct standing standing = admission_judge_address(admission, &candidate);
    standing.is_admitted = standing.is_admitted && via_allows(candidate.via, parent);
    return standing;
}

bool search_sends_proxy(const struct admission *admission, const struct ip_addr *address)
{
    struct candidate candidate = {.address = *address};
    note_local(admission, &candidate, 1);
    return admission_judge_address(admission, &candidate).is_admitted && candidate.sends_proxy;
}

bool search_asks(const struct admission *admission, const struct ip_addr *address,
                 char out_rule[VERDICT_RULE_CAP])
{
    struct candidate candidate = {.address = *address};
    note_local(admission, &candidate, 1);
    return admission_asks(admission, &candidate, out_rule);
}

static void on_dialled(void *arg, enum dial_result result, int fd)
{
    struct search *search = arg;
    search->is_dialled = true;
    search->dialled = result;
    search->fd = fd;
    wake(search);
}

static bool on_take_place(void *arg)
{
    const struct search *search = arg;
    struct session_context *context = search->channel->peer->context;
    struct account *account = search->quota->account;
    if (!share_may_take(account->dials, context->dial_count, context->dial_max))
        return false;
    account->dials++;
    context->dial_count++;
    return true;
}

static void on_give_place(void *arg)
{
    const struct search *search = arg;
    count_down(&search->quota->account->dials);
    search->channel->peer->context->dial_count--;
}

// take_turn gives a number that rises with each request of a client: which of its egress addresses has its turn.
static uint32_t take_turn(struct session_context *context, const struct client *client)
{
    return context->egress_turns[((uintptr_t)client / sizeof *client) % EGRESS_TURNS]++;
}

enum err search_dial(struct search *search)
{
    const struct peer *peer = search->channel->peer;
    const struct client *client = peer->client;
    struct ip_addr admitted[RESOLVER_MAX_ADDRESSES];
    size_t admitted_count = 0;
    for (size_t i = 0; i < search->candidate_count; i++) {
        if (search->candidates[i].is_admitted)
            admitted[admitted_count++] = search->candidates[i].address;
    }
    const struct dialer_events events = {.on_done = on_dialled,
                                         .take_place = on_take_place,
                                         .give_place = on_give_place,
                                         .arg = search};
    const struct dialer_options options = {
        .addresses = admitted,
        .count = admitted_count,
        .port = search->target->port,
        .attempt_ms = peer->snapshot->timeouts.attempt_ms,
        .sources = client->egress,
        .source_count = client->egress_count,
        .source_turn = take_turn(peer->context, client),
        .expects_more = search->query != NULL,
    };
    search->dialer = dialer_start(peer->context->loop, &options, &events);
    return search->dialer == NULL ? ERR_MEMORY : ERR_OK;
}

enum err search_send_first(const struct search *search, struct slice bytes)
{
    return tcp_stream_send_first(search->fd, bytes);
}

bool search_is_silent(const struct search *search)
{
    return tcp_stream_is_silent(search->fd);
}

int search_take_fd(struct search *search)
{
    const int fd = search->fd;
    search->fd = -1;
    return fd;
}

struct ip_addr search_last_dialled(const struct search *search)
{
    if (search->dialer != NULL)
        return dialer_last_dialled(search->dialer);
    return search->fd >= 0 ? search->candidates[0].address : (struct ip_addr){0};
}
