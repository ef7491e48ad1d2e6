// Runs the resolver of the proxy on its own loop until the answer is complete.
#include "proxy/cli/lookup.h"

#include "proxy/net/dns_channel.h"
#include "proxy/net/resolver.h"

struct lookup {
    struct ev_loop *loop;          // owned
    struct resolver *resolver;     // owned
    struct resolver_query *query;  // owned
    struct resolver_answer answer; // what is known so far
    bool is_late;
};

static void on_more(void *arg)
{
    struct lookup *lookup = arg;
    ev_break(lookup->loop, EVBREAK_ALL);
}

static void on_late(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct lookup *lookup = timer->data;
    lookup->is_late = true;
    ev_break(loop, EVBREAK_ALL);
}

// wait runs the loop until everything is known, or the time is up.
static void wait(struct lookup *lookup, int64_t patience_ms)
{
    ev_timer timer;
    ev_timer_init(&timer, on_late, (ev_tstamp)patience_ms / 1000., 0.);
    timer.data = lookup;
    ev_timer_start(lookup->loop, &timer);
    resolver_query_read(lookup->query, &lookup->answer);
    while (!lookup->answer.is_complete && !lookup->is_late) {
        (void)ev_run(lookup->loop, 0);
        resolver_query_read(lookup->query, &lookup->answer);
    }
    ev_timer_stop(lookup->loop, &timer);
}

static const char *ask(struct lookup *lookup, const struct resolver_options *options,
                       int64_t patience_ms, struct slice name)
{
    struct errinfo info;
    lookup->loop = ev_loop_new(EVFLAG_NOENV);
    if (lookup->loop == NULL ||
        resolver_create(lookup->loop, options, &lookup->resolver, &info) != ERR_OK)
        return "that it cannot be asked here";
    lookup->query = resolver_submit(lookup->resolver, name, 0, on_more, lookup);
    if (lookup->query == NULL)
        return "that it cannot be asked here";
    wait(lookup, patience_ms);
    if (lookup->answer.count > 0)
        return NULL;
    return resolve_result_name(lookup->is_late ? RESOLVE_TIMED_OUT : lookup->answer.result);
}

const char *lookup(const struct resolver_options *options, int64_t patience_ms, struct slice name,
                   struct ip_addr *out, size_t cap, size_t *out_count)
{
    struct lookup lookup = {0};
    *out_count = 0;
    if (dns_channel_global_init() != ERR_OK)
        return "that it cannot be asked here";
    const char *why = ask(&lookup, options, patience_ms, name);
    for (size_t i = 0; why == NULL && i < lookup.answer.count && i < cap; i++)
        out[(*out_count)++] = lookup.answer.addresses[i];
    resolver_cancel(lookup.query);
    resolver_destroy(lookup.resolver);
    if (lookup.loop != NULL)
        ev_loop_destroy(lookup.loop);
    dns_channel_global_deinit();
    return why;
}
