// Holds the candidates between the resolver, the policy and the dialer.
#include "proxy/session/search.h"

#include <stdlib.h>

#include "proxy/net/sockaddr.h"
#include "proxy/net/tcp_stream.h"

enum { SEARCH_MAGIC = 0x5EA4C400 };

struct search {
    uint32_t magic;
    struct ev_loop *loop;        // borrowed
    const struct target *target; // borrowed from the exchange
    void (*wake)(void *owner);
    void *owner;                  // borrowed
    struct resolver_query *query; // token; NULL when none is open
    bool is_resolved;
    enum resolve_result resolved;
    struct dialer *dialer; // owned
    bool is_dialled;
    enum dial_result dialled;
    int fd; // owned; -1: none
    size_t candidate_count;
    struct candidate candidates[RESOLVER_MAX_ADDRESSES];
    size_t admitted_count;
    struct ip_addr admitted[RESOLVER_MAX_ADDRESSES];
};

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
    return search;
}

void search_destroy(struct search *search)
{
    if (search == NULL)
        return;
    resolver_cancel(search->query);
    dialer_destroy(search->dialer);
    if (search->fd >= 0) {
        struct tcp_stream unwanted;
        tcp_stream_init(&unwanted, search->loop, search->fd);
        stream_close(&unwanted.stream, true);
    }
    search->magic = 0;
    free(search);
}

static void on_resolved(void *arg, enum resolve_result result, const struct ip_addr *addresses,
                        size_t count)
{
    struct search *search = arg;
    ASSERT(search->magic == SEARCH_MAGIC);
    search->query = NULL;
    search->is_resolved = true;
    search->resolved = result;
    search->candidate_count = count;
    for (size_t i = 0; i < count; i++)
        search->candidates[i] = (struct candidate){.address = addresses[i]};
    search->wake(search->owner);
}

void search_assume(struct search *search, const struct ip_addr *address)
{
    search->candidates[0] = (struct candidate){.address = *address};
    search->candidate_count = 1;
    search->is_resolved = true;
    search->resolved = RESOLVE_OK;
}

enum err search_resolve(struct search *search, struct resolver *resolver)
{
    if (search->target->kind == TARGET_ADDRESS) {
        search_assume(search, &search->target->address);
        return ERR_OK;
    }
    search->query =
        resolver_submit(resolver, hostname_slice(&search->target->name), on_resolved, search);
    return search->query == NULL ? ERR_MEMORY : ERR_OK;
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
}

void search_judge(struct search *search, const struct policy *policy, const struct client *client,
                  const struct ip_addr *source, struct decision *out)
{
    judge(policy, client, source, search->target, search->candidates, search->candidate_count, out);
    search->admitted_count = 0;
    for (size_t i = 0; i < search->candidate_count; i++) {
        if (search->candidates[i].is_admitted)
            search->admitted[search->admitted_count++] = search->candidates[i].address;
    }
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

enum err search_dial(struct search *search, int64_t attempt_ms)
{
    const struct dialer_events events = {.on_done = on_dialled, .arg = search};
    const struct dialer_options options = {
        .addresses = search->admitted,
        .count = search->admitted_count,
        .port = search->target->port,
        .attempt_ms = attempt_ms,
    };
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
