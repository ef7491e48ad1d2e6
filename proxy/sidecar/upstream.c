// The way to a proxy:
//   1. Resolve its name, unless an answer of the last seconds is at hand. When DNS fails, an older answer
//      will do: the certificate tells whether it is still the proxy.
//   2. Dial. Addresses that were remembered and do not answer are asked for again, once.
//   3. The handshake, in which on_verify judges the proxy's chain and name.
// Where nobody is there the next proxy of the route is tried; after the last one all of them again, as long as
// the route says. No byte of a client has been sent by then. Each step has a deadline, in one timer.
#include "proxy/sidecar/upstream.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "auth/server_name.h"
#include "proxy/clock/clock.h"
#include "proxy/log/log.h"
#include "proxy/net/dialer.h"
#include "proxy/net/tcp_stream.h"

enum {
    UPSTREAM_MAGIC = 0x0D57EA33,
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_INTERVAL_S = 15,
    KEEPALIVE_COUNT = 4,
    UNACKNOWLEDGED_MS = 2 * 60 * 1000,
    FRESH_MS = 10 * 1000, // an answer of DNS is used again
    RETRY_EVERY_MS = 500,
    SAY_EVERY_MS = 1000,
};

struct upstream {
    uint32_t magic;
    enum upstream_state state;
    struct route *route;             // borrowed
    struct way *way;                 // in `route`; the proxy that is tried
    size_t tried_count;              // of this round
    int64_t begun_ms;                // monotonic
    struct credentials *credentials; // ref; those that this connection was begun with
    void (*wake)(void *owner);
    void *owner;                  // borrowed
    ev_timer timer;               // ends the step under way; of length zero: wakes
    struct resolver_query *query; // owned; NULL when none is open
    struct dialer *dialer;        // owned
    struct tcp_stream tcp;
    struct tls_stream *tls; // owned
    bool has_tcp;
    bool is_waited;     // another round may begin
    bool is_given_up;   // no other proxy and no other round is tried
    bool is_remembered; // dialling addresses of an earlier answer
    bool is_answered;   // DNS has said something: `resolved`
    bool is_dialled;    // the dialer is done: `dial_result`, `fd`
    enum resolve_result resolved;
    enum dial_result dial_result;
    int fd;           // owned until the stream has it; -1
    int64_t since_ms; // monotonic; of the step
    enum cause cause;
    const char *detail;           // static memory, or `key`
    char key[PIN_TEXT_CAP + 16];  // about the proxy's key, where that is the cause
    struct upstream_facts *facts; // owned; NULL when they are not kept
};

static int64_t elapsed_ms(const struct upstream *upstream)
{
    return monotonic_ms() - upstream->since_ms;
}

static void set_deadline(struct upstream *upstream, int64_t after_ms)
{
    struct ev_loop *loop = upstream->route->loop;
    ev_timer_stop(loop, &upstream->timer);
    ev_timer_set(&upstream->timer, (ev_tstamp)after_ms / 1000., 0.);
    ev_timer_start(loop, &upstream->timer);
}

// enter begins a step that waits at most `limit_ms`.
static void enter(struct upstream *upstream, enum upstream_state state, int64_t limit_ms)
{
    upstream->state = state;
    upstream->since_ms = monotonic_ms();
    set_deadline(upstream, limit_ms);
}

static void fail(struct upstream *upstream, enum cause cause, const char *detail)
{
    upstream->state = UPSTREAM_FAILED;
    upstream->cause = cause;
    upstream->detail = detail;
    ev_timer_stop(upstream->route->loop, &upstream->timer);
}

// fail_step notes that a step has taken too long.
static void fail_step(struct upstream *upstream)
{
    switch (upstream->state) {
    case UPSTREAM_WAIT:
        upstream->is_waited = true;
        return;
    case UPSTREAM_RESOLVE:
        upstream->is_answered = true;
        upstream->resolved = RESOLVE_TIMED_OUT;
        resolver_cancel(upstream->query);
        upstream->query = NULL;
        return;
    case UPSTREAM_DIAL:
        fail(upstream, CAUSE_CONNECTION_TIMEOUT, "");
        return;
    case UPSTREAM_HANDSHAKE:
        fail(upstream, CAUSE_HANDSHAKE_TIMEOUT, "");
        return;
    case UPSTREAM_READY:
    case UPSTREAM_FAILED:
        return;
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    struct upstream *upstream = timer->data;
    ASSERT(upstream->magic == UPSTREAM_MAGIC);
    if ((events & EV_CUSTOM) == 0)
        fail_step(upstream);
    upstream->wake(upstream->owner);
}

static void on_ready(void *owner)
{
    struct upstream *upstream = owner;
    ASSERT(upstream->magic == UPSTREAM_MAGIC);
    upstream->wake(upstream->owner);
}

// take_answer takes what DNS knows, once the preferred family is there, or everything.
static void take_answer(struct upstream *upstream)
{
    struct way *way = upstream->way;
    struct resolver_answer answer;
    resolver_query_read(upstream->query, &answer);
    if (!answer.is_complete && !answer.has_preferred)
        return;
    resolver_cancel(upstream->query);
    upstream->query = NULL;
    upstream->is_answered = true;
    upstream->resolved = answer.result;
    if (answer.result != RESOLVE_OK)
        return;
    for (size_t i = 0; i < answer.count; i++)
        way->addresses[i] = answer.addresses[i];
    way->address_count = answer.count;
    way->resolved_ms = monotonic_ms();
}

static void on_resolved(void *arg)
{
    struct upstream *upstream = arg;
    ASSERT(upstream->magic == UPSTREAM_MAGIC);
    take_answer(upstream);
    if (upstream->is_answered)
        upstream->wake(upstream->owner);
}

static void on_dialled(void *arg, enum dial_result result, int fd)
{
    struct upstream *upstream = arg;
    ASSERT(upstream->magic == UPSTREAM_MAGIC);
    upstream->is_dialled = true;
    upstream->dial_result = result;
    upstream->fd = fd;
    upstream->wake(upstream->owner);
}

static void dial(struct upstream *upstream)
{
    struct route *route = upstream->route;
    const struct way *way = upstream->way;
    const struct dialer_options options = {
        .addresses = way->addresses,
        .count = way->address_count,
        .port = way->proxy.port,
        .attempt_ms = route->timeouts.attempt_ms,
    };
    const struct dialer_events events = {.on_done = on_dialled, .arg = upstream};
    if (upstream->facts != NULL) {
        upstream->facts->resolve_ms = elapsed_ms(upstream);
        upstream->facts->address_count = way->address_count;
        for (size_t i = 0; i < way->address_count; i++)
            upstream->facts->addresses[i] = way->addresses[i];
    }
    upstream->dialer = dialer_start(route->loop, &options, &events);
    if (upstream->dialer == NULL)
        fail(upstream, CAUSE_NO_RESOURCES, "");
    else
        enter(upstream, UPSTREAM_DIAL, route->timeouts.connect_ms);
}

static void resolve(struct upstream *upstream)
{
    struct route *route = upstream->route;
    upstream->is_answered = false;
    enter(upstream, UPSTREAM_RESOLVE, route->timeouts.resolve_ms);
    upstream->query = resolver_submit(route->resolver, hostname_slice(&upstream->way->proxy.name),
                                      0, on_resolved, upstream);
    if (upstream->query == NULL) {
        fail(upstream, CAUSE_NO_RESOURCES, "");
        return;
    }
    take_answer(upstream);
    if (upstream->is_answered) // at once: it is told from the loop, as any other answer
        ev_feed_event(route->loop, &upstream->timer, EV_CUSTOM);
}

// begin goes for the addresses: the one that is written, those of the last seconds, or those of DNS.
static void begin(struct upstream *upstream)
{
    struct way *way = upstream->way;
    upstream->tried_count++;
    if (way->proxy.kind == TARGET_ADDRESS) {
        way->addresses[0] = way->proxy.address;
        way->address_count = 1;
        dial(upstream);
    } else if (way->address_count > 0 && monotonic_ms() - way->resolved_ms < FRESH_MS) {
        upstream->is_remembered = true;
        dial(upstream);
    } else {
        resolve(upstream);
    }
}

// step_resolve goes on when DNS has answered.
static bool step_resolve(struct upstream *upstream)
{
    if (!upstream->is_answered)
        return false;
    if (upstream->resolved == RESOLVE_OK || upstream->way->address_count > 0)
        dial(upstream);
    else
        fail(upstream,
             upstream->resolved == RESOLVE_NOT_FOUND ? CAUSE_DNS_NOT_FOUND : CAUSE_DNS_FAILED,
             resolve_result_name(upstream->resolved));
    return true;
}

// forget_addresses drops remembered addresses that have not answered, and asks for today's.
static void forget_addresses(struct upstream *upstream)
{
    dialer_destroy(upstream->dialer);
    upstream->dialer = NULL;
    upstream->is_dialled = false;
    upstream->is_remembered = false;
    upstream->way->address_count = 0;
    resolve(upstream);
}

static enum cause cause_of_dial(enum dial_result result)
{
    switch (result) {
    case DIAL_CONNECTED:
        return CAUSE_NONE;
    case DIAL_REFUSED:
        return CAUSE_CONNECTION_REFUSED;
    case DIAL_TIMED_OUT:
        return CAUSE_CONNECTION_TIMEOUT;
    case DIAL_NO_RESOURCES:
    case DIAL_NO_SOURCE:
        return CAUSE_NO_RESOURCES;
    }
    return CAUSE_NO_RESOURCES;
}

// watch_peer has the kernel find out when the proxy is gone without a word.
static void watch_peer(int fd)
{
    const int idle = KEEPALIVE_IDLE_S;
    const int interval = KEEPALIVE_INTERVAL_S;
    const int count = KEEPALIVE_COUNT;
    const unsigned unacknowledged_ms = UNACKNOWLEDGED_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms,
                     sizeof unacknowledged_ms);
}

// keep_facts notes what the proxy's leaf says.
static void keep_facts(struct upstream *upstream, const STACK_OF(CRYPTO_BUFFER) *chain,
                       struct trust_verdict *verdict, bool has_name)
{
    struct upstream_facts *facts = upstream->facts;
    if (facts == NULL)
        return;
    identity_destroy(facts->server);
    facts->server = verdict->identity != NULL ? verdict->identity : verdict->presented;
    facts->has_name = has_name;
    facts->chain_count = sk_CRYPTO_BUFFER_num(chain);
    verdict->identity = NULL;
    verdict->presented = NULL;
}

// is_pinned tells whether the key of a chain that is good is one that may be; if not, `key` names it.
static bool is_pinned(struct upstream *upstream, const struct identity *identity)
{
    const struct pins *pins = upstream->route->pins;
    const uint8_t *sha256 = identity_spki_sha256(identity);
    char pin[PIN_TEXT_CAP];
    if (pins == NULL || pins_allow(pins, sha256))
        return true;
    (void)snprintf(upstream->key, sizeof upstream->key, "its key is %s", pin_format(sha256, pin));
    return false;
}

static enum err on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                          enum tls_alert *out_alert)
{
    struct upstream *upstream = arg;
    ASSERT(upstream->magic == UPSTREAM_MAGIC);
    struct trust_verdict verdict;
    enum err error = trust_verify(upstream->credentials->trust, chain, time(NULL), &verdict);
    const bool has_name = server_name_fits(sk_CRYPTO_BUFFER_value(chain, 0), &upstream->way->proxy);
    *out_alert = TLS_ALERT_UNKNOWN_CA;
    if (error != ERR_OK) {
        upstream->cause = cause_of_verdict(verdict.reason);
        upstream->detail = verdict.detail;
    } else if (!has_name) {
        upstream->cause = CAUSE_PROXY_NAME_MISMATCH;
        upstream->detail = "";
        *out_alert = TLS_ALERT_BAD_CERTIFICATE;
        error = ERR_DENIED;
    } else if (!is_pinned(upstream, verdict.identity)) {
        upstream->cause = CAUSE_PROXY_PIN_MISMATCH;
        upstream->detail = upstream->key;
        *out_alert = TLS_ALERT_BAD_CERTIFICATE;
        error = ERR_DENIED;
    }
    keep_facts(upstream, chain, &verdict, has_name);
    identity_destroy(verdict.identity);
    identity_destroy(verdict.presented);
    return error;
}

static void on_request(void *arg, const STACK_OF(CRYPTO_BUFFER) *ca_names)
{
    struct upstream *upstream = arg;
    struct upstream_facts *facts = upstream->facts;
    facts->was_asked = true;
    for (size_t i = 0; ca_names != NULL && i < sk_CRYPTO_BUFFER_num(ca_names); i++) {
        CRYPTO_BUFFER *name = sk_CRYPTO_BUFFER_value(ca_names, i);
        if (facts->ca_names != NULL && sk_CRYPTO_BUFFER_push(facts->ca_names, name) != 0)
            (void)CRYPTO_BUFFER_up_ref(name);
    }
}

// begin_handshake puts TLS on the connected socket.
static void begin_handshake(struct upstream *upstream)
{
    struct route *route = upstream->route;
    const struct target *proxy = &upstream->way->proxy;
    const char *name = proxy->kind == TARGET_NAME ? proxy->name.text : NULL;
    watch_peer(upstream->fd);
    tcp_stream_init(&upstream->tcp, route->loop, upstream->fd);
    upstream->has_tcp = true;
    upstream->fd = -1;
    upstream->tcp.stream.on_ready = on_ready;
    upstream->tcp.stream.owner = upstream;
    upstream->tls =
        tls_client_stream_create(upstream->credentials->tls, route->sessions, name,
                                 &upstream->tcp.stream, route->pool, on_verify, upstream);
    if (upstream->tls == NULL) {
        fail(upstream, CAUSE_NO_RESOURCES, "");
        return;
    }
    if (upstream->facts != NULL)
        tls_client_stream_on_request(upstream->tls, on_request);
    enter(upstream, UPSTREAM_HANDSHAKE, route->timeouts.handshake_ms);
}

static bool step_dial(struct upstream *upstream)
{
    if (!upstream->is_dialled)
        return false;
    if (upstream->facts != NULL) {
        upstream->facts->connect_ms = elapsed_ms(upstream);
        upstream->facts->dialled = dialer_last_dialled(upstream->dialer);
    }
    if (upstream->dial_result == DIAL_CONNECTED) {
        dialer_destroy(upstream->dialer);
        upstream->dialer = NULL;
        begin_handshake(upstream);
    } else if (upstream->is_remembered && upstream->dial_result != DIAL_NO_RESOURCES) {
        forget_addresses(upstream);
    } else {
        fail(upstream, cause_of_dial(upstream->dial_result), "");
    }
    return true;
}

// fail_handshake sorts out why TLS did not come about.
static void fail_handshake(struct upstream *upstream)
{
    const char *word = tls_stream_failure_detail(upstream->tls);
    switch (tls_stream_failure(upstream->tls)) {
    case TLS_FAILURE_REFUSED:
        fail(upstream, upstream->cause == CAUSE_NONE ? CAUSE_NO_RESOURCES : upstream->cause,
             upstream->detail);
        return;
    case TLS_FAILURE_PLAIN_HTTP:
        fail(upstream, CAUSE_PLAIN_HTTP, "");
        return;
    case TLS_FAILURE_KEY_USAGE:
        fail(upstream, CAUSE_PROXY_BAD_PURPOSE, word);
        return;
    case TLS_FAILURE_ABORTED:
        fail(upstream, upstream_cause(upstream), upstream_detail(upstream));
        return;
    case TLS_FAILURE_NONE:
    case TLS_FAILURE_NO_CERTIFICATE:
    case TLS_FAILURE_TOO_LONG:
    case TLS_FAILURE_PROTOCOL:
        fail(upstream,
             slice_equal(slice_of_string(word), SLICE_LITERAL("not_tls")) ? CAUSE_NOT_TLS
                                                                          : CAUSE_PROTOCOL,
             word);
        return;
    }
}

// note_way has those who come later begin with the proxy that is there.
static void note_way(struct upstream *upstream)
{
    struct route *route = upstream->route;
    const size_t at = (size_t)(upstream->way - route->ways);
    char host[TARGET_TEXT_CAP];
    if (at == route->way_at)
        return;
    route->way_at = at;
    log_warning("the proxy before cannot be reached: from now on through https://%s:%u",
                target_format_host(&upstream->way->proxy, host), upstream->way->proxy.port);
}

static bool step_handshake(struct upstream *upstream)
{
    const enum err error = tls_stream_handshake(upstream->tls);
    if (error == ERR_AGAIN) {
        stream_want(tls_stream_stream(upstream->tls), true, false);
        return false;
    }
    if (error != ERR_OK) {
        fail_handshake(upstream);
        return true;
    }
    if (upstream->facts != NULL) {
        upstream->facts->handshake_ms = elapsed_ms(upstream);
        upstream->facts->tls_version = tls_stream_version_name(upstream->tls);
        upstream->facts->tls_cipher = tls_stream_cipher_name(upstream->tls);
    }
    ev_timer_stop(upstream->route->loop, &upstream->timer);
    upstream->state = UPSTREAM_READY;
    note_way(upstream);
    return true;
}

// drop_attempt ends what is under way to the proxy that is tried.
static void drop_attempt(struct upstream *upstream, bool is_reset)
{
    ev_timer_stop(upstream->route->loop, &upstream->timer);
    resolver_cancel(upstream->query);
    upstream->query = NULL;
    dialer_destroy(upstream->dialer);
    upstream->dialer = NULL;
    if (upstream->fd >= 0) {
        tcp_stream_init(&upstream->tcp, upstream->route->loop, upstream->fd);
        upstream->has_tcp = true;
        upstream->fd = -1;
    }
    if (upstream->tls != NULL)
        stream_close(tls_stream_stream(upstream->tls), is_reset);
    else if (upstream->has_tcp)
        stream_close(&upstream->tcp.stream, true);
    tls_stream_destroy(upstream->tls);
    upstream->tls = NULL;
    upstream->has_tcp = false;
}

// begin_again begins with a proxy of the route, as if none had been tried before in this round.
static void begin_again(struct upstream *upstream, struct way *way)
{
    drop_attempt(upstream, true);
    upstream->way = way;
    upstream->is_waited = false;
    upstream->is_remembered = false;
    upstream->is_answered = false;
    upstream->is_dialled = false;
    upstream->cause = CAUSE_NONE;
    upstream->detail = "";
    begin(upstream);
}

// way_behind gives the way that is tried when nobody is at the present one.
static struct way *way_behind(const struct upstream *upstream)
{
    struct route *route = upstream->route;
    const size_t at = (size_t)(upstream->way - route->ways) + 1;
    return &route->ways[at == route->way_count ? 0 : at];
}

// say_waiting logs that nobody is there; while many find that out, one a second.
static void say_waiting(struct upstream *upstream)
{
    struct route *route = upstream->route;
    char host[TARGET_TEXT_CAP];
    if (route->said_ms != 0 && monotonic_ms() - route->said_ms < SAY_EVERY_MS)
        return;
    route->said_ms = monotonic_ms();
    log_warning("https://%s:%u: %s (%s); trying again, for %" PRId64 " ms at most",
                target_format_host(&upstream->way->proxy, host), upstream->way->proxy.port,
                cause_phrase(upstream->cause), cause_name(upstream->cause), route->retry_ms);
}

// step_failed goes on to the next proxy, or to another round; false where it stays failed.
static bool step_failed(struct upstream *upstream)
{
    const struct route *route = upstream->route;
    if (!cause_is_absence(upstream->cause) || upstream->is_given_up)
        return false;
    if (upstream->tried_count < route->way_count) {
        begin_again(upstream, way_behind(upstream));
        return true;
    }
    if (monotonic_ms() + RETRY_EVERY_MS - upstream->begun_ms > route->retry_ms)
        return false;
    say_waiting(upstream);
    drop_attempt(upstream, true); // a socket that has ended would wake the loop all the time
    enter(upstream, UPSTREAM_WAIT, RETRY_EVERY_MS);
    return false;
}

static bool step_wait(struct upstream *upstream)
{
    if (!upstream->is_waited)
        return false;
    upstream->tried_count = 0;
    begin_again(upstream, way_behind(upstream));
    return true;
}

void upstream_give_up(struct upstream *upstream)
{
    upstream->is_given_up = true;
    fail(upstream, upstream->cause, upstream->detail);
}

enum upstream_state upstream_step(struct upstream *upstream)
{
    bool is_moving = true;
    while (is_moving) {
        switch (upstream->state) {
        case UPSTREAM_WAIT:
            is_moving = step_wait(upstream);
            break;
        case UPSTREAM_RESOLVE:
            is_moving = step_resolve(upstream);
            break;
        case UPSTREAM_DIAL:
            is_moving = step_dial(upstream);
            break;
        case UPSTREAM_HANDSHAKE:
            is_moving = step_handshake(upstream);
            break;
        case UPSTREAM_FAILED:
            is_moving = step_failed(upstream);
            break;
        case UPSTREAM_READY:
            is_moving = false;
            break;
        }
    }
    return upstream->state;
}

struct upstream *upstream_create(struct route *route, void (*wake)(void *owner), void *owner)
{
    struct upstream *upstream = calloc(1, sizeof *upstream);
    struct upstream_facts *facts = route->keeps_facts ? calloc(1, sizeof *facts) : NULL;
    if (facts != NULL)
        facts->ca_names = sk_CRYPTO_BUFFER_new_null();
    if (upstream == NULL || (route->keeps_facts && facts == NULL)) {
        free(upstream);
        free(facts);
        return NULL;
    }
    *upstream = (struct upstream){
        .magic = UPSTREAM_MAGIC,
        .route = route,
        .way = &route->ways[route->way_at],
        .begun_ms = monotonic_ms(),
        .credentials = credentials_ref(route->credentials),
        .wake = wake,
        .owner = owner,
        .fd = -1,
        .detail = "",
        .facts = facts,
    };
    ev_timer_init(&upstream->timer, on_timer, 0., 0.);
    upstream->timer.data = upstream;
    upstream->since_ms = monotonic_ms();
    begin(upstream);
    return upstream;
}

static void destroy_facts(struct upstream_facts *facts)
{
    if (facts == NULL)
        return;
    identity_destroy(facts->server);
    sk_CRYPTO_BUFFER_pop_free(facts->ca_names, CRYPTO_BUFFER_free);
    free(facts);
}

void upstream_destroy(struct upstream *upstream, bool is_reset)
{
    if (upstream == NULL)
        return;
    drop_attempt(upstream, is_reset);
    credentials_unref(upstream->credentials);
    destroy_facts(upstream->facts);
    upstream->magic = 0;
    free(upstream);
}

const struct target *upstream_proxy(const struct upstream *upstream)
{
    return &upstream->way->proxy;
}

struct stream *upstream_stream(struct upstream *upstream)
{
    return tls_stream_stream(upstream->tls);
}

bool upstream_alert(const struct upstream *upstream, uint8_t *out)
{
    *out = 0;
    return upstream->tls != NULL && tls_stream_alert(upstream->tls, out);
}

enum cause upstream_cause(const struct upstream *upstream)
{
    uint8_t alert = 0;
    if (upstream->state == UPSTREAM_FAILED)
        return upstream->cause;
    if (upstream_alert(upstream, &alert))
        return cause_of_alert(alert, &upstream->credentials->own, time(NULL));
    return CAUSE_CLOSED;
}

const char *upstream_detail(const struct upstream *upstream)
{
    uint8_t alert = 0;
    if (upstream->state == UPSTREAM_FAILED)
        return upstream->detail;
    return upstream_alert(upstream, &alert) ? tls_alert_name(alert) : "";
}

const struct upstream_facts *upstream_facts(const struct upstream *upstream)
{
    return upstream->facts;
}
