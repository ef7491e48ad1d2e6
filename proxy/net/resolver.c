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

#include "auth/base/share.h"
#include "proxy/net/dns_cache.h"
#include "proxy/net/dns_client.h"

enum { RESOLVER_MAGIC = 0x4E501BE4, FAMILIES = 2, PENDING_BUCKETS = 256, HOLDER_BUCKETS = 64 };

enum part_state {
    PART_WAITING, // in the list of its question
    PART_ARRIVED, // in the resolver's list of those to be told
    PART_DONE,    // in no list
};

struct part {
    enum part_state state;
    struct resolver_query *query; // borrowed; the one that this is part of
    LIST_ENTRY(part) link;
    struct dns_answer answer; // where it is not waiting
};

LIST_HEAD(part_list, part);

struct resolver_query {
    struct resolver *resolver; // borrowed
    resolver_callback callback;
    void *arg; // borrowed
    size_t part_count;
    struct part parts[FAMILIES]; // in the order of preference
};

// holder is who has questions under way; see share.h.
struct holder {
    LIST_ENTRY(holder) link;
    uint64_t id;
    uint64_t held; // questions, at least one
};

LIST_HEAD(holder_list, holder);

// place_query is a question about a service. It stays until DNS has answered, also where nobody wants to know any more.
struct place_query {
    struct dns_question question; // first
    LIST_ENTRY(place_query) link;
    struct resolver *resolver;  // borrowed
    resolver_callback callback; // NULL: it was cancelled, or has been called
    void *arg;                  // borrowed
    int64_t begun_ms;
    bool is_answered;
    struct dns_answer answer; // its `places` is `list`
    struct srv_list list;
};

LIST_HEAD(place_query_list, place_query);

// pending is a question under way, with the parts that wait for it.
struct pending {
    struct dns_question question; // first
    LIST_ENTRY(pending) link;
    struct holder *holder;     // counted; the client that has asked it
    struct resolver *resolver; // borrowed
    struct part_list waiting;  // borrowed; the youngest first
    int64_t begun_ms;
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
    bool is_retired;    // frees itself when the last query has been cancelled,
    bool is_delivering; // but not from within on_deliver
    size_t query_count;
    size_t pending_count;
    uint64_t question_count;
    struct resolver_counters *counters; // borrowed; NULL: nobody wants to know
    ev_timer deliver; // fed, never started: calls on_deliver in this pass of the loop
    struct part_list arrived;
    struct place_query_list asked_places; // owned while they are not answered; then their owners'
    struct pending_list pending[PENDING_BUCKETS]; // owned; by hash
    struct holder_list holders[HOLDER_BUCKETS];   // owned; by id
};

static int64_t now_ms(const struct resolver *resolver)
{
    return (int64_t)(ev_now(resolver->loop) * 1000.);
}

static void free_retired(struct resolver *resolver)
{
    if (resolver->is_retired && resolver->query_count == 0 && !resolver->is_delivering)
        resolver_destroy(resolver);
}

// next_answered gives a query whose answer its owner has not heard of.
static struct place_query *next_answered(const struct resolver *resolver)
{
    struct place_query *query;
    LIST_FOREACH(query, &resolver->asked_places, link)
    {
        if (query->is_answered && query->callback != NULL)
            return query;
    }
    return NULL;
}

static void deliver_places(struct resolver *resolver)
{
    struct place_query *query;
    while ((query = next_answered(resolver)) != NULL) {
        const resolver_callback callback = query->callback;
        query->callback = NULL;
        callback(query->arg); // the query may be gone after it
    }
}

static void on_deliver(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct resolver *resolver = timer->data;
    ASSERT(resolver->magic == RESOLVER_MAGIC);
    struct part *part;
    resolver->is_delivering = true;
    deliver_places(resolver);
    while ((part = LIST_FIRST(&resolver->arrived)) != NULL) {
        LIST_REMOVE(part, link);
        part->state = PART_DONE;
        part->query->callback(part->query->arg); // the query may be gone after it
    }
    resolver->is_delivering = false;
    free_retired(resolver);
}

// ttl_ms bounds how long an answer is kept.
static int64_t ttl_ms(const struct resolver *resolver, const struct dns_answer *answer)
{
    if (answer->is_local)
        return 0;
    if (answer->result == RESOLVE_TIMED_OUT || answer->result == RESOLVE_FAILED)
        return RESOLVER_FAILURE_TTL_MS;
    const bool is_good = answer->result == RESOLVE_OK;
    const int64_t told_ms = (int64_t)answer->ttl_s * 1000;
    const int64_t max_ms = is_good ? resolver->max_ttl_ms : RESOLVER_NEGATIVE_TTL_MS;
    const int64_t min_ms = is_good ? resolver->min_ttl_ms : 0;
    return told_ms > max_ms ? max_ms : told_ms < min_ms ? min_ms : told_ms;
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

static void count_answer(const struct resolver *resolver, int64_t begun_ms,
                         const struct dns_answer *answer)
{
    if (resolver->counters == NULL)
        return;
    resolver->counters->answers[answer->result]++;
    histogram_note(&resolver->counters->time, &histogram_waits, now_ms(resolver) - begun_ms);
}

static void free_place_query(struct place_query *query)
{
    LIST_REMOVE(query, link);
    free(query);
}

// take_places keeps the answer about a service for its owner.
static void take_places(struct place_query *query, const struct dns_answer *answer)
{
    struct resolver *resolver = query->resolver;
    count_answer(resolver, query->begun_ms, answer);
    if (query->callback == NULL) {
        free_place_query(query);
        return;
    }
    query->is_answered = true;
    query->answer = *answer;
    if (answer->places != NULL)
        query->list = *answer->places;
    query->answer.places = &query->list;
    ev_feed_event(resolver->loop, &resolver->deliver, EV_TIMER);
}

static void on_answer(struct dns_question *question, const struct dns_answer *answer)
{
    if (question->type == DNS_TYPE_SRV) {
        take_places((struct place_query *)question, answer);
        return;
    }
    struct pending *pending = (struct pending *)question;
    struct resolver *resolver = pending->resolver;
    count_answer(resolver, pending->begun_ms, answer);
    const int64_t keep_ms = ttl_ms(resolver, answer);
    if (keep_ms > 0)
        dns_cache_put(resolver->cache, slice_of_string(question->name), question->type, answer,
                      now_ms(resolver) + keep_ms);
    struct part *part;
    while ((part = LIST_FIRST(&pending->waiting)) != NULL) {
        LIST_REMOVE(part, link);
        part->state = PART_ARRIVED;
        part->answer = *answer;
        // the one that has waited longest is first
        LIST_INSERT_HEAD(&resolver->arrived, part, link);
    }
    free_pending(pending);
    if (!LIST_EMPTY(&resolver->arrived))
        ev_feed_event(resolver->loop, &resolver->deliver, EV_TIMER);
}

static void drop_pending(struct resolver *resolver)
{
    for (size_t i = 0; i < PENDING_BUCKETS; i++) {
        while (!LIST_EMPTY(&resolver->pending[i]))
            free_pending(LIST_FIRST(&resolver->pending[i]));
    }
    while (!LIST_EMPTY(&resolver->asked_places))
        free_place_query(LIST_FIRST(&resolver->asked_places));
}

enum err resolver_create(struct ev_loop *loop, const struct resolver_options *options,
                         struct resolver **out, struct errinfo *info)
{
    *out = NULL;
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a resolver");
    resolver->magic = RESOLVER_MAGIC;
    resolver->loop = loop;
    resolver->family = options->family;
    resolver->min_ttl_ms = options->min_ttl_ms;
    resolver->max_ttl_ms = options->max_ttl_ms;
    resolver->hosts = host_table_ref(options->hosts);
    ev_timer_init(&resolver->deliver, on_deliver, 0., 0.);
    resolver->deliver.data = resolver;
    resolver->cache = dns_cache_create(options->cache_entries, options->cache_bytes);
    enum err error = resolver->cache == NULL
                         ? errinfo_set(info, ERR_MEMORY, "no memory for a resolver")
                         : dns_client_create(loop, options, on_answer, &resolver->client, info);
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

void resolver_count_into(struct resolver *resolver, struct resolver_counters *counters)
{
    resolver->counters = counters;
}

void resolver_retire(struct resolver *resolver)
{
    resolver->is_retired = true;
    free_retired(resolver);
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
        if (pending->question.type == type &&
            slice_equal(slice_of_string(pending->question.name), name))
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

// begin_question puts a question to DNS. NULL without memory.
static struct pending *begin_question(struct resolver *resolver, struct slice name,
                                      enum dns_type type, uint64_t holder_id)
{
    struct pending *pending = calloc(1, sizeof *pending);
    if (pending == NULL || (pending->holder = count_question(resolver, holder_id)) == NULL) {
        free(pending);
        return NULL;
    }
    pending->resolver = resolver;
    pending->begun_ms = now_ms(resolver);
    pending->question.type = type;
    ASSERT(string_copy(pending->question.name, sizeof pending->question.name, name));
    LIST_INSERT_HEAD(bucket_of(resolver, name), pending, link);
    resolver->question_count++;
    return pending;
}

// begin_part gets the answer for one family: from the cache, or from a question under way, or by asking.
static void begin_part(struct resolver *resolver, struct slice name, struct part *part,
                       enum dns_type type, uint64_t holder_id)
{
    if (dns_cache_get(resolver->cache, name, type, now_ms(resolver), &part->answer)) {
        if (resolver->counters != NULL)
            resolver->counters->cached++;
        return;
    }
    struct pending *known = find_pending(resolver, name, type);
    struct pending *pending = known;
    part->answer.result = RESOLVE_TOO_MANY;
    if (known == NULL && !may_ask(resolver, holder_id))
        return;
    part->answer.result = RESOLVE_FAILED;
    if (known == NULL && (pending = begin_question(resolver, name, type, holder_id)) == NULL)
        return;
    part->state = PART_WAITING;
    LIST_INSERT_HEAD(&pending->waiting, part, link);
    if (known == NULL)
        dns_client_ask(resolver->client, &pending->question);
}

// take_hosts fills a part from the entries of the host table.
static void take_hosts(struct part *part, enum ip_family family, const struct host_entry *entries,
                       size_t count)
{
    struct dns_answer *answer = &part->answer;
    for (size_t i = 0; i < count && answer->count < DNS_MAX_ADDRESSES; i++) {
        if (entries[i].address.family == family)
            answer->addresses[answer->count++] = entries[i].address;
    }
    answer->result = answer->count > 0 ? RESOLVE_OK : RESOLVE_NO_DATA;
}

struct resolver_query *resolver_submit(struct resolver *resolver, struct slice name,
                                       uint64_t holder_id, resolver_callback callback, void *arg)
{
    static const enum ip_family families[][FAMILIES] = {
        [RESOLVER_ANY] = {IP_V6, IP_V4},
        [RESOLVER_IPV4] = {IP_V4},
        [RESOLVER_IPV6] = {IP_V6},
        [RESOLVER_PREFER_IPV4] = {IP_V4, IP_V6},
    };
    struct resolver_query *query = NULL;
    if (name.len == 0 || name.len > DNS_NAME_MAX || (query = calloc(1, sizeof *query)) == NULL)
        return NULL;
    query->resolver = resolver;
    query->callback = callback;
    query->arg = arg;
    resolver->query_count++;
    size_t host_count = 0;
    const struct host_entry *hosts = host_table_find_known(resolver->hosts, name, &host_count);
    for (size_t i = 0; i < FAMILIES && families[resolver->family][i] != IP_NONE; i++) {
        const enum ip_family family = families[resolver->family][i];
        struct part *part = &query->parts[query->part_count++];
        *part = (struct part){.state = PART_DONE, .query = query};
        if (host_count > 0)
            take_hosts(part, family, hosts, host_count);
        else
            begin_part(resolver, name, part, family == IP_V6 ? DNS_TYPE_AAAA : DNS_TYPE_A,
                       holder_id);
    }
    return query;
}

void resolver_query_read(const struct resolver_query *query, struct resolver_answer *out)
{
    size_t most = 0;
    *out = (struct resolver_answer){.result = RESOLVE_NOT_FOUND, .is_complete = true};
    for (size_t i = 0; i < query->part_count; i++) {
        const struct dns_answer *answer = &query->parts[i].answer;
        if (query->parts[i].state == PART_WAITING) {
            out->is_complete = false;
            continue;
        }
        out->has_preferred = out->has_preferred || (i == 0 && answer->count > 0);
        most = answer->count > most ? answer->count : most;
        if (answer->aliases.count > out->aliases.count)
            out->aliases = answer->aliases;
        // The one that says more about why there is no address counts: trouble before absence.
        if (answer->result != RESOLVE_OK && answer->result > out->result)
            out->result = answer->result;
    }
    for (size_t i = 0; i < most; i++) {
        for (size_t j = 0; j < query->part_count; j++) {
            if (query->parts[j].state != PART_WAITING && i < query->parts[j].answer.count)
                out->addresses[out->count++] = query->parts[j].answer.addresses[i];
        }
    }
    if (out->count > 0)
        out->result = RESOLVE_OK;
}

void resolver_cancel(struct resolver_query *query)
{
    if (query == NULL)
        return;
    for (size_t i = 0; i < query->part_count; i++) {
        if (query->parts[i].state != PART_DONE)
            LIST_REMOVE(&query->parts[i], link);
    }
    query->resolver->query_count--;
    free_retired(query->resolver);
    free(query);
}

struct place_query *resolver_ask_places(struct resolver *resolver, struct slice name,
                                        resolver_callback callback, void *arg)
{
    struct place_query *query = NULL;
    if (name.len == 0 || name.len > DNS_NAME_MAX || (query = calloc(1, sizeof *query)) == NULL)
        return NULL;
    query->resolver = resolver;
    query->callback = callback;
    query->arg = arg;
    query->begun_ms = now_ms(resolver);
    query->question.type = DNS_TYPE_SRV;
    ASSERT(string_copy(query->question.name, sizeof query->question.name, name));
    LIST_INSERT_HEAD(&resolver->asked_places, query, link);
    resolver->query_count++;
    resolver->question_count++;
    dns_client_ask(resolver->client, &query->question);
    return query;
}

void place_query_read(const struct place_query *query, struct place_answer *out)
{
    *out = (struct place_answer){.result = query->answer.result,
                                 .keep_ms = ttl_ms(query->resolver, &query->answer),
                                 .list = &query->list};
}

void place_query_cancel(struct place_query *query)
{
    if (query == NULL)
        return;
    struct resolver *resolver = query->resolver;
    resolver->query_count--;
    query->callback = NULL;
    if (query->is_answered)
        free_place_query(query);
    free_retired(resolver); // frees those that nobody has answered, too
}

uint64_t resolver_questions(const struct resolver *resolver)
{
    return resolver->question_count;
}
