// A page is answered at once from what main knows, or when the workers have said their part.
#include "proxy/service/monitor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "proxy/clock/clock.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/log/log.h"
#include "proxy/monitor/monitor_server.h"
#include "proxy/page/assets.h"
#include "proxy/service/health.h"
#include "proxy/service/metrics.h"
#include "proxy/service/monitor_client.h"
#include "proxy/service/page.h"
#include "proxy/service/state.h"
#include "proxy/service/status.h"

enum { MONITOR_WAITING_MAX = 2 * MONITOR_CALLS_MAX, STRANGER_EVERY_MS = 60 * 1000 };

// waiting is a call that waits for what the workers say.
struct waiting {
    struct monitor *monitor;   // borrowed
    struct monitor_call *call; // borrowed; NULL: a free place
};

struct monitor {
    struct service *service;       // borrowed
    struct monitor_server *server; // owned; NULL: nothing is served
    struct waiting waiting[MONITOR_WAITING_MAX];
    ev_timer tick; // a sample is due
    bool is_sampling;
    struct history history;
    int64_t stranger_at_ms;  // monotonic; when one who gets no answer was named last; 0: never
    uint64_t stranger_count; // those since then
};

static const char plain[] = "text/plain; charset=utf-8";

// ---- the pages ----------------------------------------------------------------------------------

static void answer_ready(struct service *service, struct monitor_call *call)
{
    struct text *text = monitor_call_text(call);
    const bool is_ready = health_is_ready(service, (int64_t)time(NULL), text);
    if (is_ready)
        text_append_string(text, "ready\n");
    monitor_call_end(call, is_ready ? 200 : 503, plain, NULL);
}

static enum exposition_format format_of(const struct monitor_call *call)
{
    return exposition_choose(monitor_call_request(call)->accept);
}

// ask writes what a page wants to know of the workers.
static void ask(void *arg, struct scan *out)
{
    const struct waiting *waiting = arg;
    const struct admin_settings *settings = waiting->monitor->service->snapshot->admin;
    const bool has_clients = settings != NULL && settings->has_clients;
    const enum admin_page page = monitor_call_request(waiting->call)->page;
    if (page == ADMIN_METRICS)
        out->kind = has_clients ? SCAN_METRICS : SCAN_TOTALS;
    else
        out->kind = page == ADMIN_FRONT ? SCAN_PAGE : SCAN_COUNT;
}

// tell answers a page with what they have said.
static void tell(void *arg, struct scan *sum)
{
    struct waiting *waiting = arg;
    const struct monitor *monitor = waiting->monitor;
    const struct service *service = monitor->service;
    struct monitor_call *call = waiting->call;
    waiting->call = NULL;
    if (monitor_call_request(call)->page == ADMIN_STATUS) {
        status_write(service, sum, monitor_call_text(call));
        monitor_call_end(call, 200, "application/json", NULL);
        return;
    }
    if (monitor_call_request(call)->page == ADMIN_FRONT) {
        char policy[ASSETS_POLICY_CAP];
        page_write(service, &monitor->history, sum, monitor_call_text(call));
        monitor_call_end(call, 200, "text/html; charset=utf-8", assets_policy(policy));
        return;
    }
    if (sum->is_partial) { // a gap is better than numbers that fall
        text_append_string(monitor_call_text(call), "no memory for all numbers\n");
        monitor_call_end(call, 503, plain, NULL);
        return;
    }
    metrics_write(service, sum, format_of(call), monitor_call_text(call));
    monitor_call_end(call, 200, exposition_content_type(format_of(call)), NULL);
}

// put_question asks the workers for a page.
static void put_question(struct monitor *monitor, struct monitor_call *call)
{
    struct waiting *free_place = NULL;
    for (size_t i = 0; i < MONITOR_WAITING_MAX && free_place == NULL; i++) {
        if (monitor->waiting[i].call == NULL)
            free_place = &monitor->waiting[i];
    }
    if (free_place == NULL) {
        text_append_string(monitor_call_text(call), "too many ask at once\n");
        monitor_call_end(call, 503, plain, NULL);
        return;
    }
    *free_place = (struct waiting){.monitor = monitor, .call = call};
    survey_ask(&monitor->service->survey,
               &(struct survey_question){.ask = ask, .tell = tell, .arg = free_place});
}

static void on_call(void *arg, struct monitor_call *call)
{
    struct monitor *monitor = arg;
    switch (monitor_call_request(call)->page) {
    case ADMIN_HEALTHZ:
        text_append_string(monitor_call_text(call), "ok\n");
        monitor_call_end(call, 200, plain, NULL);
        break;
    case ADMIN_READYZ:
        answer_ready(monitor->service, call);
        break;
    case ADMIN_METRICS:
    case ADMIN_STATUS:
    case ADMIN_FRONT:
        put_question(monitor, call);
        break;
    case ADMIN_PAGE_COUNT:
        break;
    }
}

static enum err judge(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain, struct trust_verdict *out,
                      enum tls_alert *out_alert)
{
    const struct monitor *monitor = arg;
    return monitor_client_judge(monitor->service, chain, out, out_alert);
}

static void on_failure(void *arg, const struct monitor_failure *failure)
{
    const struct monitor *monitor = arg;
    monitor_client_record(monitor->service, failure);
}

// on_stranger says who gets no answer, once a minute: an operator may have meant that one, and a stranger can come as often as he wants.
static void on_stranger(void *arg, const struct ip_addr *address)
{
    struct monitor *monitor = arg;
    const int64_t now_ms = monotonic_ms();
    char text[IP_TEXT_CAP];
    if (monitor->stranger_at_ms != 0 && now_ms - monitor->stranger_at_ms < STRANGER_EVERY_MS) {
        monitor->stranger_count++;
        return;
    }
    log_warning(LOG_ADMIN_STRANGER,
                "admin: %s gets no answer: it is in no network of `admin.from` (%" PRIu64
                " more since this was said last)",
                ip_addr_format(address, text), monitor->stranger_count);
    monitor->stranger_at_ms = now_ms;
    monitor->stranger_count = 0;
}

// ---- the last hour ------------------------------------------------------------------------------

static void ask_sample(void *arg, struct scan *out)
{
    (void)arg;
    out->kind = SCAN_TOTALS;
}

static void tell_sample(void *arg, struct scan *sum)
{
    struct monitor *monitor = arg;
    monitor->is_sampling = false;
    page_sample(monitor->service, sum, &monitor->history);
}

// on_tick asks for the next sample, unless the last one has not come yet.
static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct monitor *monitor = timer->data;
    if (monitor->is_sampling)
        return;
    monitor->is_sampling = true;
    survey_ask(&monitor->service->survey,
               &(struct survey_question){.ask = ask_sample, .tell = tell_sample, .arg = monitor});
}

// keep_history samples while somebody can ask, and forgets it otherwise.
static void keep_history(struct monitor *monitor)
{
    struct ev_loop *loop = monitor->service->loop;
    if (monitor->server == NULL) {
        ev_timer_stop(loop, &monitor->tick);
        monitor->history = (struct history){0};
    } else if (!ev_is_active(&monitor->tick)) {
        ev_timer_set(&monitor->tick, 0., HISTORY_EVERY_S);
        ev_timer_start(loop, &monitor->tick);
    }
}

// ---- life ---------------------------------------------------------------------------------------

static void say_where(const struct monitor_place *place)
{
    char text[ENDPOINT_TEXT_CAP];
    if (place->settings->socket_path != NULL)
        log_info(LOG_ADMIN_LISTENS, "admin: metrics and health at unix:%s",
                 place->settings->socket_path);
    else
        log_info(LOG_ADMIN_LISTENS, "admin: metrics and health at %s://%s/",
                 place->settings->tls == NULL ? "http" : "https",
                 endpoint_format(&place->bound, text));
}

static void give_up(struct monitor *monitor)
{
    struct monitor_place *place = &monitor->service->place;
    monitor_server_destroy(monitor->server);
    monitor->server = NULL;
    if (place->settings != NULL)
        control_socket_close(&place->file);
    *place = (struct monitor_place){.fd = -1, .file = {.fd = -1}};
}

// move goes on at `place`.
static void move(struct monitor *monitor, struct monitor_place *place)
{
    struct service *service = monitor->service;
    if (place->is_kept) {
        service->place.settings = place->settings;
        monitor_server_configure(monitor->server, place->settings);
        return;
    }
    give_up(monitor);
    if (place->settings == NULL)
        return;
    const struct monitor_events events = {.on_call = on_call,
                                          .judge = judge,
                                          .on_failure = on_failure,
                                          .on_stranger = on_stranger,
                                          .arg = monitor};
    monitor->server = monitor_server_create(service->loop, place->fd, place->settings, &events);
    if (monitor->server == NULL) {
        log_error(LOG_NO_MEMORY,
                  "admin: no memory; metrics and health cannot be asked for until the next reload");
        monitor_place_close(place);
        return;
    }
    place->fd = -1;
    place->is_given = false;
    service->place = *place;
    say_where(place);
}

void monitor_adopt(struct monitor *monitor, struct monitor_place *place)
{
    move(monitor, place);
    keep_history(monitor);
}

int monitor_fd(const struct monitor *monitor)
{
    return monitor == NULL || monitor->server == NULL ? -1 : monitor_server_fd(monitor->server);
}

void monitor_leave(struct monitor *monitor)
{
    if (monitor == NULL)
        return;
    struct monitor_place *place = &monitor->service->place;
    monitor_server_destroy(monitor->server);
    monitor->server = NULL;
    place->settings = NULL; // where it is stays known
    control_socket_leave(&place->file);
    keep_history(monitor);
}

struct monitor *monitor_create(struct service *service)
{
    struct monitor *monitor = calloc(1, sizeof *monitor);
    if (monitor == NULL)
        return NULL;
    monitor->service = service;
    ev_timer_init(&monitor->tick, on_tick, 0., HISTORY_EVERY_S);
    monitor->tick.data = monitor;
    return monitor;
}

void monitor_destroy(struct monitor *monitor)
{
    if (monitor == NULL)
        return;
    give_up(monitor);
    keep_history(monitor);
    for (size_t i = 0; i < MONITOR_WAITING_MAX; i++) {
        struct monitor_call *call = monitor->waiting[i].call;
        if (call != NULL)
            monitor_call_end(call, 503, plain, NULL);
    }
    free(monitor);
}
