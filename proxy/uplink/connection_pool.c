// A tunnel goes to the connection with the fewest users. While there may be more connections, and the best one has a user
// already, another one is begun: so tunnels are spread, and none of them waits for it where a connection is ready.
#include "proxy/uplink/connection_pool.h"

#include <stdlib.h>

#include "proxy/clock/clock.h"
#include "proxy/loop/deadline.h"

enum {
    CONNECTION_MAGIC = 0xC0442EC7,
    STREAMS_MAX = 256,                // of a connection, whatever the proxy allows
    STREAM_WINDOW_MAX = 256 * 1024,   // bytes
    STREAMS_MEMORY = 8 * 1024 * 1024, // bytes that wait to be read, of all streams of a connection
    UNSENT_MAX = 64 * 1024, // bytes in the kernel: a small message waits for no more of bulk
    IDLE_MS = 60000,        // without a tunnel
    PLAIN_MS = 60000,       // a proxy without HTTP/2 is asked for it again
    RETRY_MS = 1000,
    TURN_US = 10000, // of a pass of the loop
    // Streams of a connection that are left before they are answered, until it takes no more. With those that are open then
    // they stay below what a proxy ends a connection for (see http2_budget.c): one user must not end the others' tunnels.
    VAIN_MAX = 200,
};

TAILQ_HEAD(connection_users, connection_user);

struct connection {
    uint32_t magic;
    struct connection_pool *pool; // borrowed
    TAILQ_ENTRY(connection) link;
    struct upstream *upstream;     // owned; NULL: somebody has taken it
    struct http2_session *http2;   // owned; NULL before it is ready
    struct connection_users users; // borrowed
    size_t user_count;
    enum upstream_state state;
    struct turn_entry turn;
    struct deadline deadline;
    int64_t unused_ms; // monotonic; since it has no user
    bool was_used;
    bool is_plain;   // the proxy has chosen HTTP/1.1
    bool is_over;    // it carries nothing more
    bool is_retired; // it takes no more tunnels
    bool is_shunned; // others are better: the proxy has refused there, or was silent
    bool is_driven;  // within drive
};

static void drive(void *owner);

static void on_wake(void *owner)
{
    struct connection *connection = owner;
    ASSERT(connection->magic == CONNECTION_MAGIC);
    drive(connection);
}

static struct ev_loop *loop_of(const struct connection *connection)
{
    return connection->pool->route->loop;
}

// is_leaving tells whether a connection ends with its last user: the proxy, or the credentials, have seen to that.
static bool is_leaving(const struct connection *connection)
{
    return connection->is_over || connection->is_retired ||
           (connection->http2 != NULL && connection->http2->is_leaving);
}

// is_worn tells whether too many have left it before they were answered.
static bool is_worn(const struct connection *connection)
{
    return connection->http2 != NULL && connection->http2->vain_count >= VAIN_MAX;
}

// is_unwanted tells whether a connection without a user has no reason to be.
static bool is_unwanted(const struct connection *connection)
{
    const bool is_in_vain = connection->http2 == NULL && connection->was_used;
    return connection->user_count == 0 &&
           (is_leaving(connection) || is_worn(connection) || connection->is_shunned || is_in_vain);
}

// say_goodbye ends the connection in an orderly way, as far as the proxy lets us.
static void say_goodbye(struct connection *connection)
{
    if (connection->http2 == NULL || connection->is_over)
        return;
    http2_session_drain(connection->http2, true);
    http2_session_flush(connection->http2);
    if (stream_finish(upstream_stream(connection->upstream)) != ERR_OK) {
        // It has ended already, or takes nothing more.
    }
}

static void destroy(struct connection *connection)
{
    ASSERT(connection->user_count == 0);
    deadline_stop(&connection->deadline, loop_of(connection));
    turn_leave(&connection->turn);
    http2_session_destroy(connection->http2);
    upstream_destroy(connection->upstream, false);
    TAILQ_REMOVE(&connection->pool->all, connection, link);
    connection->magic = 0;
    free(connection);
}

// wake_users wakes each user once. A user that is woken may leave.
static void wake_users(struct connection *connection)
{
    for (size_t left = connection->user_count; left > 0 && connection->user_count > 0; left--) {
        struct connection_user *user = TAILQ_FIRST(&connection->users);
        TAILQ_REMOVE(&connection->users, user, link);
        TAILQ_INSERT_TAIL(&connection->users, user, link);
        user->wake(user->owner);
    }
}

// begin_http2 begins to speak HTTP/2 where the proxy does, too.
static void begin_http2(struct connection *connection)
{
    static const struct http2_options options = {
        .streams = STREAMS_MAX, .window = STREAM_WINDOW_MAX, .memory = STREAMS_MEMORY};
    struct proxy_route *route = connection->pool->route;
    if (!upstream_is_http2(connection->upstream)) {
        connection->is_plain = true;
        connection->is_over = true;
        connection->pool->plain_until_ms = monotonic_ms() + PLAIN_MS;
        return;
    }
    upstream_limit_unsent(connection->upstream, UNSENT_MAX);
    connection->http2 =
        http2_client_create(&options, upstream_stream(connection->upstream), route->pool);
    connection->is_over = connection->http2 == NULL;
    if (connection->http2 != NULL)
        connection->http2->silence.heard_ms = monotonic_ms();
}

// reach goes on with a connection that is not ready.
static void reach(struct connection *connection)
{
    const enum upstream_state before = connection->state;
    connection->state = upstream_step(connection->upstream);
    if (connection->state == UPSTREAM_READY)
        begin_http2(connection);
    if (connection->state == UPSTREAM_FAILED) {
        connection->is_over = true;
        connection->pool->retry_ms = monotonic_ms() + RETRY_MS;
    }
    if (connection->state != before)
        wake_users(connection);
}

// step moves frames.
static void step(struct connection *connection)
{
    struct http2_session *http2 = connection->http2;
    switch (http2_session_step(http2, monotonic_ms())) {
    case HTTP2_WAITS:
        break;
    case HTTP2_MORE:
        turn_enqueue(&connection->pool->due, &connection->turn, connection);
        break;
    case HTTP2_FINISHED:
    case HTTP2_BROKEN:
    case HTTP2_WRONG:
        connection->is_over = true;
        break;
    }
    connection->is_over = connection->is_over || http2->has_end;
    if (connection->is_over)
        wake_users(connection);
}

static int64_t due_ms(const struct connection *connection)
{
    if (connection->http2 == NULL)
        return INT64_MAX; // upstream has the deadlines
    if (connection->user_count == 0)
        return connection->unused_ms + IDLE_MS;
    return http2_silence_ends_ms(&connection->http2->silence);
}

static void on_deadline(void *owner)
{
    struct connection *connection = owner;
    ASSERT(connection->magic == CONNECTION_MAGIC);
    if (due_ms(connection) <= monotonic_ms()) {
        if (connection->user_count == 0)
            connection->is_retired = true;
        else
            http2_session_end_silence(connection->http2);
    }
    drive(connection);
}

// drive does what can be done now. It may free the connection.
static void drive(void *owner)
{
    struct connection *connection = owner;
    connection->is_driven = true;
    if (connection->http2 == NULL && !connection->is_over)
        reach(connection);
    if (connection->http2 != NULL && !connection->is_over)
        step(connection);
    connection->is_driven = false;
    if (is_unwanted(connection)) {
        say_goodbye(connection);
        destroy(connection);
        return;
    }
    if (connection->http2 != NULL && !connection->is_over)
        http2_session_update_interest(connection->http2);
    else if (connection->is_over && connection->upstream != NULL &&
             connection->state == UPSTREAM_READY)
        stream_want(upstream_stream(connection->upstream), false, false);
    deadline_set(&connection->deadline, loop_of(connection),
                 connection->is_over ? INT64_MAX : due_ms(connection), monotonic_ms());
}

static struct connection *begin(struct connection_pool *pool)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->upstream = upstream_create(pool->route, true, on_wake, connection);
    if (connection->upstream == NULL) {
        free(connection);
        return NULL;
    }
    connection->magic = CONNECTION_MAGIC;
    connection->pool = pool;
    connection->state = UPSTREAM_RESOLVE;
    connection->unused_ms = monotonic_ms();
    TAILQ_INIT(&connection->users);
    deadline_init(&connection->deadline, on_deadline, connection);
    TAILQ_INSERT_TAIL(&pool->all, connection, link);
    turn_enqueue(&pool->due, &connection->turn, connection); // it may have failed already
    return connection;
}

// is_worse tells whether others are better: it is shunned, or its proxy is down.
static bool is_worse(const struct connection *connection)
{
    return connection->is_shunned ||
           (connection->upstream != NULL && upstream_is_down(connection->upstream));
}

static bool has_room(const struct connection *connection)
{
    if (is_leaving(connection) || is_worn(connection))
        return false;
    return connection->http2 == NULL ? connection->user_count < STREAMS_MAX
                                     : http2_session_room(connection->http2) > 0;
}

// is_better tells whether `a` is the better place for a tunnel: one that is not worse than others, then one that is ready,
// then one with fewer users. NULL is none.
static bool is_better(const struct connection *a, const struct connection *b)
{
    if (b == NULL || is_worse(a) != is_worse(b))
        return b == NULL || is_worse(b);
    if ((a->http2 == NULL) != (b->http2 == NULL))
        return a->http2 != NULL;
    return a->user_count < b->user_count;
}

// may_begin tells whether there may be one more connection, where `best` is the best that there is. Those that are worse
// or worn leave room for others once: otherwise a proxy that refuses would get one for each refusal.
static bool may_begin(const struct connection_pool *pool, const struct connection *best)
{
    const struct connection *connection = NULL;
    size_t good_count = 0;
    size_t all_count = 0;
    if (monotonic_ms() < pool->retry_ms ||
        (best != NULL && !is_worse(best) && best->user_count == 0))
        return false;
    TAILQ_FOREACH(connection, &pool->all, link)
    {
        const bool is_good = !is_worse(connection) && !is_worn(connection);
        all_count += is_leaving(connection) ? 0 : 1;
        good_count += !is_leaving(connection) && is_good ? 1 : 0;
    }
    return good_count < pool->most && all_count < 2 * pool->most;
}

bool connection_pool_join(struct connection_pool *pool, struct connection_user *user)
{
    struct connection *best = NULL;
    struct connection *connection = NULL;
    if (pool->most == 0 || monotonic_ms() < pool->plain_until_ms)
        return false;
    TAILQ_FOREACH(connection, &pool->all, link)
    {
        if (has_room(connection) && is_better(connection, best))
            best = connection;
    }
    if (may_begin(pool, best)) {
        struct connection *fresh = begin(pool);
        if (fresh != NULL && is_better(fresh, best))
            best = fresh;
    }
    if (best == NULL)
        return false;
    user->connection = best;
    TAILQ_INSERT_TAIL(&best->users, user, link);
    best->user_count++;
    best->was_used = true;
    return true;
}

void connection_leave(struct connection_user *user)
{
    struct connection *connection = user->connection;
    if (connection == NULL)
        return;
    TAILQ_REMOVE(&connection->users, user, link);
    user->connection = NULL;
    connection->user_count--;
    connection->unused_ms = monotonic_ms();
    turn_enqueue(&connection->pool->due, &connection->turn, connection);
}

void connection_shun(struct connection *connection)
{
    connection->is_shunned = true;
    if (connection->upstream != NULL)
        upstream_shun(connection->upstream);
}

enum upstream_state connection_state(const struct connection *connection)
{
    return connection->is_over && !connection->is_plain ? UPSTREAM_FAILED : connection->state;
}

bool connection_is_plain(const struct connection *connection)
{
    return connection->is_plain;
}

struct upstream *connection_take_upstream(struct connection *connection)
{
    struct upstream *upstream = connection->upstream;
    connection->upstream = NULL;
    return upstream;
}

struct http2_session *connection_http2(const struct connection *connection)
{
    return connection->http2;
}

bool connection_is_over(const struct connection *connection)
{
    return connection->is_over;
}

void connection_flush(struct connection *connection)
{
    if (!connection->is_driven)
        turn_enqueue(&connection->pool->due, &connection->turn, connection);
}

const struct target *connection_proxy(const struct connection *connection)
{
    return upstream_proxy(connection->upstream);
}

struct failure connection_failure(const struct connection *connection)
{
    return upstream_failure(connection->upstream);
}

void connection_pool_start(struct connection_pool *pool)
{
    TAILQ_INIT(&pool->all);
    turn_init(&pool->due, pool->route->loop, 0, TURN_US, on_wake);
}

void connection_pool_stop(struct connection_pool *pool)
{
    struct connection *connection = NULL;
    if (pool->route == NULL)
        return;
    while ((connection = TAILQ_FIRST(&pool->all)) != NULL) {
        say_goodbye(connection);
        destroy(connection);
    }
    turn_stop(&pool->due);
}

void connection_pool_retire(struct connection_pool *pool)
{
    struct connection *connection = NULL;
    TAILQ_FOREACH(connection, &pool->all, link)
    {
        connection->is_retired = true;
        turn_enqueue(&pool->due, &connection->turn, connection);
    }
}
