// The steps between a request and the bytes of its target.
#include "proxy/session/route.h"

#include "proxy/session/upstream_pool.h"

enum err route_search(struct route *route, struct channel *channel, const struct request *request,
                      bool by_name)
{
    route->search = search_create(channel, &request->url.target, &route->quota);
    if (route->search == NULL)
        return ERR_MEMORY;
    if (!by_name)
        return search_resolve(route->search);
    search_leave_name(route->search);
    return ERR_OK;
}

enum err route_announce(struct route *route, struct slice header)
{
    route->is_announced = true;
    return search_send_first(route->search, header);
}

enum err route_dial(struct route *route, struct channel *channel, const struct peer *peer,
                    const struct request *request)
{
    struct search *search = route->search;
    const struct via *via = search->via;
    search->via = NULL; // the policy may be another one from now on
    if (via_equal(via, NULL))
        return search_dial(search);
    const struct hop_request wanted = {
        .channel = channel,
        .peer = peer,
        .via = via,
        .judged = search->candidates,
        .judged_count = search->candidate_count,
        .target = &request->url.target,
        .trail = &request->trail,
    };
    route->hop = hop_create(&wanted);
    return route->hop == NULL ? ERR_MEMORY : ERR_OK;
}

enum err route_dial_direct(struct route *route)
{
    route_end_hop(route);
    route_release(route);
    route->is_fallback = true;
    return search_dial(route->search);
}

struct ip_addr route_address(const struct route *route)
{
    return route->hop != NULL ? *hop_address(route->hop) : search_last_dialled(route->search);
}

const char *route_parent_name(const struct route *route)
{
    const struct parent *parent = route->hop != NULL ? hop_parent(route->hop) : route->parent;
    return parent == NULL ? NULL : parent->name;
}

bool route_is_configured(const struct route *route, const struct snapshot *snapshot)
{
    const struct parent *parent = route->hop != NULL ? hop_parent(route->hop) : route->parent;
    const struct target *proxy = route->hop != NULL ? hop_proxy(route->hop) : route->proxy;
    return parent == NULL || proxy == NULL || parent_is_configured(parent, proxy, snapshot);
}

// take_line takes over the connection that has been found.
static void take_line(struct route *route, struct channel *channel, struct line *out)
{
    *out = (struct line){.stream = NULL};
    route->upstream = route_address(route);
    if (route->hop != NULL)
        line_open_uplink(out, hop_take_uplink(route->hop));
    else
        line_open_socket(out, channel, search_take_fd(route->search));
}

// open_tunnel takes over `line`. What the client has sent goes first on the way up; on the way down `answer`, and then
// `rest`, which the target has sent after its own. After an error the tunnel is to be closed.
static enum err open_tunnel(struct route *route, struct channel *channel, struct line *line,
                            struct slice answer, struct slice rest)
{
    struct session_context *context = channel->peer->context;
    struct duplex *duplex = &route->tunnel.duplex;
    line_move(line, &route->tunnel.line, channel);
    line_await_bytes(&route->tunnel.line);
    duplex_init(duplex, channel->stream, route->tunnel.line.stream, &context->buffers, false, true,
                context->now_ms);
    TRY(flow_preload(&duplex->up, channel_unread(channel), false));
    TRY(flow_preload(&duplex->down, answer, true));
    TRY(flow_preload(&duplex->down, rest, false));
    duplex->down.demands_close = true; // a parent over TLS has to say that it has said all
    duplex_set_pace(duplex, &route->quota.account->up, &route->quota.account->down,
                    &context->now_ms);
    context->counters.tunnels++;
    route_end_search(route);
    route_end_hop(route);
    route_end_forward(route, false);
    channel_empty(channel);
    return ERR_OK;
}

enum err route_open_tunnel(struct route *route, struct channel *channel, struct slice answer)
{
    struct line line;
    take_line(route, channel, &line);
    return open_tunnel(route, channel, &line, answer,
                       route->hop == NULL ? (struct slice){0} : hop_rest(route->hop));
}

void route_move(struct route *route, const struct peer *peer)
{
    // All that has a pointer into the old account goes first: quota_move gives up what keeps that alive.
    ASSERT(route->search == NULL || route->search->dialer == NULL || route->search->is_dialled);
    duplex_move_pace(&route->tunnel.duplex, &peer->account->up, &peer->account->down);
    if (route->forward != NULL)
        forward_move_pace(route->forward, peer->account);
    quota_move(&route->quota, peer);
}

enum err route_open_upgraded(struct route *route, struct channel *channel)
{
    struct forward *forward = route->forward;
    return open_tunnel(route, channel, &forward->line, buffer_unread(forward->down.out),
                       body_flow_unread(&forward->down));
}

enum err route_forward(struct route *route, struct channel *channel, const struct request *request)
{
    const bool is_through = route->hop != NULL;
    struct line line;
    take_line(route, channel, &line);
    const enum err error = forward_create(
        channel, &line, is_through ? hop_rest(route->hop) : (struct slice){0}, request,
        route->quota.account, route->is_announced || is_through, &route->forward);
    route_end_search(route);
    route_end_hop(route);
    if (error != ERR_OK)
        return error;
    if (!route->is_pooled) // otherwise it may have to be sent again
        channel_drop_head(channel);
    channel->peer->context->counters.forwarded++;
    return ERR_OK;
}

bool route_use_pooled(struct route *route, struct channel *channel,
                      const struct admission *admission, uint64_t generation)
{
    struct session_context *context = channel->peer->context;
    struct idle_upstream upstream = upstream_pool_take(channel->peer->upstreams, admission->target,
                                                       generation, context->now_ms);
    if (upstream.fd < 0)
        return false;
    if (search_judge_address(admission, &upstream.address, NULL).is_admitted)
        route->search = search_create(channel, admission->target, &route->quota);
    if (route->search == NULL) {
        tcp_stream_discard(context->loop, upstream.fd, false);
        return false;
    }
    search_assume(route->search, &upstream.address, upstream.fd);
    route->is_pooled = true;
    return true;
}

bool route_is_spoilt(const struct route *route)
{
    return route->is_pooled && !search_is_silent(route->search);
}

void route_keep_upstream(struct route *route, struct peer *peer, const struct target *target,
                         uint64_t generation)
{
    struct session_context *context = peer->context;
    struct idle_upstream upstream = {
        .fd = route->forward->is_kept && !route->is_fallback ? forward_take_reusable(route->forward)
                                                             : -1,
        .address = route->upstream,
    };
    if (upstream.fd < 0)
        return;
    if (peer->edge !=
        NULL) { // its next request may come over another connection, and that of another over this one
        tcp_stream_discard(context->loop, upstream.fd, false);
        return;
    }
    if (peer->upstreams == NULL)
        peer->upstreams = upstream_pool_create(context->loop, &context->upstreams);
    if (peer->upstreams == NULL)
        tcp_stream_discard(context->loop, upstream.fd, false);
    else
        upstream_pool_give(peer->upstreams, target, &upstream, generation, context->now_ms);
}

enum verdict_kind route_find_inside(struct route *route, struct channel *channel,
                                    const struct target *named)
{
    if (route->inside == NULL) {
        route->inside = search_create(channel, named, &route->quota);
        if (route->inside == NULL || search_resolve_all(route->inside) != ERR_OK)
            return VERDICT_REFUSE;
    }
    if (!route->inside->is_resolved)
        return VERDICT_WAIT;
    return search_has_found(route->inside, &route->upstream) ? VERDICT_GO : VERDICT_REFUSE;
}

// keep_parent keeps which parent it was, also where it came to nothing.
static void keep_parent(struct route *route)
{
    struct parent *parent = hop_parent(route->hop);
    route->proxy = hop_proxy(route->hop);
    route->is_proxy_http2 = hop_is_http2(route->hop);
    if (parent != NULL)
        parent_hold(parent);
    parent_release(route->parent);
    route->parent = parent;
}

void route_end_hop(struct route *route)
{
    if (route->hop == NULL)
        return;
    route->attempts += hop_attempts(route->hop);
    route->upstream = route_address(route);
    keep_parent(route);
    hop_destroy(route->hop);
    route->hop = NULL;
}

void route_release(struct route *route)
{
    parent_release(route->parent);
    route->parent = NULL;
    route->proxy = NULL;
}

void route_end_search(struct route *route)
{
    search_destroy(route->inside);
    route->inside = NULL;
    if (route->search == NULL)
        return;
    const struct dialer *dialer = route->search->dialer;
    const uint32_t attempts = dialer == NULL ? 0 : dialer_attempts(dialer);
    route->attempts += attempts;
    if (attempts > 0)
        route->upstream = search_last_dialled(route->search);
    search_destroy(route->search);
    route->search = NULL;
}

void route_end_forward(struct route *route, bool is_reset)
{
    if (route->forward == NULL)
        return;
    route->bytes_up = route->forward->up.passed;
    route->bytes_down = route->forward->down.passed;
    forward_destroy(route->forward, is_reset);
    route->forward = NULL;
    route->is_pooled = false;
}

void route_bytes(const struct route *route, uint64_t *out_up, uint64_t *out_down)
{
    const struct forward *forward = route->forward;
    *out_up =
        forward == NULL ? route->bytes_up + route->tunnel.duplex.up.passed : forward->up.passed;
    *out_down = forward == NULL ? route->bytes_down + route->tunnel.duplex.down.passed
                                : forward->down.passed;
}
