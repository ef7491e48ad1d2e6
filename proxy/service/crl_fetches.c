// Each list goes round: WAITING until it is due, ASKING its server, JUDGING what came, which waits for its turn at the one
// keeper, WAITING again.
#include "proxy/service/crl_fetches.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "auth/base/date.h"
#include "auth/crl_wishes.h"
#include "proxy/clock/clock.h"
#include "proxy/config/crl_sources.h"
#include "proxy/fetch/fetch.h"
#include "proxy/log/log.h"
#include "proxy/service/crl_complaint.h"
#include "proxy/service/crl_keeper.h"
#include "proxy/service/crl_pace.h"
#include "proxy/service/state.h"
#include "proxy/tls/server_trust.h"

enum {
    AT_ONCE = 4, // servers of the configuration that are asked; as many are asked of the rest
    TIMEOUT_MIN_MS = 2 * 1000, // for a whole answer: as long as `every`, within these
    TIMEOUT_MAX_MS = 120 * 1000,
    BUSY_MS = 200, // until those are asked for which there was no room
    // bytes of lists that are on their way or judged, or one list where its `max_size` is more: of servers of the
    // configuration, and of those that certificates name
    BYTES_MAX = 128 * 1024 * 1024,
    BYTES_MAX_LEARNED = 64 * 1024 * 1024,
};

static const ev_tstamp look_every_s = 0.5; // for what certificates have named
static const ev_tstamp again_s = 1.;       // after a lack of memory

enum fetch_step { STEP_WAITING, STEP_ASKING, STEP_JUDGING };

// item is one list.
struct item {
    struct item *next; // owned
    struct crl_fetches *fetches;
    char *trust; // owned
    char *path;  // owned; names profile and URL
    struct http_url url;
    struct server_trust *tls; // ref; NULL: no https:// is asked
    int64_t every_ms;
    uint32_t max_size; // bytes
    enum fetch_step step;
    bool is_adopted;                     // by the snapshot in force
    bool is_learned;                     // from certificates
    ev_timer timer;                      // while it waits
    int64_t due_ms;                      // monotonic; while it waits
    struct fetch *fetch;                 // owned; while it asks, and until it is judged
    const struct fetch_result *answer;   // borrowed from `fetch`, while it is judged
    char etag[FETCH_FIELD_CAP];          // of the list that is kept; "" where not known
    char last_modified[FETCH_FIELD_CAP]; // likewise
    int64_t next_update_s;               // Unix seconds; of that list; 0: not known
    uint32_t failures;                   // in a row
    struct crl_complaint said;           // of its failures
    struct crl_fetch_state state;
    char problem[CRL_COMPLAINT_CAP];
};

struct crl_fetches {
    struct service *service; // borrowed
    struct item *items;      // owned
    bool has_left;
    struct buffer_pool buffers;
    ev_timer again;                  // while there was no memory to go by the snapshot in force
    bool is_late;                    // there was none the last time, or the time before
    struct resolver_options options; // of `resolver`; its hosts are a ref
    struct resolver *resolver;       // owned; NULL: nothing was fetched yet
    struct fetcher *fetcher;         // owned; likewise
    ev_timer look;                   // for what certificates name; runs while a profile wants that
    struct http_url named[CRL_WISHES_MAX]; // room for that
    struct crl_keeper keeper;
    struct item *judged; // by the keeper now; one of `items`, or owned when it is none any more
};

static void ask(struct item *item);

static struct ev_loop *loop_of(const struct item *item)
{
    return item->fetches->service->loop;
}

static void wait_for(struct item *item, int64_t delay_ms)
{
    item->step = STEP_WAITING;
    item->due_ms = monotonic_ms() + delay_ms;
    ev_now_update(loop_of(item));
    ev_timer_stop(loop_of(item), &item->timer);
    ev_timer_set(&item->timer, (ev_tstamp)delay_ms / 1000., 0.);
    ev_timer_start(loop_of(item), &item->timer);
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// spread makes a delay up to a tenth shorter, so that many proxies do not ask at the same moment.
static int64_t spread(int64_t delay_ms)
{
    return delay_ms - delay_ms * (monotonic_us() % 100) / 1000;
}

static void end_fetch(struct item *item)
{
    fetch_destroy(item->fetch);
    item->fetch = NULL;
    item->answer = NULL;
}

// be_good is the end of a round in which the server has given or confirmed the list. The next one begins after `every`, or
// when half of the list's time is over, if that comes first.
static void be_good(struct item *item)
{
    const int64_t now_s = (int64_t)time(NULL);
    const int64_t delay_ms = crl_pace_after_success(item->every_ms, item->next_update_s, now_s);
    if (item->state.failing_since_s != 0)
        log_info(LOG_CRL_FETCHED, "trust.%s: %s: the list can be fetched again", item->trust,
                 item->url.text);
    item->state.good_at_s = now_s;
    item->state.failing_since_s = 0;
    item->failures = 0;
    item->problem[0] = '\0';
    end_fetch(item);
    wait_for(item, spread(delay_ms));
}

// say_failing logs a failure, if it is to be said (crl_complaint.h). It is an error when the list in force ends before two more
// rounds.
static void say_failing(struct item *item, int64_t now_s, int64_t retry_ms)
{
    char date[DATE_TEXT_CAP] = "";
    const bool is_known = item->next_update_s > 0;
    const bool is_urgent = is_known && item->next_update_s - now_s < 2 * item->every_ms / SECOND_MS;
    if (!crl_complaint_note(&item->said, item->problem, is_urgent, item->failures, now_s))
        return;
    if (is_known)
        (void)date_format(item->next_update_s, DATE_SECOND, date);
    log_write(is_urgent ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, LOG_CRL_FETCH_FAILED,
              "trust.%s: %s: %s; %s%s; tried again in %" PRId64 " s, then ever more seldom",
              item->trust, item->url.text, item->problem,
              is_known ? "the list in force ends on " : "what is kept on the disk stays in force",
              date, (retry_ms + SECOND_MS - 1) / SECOND_MS);
}

// fail is the end of a round that has brought nothing.
static void fail(struct item *item, const char *why)
{
    const int64_t now_s = (int64_t)time(NULL);
    const int64_t delay_ms = crl_pace_after_failure(item->every_ms, item->failures);
    (void)snprintf(item->problem, sizeof item->problem, "%s", why);
    item->failures++;
    item->state.failed++;
    if (item->state.failing_since_s == 0)
        item->state.failing_since_s = now_s;
    say_failing(item, now_s, delay_ms);
    end_fetch(item);
    wait_for(item, spread(delay_ms));
}

// begin_judging gives the keeper the next list, if it has none.
static void begin_judging(struct crl_fetches *fetches)
{
    for (struct item *item = fetches->items; item != NULL && fetches->judged == NULL;
         item = item->next) {
        const struct crl_keeping keeping = {.trust = item->trust,
                                            .path = item->path,
                                            .url = &item->url,
                                            .is_learned = item->is_learned};
        if (item->step != STEP_JUDGING)
            continue;
        struct crl_keeping whole = keeping;
        whole.bytes = item->answer->body;
        if (crl_keeper_start(&fetches->keeper, fetches->service->snapshot, &whole))
            fetches->judged = item;
        else
            fail(item, "no memory for a thread to read the list");
    }
}

static void free_item(struct item *item)
{
    ev_timer_stop(loop_of(item), &item->timer);
    end_fetch(item);
    server_trust_unref(item->tls);
    free(item->trust);
    free(item->path);
    free(item);
}

// take_judgement ends the round of the list that was judged.
static void take_judgement(struct item *item, const struct crl_keeper *keeper)
{
    if (keeper->error != ERR_OK) {
        item->etag[0] = '\0';
        item->last_modified[0] = '\0';
        fail(item, keeper->info.text);
        return;
    }
    item->next_update_s = keeper->offer.next_update_s;
    (void)string_copy(item->etag, sizeof item->etag, slice_of_string(item->answer->etag));
    (void)string_copy(item->last_modified, sizeof item->last_modified,
                      slice_of_string(item->answer->last_modified));
    if (keeper->offer.is_same) {
        item->state.unchanged++;
    } else {
        item->state.fetched++;
        log_info(LOG_CRL_FETCHED, "trust.%s: %s: a new list was fetched, %zu bytes", item->trust,
                 item->url.text, item->answer->body.len);
    }
    be_good(item);
}

static void on_kept(void *arg, uint32_t rung)
{
    (void)rung;
    struct crl_fetches *fetches = arg;
    struct item *item = fetches->judged;
    crl_keeper_join(&fetches->keeper);
    fetches->judged = NULL;
    if (item->is_adopted)
        take_judgement(item, &fetches->keeper);
    else
        free_item(item);
    begin_judging(fetches);
}

// take_answer goes on by what the server has said.
static void take_answer(struct item *item, const struct fetch_result *result)
{
    char why[64];
    const bool has_asked_if = item->etag[0] != '\0' || item->last_modified[0] != '\0';
    if (result->status == 200) {
        item->step = STEP_JUDGING;
        item->answer = result;
        begin_judging(item->fetches);
    } else if (result->status == 304 && has_asked_if && item->next_update_s < (int64_t)time(NULL)) {
        item->etag[0] = '\0';
        item->last_modified[0] = '\0';
        fail(item, "the server has no list but the one that has expired");
    } else if (result->status == 304 && has_asked_if) {
        item->state.unchanged++;
        be_good(item);
    } else if (result->status >= 300 && result->status < 400) {
        (void)snprintf(why, sizeof why, "status %u: redirects are not followed", result->status);
        fail(item, why);
    } else {
        (void)snprintf(why, sizeof why, "the server answers with status %u", result->status);
        fail(item, why);
    }
}

static void on_done(void *arg, const struct fetch_result *result)
{
    struct item *item = arg;
    char why[CRL_COMPLAINT_CAP];
    if (result->outcome == FETCH_OK) {
        take_answer(item, result);
    } else if (result->outcome == FETCH_TOO_MANY) {
        end_fetch(item);
        wait_for(item, BUSY_MS);
    } else {
        (void)snprintf(why, sizeof why, "%s (%s)%s", result->why,
                       fetch_outcome_name(result->outcome),
                       result->outcome == FETCH_TOO_LARGE ? "; see `max_size`" : "");
        fail(item, why);
    }
}

// has_room tells whether this one may be asked now. What certificates name never takes the room of the configuration's.
static bool has_room(const struct item *item)
{
    size_t count = 0;
    size_t bytes = item->max_size;
    for (const struct item *other = item->fetches->items; other != NULL; other = other->next) {
        if (other->is_learned != item->is_learned || other->fetch == NULL)
            continue;
        count++;
        bytes += other->max_size;
    }
    return count == 0 ||
           (count < AT_ONCE && bytes <= (item->is_learned ? BYTES_MAX_LEARNED : BYTES_MAX));
}

static int64_t timeout_of(const struct item *item)
{
    const int64_t timeout_ms = lesser(item->every_ms, TIMEOUT_MAX_MS);
    return timeout_ms < TIMEOUT_MIN_MS ? TIMEOUT_MIN_MS : timeout_ms;
}

// ask puts the question. Whether there is something new is asked only while the list is still where it was kept.
static void ask(struct item *item)
{
    if (!has_room(item)) {
        wait_for(item, BUSY_MS);
        return;
    }
    if (access(item->path, R_OK) != 0) {
        item->etag[0] = '\0';
        item->last_modified[0] = '\0';
    }
    const struct fetch_request request = {.url = &item->url,
                                          .tls = item->tls,
                                          .accept = "application/pkix-crl, */*;q=0.5",
                                          .etag = item->etag,
                                          .last_modified = item->last_modified,
                                          .max_body = item->max_size,
                                          .timeout_ms = timeout_of(item)};
    item->step = STEP_ASKING;
    item->fetch = fetch_start(item->fetches->fetcher, &request, on_done, item);
    if (item->fetch == NULL)
        fail(item, "no memory to ask");
}

static void on_due(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    ask(timer->data);
}

// drop_item frees an item that is not in the list any more; one that is being judged is freed after that.
static void drop_item(struct item *item)
{
    if (item == item->fetches->judged) {
        item->is_adopted = false;
        ev_timer_stop(loop_of(item), &item->timer);
    } else {
        free_item(item);
    }
}

static struct item *find_item(const struct crl_fetches *fetches, const char *path)
{
    struct item *item = fetches->items;
    while (item != NULL && strcmp(item->path, path) != 0)
        item = item->next;
    return item;
}

// add_item begins with the list of `url`, kept at `path`. NULL without memory.
static struct item *add_item(struct crl_fetches *fetches, const struct crl_source *source,
                             const struct http_url *url, const char *path)
{
    struct item *item = calloc(1, sizeof *item);
    if (item == NULL)
        return NULL;
    item->fetches = fetches;
    item->trust = strdup(source->trust);
    item->path = strdup(path);
    item->url = *url;
    item->is_learned = source->is_learned;
    item->every_ms = source->every_ms;
    item->max_size = source->max_size;
    ev_timer_init(&item->timer, on_due, 0., 0.);
    item->timer.data = item;
    if (item->trust == NULL || item->path == NULL) {
        free_item(item);
        return NULL;
    }
    item->next = fetches->items;
    fetches->items = item;
    wait_for(item, 0);
    return item;
}

// close_way ends what is under way; it is asked again as soon as there is a way.
static void close_way(struct crl_fetches *fetches)
{
    for (struct item *item = fetches->items; item != NULL; item = item->next) {
        if (item->step != STEP_ASKING)
            continue;
        end_fetch(item);
        wait_for(item, 0);
    }
}

// open_way makes what questions need, or has another resolver asked where its settings have changed. False without memory: the
// old one, if there is one, stays for now.
static bool open_way(struct crl_fetches *fetches)
{
    const struct resolver_options *options = &fetches->service->snapshot->resolver;
    struct resolver *resolver = NULL;
    struct errinfo info;
    if (fetches->fetcher != NULL && resolver_options_equal(&fetches->options, options))
        return true;
    if (resolver_create(fetches->service->loop, options, &resolver, &info) != ERR_OK)
        return false;
    const struct fetcher_options wanted = {.path = {.loop = fetches->service->loop,
                                                    .resolver = resolver,
                                                    .buffers = &fetches->buffers},
                                           .max_at_once = 2 * AT_ONCE};
    if (fetches->fetcher == NULL)
        fetches->fetcher = fetcher_create(&wanted);
    if (fetches->fetcher == NULL) {
        resolver_destroy(resolver);
        return false;
    }
    close_way(fetches);
    fetcher_adopt(fetches->fetcher, resolver);
    if (fetches->resolver != NULL)
        resolver_retire(fetches->resolver);
    host_table_unref(fetches->options.hosts);
    fetches->options = *options;
    (void)host_table_ref(options->hosts);
    fetches->resolver = resolver;
    return true;
}

// be_late has the snapshot in force adopted again a little later: there was no memory for all of it.
static void be_late(struct crl_fetches *fetches)
{
    if (!fetches->is_late)
        log_error(LOG_NO_MEMORY, "CRLs: no memory to fetch all of them by the newest "
                                 "configuration; this is tried again every second");
    fetches->is_late = true;
    if (!ev_is_active(&fetches->again))
        ev_timer_again(fetches->service->loop, &fetches->again);
}

// drop_others drops what the snapshot in force does not name.
static void drop_others(struct crl_fetches *fetches)
{
    struct item **place = &fetches->items;
    while (*place != NULL) {
        struct item *item = *place;
        if (item->is_adopted) {
            place = &item->next;
            continue;
        }
        *place = item->next;
        drop_item(item);
    }
}

// adopt goes on with an item, or begins with it where there is none.
static void adopt(struct crl_fetches *fetches, const struct crl_source_entry *entry,
                  const struct http_url *url, const char *path)
{
    const struct crl_source *source = entry->source;
    struct item *item = find_item(fetches, path);
    if (item == NULL)
        item = add_item(fetches, source, url, path);
    if (item == NULL) {
        be_late(fetches);
        return;
    }
    item->is_adopted = true;
    item->every_ms = source->every_ms;
    item->max_size = source->max_size;
    server_trust_unref(item->tls);
    item->tls = server_trust_ref(entry->tls);
    if (item->step == STEP_WAITING && item->due_ms - monotonic_ms() > item->every_ms)
        wait_for(item, item->every_ms);
}

// adopt_learned goes on with what certificates have named for this profile, as far as it may still be asked for.
static void adopt_learned(struct crl_fetches *fetches, const struct crl_source_entry *entry)
{
    const struct crl_source *source = entry->source;
    char path[CONFIG_PATH_MAX + 1];
    for (struct item *item = fetches->items; item != NULL; item = item->next) {
        if (item->is_learned && strcmp(item->trust, source->trust) == 0 &&
            http_url_is_under_any(&item->url, source->prefixes, source->prefix_count) &&
            crl_source_learned_path(source, &item->url, path) && strcmp(item->path, path) == 0)
            adopt(fetches, entry, &item->url, path);
    }
}

// say_given_back tells that a list is not fetched any more.
static void say_given_back(const struct item *item)
{
    log_info(LOG_CRL_FETCHED,
             "trust.%s: no certificate names the list %s any more: it is not fetched from now on; "
             "what is kept of it stays in force",
             item->trust, item->url.text);
}

// drop_unnamed drops what certificates named once for this profile, and is not adopted any more.
static void drop_unnamed(struct crl_fetches *fetches, const char *trust)
{
    struct item **place = &fetches->items;
    while (*place != NULL) {
        struct item *item = *place;
        if (item->is_adopted || !item->is_learned || strcmp(item->trust, trust) != 0) {
            place = &item->next;
            continue;
        }
        say_given_back(item);
        *place = item->next;
        drop_item(item);
    }
}

// say_unlisted tells once of each list that certificates have named in vain.
static void say_unlisted(const struct crl_source *source, const struct trust *trust)
{
    struct http_url urls[CRL_WISHES_MAX_UNLISTED];
    size_t count = 0;
    size_t news = 0;
    if (!trust_read_unlisted(trust, true, urls, &count, &news))
        return; // the next look says it
    for (size_t i = news; i < count; i++)
        log_warning(LOG_CRL_UNLISTED,
                    "trust.%s: a certificate names the list %s, which is below no prefix of "
                    "`under`: it is not fetched, and who needs it is refused (crl_missing); add a "
                    "prefix, or name the list under `crl`, if it is the CA's",
                    source->trust, urls[i].text);
}

// learn goes by what certificates have named lately: begins with what is new, and ends what is gone.
static void learn(struct crl_fetches *fetches, const struct crl_source_entry *entry)
{
    const struct crl_source *source = entry->source;
    const struct trust *trust = snapshot_find_trust(fetches->service->snapshot, source->trust);
    char path[CONFIG_PATH_MAX + 1];
    size_t count = 0;
    if (trust != NULL)
        say_unlisted(source, trust);
    if (trust == NULL || !trust_read_wishes(trust, (int64_t)time(NULL), fetches->named, &count))
        return;
    for (struct item *item = fetches->items; item != NULL; item = item->next)
        item->is_adopted &= !(item->is_learned && strcmp(item->trust, source->trust) == 0);
    for (size_t i = 0; i < count; i++) {
        const struct http_url *url = &fetches->named[i];
        if (!crl_source_learned_path(source, url, path))
            continue;
        if (find_item(fetches, path) == NULL)
            log_info(LOG_CRL_FETCHED,
                     "trust.%s: certificates name the list %s: it is fetched from now on",
                     source->trust, url->text);
        adopt(fetches, entry, url, path);
    }
    drop_unnamed(fetches, source->trust);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct crl_fetches *fetches = timer->data;
    const struct crl_source_entry *entry = fetches->service->snapshot->crl_sources;
    for (; entry != NULL; entry = entry->next) {
        if (entry->source->is_learned)
            learn(fetches, entry);
    }
}

// look_for_more has the timer run while a profile goes by what certificates name.
static void look_for_more(struct crl_fetches *fetches, bool is_wanted)
{
    ev_timer_stop(fetches->service->loop, &fetches->look);
    if (is_wanted)
        ev_timer_again(fetches->service->loop, &fetches->look);
}

void crl_fetches_adopt(struct crl_fetches *fetches)
{
    const struct crl_source_entry *entry = fetches->service->snapshot->crl_sources;
    bool has_learned = false;
    if (fetches->has_left)
        return;
    ev_timer_stop(fetches->service->loop, &fetches->again);
    for (struct item *item = fetches->items; item != NULL; item = item->next)
        item->is_adopted = false;
    if (entry != NULL && !open_way(fetches))
        be_late(fetches);
    if (fetches->fetcher == NULL)
        entry = NULL;
    for (; entry != NULL; entry = entry->next) {
        const struct crl_source *source = entry->source;
        has_learned |= source->is_learned;
        if (source->is_learned)
            adopt_learned(fetches, entry);
        else
            adopt(fetches, entry, &source->url, source->path);
    }
    drop_others(fetches);
    look_for_more(fetches, has_learned);
    if (!fetches->is_late || ev_is_active(&fetches->again))
        return;
    fetches->is_late = false;
    log_info(LOG_CRL_FETCHED, "CRLs: there is memory again: all of them are fetched by the newest "
                              "configuration");
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    crl_fetches_adopt(timer->data);
}

struct crl_fetches *crl_fetches_create(struct service *service)
{
    struct crl_fetches *fetches = calloc(1, sizeof *fetches);
    if (fetches == NULL)
        return NULL;
    fetches->service = service;
    ev_timer_init(&fetches->look, on_look, 0., look_every_s);
    fetches->look.data = fetches;
    ev_timer_init(&fetches->again, on_again, 0., again_s);
    fetches->again.data = fetches;
    if (wakeup_start(&fetches->keeper.done, service->loop, on_kept, fetches))
        return fetches;
    free(fetches);
    return NULL;
}

void crl_fetches_leave(struct crl_fetches *fetches)
{
    if (fetches == NULL)
        return;
    fetches->has_left = true;
    look_for_more(fetches, false);
    ev_timer_stop(fetches->service->loop, &fetches->again);
    while (fetches->items != NULL) {
        struct item *item = fetches->items;
        fetches->items = item->next;
        drop_item(item);
    }
}

void crl_fetches_destroy(struct crl_fetches *fetches)
{
    if (fetches == NULL)
        return;
    crl_fetches_leave(fetches);
    if (fetches->judged != NULL) {
        crl_keeper_join(&fetches->keeper);
        free_item(fetches->judged);
    }
    wakeup_stop(&fetches->keeper.done);
    fetcher_destroy(fetches->fetcher);
    resolver_destroy(fetches->resolver);
    host_table_unref(fetches->options.hosts);
    buffer_pool_deinit(&fetches->buffers);
    free(fetches);
}

bool crl_fetches_look(const struct crl_fetches *fetches, size_t index, struct crl_fetch_state *out)
{
    const struct item *item = fetches == NULL ? NULL : fetches->items;
    while (item != NULL && index-- > 0)
        item = item->next;
    if (item == NULL)
        return false;
    const int64_t left_ms = item->due_ms - monotonic_ms();
    *out = item->state;
    out->trust = item->trust;
    out->url = item->url.text;
    out->problem = item->problem;
    out->next_in_ms = item->step != STEP_WAITING ? 0 : left_ms > 1 ? left_ms : 1;
    return true;
}
