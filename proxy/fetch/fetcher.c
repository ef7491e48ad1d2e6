// A few places. Each waiting connection is watched: what can be read from it makes it useless. One timer looks for those that
// have waited for too long.
#include "proxy/fetch/fetcher.h"

#include <stdlib.h>

#include "proxy/clock/clock.h"

enum { FETCHER_MAGIC = 0xFE7C4E50 };

// place holds one kept connection.
struct place {
    struct fetcher *fetcher;             // borrowed
    struct fetch_connection *connection; // owned; NULL: free
    int64_t since_ms;                    // monotonic
};

struct fetcher {
    uint32_t magic;
    struct fetcher_options options;
    size_t live_count;
    ev_timer sweep; // active while connections are kept
    struct place places[FETCHER_MAX_KEPT];
};

static void empty_place(struct place *place)
{
    fetch_connection_destroy(place->connection);
    place->connection = NULL;
}

// is_silent tells whether nothing has come; what belongs to TLS alone does not count.
static bool is_silent(struct fetch_connection *connection)
{
    uint8_t byte;
    size_t len = 0;
    return stream_read(fetch_connection_stream(connection), &byte, sizeof byte, &len) == ERR_AGAIN;
}

static void on_event(void *owner)
{
    struct place *place = owner;
    ASSERT(place->fetcher->magic == FETCHER_MAGIC);
    if (!is_silent(place->connection))
        empty_place(place);
}

static void start_sweep(struct fetcher *fetcher)
{
    ev_timer_stop(fetcher->options.path.loop, &fetcher->sweep);
    ev_timer_set(&fetcher->sweep, FETCHER_KEEP_MS / 1000., 0.);
    ev_timer_start(fetcher->options.path.loop, &fetcher->sweep);
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct fetcher *fetcher = timer->data;
    ASSERT(fetcher->magic == FETCHER_MAGIC);
    const int64_t now_ms = monotonic_ms();
    bool is_empty = true;
    for (size_t i = 0; i < FETCHER_MAX_KEPT; i++) {
        struct place *place = &fetcher->places[i];
        if (place->connection != NULL && now_ms - place->since_ms >= FETCHER_KEEP_MS)
            empty_place(place);
        is_empty = is_empty && place->connection == NULL;
    }
    if (!is_empty)
        start_sweep(fetcher);
}

struct fetcher *fetcher_create(const struct fetcher_options *options)
{
    ASSERT(options->max_kept <= FETCHER_MAX_KEPT);
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (fetcher == NULL)
        return NULL;
    fetcher->magic = FETCHER_MAGIC;
    fetcher->options = *options;
    ev_timer_init(&fetcher->sweep, on_sweep, 0., 0.);
    fetcher->sweep.data = fetcher;
    for (size_t i = 0; i < FETCHER_MAX_KEPT; i++)
        fetcher->places[i].fetcher = fetcher;
    return fetcher;
}

void fetcher_close_kept(struct fetcher *fetcher)
{
    for (size_t i = 0; i < FETCHER_MAX_KEPT; i++)
        empty_place(&fetcher->places[i]);
    ev_timer_stop(fetcher->options.path.loop, &fetcher->sweep);
}

void fetcher_adopt(struct fetcher *fetcher, struct resolver *resolver)
{
    if (fetcher == NULL)
        return;
    fetcher_close_kept(fetcher);
    fetcher->options.path.resolver = resolver;
}

void fetcher_destroy(struct fetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    ASSERT(fetcher->live_count == 0);
    fetcher_close_kept(fetcher);
    fetcher->magic = 0;
    free(fetcher);
}

size_t fetcher_live(const struct fetcher *fetcher)
{
    return fetcher->live_count;
}

const struct fetch_path *fetcher_path(const struct fetcher *fetcher)
{
    return &fetcher->options.path;
}

bool fetcher_enter(struct fetcher *fetcher)
{
    if (fetcher->live_count >= fetcher->options.max_at_once)
        return false;
    fetcher->live_count++;
    return true;
}

void fetcher_leave(struct fetcher *fetcher)
{
    ASSERT(fetcher->live_count > 0);
    fetcher->live_count--;
}

struct fetch_connection *fetcher_take(struct fetcher *fetcher, const struct http_url *url,
                                      const struct server_trust *tls)
{
    const int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < FETCHER_MAX_KEPT; i++) {
        struct place *place = &fetcher->places[i];
        if (place->connection == NULL || !fetch_connection_leads_to(place->connection, url, tls))
            continue;
        if (now_ms - place->since_ms >= FETCHER_KEEP_MS || !is_silent(place->connection)) {
            empty_place(place);
            continue;
        }
        struct fetch_connection *connection = place->connection;
        place->connection = NULL;
        return connection;
    }
    return NULL;
}

// best_place gives a free place among those that may be used, or that of the oldest.
static struct place *best_place(struct fetcher *fetcher)
{
    struct place *best = &fetcher->places[0];
    for (size_t i = 1; i < fetcher->options.max_kept && best->connection != NULL; i++) {
        struct place *place = &fetcher->places[i];
        if (place->connection == NULL || place->since_ms < best->since_ms)
            best = place;
    }
    return best;
}

void fetcher_keep(struct fetcher *fetcher, struct fetch_connection *connection)
{
    if (fetcher->options.max_kept == 0) {
        fetch_connection_destroy(connection);
        return;
    }
    struct place *place = best_place(fetcher);
    empty_place(place);
    place->connection = connection;
    place->since_ms = monotonic_ms();
    fetch_connection_set_owner(connection, on_event, place);
    stream_want(fetch_connection_stream(connection), true, false);
    if (!ev_is_active(&fetcher->sweep))
        start_sweep(fetcher);
}
