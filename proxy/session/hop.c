// One thing after the other; each failure says by itself whether something else may be tried.
#include "proxy/session/hop.h"

#include <stdlib.h>

#include "proxy/session/context.h"
#include "proxy/session/introduction.h"

enum hop_state { HOP_STATE_FIND, HOP_STATE_REACH, HOP_STATE_ASK, HOP_STATE_READ, HOP_STATE_DONE };

enum { HOP_HEAD_CAP = 2 * TARGET_TEXT_CAP + VIA_TEXT_MAX + 128 };

// turns are the parents of a way, and which of them has its turn.
struct turns {
    char names[VIA_MAX][PARENT_NAME_MAX + 1];
    size_t count;
    size_t at;
    size_t left;      // to try, with the one that has its turn
    bool ends_direct; // after the names
};

struct hop {
    enum hop_state state;
    struct channel *channel; // borrowed
    const struct peer *peer; // borrowed
    struct turns turns;
    struct ip_addr addresses[HOP_ADDRESSES_MAX];
    size_t address_count;
    size_t address_at;
    struct srv_waiter waiter; // for what DNS says about the places of a parent
    int64_t began_ms;         // monotonic; with the parent that has its turn
    uint32_t attempts;
    struct target target;
    struct via_trail trail;
    struct parent *parent;      // held; NULL: none was found
    const struct target *proxy; // borrowed from the parent; that was tried last; NULL: none
    bool is_http2;
    bool was_closed;       // once, before there was an answer
    struct uplink *uplink; // owned; NULL: none is under way, or it has been taken
    char *head;            // owned; NULL: none was written yet
    size_t head_len;
    size_t head_at;    // bytes of it that are on their way
    struct buffer *in; // borrowed from the pool; what has come
    struct parent_answer answer;
    enum hop_status status;
    struct hop_failure failure;
};

static struct session_context *context_of(const struct hop *hop)
{
    return hop->channel->peer->context;
}

static void end(struct hop *hop, enum hop_status status)
{
    hop->state = HOP_STATE_DONE;
    hop->status = status;
}

static void fail(struct hop *hop, uint16_t status, enum reason reason, const char *detail)
{
    hop->failure = (struct hop_failure){reason, status, detail};
    end(hop, HOP_FAILED);
}

// drop_uplink ends the connection, with a reset: nobody waits for the rest.
static void drop_uplink(struct hop *hop)
{
    uplink_destroy(hop->uplink, true);
    hop->uplink = NULL;
    buffer_pool_give(&context_of(hop)->buffers, &hop->in);
}

// introduced_len gives the room that is needed to tell the parent whose request it is; 0: it is not told. False: it must
// be told, and cannot be.
static bool introduced_len(struct hop *hop, size_t *out_len)
{
    *out_len = 0;
    if (!hop->parent->tells_client)
        return true;
    *out_len = introduction_len(peer_chain(hop->peer));
    if (*out_len == 0)
        fail(hop, 403, REASON_IDENTITY_UNTOLD, "no certificate");
    else if (*out_len > INTRODUCTION_MAX)
        fail(hop, 403, REASON_IDENTITY_UNTOLD, "the chain is too large");
    return hop->state != HOP_STATE_DONE;
}

// is_by_name tells whether a parent is asked for the name.
static bool is_by_name(const struct hop *hop)
{
    return hop_address(hop)->family == IP_NONE;
}

// write_head writes the CONNECT for the address that has its turn. False: it has failed.
static bool write_head(struct hop *hop)
{
    size_t introduced = 0;
    if (!introduced_len(hop, &introduced))
        return false;
    free(hop->head);
    hop->head = malloc(HOP_HEAD_CAP + introduced);
    if (hop->head == NULL) {
        fail(hop, 503, REASON_NO_MEMORY, NULL);
        return false;
    }
    const struct target numbered = {.kind = TARGET_ADDRESS,
                                    .address = hop->addresses[hop->address_at],
                                    .port = hop->target.port};
    const struct target target = is_by_name(hop) ? hop->target : numbered;
    const bool is_v6 = target.kind == TARGET_ADDRESS && target.address.family == IP_V6;
    char host[TARGET_TEXT_CAP];
    char authority[TARGET_TEXT_CAP];
    struct text text;
    text_init(&text, authority, sizeof authority);
    text_append_format(&text, "%s%s%s:%u", is_v6 ? "[" : "", target_format_host(&target, host),
                       is_v6 ? "]" : "", target.port);
    text_init(&text, hop->head, HOP_HEAD_CAP + introduced);
    text_append_format(&text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", authority, authority);
    via_append(&hop->trail, 1, context_of(hop)->token, &text);
    if (introduced > 0)
        introduction_append(peer_chain(hop->peer), &text);
    text_append_string(&text, "\r\n");
    ASSERT(!text.is_cut);
    hop->head_len = text.len;
    hop->head_at = 0;
    return true;
}

// begin goes for the proxies of the parent that is held.
static void begin(struct hop *hop)
{
    const struct stream *client = hop->channel->stream;
    if (!write_head(hop))
        return;
    hop->attempts++;
    hop->began_ms = context_of(hop)->now_ms;
    hop->state = HOP_STATE_REACH;
    hop->uplink = uplink_create(&hop->parent->pool, slice_of(hop->head, hop->head_len), false,
                                client->on_ready, client->owner);
    if (hop->uplink == NULL)
        fail(hop, 503, REASON_NO_MEMORY, NULL);
}

static void go_on(struct hop *hop);

// find begins once it is known where the parent's proxies are.
static void find(struct hop *hop)
{
    switch (parent_find_proxies(hop->parent, &hop->waiter)) {
    case PARENT_FOUND:
        begin(hop);
        break;
    case PARENT_WAITS:
        hop->state = HOP_STATE_FIND;
        break;
    case PARENT_NOWHERE:
        parent_note_unreachable(hop->parent, parent_problem(hop->parent), context_of(hop)->now_ms);
        fail(hop, 502, REASON_PARENT_UNREACHABLE, parent_problem(hop->parent));
        go_on(hop);
        break;
    }
}

// hold takes the parent with the name that has its turn.
static bool hold(struct hop *hop)
{
    parent_release(hop->parent);
    hop->proxy = NULL;
    hop->parent = parents_find(&context_of(hop)->parents, hop->turns.names[hop->turns.at]);
    if (hop->parent != NULL)
        parent_hold(hop->parent);
    return hop->parent != NULL;
}

// try_parent begins with the parent that has its turn, as it is configured now. False: that is not to be had.
static bool try_parent(struct hop *hop)
{
    drop_uplink(hop);
    srv_source_leave(&hop->waiter);
    hop->began_ms = context_of(hop)->now_ms;
    if (hold(hop) && is_by_name(hop) && !hop->parent->resolves) // it is no more
        fail(hop, 403, REASON_POLICY_CHANGED, NULL);
    else if (hop->parent != NULL)
        find(hop);
    else if (snapshot_find_parent(context_of(hop)->snapshot, hop->turns.names[hop->turns.at]) ==
             NULL)
        fail(hop, 403, REASON_POLICY_CHANGED, NULL);
    else
        fail(hop, 503, REASON_NO_MEMORY, NULL);
    return hop->state != HOP_STATE_DONE;
}

// go_on tries the next name, or ends with the failure that is there.
static void go_on(struct hop *hop)
{
    drop_uplink(hop);
    hop->turns.left--;
    hop->turns.at = hop->turns.at + 1 == hop->turns.count ? 0 : hop->turns.at + 1;
    if (hop->turns.left == 0)
        end(hop, hop->turns.ends_direct ? HOP_DIRECT : HOP_FAILED);
    else
        (void)try_parent(hop);
}

// skip_down begins with the first parent that is not known to be out of reach. Those before it are tried last, or left out
// where the way allows to go without.
static void skip_down(struct hop *hop)
{
    struct session_context *context = context_of(hop);
    size_t at = 0;
    while (at < hop->turns.count) {
        const struct parent *parent = parents_find(&context->parents, hop->turns.names[at]);
        if (parent == NULL || !parent_is_down(parent, context->now_ms))
            break;
        at++;
    }
    hop->turns.left = hop->turns.ends_direct ? hop->turns.count - at : hop->turns.count;
    hop->turns.at = at == hop->turns.count ? 0 : at;
    if (hop->turns.left == 0)
        end(hop, HOP_DIRECT);
}

// take_addresses takes those that are admitted and of this way.
static void take_addresses(struct hop *hop, const struct hop_request *request)
{
    for (size_t i = 0; i < request->judged_count && hop->address_count < HOP_ADDRESSES_MAX; i++) {
        const struct candidate *candidate = &request->judged[i];
        if (candidate->is_admitted)
            hop->addresses[hop->address_count++] = candidate->address;
    }
}

struct hop *hop_create(const struct hop_request *request)
{
    struct hop *hop = calloc(1, sizeof *hop);
    if (hop == NULL)
        return NULL;
    hop->channel = request->channel;
    hop->peer = request->peer;
    hop->waiter = (struct srv_waiter){.wake = request->channel->stream->on_ready,
                                      .owner = request->channel->stream->owner};
    hop->target = *request->target;
    hop->trail = *request->trail;
    for (size_t i = 0; i < request->via->count; i++) {
        const char *name = request->via->parents[i];
        if (name == NULL)
            hop->turns.ends_direct = true;
        else
            (void)string_copy(hop->turns.names[hop->turns.count++], sizeof hop->turns.names[0],
                              slice_of_string(name));
    }
    take_addresses(hop, request);
    ASSERT(hop->turns.count > 0 && hop->address_count > 0);
    skip_down(hop);
    if (hop->state != HOP_STATE_DONE)
        (void)try_parent(hop);
    return hop;
}

void hop_destroy(struct hop *hop)
{
    if (hop == NULL)
        return;
    drop_uplink(hop);
    srv_source_leave(&hop->waiter);
    parent_release(hop->parent);
    free(hop->head);
    free(hop);
}

// try_again begins once more with the same parent, where that may help: a connection that had waited was dead, or the parent
// has failed to resume a TLS session (Squid does, with certificates). A stream that was reset on a living connection is no
// such thing: the parent may have acted on it.
static bool try_again(struct hop *hop, struct failure failure)
{
    const bool is_dead = !uplink_has_asked(hop->uplink) || uplink_is_lost(hop->uplink);
    const bool was_dead = failure.cause == CAUSE_CLOSED && !hop->was_closed && is_dead;
    if (!was_dead && (failure.alert == 0 || !parent_stop_resuming(hop->parent)))
        return false;
    hop->was_closed = hop->was_closed || was_dead;
    (void)try_parent(hop);
    return true;
}

// has_asked tells whether the parent may have acted on the CONNECT. What comes of that is its answer, also a reset of the
// stream, an end of the connection, or nothing in time: nobody else is asked then.
static bool has_asked(const struct hop *hop)
{
    if (hop->state == HOP_STATE_FIND)
        return false;
    return hop->state != HOP_STATE_REACH || (hop->uplink != NULL && uplink_has_asked(hop->uplink));
}

// take_failure acts on a way that could not be had. True: something else is tried.
static bool take_failure(struct hop *hop, struct failure failure)
{
    const struct cause_info *info = cause_info(failure.cause);
    const bool is_late =
        failure.cause == CAUSE_CONNECTION_TIMEOUT || failure.cause == CAUSE_HANDSHAKE_TIMEOUT;
    if (try_again(hop, failure))
        return hop->state != HOP_STATE_DONE;
    if (failure.cause == CAUSE_NO_RESOURCES) {
        fail(hop, 503, REASON_NO_MEMORY, NULL);
    } else if (cause_is_absence(failure.cause) && !has_asked(hop)) {
        parent_note_unreachable(hop->parent, info->name, context_of(hop)->now_ms);
        fail(hop, is_late ? 504 : 502, REASON_PARENT_UNREACHABLE, info->name);
        go_on(hop);
        return hop->state != HOP_STATE_DONE;
    } else if (info->side == SIDE_PROXY && info->step == EXAM_PROXY_CERTIFICATE) {
        fail(hop, 502, REASON_PARENT_UNTRUSTED, info->name);
    } else if (info->step == EXAM_ACCEPTED) {
        fail(hop, 502, REASON_PARENT_REFUSED, info->name);
    } else {
        fail(hop, 502, REASON_PARENT_BAD_ANSWER, info->name);
    }
    return false;
}

// step_find waits for DNS.
static bool step_find(struct hop *hop)
{
    if (!parent_is_current(hop->parent))
        return try_parent(hop);
    find(hop);
    return hop->state != HOP_STATE_FIND && hop->state != HOP_STATE_DONE;
}

// step_reach waits for the connection; on a shared one also for the answer. A parent whose configuration has changed before
// it was asked is trusted by the new one only: all begins again.
static bool step_reach(struct hop *hop)
{
    if (!parent_is_current(hop->parent) && !has_asked(hop))
        return try_parent(hop);
    const enum upstream_state state = uplink_step(hop->uplink);
    const struct target *proxy = uplink_proxy(hop->uplink);
    if (proxy != NULL)
        hop->proxy = proxy;
    if (state == UPSTREAM_FAILED)
        return take_failure(hop, uplink_failure(hop->uplink));
    if (state != UPSTREAM_READY)
        return false;
    parent_note_reached(hop->parent);
    hop->is_http2 = uplink_is_shared(hop->uplink);
    hop->state = hop->is_http2 ? HOP_STATE_READ : HOP_STATE_ASK;
    return true;
}

// end_unanswered: it has ended, or broken off, without a whole answer. TLS 1.3 has a server say only here that it does not
// want our certificate.
static void end_unanswered(struct hop *hop)
{
    const struct failure failure = uplink_failure(hop->uplink);
    if (failure.cause == CAUSE_CLOSED)
        fail(hop, 502, REASON_PARENT_BAD_ANSWER, "it ended without an answer");
    else
        (void)take_failure(hop, failure);
}

static bool step_ask(struct hop *hop)
{
    struct stream *stream = uplink_stream(hop->uplink);
    enum err error = ERR_OK;
    while (hop->head_at < hop->head_len && error == ERR_OK) {
        size_t len = 0;
        error = stream_push(stream,
                            slice_of(hop->head + hop->head_at, hop->head_len - hop->head_at), &len);
        hop->head_at += len;
    }
    if (error == ERR_OK)
        error = stream_flush(stream);
    if (error == ERR_AGAIN) {
        stream_want(stream, true, true);
        return false;
    }
    // One that takes no more may have said why.
    hop->state = HOP_STATE_READ;
    return true;
}

// try_next_address asks for another address of the target where the parent could not reach this one.
static bool try_next_address(struct hop *hop)
{
    const uint16_t status = hop->answer.received;
    if ((status != 502 && status != 504) || hop->address_at + 1 >= hop->address_count)
        return false;
    hop->address_at++;
    (void)try_parent(hop);
    return true;
}

static bool take_answer(struct hop *hop)
{
    switch (hop->answer.kind) {
    case PARENT_ANSWER_TUNNEL:
        buffer_consume(hop->in, hop->answer.len);
        end(hop, HOP_CONNECTED);
        return false;
    case PARENT_ANSWER_REFUSAL:
        if (try_next_address(hop))
            return true;
        fail(hop, hop->answer.status, REASON_PARENT_REFUSED, NULL);
        drop_uplink(hop);
        return false;
    case PARENT_ANSWER_BAD:
        fail(hop, 502, REASON_PARENT_BAD_ANSWER, hop->answer.why);
        drop_uplink(hop);
        return false;
    case PARENT_ANSWER_MORE:
        break;
    }
    return false;
}

static bool step_read(struct hop *hop)
{
    struct stream *stream = uplink_stream(hop->uplink);
    size_t len = 0;
    if (hop->in == NULL)
        hop->in = buffer_pool_take(&context_of(hop)->buffers);
    if (hop->in == NULL) {
        fail(hop, 503, REASON_NO_MEMORY, NULL);
        return false;
    }
    const enum err error = stream_read(stream, hop->in->data + hop->in->end,
                                       PARENT_ANSWER_MAX_LEN - buffer_len(hop->in), &len);
    if (error == ERR_AGAIN) {
        stream_want(stream, true, false);
        return false;
    }
    if (error != ERR_OK) {
        end_unanswered(hop);
        return hop->state != HOP_STATE_DONE;
    }
    buffer_produce(hop->in, len);
    parent_answer_read(buffer_unread(hop->in), &hop->answer);
    return hop->answer.kind == PARENT_ANSWER_MORE || take_answer(hop);
}

enum hop_status hop_step(struct hop *hop)
{
    bool is_moving = true;
    while (is_moving || hop->state == HOP_STATE_DONE) {
        switch (hop->state) {
        case HOP_STATE_FIND:
            is_moving = step_find(hop);
            break;
        case HOP_STATE_REACH:
            is_moving = step_reach(hop);
            break;
        case HOP_STATE_ASK:
            is_moving = step_ask(hop);
            break;
        case HOP_STATE_READ:
            is_moving = step_read(hop);
            break;
        case HOP_STATE_DONE:
            if (hop->status != HOP_CONNECTED)
                drop_uplink(hop); // what has ended would wake the loop all the time
            return hop->status;
        }
    }
    if (hop->uplink != NULL)
        uplink_flush(hop->uplink);
    return HOP_WAITS;
}

// has_had_its_time tells whether the parent is late, and not the one that was tried before it.
static bool has_had_its_time(const struct hop *hop)
{
    return hop->parent != NULL &&
           context_of(hop)->now_ms - hop->began_ms >= hop->parent->options.attempt_ms;
}

bool hop_may_begin_again(const struct hop *hop)
{
    return !has_asked(hop);
}

struct hop_failure hop_fail_late(struct hop *hop)
{
    const bool is_unreached = !has_asked(hop);
    if (hop->uplink != NULL)
        uplink_shun(hop->uplink); // who is silent may be dead
    drop_uplink(hop);
    if (is_unreached && has_had_its_time(hop))
        parent_note_unreachable(hop->parent, "no answer in time", context_of(hop)->now_ms);
    if (is_unreached)
        return (struct hop_failure){REASON_PARENT_UNREACHABLE, 504, "no answer"};
    return (struct hop_failure){REASON_PARENT_BAD_ANSWER, 504, "no answer in time"};
}

struct hop_failure hop_failure(const struct hop *hop)
{
    return hop->failure;
}

const struct parent_answer *hop_answer(const struct hop *hop)
{
    return &hop->answer;
}

struct parent *hop_parent(const struct hop *hop)
{
    return hop->parent;
}

const struct target *hop_proxy(const struct hop *hop)
{
    return hop->proxy;
}

bool hop_is_http2(const struct hop *hop)
{
    return hop->is_http2;
}

const struct ip_addr *hop_address(const struct hop *hop)
{
    return &hop->addresses[hop->address_at];
}

uint32_t hop_attempts(const struct hop *hop)
{
    return hop->attempts;
}

struct slice hop_rest(const struct hop *hop)
{
    return hop->in == NULL ? (struct slice){0} : buffer_unread(hop->in);
}

struct uplink *hop_take_uplink(struct hop *hop)
{
    struct uplink *uplink = hop->uplink;
    hop->uplink = NULL;
    return uplink;
}
