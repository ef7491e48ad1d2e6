// The way to a proxy:
//   1. Resolve its name, unless an answer of the last seconds is at hand. When DNS fails, an older answer
//      will do: the certificate tells whether it is still the proxy. In the clear nothing tells: there the resolver is
//      always asked, and what it does not say is not used.
//   2. Dial. If remembered addresses do not answer, DNS is asked for today's, once.
//   3. The handshake, in which on_verify judges the proxy's chain and name.
// One that checks have found to be down is passed by, unless all are. If a proxy cannot be reached, the next one of the route is tried, and after the last one all of them again, as long as
// the route says. No byte of a client has been sent by then. Each state has a deadline, in one timer. The loop's
// callbacks move the connection on to the next state; only the handshake is driven by upstream_step.
#include "proxy/uplink/upstream.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include <openssl/rand.h>

#include "auth/server_name.h"
#include "proxy/clock/clock.h"
#include "proxy/log/log.h"
#include "proxy/net/dialer.h"
#include "proxy/net/tcp_stream.h"

enum {
    UPSTREAM_MAGIC = 0x0D57EA33,
    RESOLVE_MS = 5000,
    ATTEMPT_MS = 3000,    // for each address
    CONNECT_MS = 10000,   // for all of them
    HANDSHAKE_MS = 10000, // where the route says nothing of attempts
    FRESH_MS = 10 * 1000, // an answer of DNS is used again
    RETRY_EVERY_MS = 500,
    SAY_EVERY_MS = 1000,
    FAILED_MS = 10 * 1000, // for so long one of ranked proxies is tried last
};

_Static_assert((int)ROUTE_PROXIES_MAX == (int)SRV_PLACES_MAX, "one number of proxies");

struct upstream {
    uint32_t magic;
    enum upstream_state state;
    struct proxy_route *route;        // borrowed
    struct way *way;                  // in `route`; the proxy that is tried
    uint8_t turns[ROUTE_PROXIES_MAX]; // the order of this round
    size_t tried_count;               // of this round, or passed by
    int64_t begun_ms;                 // monotonic
    int64_t since_ms;                 // monotonic; of the state
    struct credentials *credentials;  // ref; those that this connection was begun with
    void (*wake)(void *owner);
    void *owner;                  // borrowed
    ev_timer timer;               // ends the state
    struct resolver_query *query; // owned; NULL when none is open
    struct dialer *dialer;        // owned
    struct tcp_stream tcp;        // open once the proxy is connected
    struct tls_stream *tls;       // owned; NULL in the clear
    bool offers_http2;            // to the proxy
    bool is_given_up;             // no other proxy and no other round is tried
    bool is_remembered;           // dialling addresses of an earlier answer
    enum cause cause;
    const char *detail;           // static memory, or `key`
    char key[PIN_TEXT_CAP + 16];  // about the proxy's key, where that is the cause
    struct upstream_facts *facts; // borrowed; NULL when they are not kept
};

static void dial(struct upstream *upstream);

const struct target *upstream_proxy(const struct upstream *upstream)
{
    const struct proxy_route *route = upstream->route;
    return &route->options->proxies[upstream->way - route->ways];
}

static int64_t elapsed_ms(const struct upstream *upstream)
{
    return monotonic_ms() - upstream->since_ms;
}

// enter begins a state that lasts at most `limit_ms`.
static void enter(struct upstream *upstream, enum upstream_state state, int64_t limit_ms)
{
    struct ev_loop *loop = upstream->route->loop;
    upstream->state = state;
    upstream->since_ms = monotonic_ms();
    ev_timer_stop(loop, &upstream->timer);
    ev_timer_set(&upstream->timer, (ev_tstamp)limit_ms / 1000., 0.);
    ev_timer_start(loop, &upstream->timer);
}

static void fail(struct upstream *upstream, enum cause cause, const char *detail)
{
    upstream->state = UPSTREAM_FAILED;
    upstream->cause = cause;
    upstream->detail = detail;
    ev_timer_stop(upstream->route->loop, &upstream->timer);
}

static void on_ready(void *owner)
{
    struct upstream *upstream = owner;
    ASSERT(upstream->magic == UPSTREAM_MAGIC);
    upstream->wake(upstream->owner);
}

// may_remember tells whether an earlier answer of DNS may be used.
static bool may_remember(const struct upstream *upstream)
{
    return !upstream->route->options->is_clear && upstream->way->address_count > 0;
}

// end_resolve goes on when DNS has answered, or has not in time.
static void end_resolve(struct upstream *upstream, enum resolve_result result)
{
    resolver_cancel(upstream->query);
    upstream->query = NULL;
    if (result == RESOLVE_OK || may_remember(upstream))
        dial(upstream);
    else
        fail(upstream, result == RESOLVE_NOT_FOUND ? CAUSE_DNS_NOT_FOUND : CAUSE_DNS_FAILED,
             resolve_result_name(result));
}

// take_answer takes what DNS knows, once the preferred family is there, or everything.
static void take_answer(struct upstream *upstream)
{
    struct way *way = upstream->way;
    struct resolver_answer answer;
    resolver_query_read(upstream->query, &answer);
    if (!answer.is_complete && !answer.has_preferred)
        return;
    if (answer.result == RESOLVE_OK) {
        for (size_t i = 0; i < answer.count; i++)
            way->addresses[i] = answer.addresses[i];
        way->address_count = answer.count;
        way->resolved_ms = monotonic_ms();
    }
    end_resolve(upstream, answer.result);
}

static void on_resolved(void *arg)
{
    struct upstream *upstream = arg;
    ASSERT(upstream->magic == UPSTREAM_MAGIC);
    take_answer(upstream);
    upstream->wake(upstream->owner);
}

static void resolve(struct upstream *upstream)
{
    struct proxy_route *route = upstream->route;
    enter(upstream, UPSTREAM_RESOLVE, RESOLVE_MS);
    upstream->query = resolver_submit(
        route->resolver, hostname_slice(&upstream_proxy(upstream)->name), 0, on_resolved, upstream);
    if (upstream->query == NULL)
        fail(upstream, CAUSE_NO_RESOURCES, "");
    else
        take_answer(upstream);
}

// begin goes for the addresses: the one that is written, those of the last seconds, or those of DNS.
static void begin(struct upstream *upstream)
{
    struct way *way = upstream->way;
    const struct target *proxy = upstream_proxy(upstream);
    if (proxy->kind == TARGET_ADDRESS) {
        way->addresses[0] = proxy->address;
        way->address_count = 1;
        dial(upstream);
    } else if (may_remember(upstream) && monotonic_ms() - way->resolved_ms < FRESH_MS) {
        upstream->is_remembered = true;
        dial(upstream);
    } else {
        resolve(upstream);
    }
}

// keep_facts notes what the proxy's leaf says.
static void keep_facts(struct upstream *upstream, const STACK_OF(CRYPTO_BUFFER) *chain,
                       struct trust_verdict *verdict)
{
    struct upstream_facts *facts = upstream->facts;
    if (facts == NULL)
        return;
    identity_destroy(facts->server);
    facts->server = verdict->identity != NULL ? verdict->identity : verdict->presented;
    facts->chain_count = sk_CRYPTO_BUFFER_num(chain);
    verdict->identity = NULL;
    verdict->presented = NULL;
}

// is_pinned tells whether the key of a chain that is good is one that may be; if not, `key` names it.
static bool is_pinned(struct upstream *upstream, const struct identity *identity)
{
    const struct pins *pins = &upstream->route->options->pins;
    const uint8_t *sha256 = identity->spki_sha256;
    char pin[PIN_TEXT_CAP];
    if (pins_allow(pins, sha256))
        return true;
    (void)snprintf(upstream->key, sizeof upstream->key, "its key is %s", pin_format(sha256, pin));
    return false;
}

// name_to_check gives whose certificate it has to be.
static struct target name_to_check(const struct upstream *upstream)
{
    const struct hostname *served = &upstream->route->options->served_name;
    if (served->len == 0)
        return *upstream_proxy(upstream);
    return (struct target){
        .kind = TARGET_NAME, .port = upstream_proxy(upstream)->port, .name = *served};
}

static enum err on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                          enum tls_alert *out_alert)
{
    struct upstream *upstream = arg;
    ASSERT(upstream->magic == UPSTREAM_MAGIC);
    struct trust_verdict verdict;
    enum err error = trust_verify(upstream->credentials->trust, chain, time(NULL), &verdict);
    const struct target named = name_to_check(upstream);
    const bool has_name = server_name_fits(sk_CRYPTO_BUFFER_value(chain, 0), &named);
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
    keep_facts(upstream, chain, &verdict);
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
        if (facts->ca_names == NULL)
            facts->ca_names = sk_CRYPTO_BUFFER_new_null();
        if (facts->ca_names != NULL && sk_CRYPTO_BUFFER_push(facts->ca_names, name) != 0)
            (void)CRYPTO_BUFFER_up_ref(name);
    }
}

// watch_peer has the kernel find out when the proxy is gone without a word.
static void watch_peer(int fd)
{
    static const struct {
        int option;
        int value;
    } settings[] = {
        {TCP_KEEPIDLE, 60},                // seconds without a byte
        {TCP_KEEPINTVL, 15},               // seconds between two probes
        {TCP_KEEPCNT, 4},                  // probes
        {TCP_USER_TIMEOUT, 2 * 60 * 1000}, // milliseconds for what is not acknowledged
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        (void)setsockopt(fd, IPPROTO_TCP, settings[i].option, &settings[i].value,
                         sizeof settings[i].value);
}

// scheme_of gives how the proxies of a route are written.
static const char *scheme_of(const struct proxy_route *route)
{
    return route->options->is_clear ? "http" : "https";
}

// note_way has later connections begin with the proxy that was reached.
static void note_way(struct upstream *upstream)
{
    struct proxy_route *route = upstream->route;
    const size_t at = (size_t)(upstream->way - route->ways);
    char host[TARGET_TEXT_CAP];
    route->failed_ms[at] = 0;
    if (at == route->way_at || route->options->is_ranked)
        return;
    route->way_at = at;
    log_warning(LOG_PROXY_CHANGED,
                "the proxy before cannot be reached: from now on through %s://%s:%u",
                scheme_of(route), target_format_host(upstream_proxy(upstream), host),
                upstream_proxy(upstream)->port);
}

// be_ready ends the way: the stream may be used.
static void be_ready(struct upstream *upstream)
{
    ev_timer_stop(upstream->route->loop, &upstream->timer);
    upstream->state = UPSTREAM_READY;
    note_way(upstream);
}

// begin_handshake puts TLS on the connected socket.
static void begin_handshake(struct upstream *upstream)
{
    struct proxy_route *route = upstream->route;
    const struct target named = name_to_check(upstream);
    const char *name = named.kind == TARGET_NAME ? named.name.text : NULL; // it is copied
    upstream->tls = tls_client_stream_create(
        upstream->credentials->tls, route->resumes ? &route->sessions : NULL, name,
        &upstream->tcp.stream, route->pool, on_verify, upstream);
    if (upstream->tls == NULL) {
        fail(upstream, CAUSE_NO_RESOURCES, "");
        return;
    }
    if (upstream->facts != NULL)
        upstream->tls->on_request = on_request;
    if (upstream->offers_http2)
        tls_client_stream_offer_http2(upstream->tls);
    const int64_t given_ms = route->options->attempt_ms;
    enter(upstream, UPSTREAM_HANDSHAKE, given_ms > 0 ? given_ms : HANDSHAKE_MS);
}

// take_socket takes over the connected socket.
static void take_socket(struct upstream *upstream, int fd)
{
    watch_peer(fd);
    tcp_stream_init(&upstream->tcp, upstream->route->loop, fd);
    upstream->tcp.stream.on_ready = on_ready;
    upstream->tcp.stream.owner = upstream;
    if (upstream->route->options->is_clear)
        be_ready(upstream);
    else
        begin_handshake(upstream);
}

static void on_dialled(void *arg, enum dial_result result, int fd)
{
    static const enum cause causes[] = {
        [DIAL_REFUSED] = CAUSE_CONNECTION_REFUSED,
        [DIAL_TIMED_OUT] = CAUSE_CONNECTION_TIMEOUT,
        [DIAL_NO_RESOURCES] = CAUSE_NO_RESOURCES,
        [DIAL_NO_SOURCE] = CAUSE_NO_RESOURCES,
    };
    struct upstream *upstream = arg;
    ASSERT(upstream->magic == UPSTREAM_MAGIC);
    if (upstream->facts != NULL) {
        upstream->facts->connect_ms = elapsed_ms(upstream);
        upstream->facts->dialled = dialer_last_dialled(upstream->dialer);
    }
    dialer_destroy(upstream->dialer);
    upstream->dialer = NULL;
    if (result == DIAL_CONNECTED) {
        take_socket(upstream, fd);
    } else if (upstream->is_remembered && result != DIAL_NO_RESOURCES) {
        upstream->is_remembered = false;
        upstream->way->resolved_ms = monotonic_ms() - FRESH_MS; // kept for when DNS fails
        resolve(upstream);
    } else {
        fail(upstream, causes[result], "");
    }
    upstream->wake(upstream->owner);
}

static void dial(struct upstream *upstream)
{
    const struct way *way = upstream->way;
    const int64_t given_ms = upstream->route->options->attempt_ms;
    const struct dialer_options options = {
        .addresses = way->addresses,
        .count = way->address_count,
        .port = upstream_proxy(upstream)->port,
        .attempt_ms = given_ms > 0 ? given_ms : ATTEMPT_MS,
    };
    const struct dialer_events events = {.on_done = on_dialled, .arg = upstream};
    if (upstream->facts != NULL)
        upstream->facts->resolve_ms = elapsed_ms(upstream);
    upstream->dialer = dialer_start(upstream->route->loop, &options, &events);
    if (upstream->dialer == NULL)
        fail(upstream, CAUSE_NO_RESOURCES, "");
    else
        enter(upstream, UPSTREAM_DIAL, CONNECT_MS);
}

// fail_handshake finds out why TLS has failed.
static void fail_handshake(struct upstream *upstream)
{
    const char *word = upstream->tls->failure_detail;
    const struct failure told = upstream_failure(upstream);
    switch (upstream->tls->failure) {
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
        fail(upstream, told.cause, told.detail);
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

static bool step_handshake(struct upstream *upstream)
{
    const enum err error = tls_stream_handshake(upstream->tls);
    if (error == ERR_AGAIN) {
        stream_want(&upstream->tls->stream, true, false);
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
        upstream->facts->tls_group = tls_stream_group_name(upstream->tls);
    }
    be_ready(upstream);
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
    if (upstream->tls != NULL)
        stream_close(&upstream->tls->stream, is_reset);
    else if (upstream->tcp.is_open)
        stream_close(&upstream->tcp.stream, is_reset);
    tls_stream_destroy(upstream->tls);
    upstream->tls = NULL;
}

bool upstream_is_down(const struct upstream *upstream)
{
    const struct proxy_route_options *options = upstream->route->options;
    return proxy_board_is_down(options->board, upstream_proxy(upstream)) &&
           proxy_board_has_up(options->board, options->proxies, options->proxy_count);
}

// put_failed_last moves those that could not be reached lately to the end, and leaves the order as it is otherwise.
static void put_failed_last(const struct proxy_route *route, uint8_t *turns)
{
    const int64_t now_ms = monotonic_ms();
    uint8_t failed[ROUTE_PROXIES_MAX];
    size_t failed_count = 0;
    size_t good_count = 0;
    for (size_t i = 0; i < route->options->proxy_count; i++) {
        const int64_t failed_ms = route->failed_ms[turns[i]];
        if (failed_ms != 0 && now_ms - failed_ms < FAILED_MS)
            failed[failed_count++] = turns[i];
        else
            turns[good_count++] = turns[i];
    }
    for (size_t i = 0; i < failed_count; i++)
        turns[good_count + i] = failed[i];
}

// plan_round makes the order in which the proxies are tried: by their ranks, or one after the other from `first` on.
static void plan_round(struct upstream *upstream, size_t first)
{
    const struct proxy_route *route = upstream->route;
    const size_t count = route->options->proxy_count;
    upstream->tried_count = 0;
    for (size_t i = 0; i < count; i++)
        upstream->turns[i] = (uint8_t)((first + i) % count);
    if (!route->options->is_ranked)
        return;
    uint32_t random[ROUTE_PROXIES_MAX];
    (void)RAND_bytes((uint8_t *)random, sizeof random); // BoringSSL's never fails
    srv_order(route->options->ranks, count, random, upstream->turns);
    put_failed_last(route, upstream->turns);
}

// take_turn goes on to the next proxy of the round that is not down. False: there is none, and nothing has changed.
static bool take_turn(struct upstream *upstream)
{
    struct proxy_route *route = upstream->route;
    struct way *before = upstream->way;
    while (upstream->tried_count < route->options->proxy_count) {
        upstream->way = &route->ways[upstream->turns[upstream->tried_count++]];
        if (!upstream_is_down(upstream))
            return true;
    }
    upstream->way = before; // it is the one that was tried last
    return false;
}

// try_next begins with the next proxy of the route. False: there is none in this round.
static bool try_next(struct upstream *upstream)
{
    if (!take_turn(upstream))
        return false;
    drop_attempt(upstream, true);
    upstream->is_remembered = false;
    upstream->cause = CAUSE_NONE;
    upstream->detail = "";
    begin(upstream);
    return true;
}

// say_waiting logs that no proxy can be reached; while many connections find that out, once a second.
static void say_waiting(struct upstream *upstream)
{
    struct proxy_route *route = upstream->route;
    const struct cause_info *info = cause_info(upstream->cause);
    char host[TARGET_TEXT_CAP];
    if (route->said_ms != 0 && monotonic_ms() - route->said_ms < SAY_EVERY_MS)
        return;
    route->said_ms = monotonic_ms();
    log_warning(LOG_PROXY_UNREACHABLE,
                "%s://%s:%u: %s (%s); trying again, for %" PRId64 " ms at most", scheme_of(route),
                target_format_host(upstream_proxy(upstream), host), upstream_proxy(upstream)->port,
                info->phrase, info->name, route->options->retry_ms);
}

// note_failed notes that the proxy could not be reached.
static void note_failed(struct upstream *upstream)
{
    struct proxy_route *route = upstream->route;
    int64_t *failed_ms = &route->failed_ms[upstream->way - route->ways];
    char host[TARGET_TEXT_CAP];
    if (route->options->is_ranked && (*failed_ms == 0 || monotonic_ms() - *failed_ms >= FAILED_MS))
        log_warning(LOG_PROXY_CHANGED,
                    "%s://%s:%u cannot be reached (%s): for %d s the other places of its service "
                    "are tried first",
                    scheme_of(route), target_format_host(upstream_proxy(upstream), host),
                    upstream_proxy(upstream)->port, cause_info(upstream->cause)->name,
                    FAILED_MS / 1000);
    *failed_ms = monotonic_ms();
}

// step_failed goes on to the next proxy, or to another round; false where the connection stays failed, or waits.
static bool step_failed(struct upstream *upstream)
{
    const struct proxy_route *route = upstream->route;
    if (!cause_is_absence(upstream->cause) || upstream->is_given_up)
        return false;
    note_failed(upstream);
    if (try_next(upstream))
        return true;
    if (monotonic_ms() + RETRY_EVERY_MS - upstream->begun_ms > route->options->retry_ms)
        return false;
    say_waiting(upstream);
    drop_attempt(upstream, true); // a socket that has ended would wake the loop all the time
    enter(upstream, UPSTREAM_WAIT, RETRY_EVERY_MS);
    return false;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct upstream *upstream = timer->data;
    ASSERT(upstream->magic == UPSTREAM_MAGIC);
    switch (upstream->state) {
    case UPSTREAM_WAIT:
        plan_round(upstream, (size_t)(upstream->way - upstream->route->ways) + 1);
        if (!try_next(upstream))
            fail(upstream, upstream->cause, upstream->detail);
        break;
    case UPSTREAM_RESOLVE:
        end_resolve(upstream, RESOLVE_TIMED_OUT);
        break;
    case UPSTREAM_DIAL:
        dialer_destroy(upstream->dialer);
        upstream->dialer = NULL;
        fail(upstream, CAUSE_CONNECTION_TIMEOUT, "");
        break;
    case UPSTREAM_HANDSHAKE:
        fail(upstream, CAUSE_HANDSHAKE_TIMEOUT, "");
        break;
    case UPSTREAM_READY:
    case UPSTREAM_FAILED:
        break;
    }
    upstream->wake(upstream->owner);
}

void upstream_shun(const struct upstream *upstream)
{
    struct proxy_route *route = upstream->route;
    const size_t at = (size_t)(upstream->way - route->ways);
    route->failed_ms[at] = monotonic_ms();
    if (at == route->way_at)
        route->way_at = at + 1 == route->options->proxy_count ? 0 : at + 1;
}

enum upstream_state upstream_give_up(struct upstream *upstream)
{
    upstream->is_given_up = true;
    fail(upstream, upstream->cause, upstream->detail);
    return upstream->state;
}

enum upstream_state upstream_step(struct upstream *upstream)
{
    bool is_moving = true;
    while (is_moving)
        is_moving = (upstream->state == UPSTREAM_HANDSHAKE && step_handshake(upstream)) ||
                    (upstream->state == UPSTREAM_FAILED && step_failed(upstream));
    return upstream->state;
}

void upstream_set_owner(struct upstream *upstream, void (*wake)(void *owner), void *owner)
{
    upstream->wake = wake;
    upstream->owner = owner;
}

bool upstream_is_http2(const struct upstream *upstream)
{
    return upstream->tls != NULL && tls_stream_is_http2(upstream->tls);
}

void upstream_limit_unsent(const struct upstream *upstream, int len)
{
    (void)setsockopt(tcp_stream_fd(&upstream->tcp), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &len,
                     sizeof len);
}

struct upstream *upstream_create(struct proxy_route *route, bool offers_http2,
                                 void (*wake)(void *owner), void *owner)
{
    struct upstream *upstream = calloc(1, sizeof *upstream);
    ASSERT(route->options->proxy_count > 0);
    if (upstream == NULL)
        return NULL;
    *upstream = (struct upstream){
        .magic = UPSTREAM_MAGIC,
        .route = route,
        .way = &route->ways[route->way_at],
        .begun_ms = monotonic_ms(),
        .since_ms = monotonic_ms(),
        .credentials = credentials_ref(route->credentials),
        .offers_http2 = offers_http2,
        .wake = wake,
        .owner = owner,
        .detail = "",
        .facts = route->facts,
    };
    ev_timer_init(&upstream->timer, on_timer, 0., 0.);
    upstream->timer.data = upstream;
    plan_round(upstream, route->way_at);
    if (!take_turn(upstream)) // all have gone down meanwhile
        upstream->way = &route->ways[upstream->turns[0]];
    begin(upstream);
    return upstream;
}

void upstream_facts_deinit(struct upstream_facts *facts)
{
    identity_destroy(facts->server);
    sk_CRYPTO_BUFFER_pop_free(facts->ca_names, CRYPTO_BUFFER_free);
}

void upstream_destroy(struct upstream *upstream, bool is_reset)
{
    if (upstream == NULL)
        return;
    drop_attempt(upstream, is_reset);
    credentials_unref(upstream->credentials);
    upstream->magic = 0;
    free(upstream);
}

struct stream *upstream_stream(struct upstream *upstream)
{
    return upstream->tls != NULL ? &upstream->tls->stream : &upstream->tcp.stream;
}

struct failure upstream_failure(const struct upstream *upstream)
{
    const bool has_alert = upstream->tls != NULL && upstream->tls->has_alert;
    const uint8_t alert = has_alert ? upstream->tls->alert : 0;
    if (upstream->state == UPSTREAM_FAILED || upstream->state == UPSTREAM_WAIT)
        return (struct failure){upstream->cause, upstream->detail, alert};
    if (!has_alert)
        return (struct failure){CAUSE_CLOSED, "", 0};
    return (struct failure){cause_of_alert(alert, &upstream->credentials->own, time(NULL)),
                            tls_alert_name(alert), alert};
}

void proxy_route_init(struct proxy_route *route, const struct proxy_route_options *options,
                      struct ev_loop *loop, struct buffer_pool *pool, struct resolver *resolver,
                      struct credentials *credentials)
{
    *route = (struct proxy_route){.options = options,
                                  .loop = loop,
                                  .pool = pool,
                                  .resolver = resolver,
                                  .has_resolver = true,
                                  .credentials = credentials_ref(credentials)};
}

enum err proxy_route_open(struct proxy_route *route, const struct proxy_route_options *options,
                          struct ev_loop *loop, struct buffer_pool *pool,
                          struct credentials *credentials, struct errinfo *info)
{
    proxy_route_init(route, options, loop, pool, NULL, credentials);
    route->has_resolver = false;
    return resolver_create(loop, &options->resolver, &route->resolver, info);
}

void proxy_route_close(struct proxy_route *route)
{
    if (!route->has_resolver)
        resolver_destroy(route->resolver);
    tls_sessions_drop(&route->sessions);
    credentials_unref(route->credentials);
}
