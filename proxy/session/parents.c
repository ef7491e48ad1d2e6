// Parents are few. They are freed in the reaping only, for their connections may be what has woken the last user.
#include "proxy/session/parents.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/log/log.h"

enum {
    CONNECTIONS_MOST = 4, // that tunnels share, to one parent
    DOWN_MS = 10000,
};

_Static_assert((int)ROUTE_PROXIES_MAX == (int)PARENT_PROXIES_MAX, "one number of proxies");
_Static_assert((int)ROUTE_PROXIES_MAX == (int)BOARD_PROXIES_MAX, "one number of proxies");

// fill_places says which proxies they are, as DNS says.
static void fill_places(struct proxy_route_options *options, const struct srv_list *list)
{
    options->is_ranked = true;
    options->proxy_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        options->proxies[i] = list->places[i].target;
        options->ranks[i] = list->places[i].rank;
    }
}

// fill_options says which proxies they are.
static void fill_options(struct parent *parent, const struct parent_config *config,
                         int64_t attempt_ms)
{
    if (config->srv != NULL && config->srv->target_count == 0)
        parent->options.served_name = config->srv->service.domain;
    parent->options.is_clear = config->is_clear;
    parent->options.attempt_ms = attempt_ms;
    parent->options.proxy_count = config->proxy_count;
    parent->options.board = proxy_board_ref(config->board);
    for (size_t i = 0; i < config->proxy_count; i++)
        parent->options.proxies[i] = config->proxies[i];
}

// start has a parent whose options are there take requests.
static void start(struct parents *parents, struct parent *parent, struct resolver *resolver,
                  struct credentials *credentials)
{
    parent->all = parents;
    proxy_route_init(&parent->route, &parent->options, parents->loop, parents->buffers, resolver,
                     credentials);
    parent->route.resumes = true;
    parent->pool = (struct connection_pool){
        .route = &parent->route,
        .most = parent->options.is_clear ? 0 : CONNECTIONS_MOST,
    };
    connection_pool_start(&parent->pool);
    TAILQ_INSERT_TAIL(&parents->all, parent, link);
}

static void retire(struct parent *parent)
{
    parent->is_retired = true;
    connection_pool_retire(&parent->pool);
}

// succeed replaces a parent by one that has the places of today. Without memory it stays as it is until DNS answers again; see
// parent_find_proxies.
static void succeed(struct parent *before, const struct srv_list *list)
{
    struct parent *parent = calloc(1, sizeof *parent);
    if (parent == NULL)
        return;
    (void)string_copy(parent->name, sizeof parent->name, slice_of_string(before->name));
    parent->tells_client = before->tells_client;
    parent->resolves = before->resolves;
    parent->options = before->options;
    parent->options.board = proxy_board_ref(before->options.board);
    fill_places(&parent->options, list);
    parent->service = before->service;
    parent->source = before->source;
    before->source = NULL;
    srv_source_set_owner(parent->source, parent);
    start(before->all, parent, before->route.resolver, before->route.credentials);
    retire(before);
}

// follow_ranks takes over what DNS says of the same places.
static void follow_ranks(struct proxy_route_options *options, const struct srv_list *list)
{
    for (size_t i = 0; i < options->proxy_count; i++) {
        for (size_t j = 0; j < list->count; j++) {
            if (target_equal(&options->proxies[i], &list->places[j].target))
                options->ranks[i] = list->places[j].rank;
        }
    }
}

// on_places hears what DNS says about the service that a parent is.
static void on_places(void *owner)
{
    struct parent *parent = owner;
    const struct srv_list *list = srv_source_list(parent->source);
    struct srv_list known = {.count = parent->options.proxy_count,
                             .is_unavailable = list->is_unavailable};
    if (parent->is_retired)
        return;
    for (size_t i = 0; i < known.count; i++)
        known.places[i].target = parent->options.proxies[i];
    if (srv_list_equal_places(&known, list))
        follow_ranks(&parent->options, list);
    else
        succeed(parent, list);
}

// add makes a parent. Without memory there is none: who asks for it is told.
static void add(struct parents *parents, const struct parent_config *config, int64_t attempt_ms,
                struct resolver *resolver)
{
    struct parent *parent = calloc(1, sizeof *parent);
    if (parent == NULL)
        return;
    (void)string_copy(parent->name, sizeof parent->name, slice_of_string(config->name));
    parent->tells_client = config->tells_client;
    parent->resolves = config->resolves;
    if (config->srv != NULL) {
        parent->service = config->srv->service.name;
        parent->source = srv_source_create(parents->loop, resolver, config->srv, on_places, parent);
        if (parent->source == NULL) {
            free(parent);
            return;
        }
    }
    fill_options(parent, config, attempt_ms);
    start(parents, parent, resolver, config->credentials);
}

// is_same_service tells whether both are the same service, or none.
static bool is_same_service(const struct parent *parent, const struct parent_config *config)
{
    if (parent->source == NULL || config->srv == NULL)
        return parent->source == NULL && config->srv == NULL;
    return srv_settings_equal(srv_source_settings(parent->source), config->srv);
}

// is_same tells whether a parent is what `config` says.
static bool is_same(const struct parent *parent, const struct parent_config *config,
                    int64_t attempt_ms)
{
    const struct proxy_route_options *options = &parent->options;
    const struct credentials *credentials = parent->route.credentials;
    if (parent->tells_client != config->tells_client || options->is_clear != config->is_clear ||
        options->attempt_ms != attempt_ms || !is_same_service(parent, config) ||
        (config->srv == NULL && options->proxy_count != config->proxy_count) ||
        (credentials == NULL) != (config->credentials == NULL))
        return false;
    for (size_t i = 0; i < config->proxy_count; i++) { // of a service none
        if (!target_equal(&options->proxies[i], &config->proxies[i]))
            return false;
    }
    return credentials == NULL ||
           memcmp(credentials->digest, config->credentials->digest, CREDENTIALS_DIGEST_LEN) == 0;
}

static void destroy(struct parents *parents, struct parent *parent)
{
    ASSERT(parent->user_count == 0);
    TAILQ_REMOVE(&parents->all, parent, link);
    connection_pool_stop(&parent->pool);
    proxy_route_close(&parent->route);
    srv_source_destroy(parent->source);
    proxy_board_unref(parent->options.board);
    free(parent);
}

void parents_start(struct parents *parents, struct ev_loop *loop, struct buffer_pool *buffers,
                   struct resolver *resolver, const struct snapshot *snapshot)
{
    *parents = (struct parents){.loop = loop, .buffers = buffers};
    TAILQ_INIT(&parents->all);
    parents_adopt(parents, resolver, snapshot);
}

void parents_stop(struct parents *parents)
{
    while (!TAILQ_EMPTY(&parents->all))
        destroy(parents, TAILQ_FIRST(&parents->all));
}

// follow takes over what changes nothing about the connections: another board, which may be NULL, and what it is asked for.
static void follow(struct parent *parent, const struct parent_config *config)
{
    struct proxy_board *before = parent->options.board;
    parent->options.board = proxy_board_ref(config->board);
    proxy_board_unref(before);
    parent->resolves = config->resolves;
}

void parents_adopt(struct parents *parents, struct resolver *resolver,
                   const struct snapshot *snapshot)
{
    const int64_t attempt_ms = snapshot->timeouts.attempt_ms;
    struct parent *parent = NULL;
    TAILQ_FOREACH(parent, &parents->all, link)
    {
        const struct parent_config *config = snapshot_find_parent(snapshot, parent->name);
        parent->route.resolver = resolver;
        if (parent->source != NULL)
            srv_source_set_resolver(parent->source, resolver);
        if (!parent->is_retired && (config == NULL || !is_same(parent, config, attempt_ms)))
            retire(parent);
        else if (!parent->is_retired)
            follow(parent, config);
    }
    for (size_t i = 0; i < snapshot->parent_count; i++) {
        if (parents_find(parents, snapshot->parents[i].name) == NULL)
            add(parents, &snapshot->parents[i], attempt_ms, resolver);
    }
}

void parents_reap(struct parents *parents)
{
    struct parent *parent = TAILQ_FIRST(&parents->all);
    while (parent != NULL) {
        struct parent *next = TAILQ_NEXT(parent, link);
        if (parent->is_retired && parent->user_count == 0)
            destroy(parents, parent);
        parent = next;
    }
}

struct parent *parents_find(struct parents *parents, const char *name)
{
    struct parent *parent = NULL;
    TAILQ_FOREACH(parent, &parents->all, link)
    {
        if (!parent->is_retired && strcmp(parent->name, name) == 0)
            return parent;
    }
    return NULL;
}

void parent_hold(struct parent *parent)
{
    parent->user_count++;
}

void parent_release(struct parent *parent)
{
    if (parent != NULL)
        parent->user_count--;
}

enum parent_places parent_find_proxies(struct parent *parent, struct srv_waiter *waiter)
{
    if (parent->source != NULL && !srv_source_look(parent->source, waiter))
        return PARENT_WAITS;
    // Without memory for its successor a parent has the places of before, though DNS says that there are none any more.
    const bool is_gone = parent->source != NULL && srv_source_list(parent->source)->count == 0;
    return parent->options.proxy_count > 0 && !is_gone ? PARENT_FOUND : PARENT_NOWHERE;
}

const char *parent_problem(const struct parent *parent)
{
    const char *problem = parent->source == NULL ? NULL : srv_source_problem(parent->source);
    return problem == NULL ? "no_place" : problem;
}

bool parent_is_current(const struct parent *parent)
{
    return !parent->is_retired;
}

// is_place tells whether a proxy is, or was, a place of this service, and would be believed to be that today.
static bool is_place(const struct parent *parent, const struct target *proxy,
                     const struct srv_settings *srv)
{
    const bool is_by_domain = parent->options.served_name.len > 0;
    return proxy->kind == TARGET_NAME && is_by_domain == (srv->target_count == 0) &&
           slice_equal(hostname_slice(&parent->service), hostname_slice(&srv->service.name)) &&
           srv_settings_allow(srv, &proxy->name);
}

bool parent_is_configured(const struct parent *parent, const struct target *proxy,
                          const struct snapshot *snapshot)
{
    const struct parent_config *config = snapshot_find_parent(snapshot, parent->name);
    bool is_there = false;
    if (config == NULL || config->is_clear != parent->options.is_clear)
        return false;
    if (config->srv != NULL) // what DNS says about it may change meanwhile
        return is_place(parent, proxy, config->srv);
    for (size_t i = 0; i < config->proxy_count; i++)
        is_there = is_there || target_equal(&config->proxies[i], proxy);
    return is_there;
}

bool parent_stop_resuming(struct parent *parent)
{
    const bool did = parent->route.resumes;
    parent->route.resumes = false;
    return did;
}

void parent_note_unreachable(struct parent *parent, const char *why, int64_t now_ms)
{
    if (!parent_is_down(parent, now_ms))
        log_warning(LOG_PROXY_UNREACHABLE,
                    "parent %s: none of its proxies can be reached (%s); for %d s others are tried "
                    "before it, where `via` names some",
                    parent->name, why, DOWN_MS / 1000);
    parent->down_until_ms = now_ms + DOWN_MS;
}

void parent_note_reached(struct parent *parent)
{
    parent->down_until_ms = 0;
}

bool parent_is_down(const struct parent *parent, int64_t now_ms)
{
    return parent->down_until_ms > now_ms ||
           (parent->options.proxy_count > 0 &&
            !proxy_board_has_up(parent->options.board, parent->options.proxies,
                                parent->options.proxy_count));
}
