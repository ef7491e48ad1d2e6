// Each proxy goes round: it waits, is asked, and waits again. Only so many answers of one kind in a row change its state. A parent
// that is a service is watched: DNS is asked when what it has said becomes too old, and the proxies are those that it says.
#include "proxy/service/parent_checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <time.h>

#include "auth/base/json.h"
#include "proxy/clock/clock.h"
#include "proxy/config/parent_config.h"
#include "proxy/log/log.h"
#include "proxy/uplink/proxy_check.h"
#include "proxy/uplink/srv_source.h"

enum {
    AT_ONCE = 16,         // proxies that are asked
    BUSY_MS = 100,        // until one is asked for which there was no room
    FIRST_MS = 1000,      // within which the first question is asked
    LIMIT_MAX_MS = 10000, // of a question
    LIMIT_MIN_MS = 1000,
    URL_CAP = TARGET_TEXT_CAP + 24,
};

// group is what the proxies of one parent have in common.
struct group {
    char parent[PARENT_NAME_MAX + 1];
    struct credentials *credentials; // ref; NULL: in the clear
    struct proxy_board *board;       // ref
    struct parent_health health;
    struct hostname served_name; // that their certificates must have; empty: each its own
};

// item is one proxy of a parent.
struct item {
    TAILQ_ENTRY(item) link;
    struct parent_checks *checks; // borrowed
    struct group of;              // holds references
    char url[URL_CAP];
    struct target proxy;
    size_t at;                 // on the board
    ev_timer timer;            // while it waits
    struct proxy_check *check; // owned; NULL: it waits
    bool is_down;
    bool is_known;   // somebody has answered, or has not
    uint32_t streak; // answers in a row that speak against the state
    int64_t since_s; // Unix seconds; of the state; 0: from the start
    uint64_t good;
    uint64_t failed;
    const char *problem; // static memory; of the last answer; NULL: none
};

TAILQ_HEAD(item_list, item);

// watch is a parent whose proxies DNS says.
struct watch {
    SLIST_ENTRY(watch) link;
    struct parent_checks *checks; // borrowed
    struct group of;              // holds references
    struct srv_source *source;    // owned
    struct srv_waiter waiter;
    struct srv_list list; // those that are asked
    ev_timer timer;       // until DNS is asked
    uint64_t good;        // answers with a place
    uint64_t failed;
};

SLIST_HEAD(watch_list, watch);

struct parent_checks {
    struct ev_loop *loop; // borrowed
    struct buffer_pool buffers;
    struct resolver *resolver; // owned; NULL: nobody is asked
    struct item_list items;    // owned
    struct watch_list watches; // owned
    size_t asking_count;
    bool has_left;
};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events);

// pick gives a number below `most`, another one each time.
static int64_t pick(int64_t most)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
        return most / 2;
    return (int64_t)(random % (uint64_t)(most < 1 ? 1 : most));
}

static void wait_for(struct item *item, int64_t wait_ms)
{
    struct ev_loop *loop = item->checks->loop;
    ev_timer_stop(loop, &item->timer);
    ev_timer_set(&item->timer, (ev_tstamp)wait_ms / 1000., 0.);
    ev_timer_start(loop, &item->timer);
}

static void enter(struct item *item, bool is_down)
{
    item->is_down = is_down;
    item->streak = 0;
    item->since_s = (int64_t)time(NULL);
    proxy_board_set(item->of.board, item->at, &item->proxy, is_down);
    if (is_down)
        log_warning(LOG_PARENT_DOWN,
                    "parent %s: %s is down (%s): nothing new goes there while another one of its "
                    "proxies is not",
                    item->of.parent, item->url, item->problem);
    else
        log_info(LOG_PARENT_UP, "parent %s: %s can be used again", item->of.parent, item->url);
}

static void on_done(void *owner, const char *problem)
{
    struct item *item = owner;
    const bool is_good = problem == NULL;
    proxy_check_destroy(item->check);
    item->check = NULL;
    item->checks->asking_count--;
    item->problem = problem;
    item->is_known = true;
    item->good += is_good ? 1 : 0;
    item->failed += is_good ? 0 : 1;
    item->streak = is_good == item->is_down ? item->streak + 1 : 0;
    if (item->streak >= (item->is_down ? item->of.health.rise : item->of.health.fall))
        enter(item, !item->is_down);
    const int64_t every_ms = item->of.health.every_ms;
    wait_for(item, every_ms - every_ms / 8 + pick(every_ms / 4));
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct item *item = timer->data;
    struct parent_checks *checks = item->checks;
    const int64_t every_ms = item->of.health.every_ms;
    (void)events;
    if (checks->asking_count >= AT_ONCE) {
        wait_for(item, BUSY_MS);
        return;
    }
    const struct proxy_check_request request = {
        .loop = loop,
        .pool = &checks->buffers,
        .resolver = checks->resolver,
        .credentials = item->of.credentials,
        .proxy = &item->proxy,
        .served_name = item->of.served_name.len == 0 ? NULL : &item->of.served_name,
        .limit_ms = every_ms > LIMIT_MAX_MS   ? LIMIT_MAX_MS
                    : every_ms < LIMIT_MIN_MS ? LIMIT_MIN_MS
                                              : every_ms,
    };
    item->check = proxy_check_begin(&request, on_done, item);
    if (item->check == NULL)
        wait_for(item, every_ms);
    else
        checks->asking_count++;
}

static void stop_item(struct item *item)
{
    ev_timer_stop(item->checks->loop, &item->timer);
    item->checks->asking_count -= item->check != NULL ? 1 : 0;
    proxy_check_destroy(item->check);
    item->check = NULL;
}

// group_copy takes references of its own.
static void group_copy(struct group *out, const struct group *of)
{
    *out = *of;
    out->credentials = credentials_ref(of->credentials);
    out->board = proxy_board_ref(of->board);
}

static void group_deinit(struct group *group)
{
    credentials_unref(group->credentials);
    proxy_board_unref(group->board);
}

static void drop_items(struct item_list *items)
{
    struct item *item = NULL;
    while ((item = TAILQ_FIRST(items)) != NULL) {
        TAILQ_REMOVE(items, item, link);
        stop_item(item);
        group_deinit(&item->of);
        free(item);
    }
}

struct parent_checks *parent_checks_create(struct ev_loop *loop)
{
    struct parent_checks *checks = calloc(1, sizeof *checks);
    if (checks == NULL)
        return NULL;
    checks->loop = loop;
    TAILQ_INIT(&checks->items);
    return checks;
}

static void stop_watch(struct watch *watch)
{
    ev_timer_stop(watch->checks->loop, &watch->timer);
    srv_source_leave(&watch->waiter);
    srv_source_destroy(watch->source);
    watch->source = NULL;
}

static void drop_watches(struct watch_list *watches)
{
    struct watch *watch = NULL;
    while ((watch = SLIST_FIRST(watches)) != NULL) {
        SLIST_REMOVE_HEAD(watches, link);
        stop_watch(watch);
        group_deinit(&watch->of);
        free(watch);
    }
}

static void stop_all(struct parent_checks *checks)
{
    struct item *item = NULL;
    struct watch *watch = NULL;
    SLIST_FOREACH(watch, &checks->watches, link)
    {
        stop_watch(watch);
    }
    TAILQ_FOREACH(item, &checks->items, link)
    {
        stop_item(item);
    }
    resolver_destroy(checks->resolver);
    checks->resolver = NULL;
}

// forget_all takes back what was found: nobody checks any more whether it is still so.
static void forget_all(struct parent_checks *checks)
{
    const struct item *item = NULL;
    stop_all(checks);
    TAILQ_FOREACH(item, &checks->items, link)
    {
        proxy_board_clear(item->of.board);
    }
}

void parent_checks_destroy(struct parent_checks *checks)
{
    if (checks == NULL)
        return;
    stop_all(checks);
    drop_items(&checks->items);
    drop_watches(&checks->watches);
    buffer_pool_deinit(&checks->buffers);
    free(checks);
}

void parent_checks_leave(struct parent_checks *checks)
{
    if (checks == NULL)
        return;
    checks->has_left = true;
    forget_all(checks);
}

static bool is_same_way(const struct item *a, const struct item *b)
{
    return strcmp(a->of.parent, b->of.parent) == 0 && strcmp(a->url, b->url) == 0;
}

// carry_over has an item go on with what is known of it.
static void carry_over(const struct item_list *before, struct item *item)
{
    const struct item *old = NULL;
    TAILQ_FOREACH(old, before, link)
    {
        if (is_same_way(old, item))
            break;
    }
    if (old == NULL)
        return;
    item->is_down = old->is_down;
    item->is_known = old->is_known;
    item->streak = old->streak;
    item->since_s = old->since_s;
    item->good = old->good;
    item->failed = old->failed;
    item->problem = old->problem;
    proxy_board_set(item->of.board, item->at, &item->proxy, item->is_down);
}

// add has one proxy asked, in slot `at` of the board.
static void add(struct parent_checks *checks, const struct group *of, const struct target *proxy,
                size_t at, const struct item_list *before)
{
    struct item *item = calloc(1, sizeof *item);
    char host[TARGET_TEXT_CAP];
    if (item == NULL) {
        log_error(LOG_NO_MEMORY, "no memory to check the parent %s", of->parent);
        return;
    }
    const bool is_v6 = proxy->kind == TARGET_ADDRESS && proxy->address.family == IP_V6;
    item->checks = checks;
    group_copy(&item->of, of);
    (void)snprintf(item->url, sizeof item->url, "%s://%s%s%s:%u",
                   of->credentials == NULL ? "http" : "https", is_v6 ? "[" : "",
                   target_format_host(proxy, host), is_v6 ? "]" : "", proxy->port);
    item->proxy = *proxy;
    item->at = at;
    ev_timer_init(&item->timer, on_timer, 0., 0.);
    item->timer.data = item;
    TAILQ_INSERT_TAIL(&checks->items, item, link);
    carry_over(before, item);
    const int64_t every_ms = of->health.every_ms;
    wait_for(item, pick(every_ms < FIRST_MS ? every_ms : FIRST_MS));
}

// ---- services -----------------------------------------------------------------------------------

// take_items moves the items of a parent to another list, and stops them.
static void take_items(struct parent_checks *checks, const char *parent, struct item_list *out)
{
    struct item *item = TAILQ_FIRST(&checks->items);
    while (item != NULL) {
        struct item *next = TAILQ_NEXT(item, link);
        if (strcmp(item->of.parent, parent) == 0) {
            stop_item(item);
            TAILQ_REMOVE(&checks->items, item, link);
            TAILQ_INSERT_TAIL(out, item, link);
        }
        item = next;
    }
}

// add_places has the places of a service asked; those of `before` go on with what is known of them.
static void add_places(struct watch *watch, const struct item_list *before)
{
    watch->list = *srv_source_list(watch->source);
    proxy_board_clear(watch->of.board);
    for (size_t at = 0; at < watch->list.count; at++)
        add(watch->checks, &watch->of, &watch->list.places[at].target, at, before);
}

static void look_later(struct watch *watch)
{
    struct ev_loop *loop = watch->checks->loop;
    const int64_t wait_ms = srv_source_due_ms(watch->source) - monotonic_ms();
    ev_timer_stop(loop, &watch->timer);
    ev_timer_set(&watch->timer, (ev_tstamp)(wait_ms > BUSY_MS ? wait_ms : BUSY_MS) / 1000., 0.);
    ev_timer_start(loop, &watch->timer);
}

static void on_looked(void *owner)
{
    struct watch *watch = owner;
    struct item_list before = TAILQ_HEAD_INITIALIZER(before);
    const struct srv_list *list = srv_source_list(watch->source);
    const bool is_good = srv_source_problem(watch->source) == NULL;
    watch->good += is_good ? 1 : 0;
    watch->failed += is_good ? 0 : 1;
    look_later(watch);
    if (srv_list_equal_places(list, &watch->list))
        return;
    take_items(watch->checks, watch->of.parent, &before);
    add_places(watch, &before);
    drop_items(&before);
}

static void on_due(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct watch *watch = timer->data;
    (void)loop;
    (void)events;
    if (srv_source_look(watch->source, &watch->waiter)) // nobody is asked, for want of memory
        look_later(watch);
}

// keep_places goes on with the places that were asked before a reload, until DNS is heard.
static void keep_places(struct watch *watch, const struct item_list *before)
{
    const struct item *item = NULL;
    TAILQ_FOREACH(item, before, link)
    {
        if (strcmp(item->of.parent, watch->of.parent) != 0 || item->proxy.kind != TARGET_NAME ||
            !srv_settings_allow(srv_source_settings(watch->source), &item->proxy.name))
            continue;
        srv_list_add(&watch->list, &(struct srv_place){.target = item->proxy});
    }
    for (size_t at = 0; at < watch->list.count; at++)
        add(watch->checks, &watch->of, &watch->list.places[at].target, at, before);
}

// add_watch has DNS asked about a service.
static void add_watch(struct parent_checks *checks, const struct parent_config *config,
                      const struct group *of, const struct item_list *before)
{
    struct watch *watch = calloc(1, sizeof *watch);
    struct srv_source *source =
        srv_source_create(checks->loop, checks->resolver, config->srv, NULL, NULL);
    if (watch == NULL || source == NULL) {
        log_error(LOG_NO_MEMORY, "no memory to check the parent %s", config->name);
        srv_source_destroy(source);
        free(watch);
        return;
    }
    watch->checks = checks;
    group_copy(&watch->of, of);
    watch->source = source;
    watch->waiter = (struct srv_waiter){.wake = on_looked, .owner = watch};
    ev_timer_init(&watch->timer, on_due, 0., 0.);
    watch->timer.data = watch;
    SLIST_INSERT_HEAD(&checks->watches, watch, link);
    keep_places(watch, before);
    ev_timer_set(&watch->timer, 0., 0.);
    ev_timer_start(checks->loop, &watch->timer);
}

// add_parent has the proxies of a parent asked.
static void add_parent(struct parent_checks *checks, const struct parent_config *config,
                       const struct item_list *before)
{
    struct group of = {.credentials = config->credentials, // borrowed here
                       .board = config->board,
                       .health = config->health};
    (void)string_copy(of.parent, sizeof of.parent, slice_of_string(config->name));
    if (config->srv != NULL && config->srv->target_count == 0)
        of.served_name = config->srv->service.domain;
    if (config->srv != NULL)
        add_watch(checks, config, &of, before);
    for (size_t at = 0; at < config->proxy_count; at++)
        add(checks, &of, &config->proxies[at], at, before);
}

// is_any_checked tells whether a configuration has a parent that is to be checked.
static bool is_any_checked(const struct snapshot *snapshot)
{
    size_t at = 0;
    while (at < snapshot->parent_count && snapshot->parents[at].board == NULL)
        at++;
    return at < snapshot->parent_count;
}

void parent_checks_adopt(struct parent_checks *checks, const struct snapshot *snapshot)
{
    struct item_list before = TAILQ_HEAD_INITIALIZER(before);
    struct errinfo info;
    stop_all(checks);
    if (checks->has_left)
        return;
    TAILQ_CONCAT(&before, &checks->items, link);
    drop_watches(&checks->watches);
    if (is_any_checked(snapshot) &&
        resolver_create(checks->loop, &snapshot->resolver, &checks->resolver, &info) != ERR_OK) {
        log_error(LOG_RESOLVER_FAILED, "checks of parents: %s", info.text);
        drop_items(&before); // nothing is down on the boards of today
        return;
    }
    for (size_t i = 0; i < snapshot->parent_count; i++) {
        if (snapshot->parents[i].board != NULL)
            add_parent(checks, &snapshot->parents[i], &before);
    }
    drop_items(&before);
}

static const char *state_of(const struct item *item)
{
    return item->is_down ? "down" : item->is_known ? "up" : "unknown";
}

static const char *state_of_service(const struct watch *watch)
{
    if (watch->good + watch->failed == 0)
        return "unknown";
    return watch->list.count == 0 ? "down" : "up";
}

// service_format writes a service as status and metrics have it.
static const char *service_format(const struct watch *watch, char out[URL_CAP])
{
    (void)snprintf(out, URL_CAP, "srv:%s", srv_source_settings(watch->source)->service.name.text);
    return out;
}

// services_status adds the services, which are up while there is a place to go.
static void services_status(const struct parent_checks *checks, struct text *out)
{
    const struct watch *watch = NULL;
    char url[URL_CAP];
    SLIST_FOREACH(watch, &checks->watches, link)
    {
        if (watch->source == NULL) // it has left
            continue;
        json_begin_object(out, NULL);
        json_add_string(out, "of", watch->of.parent);
        json_add_string(out, "url", service_format(watch, url));
        json_add_string(out, "state", state_of_service(watch));
        json_add_time(out, "since", INT64_MIN);
        json_add_count(out, "good", watch->good);
        json_add_count(out, "failed", watch->failed);
        json_add_string(out, "warning", srv_source_problem(watch->source));
        json_end_object(out);
    }
}

void parent_checks_status(const struct parent_checks *checks, struct text *out)
{
    const struct item *item = NULL;
    json_begin_array(out, "parents");
    TAILQ_FOREACH(item, &checks->items, link)
    {
        json_begin_object(out, NULL);
        json_add_string(out, "of", item->of.parent);
        json_add_string(out, "url", item->url);
        json_add_string(out, "state", state_of(item));
        json_add_time(out, "since", item->since_s == 0 ? INT64_MIN : item->since_s);
        json_add_count(out, "good", item->good);
        json_add_count(out, "failed", item->failed);
        json_add_string(out, "warning", item->problem);
        json_end_object(out);
    }
    services_status(checks, out);
    json_end_array(out);
}

static void add_up(const char *of, const char *url, bool is_up, struct exposition *out)
{
    const struct label labels[] = {{"of", of}, {"url", url}};
    exposition_add_count(out, labels, 2, is_up ? 1 : 0);
}

static void add_answers(const char *of, const char *url, uint64_t good, uint64_t failed,
                        struct exposition *out)
{
    const struct label goods[] = {{"of", of}, {"url", url}, {"result", "good"}};
    const struct label fails[] = {{"of", of}, {"url", url}, {"result", "failed"}};
    exposition_add_count(out, goods, 3, good);
    exposition_add_count(out, fails, 3, failed);
}

void parent_checks_metrics(const struct parent_checks *checks, struct exposition *out)
{
    static const struct family ups = {
        "sallyport_parent_up", FAMILY_GAUGE, NULL,
        "1 if a proxy of a parent is used, as far as its checks are concerned."};
    static const struct family answers = {"sallyport_parent_checks", FAMILY_COUNTER, NULL,
                                          "Checks of proxies of parents, by their result."};
    const struct item *item = NULL;
    const struct watch *watch = NULL;
    char url[URL_CAP];
    exposition_add_family(out, &ups);
    TAILQ_FOREACH(item, &checks->items, link)
    {
        add_up(item->of.parent, item->url, !item->is_down, out);
    }
    SLIST_FOREACH(watch, &checks->watches, link)
    {
        if (watch->source != NULL)
            add_up(watch->of.parent, service_format(watch, url),
                   watch->list.count > 0 || watch->good + watch->failed == 0, out);
    }
    exposition_add_family(out, &answers);
    TAILQ_FOREACH(item, &checks->items, link)
    {
        add_answers(item->of.parent, item->url, item->good, item->failed, out);
    }
    SLIST_FOREACH(watch, &checks->watches, link)
    {
        if (watch->source != NULL)
            add_answers(watch->of.parent, service_format(watch, url), watch->good, watch->failed,
                        out);
    }
}
