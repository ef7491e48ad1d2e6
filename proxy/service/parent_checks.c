// Each proxy goes round: it waits, is asked, and waits again. Only so many answers of one kind in a row change its state.
#include "proxy/service/parent_checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <time.h>

#include "auth/base/json.h"
#include "proxy/config/parent_config.h"
#include "proxy/log/log.h"
#include "proxy/uplink/proxy_check.h"

enum {
    AT_ONCE = 16,         // proxies that are asked
    BUSY_MS = 100,        // until one is asked for which there was no room
    FIRST_MS = 1000,      // within which the first question is asked
    LIMIT_MAX_MS = 10000, // of a question
    LIMIT_MIN_MS = 1000,
    URL_CAP = TARGET_TEXT_CAP + 24,
};

// item is one proxy of a parent.
struct item {
    TAILQ_ENTRY(item) link;
    struct parent_checks *checks; // borrowed
    char parent[PARENT_NAME_MAX + 1];
    char url[URL_CAP];
    struct target proxy;
    struct credentials *credentials; // ref; NULL: in the clear
    struct proxy_board *board;       // ref
    size_t at;                       // on the board
    struct parent_health health;
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

struct parent_checks {
    struct ev_loop *loop; // borrowed
    struct buffer_pool buffers;
    struct resolver *resolver; // owned; NULL: nobody is asked
    struct item_list items;    // owned
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
    proxy_board_set(item->board, item->at, is_down);
    if (is_down)
        log_warning(LOG_PARENT_DOWN,
                    "parent %s: %s is down (%s): nothing new goes there while another one of its "
                    "proxies is not",
                    item->parent, item->url, item->problem);
    else
        log_info(LOG_PARENT_UP, "parent %s: %s can be used again", item->parent, item->url);
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
    if (item->streak >= (item->is_down ? item->health.rise : item->health.fall))
        enter(item, !item->is_down);
    const int64_t every_ms = item->health.every_ms;
    wait_for(item, every_ms - every_ms / 8 + pick(every_ms / 4));
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct item *item = timer->data;
    struct parent_checks *checks = item->checks;
    const int64_t every_ms = item->health.every_ms;
    (void)events;
    if (checks->asking_count >= AT_ONCE) {
        wait_for(item, BUSY_MS);
        return;
    }
    const struct proxy_check_request request = {
        .loop = loop,
        .pool = &checks->buffers,
        .resolver = checks->resolver,
        .credentials = item->credentials,
        .proxy = &item->proxy,
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

static void drop_items(struct item_list *items)
{
    struct item *item = NULL;
    while ((item = TAILQ_FIRST(items)) != NULL) {
        TAILQ_REMOVE(items, item, link);
        stop_item(item);
        credentials_unref(item->credentials);
        proxy_board_unref(item->board);
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

static void stop_all(struct parent_checks *checks)
{
    struct item *item = NULL;
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
        proxy_board_set(item->board, item->at, false);
    }
}

void parent_checks_destroy(struct parent_checks *checks)
{
    if (checks == NULL)
        return;
    stop_all(checks);
    drop_items(&checks->items);
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
    return strcmp(a->parent, b->parent) == 0 && strcmp(a->url, b->url) == 0;
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
    proxy_board_set(item->board, item->at, item->is_down);
}

static void add(struct parent_checks *checks, const struct parent_config *config, size_t at,
                const struct item_list *before)
{
    struct item *item = calloc(1, sizeof *item);
    char host[TARGET_TEXT_CAP];
    if (item == NULL) {
        log_error(LOG_NO_MEMORY, "no memory to check the parent %s", config->name);
        return;
    }
    const struct target *proxy = &config->proxies[at];
    const bool is_v6 = proxy->kind == TARGET_ADDRESS && proxy->address.family == IP_V6;
    item->checks = checks;
    (void)string_copy(item->parent, sizeof item->parent, slice_of_string(config->name));
    (void)snprintf(item->url, sizeof item->url, "%s://%s%s%s:%u",
                   config->is_clear ? "http" : "https", is_v6 ? "[" : "",
                   target_format_host(proxy, host), is_v6 ? "]" : "", proxy->port);
    item->proxy = *proxy;
    item->credentials = credentials_ref(config->credentials);
    item->board = proxy_board_ref(config->board);
    item->at = at;
    item->health = config->health;
    ev_timer_init(&item->timer, on_timer, 0., 0.);
    item->timer.data = item;
    TAILQ_INSERT_TAIL(&checks->items, item, link);
    carry_over(before, item);
    const int64_t every_ms = config->health.every_ms;
    wait_for(item, pick(every_ms < FIRST_MS ? every_ms : FIRST_MS));
}

void parent_checks_adopt(struct parent_checks *checks, const struct snapshot *snapshot)
{
    struct item_list before = TAILQ_HEAD_INITIALIZER(before);
    struct errinfo info;
    stop_all(checks);
    if (checks->has_left)
        return;
    TAILQ_CONCAT(&before, &checks->items, link);
    for (size_t i = 0; i < snapshot->parent_count; i++) {
        const struct parent_config *config = &snapshot->parents[i];
        for (size_t at = 0; config->board != NULL && at < config->proxy_count; at++)
            add(checks, config, at, &before);
    }
    drop_items(&before);
    if (TAILQ_EMPTY(&checks->items))
        return;
    if (resolver_create(checks->loop, &snapshot->resolver, &checks->resolver, &info) != ERR_OK) {
        log_error(LOG_RESOLVER_FAILED, "checks of parents: %s", info.text);
        forget_all(checks);
    }
}

static const char *state_of(const struct item *item)
{
    return item->is_down ? "down" : item->is_known ? "up" : "unknown";
}

void parent_checks_status(const struct parent_checks *checks, struct text *out)
{
    const struct item *item = NULL;
    json_begin_array(out, "parents");
    TAILQ_FOREACH(item, &checks->items, link)
    {
        json_begin_object(out, NULL);
        json_add_string(out, "of", item->parent);
        json_add_string(out, "url", item->url);
        json_add_string(out, "state", state_of(item));
        json_add_time(out, "since", item->since_s == 0 ? INT64_MIN : item->since_s);
        json_add_count(out, "good", item->good);
        json_add_count(out, "failed", item->failed);
        json_add_string(out, "warning", item->problem);
        json_end_object(out);
    }
    json_end_array(out);
}

void parent_checks_metrics(const struct parent_checks *checks, struct exposition *out)
{
    static const struct family ups = {
        "sallyport_parent_up", FAMILY_GAUGE, NULL,
        "1 if a proxy of a parent is used, as far as its checks are concerned."};
    static const struct family answers = {"sallyport_parent_checks", FAMILY_COUNTER, NULL,
                                          "Checks of proxies of parents, by their result."};
    const struct item *item = NULL;
    exposition_add_family(out, &ups);
    TAILQ_FOREACH(item, &checks->items, link)
    {
        const struct label labels[] = {{"of", item->parent}, {"url", item->url}};
        exposition_add_count(out, labels, 2, item->is_down ? 0 : 1);
    }
    exposition_add_family(out, &answers);
    TAILQ_FOREACH(item, &checks->items, link)
    {
        const struct label good[] = {{"of", item->parent}, {"url", item->url}, {"result", "good"}};
        const struct label failed[] = {
            {"of", item->parent}, {"url", item->url}, {"result", "failed"}};
        exposition_add_count(out, good, 3, item->good);
        exposition_add_count(out, failed, 3, item->failed);
    }
}
