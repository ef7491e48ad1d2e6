// Where an answer comes from:
//
//   1. A query has a part for each family. What stands in the host table, or in the cache, is there at once.
//   2. Otherwise the part joins the question under way for the same name and type, or puts it.
//   3. An answer is kept as long as its TTL says, within the bounds, and copied to all parts that wait for it. An
//      answer that may not be kept is still the answer for those who asked meanwhile.
//   4. They are told from the loop, in the same pass, never from within resolver_submit.
//
// Cancelling a query does not end its questions: the next one who asks finds the answer in the cache.
#include "proxy/net/resolver.h"

#include <stdlib.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "auth/base/share.h"
#include "proxy/net/dns_cache.h"
#include "proxy/net/dns_client.h"

enum { RESOLVER_MAGIC = 0x4E501BE4, FAMILIES = 2, PENDING_BUCKETS = 256, HOLDER_BUCKETS = 64 };

enum part_state {
    PART_UNUSED,  // this family is not asked for
    PART_WAITING, // in the list of its question
    PART_ARRIVED, // in the resolver's list of those to be told
    PART_DONE,
};

struct part {
    enum part_state state;
    struct resolver_query *query; // borrowed; the one that this is part of
    TAILQ_ENTRY(part) link;       // of the list that `state` names
    struct pending *pending;      // borrowed; while waiting
    struct dns_answer answer;
};

TAILQ_HEAD(part_list, part);

struct resolver_query {
    struct resolver *resolver; // borrowed
    resolver_callback callback;
    void *arg;                   // borrowed
    struct part parts[FAMILIES]; // in the order of preference
};

// holder is who has questions under way; see share.h.
struct holder {
    LIST_ENTRY(holder) link;
    uint64_t id;
    uint64_t held; // questions, at least one
};

LIST_HEAD(holder_list, holder);

// pending is a question under way. It is known by its name and type; those who wait for it are borrowed.
struct pending {
    LIST_ENTRY(pending) link;
    struct holder *holder;     // counted; who has asked it
    struct resolver *resolver; // borrowed
    struct part_list waiting;
    enum dns_type type;
    uint8_t name_len;
    char name[]; // without a NUL
};

LIST_HEAD(pending_list, pending);

struct resolver {
    uint32_t magic;
    struct ev_loop *loop;      // borrowed
    struct dns_client *client; // owned
    struct dns_cache *cache;   // owned
    struct host_table *hosts;  // ref
    enum resolver_family family;
    int64_t min_ttl_ms;
    int64_t max_ttl_ms;
    size_t query_count;
    size_t pending_count;
    uint64_t question_count;
    ev_timer deliver; // fed, never started: calls on_deliver in this pass of the loop
    struct part_list arrived;
    struct pending_list pending[PENDING_BUCKETS]; // owned; by hash
    struct holder_list holders[HOLDER_BUCKETS];   // owned; by id
};

static int64_t now_ms(const struct resolver *resolver)
{
    return (int64_t)(ev_now(resolver->loop) * 1000.);
}

static void on_deliver(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct resolver *resolver = timer->data;
    ASSERT(resolver->magic == RESOLVER_MAGIC);
    struct part *part;
    while ((part = TAILQ_FIRST(&resolver->arrived)) != NULL) {
        TAILQ_REMOVE(&resolver->arrived, part, link);
        part->state = PART_DONE;
        part->query->callback(part->query->arg); // the query may be gone after it
    }
}

// ttl_ms bounds how long an answer is kept.
static int64_t ttl_ms(const struct resolver *resolver, const struct dns_answer *answer)
{
    const int64_t told_ms = (int64_t)answer->ttl_s * 1000;
    int64_t max_ms = RESOLVER_NEGATIVE_TTL_MS;
    if (answer->is_local)
        return 0;
    switch (answer->result) {
    case RESOLVE_OK:
        max_ms = resolver->max_ttl_ms;
        return told_ms > max_ms                 ? max_ms
               : told_ms < resolver->min_ttl_ms ? resolver->min_ttl_ms
                                                : told_ms;
    case RESOLVE_NOT_FOUND:
    case RESOLVE_NO_DATA:
        return told_ms > max_ms ? max_ms : told_ms;
    case RESOLVE_TIMED_OUT:
    case RESOLVE_FAILED:
        return RESOLVER_FAILURE_TTL_MS;
    case RESOLVE_CROWDED:
        return 0;
    }
    return 0;
}

static struct holder_list *holders_of(struct resolver *resolver, uint64_t id)
{
    return &resolver->holders[id % HOLDER_BUCKETS];
}

// find_holder gives NULL where nothing of it is under way.
static struct holder *find_holder(struct resolver *resolver, uint64_t id)
{
    struct holder *holder;
    LIST_FOREACH(holder, holders_of(resolver, id), link)
    {
        if (holder->id == id)
            return holder;
    }
    return NULL;
}

// count_question counts one more for a holder. NULL without memory.
static struct holder *count_question(struct resolver *resolver, uint64_t id)
{
    struct holder *holder = find_holder(resolver, id);
    if (holder == NULL) {
        holder = calloc(1, sizeof *holder);
        if (holder == NULL)
            return NULL;
        holder->id = id;
        LIST_INSERT_HEAD(holders_of(resolver, id), holder, link);
    }
    holder->held++;
    resolver->pending_count++;
    return holder;
}

// free_pending takes a question off the tables. No part waits for it.
static void free_pending(struct pending *pending)
{
    struct holder *holder = pending->holder;
    LIST_REMOVE(pending, link);
    pending->resolver->pending_count--;
    if (--holder->held == 0) {
        LIST_REMOVE(holder, link);
        free(holder);
    }
    free(pending);
}

static void on_answer(void *arg, const struct dns_answer *answer)
{
    struct pending *pending = arg;
    struct resolver *resolver = pending->resolver;
    const int64_t keep_ms = ttl_ms(resolver, answer);
    if (keep_ms > 0)
        dns_cache_put(resolver->cache, slice_of(pending->name, pending->name_len), pending->type,
                      answer, now_ms(resolver) + keep_ms);
    struct part *part;
    while ((part = TAILQ_FIRST(&pending->waiting)) != NULL) {
        TAILQ_REMOVE(&pending->waiting, part, link);
        part->state = PART_ARRIVED;
        part->pending = NULL;
        part->answer = *answer;
        TAILQ_INSERT_TAIL(&resolver->arrived, part, link);
    }
    free_pending(pending);
    if (!TAILQ_EMPTY(&resolver->arrived))
        ev_feed_event(resolver->loop, &resolver->deliver, EV_TIMER);
}

static void drop_pending(struct resolver *resolver)
{
    for (size_t i = 0; i < PENDING_BUCKETS; i++) {
        while (!LIST_EMPTY(&resolver->pending[i]))
            free_pending(LIST_FIRST(&resolver->pending[i]));
    }
}

enum err resolver_create(struct ev_loop *loop, const struct resolver_options *options,
                         struct resolver **out, struct errinfo *info)
{
    *out = NULL;
    struct dns_cache_options cache = {.max_entries = options->cache_entries,
                                      .max_bytes = options->cache_bytes};
    if (getrandom(cache.key, sizeof cache.key, 0) != sizeof cache.key)
        return errinfo_set(info, ERR_SYSTEM, "no randomness for a resolver");
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a resolver");
    resolver->magic = RESOLVER_MAGIC;
    resolver->loop = loop;
    resolver->family = options->family;
    resolver->min_ttl_ms = options->min_ttl_ms;
    resolver->max_ttl_ms = options->max_ttl_ms;
    resolver->hosts = host_table_ref(options->hosts);
    TAILQ_INIT(&resolver->arrived);
    for (size_t i = 0; i < PENDING_BUCKETS; i++)
        LIST_INIT(&resolver->pending[i]);
    for (size_t i = 0; i < HOLDER_BUCKETS; i++)
        LIST_INIT(&resolver->holders[i]);
    ev_timer_init(&resolver->deliver, on_deliver, 0., 0.);
    resolver->deliver.data = resolver;
    resolver->cache = dns_cache_create(&cache);
    enum err error = resolver->cache == NULL
                         ? errinfo_set(info, ERR_MEMORY, "no memory for a resolver")
                         : dns_client_create(loop, options, &resolver->client, info);
    if (error == ERR_OK)
        *out = resolver;
    else
        resolver_destroy(resolver);
    return error;
}

void resolver_destroy(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    ASSERT(resolver->query_count == 0);
    dns_client_destroy(resolver->client);
    drop_pending(resolver);
    dns_cache_destroy(resolver->cache);
    host_table_unref(resolver->hosts);
    (void)ev_clear_pending(resolver->loop, &resolver->deliver);
    resolver->magic = 0;
    free(resolver);
}

bool resolver_is_idle(const struct resolver *resolver)
{
    return resolver->query_count == 0;
}

static struct pending_list *bucket_of(struct resolver *resolver, struct slice name)
{
    return &resolver->pending[dns_cache_hash(resolver->cache, name) % PENDING_BUCKETS];
}

static struct pending *find_pending(struct resolver *resolver, struct slice name,
                                    enum dns_type type)
{
    struct pending *pending;
    LIST_FOREACH(pending, bucket_of(resolver, name), link)
    {
        if (pending->type == type && slice_equal(slice_of(pending->name, pending->name_len), name))
            return pending;
    }
    return NULL;
}

// may_ask tells whether a holder may ask one more question. Questions outlive the queries that asked them.
static bool may_ask(struct resolver *resolver, uint64_t id)
{
    const struct holder *holder = find_holder(resolver, id);
    return share_may_take(holder == NULL ? 0 : holder->held, resolver->pending_count,
                          RESOLVER_MAX_QUESTIONS);
}

// begin_question asks DNS and has the part wait for the answer. False: it could not be asked.
static bool begin_question(struct resolver *resolver, struct slice name, struct part *part,
                           enum dns_type type, uint64_t holder_id)
{
    struct pending *pending = calloc(1, sizeof *pending + name.len);
    struct holder *holder = pending == NULL ? NULL : count_question(resolver, holder_id);
    if (holder == NULL) {
        free(pending);
        return false;
    }
    pending->resolver = resolver;
    pending->holder = holder;
    pending->type = type;
    pending->name_len = (uint8_t)name.len;
    (void)bytes_copy(pending->name, name.len, name);
    TAILQ_INIT(&pending->waiting);
    TAILQ_INSERT_TAIL(&pending->waiting, part, link);
    part->state = PART_WAITING;
    part->pending = pending;
    LIST_INSERT_HEAD(bucket_of(resolver, name), pending, link);
    resolver->question_count++;
    if (dns_client_ask(resolver->client, name, type, on_answer, pending) == ERR_OK)
        return true;
    free_pending(pending);
    part->pending = NULL;
    return false;
}

// begin_part gets the answer for one family, from where it is nearest.
static void begin_part(struct resolver *resolver, struct slice name, struct part *part,
                       enum dns_type type, uint64_t holder_id)
{
    part->state = PART_DONE;
    if (dns_cache_get(resolver->cache, name, type, now_ms(resolver), &part->answer))
        return;
    struct pending *pending = find_pending(resolver, name, type);
    if (pending != NULL) {
        TAILQ_INSERT_TAIL(&pending->waiting, part, link);
        part->state = PART_WAITING;
        part->pending = pending;
        return;
    }
    const bool is_within = may_ask(resolver, holder_id);
    if (is_within && begin_question(resolver, name, part, type, holder_id))
        return;
    part->state = PART_DONE;
    part->answer = (struct dns_answer){.result = is_within ? RESOLVE_FAILED : RESOLVE_CROWDED};
}

// take_hosts fills a part from the entries of the host table.
static void take_hosts(struct part *part, enum ip_family family, const struct host_entry *entries,
                       size_t count)
{
    struct dns_answer *answer = &part->answer;
    part->state = PART_DONE;
    for (size_t i = 0; i < count && answer->count < DNS_MAX_ADDRESSES; i++) {
        if (entries[i].address.family == family)
            answer->addresses[answer->count++] = entries[i].address;
    }
    answer->result = answer->count > 0 ? RESOLVE_OK : RESOLVE_NO_DATA;
}

struct resolver_query *resolver_submit(struct resolver *resolver, struct slice name,
                                       uint64_t holder_id, resolver_callback callback, void *arg)
{
    static const enum dns_type types[] = {DNS_TYPE_AAAA, DNS_TYPE_A};
    static const enum ip_family families[] = {IP_V6, IP_V4};
    struct resolver_query *query = NULL;
    if (name.len == 0 || name.len > DNS_NAME_MAX || (query = calloc(1, sizeof *query)) == NULL)
        return NULL;
    query->resolver = resolver;
    query->callback = callback;
    query->arg = arg;
    resolver->query_count++;
    size_t host_count = 0;
    const struct host_entry *hosts = host_table_find_known(resolver->hosts, name, &host_count);
    for (size_t i = 0; i < FAMILIES; i++) {
        const bool is_swapped = resolver->family == RESOLVER_PREFER_IPV4;
        struct part *part = &query->parts[is_swapped ? FAMILIES - 1 - i : i];
        part->query = query;
        if (resolver->family == (families[i] == IP_V6 ? RESOLVER_IPV4 : RESOLVER_IPV6))
            continue;
        if (host_count > 0)
            take_hosts(part, families[i], hosts, host_count);
        else
            begin_part(resolver, name, part, types[i], holder_id);
    }
    return query;
}

static bool is_there(const struct part *part)
{
    return part->state == PART_ARRIVED || part->state == PART_DONE;
}

// worse_result gives the one that says more about why there is no address: trouble before absence.
static enum resolve_result worse_result(enum resolve_result a, enum resolve_result b)
{
    return a > b ? a : b;
}

void resolver_query_read(const struct resolver_query *query, struct resolver_answer *out)
{
    const struct part *first = &query->parts[0];
    const struct part *second = &query->parts[1];
    if (first->state == PART_UNUSED) {
        first = second;
        second = &query->parts[0];
    }
    *out = (struct resolver_answer){.result = RESOLVE_NOT_FOUND, .is_complete = true};
    const struct part *const parts[] = {first, second};
    size_t most = 0;
    for (size_t i = 0; i < FAMILIES; i++) {
        const struct part *part = parts[i];
        if (part->state == PART_UNUSED)
            continue;
        if (!is_there(part)) {
            out->is_complete = false;
            continue;
        }
        most = part->answer.count > most ? part->answer.count : most;
        if (part->answer.aliases.count > out->aliases.count)
            out->aliases = part->answer.aliases;
        if (part->answer.result != RESOLVE_OK)
            out->result = worse_result(out->result, part->answer.result);
    }
    out->has_preferred = is_there(first) && first->answer.count > 0;
    for (size_t i = 0; i < most; i++) {
        for (size_t j = 0; j < FAMILIES; j++) {
            if (is_there(parts[j]) && i < parts[j]->answer.count)
                out->addresses[out->count++] = parts[j]->answer.addresses[i];
        }
    }
    if (out->count > 0)
        out->result = RESOLVE_OK;
}

void resolver_cancel(struct resolver_query *query)
{
    if (query == NULL)
        return;
    for (size_t i = 0; i < FAMILIES; i++) {
        struct part *part = &query->parts[i];
        switch (part->state) {
        case PART_WAITING:
            TAILQ_REMOVE(&part->pending->waiting, part, link);
            break;
        case PART_ARRIVED:
            TAILQ_REMOVE(&query->resolver->arrived, part, link);
            break;
        case PART_UNUSED:
        case PART_DONE:
            break;
        }
    }
    query->resolver->query_count--;
    free(query);
}

uint64_t resolver_questions(const struct resolver *resolver)
{
    return resolver->question_count;
}
