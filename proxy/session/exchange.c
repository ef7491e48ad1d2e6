// The life of one request. `states` is the table of its states; `enter` is the only function that writes the state, and
// `conclude` the only one that acts on a verdict.
#include "proxy/session/exchange.h"

#include <stddef.h>
#include <stdlib.h>

#include "auth/base/share.h"
#include "proxy/http/answer.h"
#include "proxy/loop/deadline.h"
#include "proxy/session/announcement.h"
#include "proxy/session/consent.h"
#include "proxy/session/guest.h"
#include "proxy/session/inside.h"
#include "proxy/session/ocsp_hold.h"
#include "proxy/session/records.h"
#include "proxy/session/reply.h"
#include "proxy/session/revalidation.h"
#include "proxy/session/tally.h"
#include "proxy/session/whoami.h"

enum {
    HEAVY_LEN = 32 * 1024,  // bytes of a step, see exchange_is_heavy
    LEASE_WAIT_MS = 50,     // that a request waits for the fleet's limits, all together
    INTRODUCING_MAX = 1024, // requests of a worker that wait for OCSP; more do not wait
};

// A state: what is done in it, what it waits for, for how long, what it means when that is over, and what may follow.
struct state_row {
    enum exchange_step (*step)(struct exchange *exchange);
    void (*update_interest)(struct exchange *exchange);
    size_t timeout; // offset in struct timeouts: since the state began
    int64_t (*deadline_ms)(const struct exchange *exchange); // NULL: `timeout` says it all
    void (*on_deadline)(struct exchange *exchange);
    uint16_t next; // bits of enum exchange_state
};

static const struct state_row states[EXCHANGE_STATE_COUNT];

static void enter(struct exchange *exchange, enum exchange_state state)
{
    struct session_context *context = exchange->peer->context;
    struct exchange_timing *timing = &exchange->timing;
    ASSERT((states[exchange->state].next & 1 << state) != 0);
    if (exchange->state == EXCHANGE_LEASE)
        timing->lease_ms += context->now_ms - timing->since_ms;
    if (exchange->state == EXCHANGE_RESOLVE)
        timing->resolve_ms += context->now_ms - timing->since_ms;
    if (exchange->state == EXCHANGE_DIAL)
        timing->connect_ms = context->now_ms - timing->since_ms;
    context->exchange_counts[exchange->state]--;
    context->exchange_counts[state]++;
    if (exchange->state == EXCHANGE_INTRODUCE)
        TAILQ_REMOVE(&context->introducing, exchange, introducing);
    if (state == EXCHANGE_INTRODUCE)
        TAILQ_INSERT_TAIL(&context->introducing, exchange, introducing);
    if (exchange->state == EXCHANGE_LEASE)
        TAILQ_REMOVE(&context->leasing, exchange, lease.link);
    if (state == EXCHANGE_LEASE)
        TAILQ_INSERT_TAIL(&context->leasing, exchange, lease.link);
    exchange->state = state;
    timing->since_ms = context->now_ms;
}

static void end_forward(struct exchange *exchange, bool is_reset)
{
    if (exchange->route.forward != NULL)
        exchange->ending.status = exchange->route.forward->status;
    route_end_forward(&exchange->route, is_reset);
}

// finish is the one way to DONE: what is missing in the audit is recorded, the upstream side is closed. The first reason
// stays.
static void finish(struct exchange *exchange, enum exchange_outcome outcome, enum reason reason)
{
    struct session_context *context = exchange->peer->context;
    const bool is_reset = outcome == EXCHANGE_RESET;
    if (exchange->state == EXCHANGE_DONE)
        return;
    if (exchange->ending.reason == REASON_NONE)
        exchange->ending.reason = reason;
    // What was to be allowed, and has not been recorded, came to nothing.
    if (exchange->records.decision != NULL &&
        (exchange->verdict.reason == REASON_NONE || exchange->verdict.action == ACTION_ALLOW)) {
        const struct decision none = {.action = ACTION_ERROR, .reason = exchange->ending.reason};
        exchange->verdict = verdict_of_decision(&none, exchange->peer->snapshot->id, 0);
    }
    exchange->ending.outcome = outcome;
    tally_bytes(exchange);
    tally_end(exchange);
    records_submit_decision(exchange);
    consent_end(exchange);
    route_end_search(&exchange->route);
    route_end_hop(&exchange->route);
    end_forward(exchange, is_reset);
    tunnel_close(&exchange->route.tunnel, is_reset);
    // The place is free before the end is recorded: a reader of the record may take it.
    quota_give(&exchange->route.quota, context);
    records_submit_close(exchange);
    route_release(&exchange->route);
    buffer_pool_give(&context->buffers, &exchange->reply.bytes);
    enter(exchange, EXCHANGE_DONE);
}

void exchange_end(struct exchange *exchange, enum reason reason)
{
    if (exchange != NULL)
        finish(exchange, EXCHANGE_RESET, reason);
}

// enter_if_ok enters the state where what leads to it has succeeded; otherwise there is no memory.
static void enter_if_ok(struct exchange *exchange, enum err error, enum exchange_state state)
{
    if (error == ERR_OK)
        enter(exchange, state);
    else
        exchange_end(exchange, REASON_NO_MEMORY);
}

// client_left ends an exchange whose client has gone before there was a tunnel.
static void client_left(struct exchange *exchange, enum err error)
{
    if (error == ERR_EOF)
        finish(exchange, EXCHANGE_CLOSE, channel_end_reason(exchange->channel));
    else
        exchange_end(exchange, REASON_CLIENT_RESET);
}

// ---- verdicts -----------------------------------------------------------------------------------

// keep keeps a verdict that decided something, under the peer's snapshot.
static void keep(struct exchange *exchange, const struct verdict *verdict)
{
    const enum policy_mode mode = exchange->verdict.mode;
    exchange->verdict = *verdict;
    if (verdict->config[0] != '\0')
        return;
    exchange->verdict.mode = mode; // an error says nothing about it
    const bool fits = string_copy(exchange->verdict.config, sizeof exchange->verdict.config,
                                  slice_of_string(exchange->peer->snapshot->id));
    ASSERT(fits);
}

// end_with keeps why it ends, for the `close`: the first reason stays.
static void end_with(struct exchange *exchange, enum reason reason, const char *detail)
{
    exchange->ending.reason = reason;
    exchange->ending.detail = detail != NULL && records_reserve_detail(exchange) ? detail : NULL;
}

// conclude acts on a verdict. True: go on.
static bool conclude(struct exchange *exchange, struct verdict verdict)
{
    struct session_counters *counters = &exchange->peer->context->counters;
    const bool is_routed = exchange->request->is_routed;
    switch (verdict.kind) {
    case VERDICT_GO:
        if (verdict.config[0] != '\0')
            keep(exchange, &verdict);
        return true;
    case VERDICT_WAIT:
        return false;
    case VERDICT_REFUSE:
        keep(exchange, &verdict);
        counters->crl_missing += verdict.reason == REASON_CRL_MISSING;
        counters->limited += verdict.status == 429;
        // What comes after an allow that was recorded, or after the 200, is told by the `close`.
        if (exchange->records.decision == NULL || is_routed)
            end_with(exchange, verdict.reason, verdict.detail);
        else
            exchange->ending.reason = REASON_REFUSED;
        break;
    case VERDICT_REFUSE_LATE:
        end_with(exchange, verdict.reason, verdict.detail);
        break;
    }
    if (is_routed) { // the 200 is out: what is left to say is a reset
        finish(exchange, EXCHANGE_RESET, verdict.reason);
        return false;
    }
    if (verdict.ends_connection)
        exchange->ending.may_keep = false;
    enter_if_ok(exchange, reply_refuse(exchange, &verdict), EXCHANGE_REFUSE);
    return false;
}

// conclude_turn acts on a verdict about the client's limits. Where the fleet is to be asked the request waits, if it can go on as
// `resume` says.
static bool conclude_turn(struct exchange *exchange, struct verdict verdict,
                          enum lease_resume resume)
{
    struct quota *quota = &exchange->route.quota;
    if (verdict.kind != VERDICT_WAIT)
        return conclude(exchange, verdict);
    if ((states[exchange->state].next & 1 << EXCHANGE_LEASE) == 0)
        return conclude(exchange, quota_end_wait(quota, exchange->peer->context));
    exchange->lease.resume = resume;
    exchange->lease.is_due = false;
    enter(exchange, EXCHANGE_LEASE);
    return false;
}

// judge_right judges the client again, as it is today.
static struct verdict judge_right(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    const enum reason reason = peer_revalidate(peer, false);
    exchange->generation = peer->snapshot->generation;
    const bool is_of_edge = peer->edge != NULL && peer->edge->unanswered != NULL;
    return admission_decide_right(peer->snapshot, reason,
                                  is_of_edge ? peer->edge->unanswered : peer->unanswered,
                                  peer_ends_s(peer), wall_clock_ms() / 1000);
}

// take_record_room takes the room for both records, before anything is waited for: no record, no tunnel. Where the
// configuration says that records may be dropped it is not needed.
static bool take_record_room(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    const bool must_have = peer->snapshot->audit_on_full == AUDIT_REFUSE;
    if (peer->context->is_draining || (must_have && audit_log_is_failing(peer->context->audit)))
        return false;
    return quota_take_record(&exchange->route.quota, peer) || !must_have;
}

// conclude_limit does so before the search. A client that has become another one meanwhile, by a reload, does not wait
// once more: what it waits for is not there.
static bool conclude_limit(struct exchange *exchange, struct verdict verdict)
{
    const bool is_first =
        exchange->state == EXCHANGE_READ_REQUEST || exchange->state == EXCHANGE_INTRODUCE ||
        (exchange->state == EXCHANGE_LEASE && exchange->lease.resume == LEASE_PURSUE);
    if (verdict.kind == VERDICT_WAIT && !is_first)
        verdict = quota_end_wait(&exchange->route.quota, exchange->peer->context);
    return conclude_turn(exchange, verdict, LEASE_PURSUE);
}

// admit asks everything that may refuse a well-formed request before DNS, in order. False: it has been refused.
static bool admit(struct exchange *exchange)
{
    struct quota *quota = &exchange->route.quota;
    if (!conclude(exchange, judge_right(exchange)))
        return false;
    const struct admission admission = admission_of(exchange);
    return conclude(exchange, admission_decide_target(&admission)) &&
           conclude_limit(exchange, quota_count(quota, exchange->peer)) &&
           conclude_limit(exchange, quota_take(quota, exchange->peer));
}

// is_outdated tells whether it was last judged under another configuration, where the client may have been allowed more.
static bool is_outdated(const struct exchange *exchange)
{
    return exchange->generation != exchange->peer->context->snapshot->generation;
}

// admit_again asks it again, where the snapshot is no longer the one that it was asked under, or an OCSP responder may have
// said something since.
static bool admit_again(struct exchange *exchange)
{
    const bool has_ocsp = ocsp_hold_count(exchange->peer->ocsp) > 0;
    return (!is_outdated(exchange) && !has_ocsp) || admit(exchange);
}

// admit_addresses asks which addresses may be dialled. False: it has been refused, or addresses are still to come that it
// depends on.
static bool admit_addresses(struct exchange *exchange)
{
    const struct admission admission = admission_of(exchange);
    return conclude(exchange, search_judge(exchange->route.search, &admission)) &&
           conclude_turn(exchange, quota_begin(&exchange->route.quota, exchange->peer),
                         exchange->state == EXCHANGE_RESOLVE ? LEASE_RESOLVE : LEASE_POOLED);
}

// standing_of judges an address that may only be reached in the way that was taken: through this parent, or without one.
static struct standing standing_of(const struct exchange *exchange,
                                   const struct admission *admission, const struct ip_addr *address)
{
    const struct route *route = &exchange->route;
    struct standing standing = search_judge_address(admission, address, route_parent_name(route));
    int64_t changes_s = INT64_MAX;
    standing.is_admitted = standing.is_admitted && route_is_configured(route, admission->snapshot);
    if (peer_judge_speaker(exchange->peer, &changes_s) == REASON_NONE &&
        changes_s < standing.until_s)
        standing.until_s = changes_s;
    return standing;
}

// renew_consent asks for the authorizer's yes again, where somebody else is asked since the snapshot has changed before the 200
// (`is_old`). What was not asked about, and would have to be today, is not what was allowed: also where only time has passed,
// and another rule admits.
static enum reason renew_consent(struct exchange *exchange, const struct admission *admission,
                                 const struct ip_addr *address, bool is_old)
{
    if (!consent_covers(exchange, admission, address))
        return REASON_POLICY_CHANGED;
    if (!is_old)
        return REASON_NONE;
    return consent_renew(exchange, admission, address) == ERR_OK ? REASON_NONE : REASON_NO_MEMORY;
}

// judge_today judges everything again before the 200, where the snapshot has changed meanwhile, or time may have.
static struct verdict judge_today(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    enum reason reason = REASON_NONE;
    const bool is_old = is_outdated(exchange);
    // What a responder says comes without a new snapshot.
    if (is_old || ocsp_hold_count(peer->ocsp) > 0 || peer->edge != NULL)
        reason = peer_revalidate(peer, false);
    exchange->generation = peer->context->snapshot->generation;
    if (reason == REASON_NONE && peer->client != NULL) // without one it is refused below
        route_move(&exchange->route, peer);
    if (reason == REASON_NONE && (is_old || peer->client->has_times || peer->edge != NULL)) {
        const struct ip_addr address = route_address(&exchange->route);
        const struct admission admission = admission_of(exchange);
        const struct standing standing = standing_of(exchange, &admission, &address);
        exchange->timing.until_s = standing.until_s;
        reason = admission_reason_of_end(&standing);
        if (reason == REASON_NONE)
            reason = renew_consent(exchange, &admission, &address, is_old);
    }
    return admission_decide_today(reason, peer_ends_s(peer), wall_clock_ms() / 1000);
}

// judge_inside acts on a verdict about what is inside a tunnel. False: DNS has not answered yet.
static bool judge_inside(struct exchange *exchange, const struct inner_verdict *verdict)
{
    const enum verdict_kind kind = inside_judge(exchange, verdict);
    if (kind == VERDICT_REFUSE)
        exchange_end(exchange, verdict->reason);
    return kind != VERDICT_WAIT;
}

void exchange_judge_again(struct exchange *exchange)
{
    if (!exchange_is_tunnel(exchange))
        return;
    // Of one that is connected itself the session has asked.
    const enum reason lost =
        exchange->guest == NULL ? REASON_NONE : peer_revalidate(exchange->guest, true);
    if (lost != REASON_NONE) {
        exchange_end(exchange, reason_of_end(lost));
        return;
    }
    exchange->generation = exchange->peer->snapshot->generation;
    const struct target target = exchange_target(exchange);
    struct admission admission = admission_of(exchange);
    admission.target = &target;
    const struct standing standing = standing_of(exchange, &admission, &exchange->route.upstream);
    exchange->timing.until_s = standing.until_s;
    if (standing.is_admitted)
        route_move(&exchange->route, exchange->peer);
    if (!standing.is_admitted)
        exchange_end(exchange, admission_reason_of_end(&standing));
    else if (!inside_is_still_allowed(exchange, &standing.inner))
        exchange_end(exchange, REASON_POLICY_CHANGED);
    else if (consent_renew(exchange, &admission, &exchange->route.upstream) != ERR_OK)
        exchange_end(exchange, REASON_NO_MEMORY);
    else if (exchange->guest != NULL)
        peer_note_expiry(exchange->guest); // the clock may have been set
}

void exchange_doubt(struct exchange *exchange)
{
    const struct client *client = exchange->peer->client;
    if (exchange_is_tunnel(exchange) && client != NULL && client->has_times)
        exchange->generation = GENERATION_NONE;
}

void exchange_doubt_guest(struct exchange *exchange)
{
    if (exchange_is_tunnel(exchange) && exchange->guest != NULL)
        exchange->generation = GENERATION_NONE;
}

// ---- steps --------------------------------------------------------------------------------------

static void begin_search(struct exchange *exchange)
{
    const struct admission admission = admission_of(exchange);
    enter_if_ok(exchange,
                route_search(&exchange->route, exchange->channel, exchange->request,
                             admission_goes_by_name(&admission)),
                EXCHANGE_RESOLVE);
}

// is_as_searched tells whether the policy of today, too, would have the name resolved here, or by a parent.
static bool is_as_searched(const struct exchange *exchange)
{
    const struct admission admission = admission_of(exchange);
    return search_is_by_name(exchange->route.search) == admission_goes_by_name(&admission);
}

static void begin_forward(struct exchange *exchange)
{
    enter_if_ok(exchange, route_forward(&exchange->route, exchange->channel, exchange->request),
                EXCHANGE_FORWARD);
}

// dial goes for the admitted addresses, or for a parent, and has room in the `close` record for the name of that.
static enum err dial(struct exchange *exchange)
{
    if (!via_equal(exchange->route.search->via, NULL))
        TRY(records_reserve_parent(exchange));
    return route_dial(&exchange->route, exchange->channel, exchange->peer, exchange->request);
}

// approach records the decision, and goes for the target: not a packet goes there before. What is known of the client may have
// become longer than it was when the record was made.
static void approach(struct exchange *exchange)
{
    const enum err error = records_fit_decision(exchange);
    if (error == ERR_OK)
        records_submit_decision(exchange);
    if (error != ERR_OK)
        (void)conclude(exchange, verdict_error(503, REASON_NO_MEMORY, NULL));
    else if (!exchange->route.is_pooled)
        enter_if_ok(exchange, dial(exchange), EXCHANGE_DIAL);
    else if (conclude(exchange, judge_today(exchange)))
        begin_forward(exchange);
    consent_settle(exchange);
}

// consult asks the authorizer where a rule wants that, and goes on otherwise.
static void consult(struct exchange *exchange)
{
    if (!consent_is_needed(exchange))
        approach(exchange);
    else if (conclude(exchange, consent_ask(exchange)))
        enter(exchange, EXCHANGE_ASK);
}

// seek_upstream looks for a way to the target of an admitted request: a connection that waits, or its addresses.
static void seek_upstream(struct exchange *exchange)
{
    const struct admission admission = admission_of(exchange);
    if (!request_is_repeatable(exchange->request) ||
        !route_use_pooled(&exchange->route, exchange->channel, &admission, exchange->generation))
        begin_search(exchange);
    else if (admit_addresses(exchange))
        consult(exchange);
}

// is_routed_by_name tells whether the target of the admitted request is found inside its tunnel.
static bool is_routed_by_name(const struct exchange *exchange)
{
    const struct inner *inner = exchange->peer->client->inner;
    return !exchange->request->is_plain && exchange->request->url.target.kind == TARGET_ADDRESS &&
           inner != NULL && inner->routes_by_name;
}

// begin_hello sends the 200 before anything else, and waits for the name inside the tunnel. The tunnel counts as a new one
// from here on.
static void begin_hello(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    if (!conclude_turn(exchange, quota_begin(&exchange->route.quota, peer), LEASE_PURSUE))
        return;
    const struct inner inner = inner_to_find_name(peer->client->inner);
    request_route(exchange->request);
    exchange->channel->awaits_hello = true;
    enum err error = inside_inspect_by(exchange, &inner, false);
    if (error == ERR_OK)
        error = reply_open_tunnel(exchange);
    enter_if_ok(exchange, error, EXCHANGE_READ_HELLO);
}

// answer_whoami puts the proxy's own page on its way.
static void answer_whoami(struct exchange *exchange)
{
    char data[WHOAMI_CAP];
    struct text text;
    if (!conclude(exchange, judge_right(exchange)) ||
        !conclude(exchange, whoami_decide(exchange->peer, exchange->request)))
        return;
    text_init(&text, data, sizeof data);
    whoami_append(exchange->peer, exchange->id, &text);
    ASSERT(!text.is_cut);
    enter_if_ok(exchange, reply_json(exchange, text_slice(&text)), EXCHANGE_REFUSE);
}

// pursue goes on with a request of which it is known whose it is.
static void pursue(struct exchange *exchange)
{
    const struct request *request = exchange->request;
    const bool is_draining = exchange->peer->context->is_draining;
    if (whoami_is_for(&request->url.target))
        answer_whoami(exchange);
    else if (conclude(exchange, admission_decide_room(is_draining, take_record_room(exchange))) &&
             conclude(exchange, admission_decide_known(exchange->peer->context->snapshot)) &&
             admit(exchange)) {
        if (is_routed_by_name(exchange))
            begin_hello(exchange);
        else
            seek_upstream(exchange);
    }
}

// introduce finds out whose request it is. What follows is judged by that.
static struct verdict introduce(struct exchange *exchange, const struct message_head *head)
{
    struct peer *guest = NULL;
    const struct verdict verdict =
        guest_introduce(exchange->peer, head, &guest, &exchange->presented);
    const enum err error = guest == NULL ? ERR_OK : records_reserve_guest(exchange, guest);
    if (verdict.kind != VERDICT_GO || error != ERR_OK) {
        exchange->records.is_passed_on = true;
        guest_destroy(guest);
        if (exchange->presented != NULL && records_reserve_presented(exchange) != ERR_OK) {
            identity_destroy(exchange->presented);
            exchange->presented = NULL;
        }
        return error == ERR_OK ? verdict : verdict_error(503, REASON_NO_MEMORY, NULL);
    }
    if (guest != NULL) {
        exchange->guest = guest;
        exchange->peer = guest;
        exchange->channel->peer = guest;
    }
    return verdict;
}

// count_introducing tells how many requests of an edge's account wait for OCSP: at most INTRODUCING_MAX.
static size_t count_introducing(const struct session_context *context,
                                const struct account *account)
{
    const struct exchange *at = NULL;
    size_t count = 0;
    TAILQ_FOREACH(at, &context->introducing, introducing)
    {
        count += at->guest->edge->account == account;
    }
    return count;
}

// await_ocsp waits where something is still to be heard about the guest, unless too many do: of all, or of its edge. False:
// there is nothing to wait for.
static bool await_ocsp(struct exchange *exchange)
{
    const struct session_context *context = exchange->peer->context;
    if (exchange->guest == NULL || !guest_waits(exchange->guest))
        return false;
    if (!share_may_take(count_introducing(context, exchange->guest->edge->account),
                        context->exchange_counts[EXCHANGE_INTRODUCE], INTRODUCING_MAX))
        return false;
    enter(exchange, EXCHANGE_INTRODUCE);
    return true;
}

// take_request looks at a complete head, and goes on from there.
static void take_request(struct exchange *exchange, struct message_head *head)
{
    struct request *request = exchange->request;
    const bool is_connect = head->method == METHOD_CONNECT; // nothing of its head is sent on
    if (!is_connect && channel_take_head(exchange->channel, head) != ERR_OK) {
        exchange_end(exchange, REASON_NO_MEMORY);
        return;
    }
    const struct verdict taken = request_take(request, head);
    struct verdict introduced = {.kind = VERDICT_GO};
    if (taken.kind == VERDICT_GO)
        introduced = introduce(exchange, head);
    if (is_connect)
        channel_consume(exchange->channel, head->len);
    if (!conclude(exchange, taken) ||
        !conclude(exchange, admission_decide_loop(&request->trail, exchange->peer->context->token)))
        return;
    exchange->ending.may_keep = head->is_persistent;
    if (conclude(exchange, introduced) && !await_ocsp(exchange))
        pursue(exchange);
}

// parse_head reads the head of the next request. One who speaks for others may need more room for it.
static enum head_result parse_head(const struct channel *channel, struct message_head *out,
                                   const char **out_why)
{
    const struct peer *peer = channel->peer;
    const size_t max_len = peer_head_max_len(peer);
    return peer->client != NULL && peer->client->speaks_for != NULL
               ? request_head_parse_introduced(channel_unread(channel), max_len, out, out_why)
               : request_head_parse(channel_unread(channel), max_len, out, out_why);
}

static enum exchange_step step_read_request(struct exchange *exchange)
{
    struct channel *channel = exchange->channel;
    if (!guest_has_turn(channel->peer))
        return EXCHANGE_STEP_MORE;
    const enum err error = channel_fill(channel);
    struct message_head head;
    const char *why = "";
    switch (parse_head(channel, &head, &why)) {
    case HEAD_OK:
        take_request(exchange, &head);
        break;
    case HEAD_BAD:
        (void)conclude(exchange, verdict_error(400, REASON_BAD_REQUEST, why));
        break;
    case HEAD_TOO_LARGE:
        (void)conclude(exchange, verdict_error(431, REASON_BAD_REQUEST, NULL));
        break;
    case HEAD_MORE:
        if (error == ERR_AGAIN)
            return EXCHANGE_STEP_WAIT;
        if (error != ERR_OK)
            client_left(exchange, error);
        break;
    }
    return EXCHANGE_STEP_AGAIN;
}

// watch_client reads on while we wait for others: early bytes for the tunnel, or the client's leaving. An end is no
// leaving: it may have sent all that it has to say. Also one without close_notify, which the tunnel passes on.
static bool watch_client(struct exchange *exchange)
{
    const enum err error = channel_fill(exchange->channel);
    if (error == ERR_OK || error == ERR_AGAIN || error == ERR_LIMIT || error == ERR_EOF)
        return true;
    client_left(exchange, error);
    return false;
}

static enum exchange_step step_introduce(struct exchange *exchange)
{
    if (!watch_client(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (guest_waits(exchange->guest))
        return EXCHANGE_STEP_WAIT;
    if (guest_settle(exchange->guest))
        pursue(exchange);
    else
        (void)conclude(exchange, verdict_error(503, REASON_NO_MEMORY, NULL));
    return EXCHANGE_STEP_AGAIN;
}

static void refuse_unnamed(struct exchange *exchange, enum reason reason)
{
    const struct admission admission = admission_of(exchange);
    (void)conclude(exchange, admission_decide_unnamed(&admission, reason));
}

// take_name makes the name that was found inside the tunnel the target, which is then judged like any other.
static void take_name(struct exchange *exchange, const struct hostname *name)
{
    request_take_name(exchange->request, name);
    if (admit(exchange))
        begin_search(exchange);
}

// find_name looks for the name in what the client has said inside the tunnel so far.
static enum exchange_step find_name(struct exchange *exchange)
{
    const struct channel *channel = exchange->channel;
    struct inspection *inspection = exchange->route.tunnel.inspection;
    const struct inner_verdict *verdict = &inspection->gate.verdict;
    switch (inspection_find_name(inspection, channel_unread(channel), !channel_has_room(channel),
                                 &channel->peer->context->buffers)) {
    case GATE_HOLDS:
        return EXCHANGE_STEP_WAIT;
    case GATE_PASSES:
        if (channel->inbox_len == 0)
            client_left(exchange, ERR_EOF);
        else
            refuse_unnamed(exchange, REASON_INNER_NO_NAME);
        break;
    case GATE_JUDGES:
        if (verdict->step == INNER_END)
            refuse_unnamed(exchange, verdict->reason);
        else
            take_name(exchange, verdict->name);
        break;
    }
    return EXCHANGE_STEP_AGAIN;
}

// step_read_hello sends the 200, and reads what the client says first inside its tunnel. Nothing of it goes on before the
// name in it has become the target.
static enum exchange_step step_read_hello(struct exchange *exchange)
{
    const enum err sent = reply_step(exchange);
    if (sent != ERR_OK && sent != ERR_AGAIN) {
        exchange_end(exchange, REASON_CLIENT_RESET);
        return EXCHANGE_STEP_AGAIN;
    }
    if (!watch_client(exchange) || !admit_again(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (!is_routed_by_name(exchange)) { // no longer: its address would need a rule
        exchange_end(exchange, REASON_POLICY_CHANGED);
        return EXCHANGE_STEP_AGAIN;
    }
    if (sent == ERR_AGAIN)
        return EXCHANGE_STEP_WAIT;
    buffer_pool_give(&exchange->peer->context->buffers, &exchange->reply.bytes);
    return find_name(exchange);
}

static struct verdict unresolved(enum resolve_result result)
{
    static const struct limit_refusal crowded = {.reason = REASON_LIMIT_QUESTIONS,
                                                 .retry_after_s = 1};
    if (result == RESOLVE_TOO_MANY)
        return verdict_limited(&crowded);
    return verdict_error(result == RESOLVE_TIMED_OUT ? 504 : 502, REASON_DNS_FAILED,
                         resolve_result_name(result));
}

// search_again begins again under another configuration: what was asked, and of whom, may be different there.
static void search_again(struct exchange *exchange)
{
    consent_end(exchange);
    route_end_search(&exchange->route);
    exchange->route.is_pooled = false;
    if (admit_again(exchange))
        begin_search(exchange);
}

static enum exchange_step step_resolve(struct exchange *exchange)
{
    struct search *search = exchange->route.search;
    if (!watch_client(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (!search->is_resolved)
        return EXCHANGE_STEP_WAIT;
    if (!admit_again(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (!is_as_searched(exchange)) {
        search_again(exchange);
        return EXCHANGE_STEP_AGAIN;
    }
    if (search->resolved != RESOLVE_OK)
        (void)conclude(exchange, unresolved(search->resolved));
    else if (admit_addresses(exchange))
        consult(exchange);
    return EXCHANGE_STEP_AGAIN;
}

// resume_pooled goes on with the connection that was found. It is given up where something has happened on it meanwhile, or to
// the configuration.
static void resume_pooled(struct exchange *exchange)
{
    if (is_outdated(exchange) || route_is_spoilt(&exchange->route))
        search_again(exchange);
    else if (admit_addresses(exchange))
        consult(exchange);
}

// step_lease asks for its turn again, when main has an answer. Everything is judged again: the configuration may be another one.
static enum exchange_step step_lease(struct exchange *exchange)
{
    if (!watch_client(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (!exchange->lease.is_due)
        return EXCHANGE_STEP_WAIT;
    exchange->lease.is_due = false;
    switch (exchange->lease.resume) {
    case LEASE_PURSUE:
        pursue(exchange);
        break;
    case LEASE_RESOLVE:
        enter(exchange, EXCHANGE_RESOLVE);
        break;
    case LEASE_POOLED:
        resume_pooled(exchange);
        break;
    }
    return EXCHANGE_STEP_AGAIN;
}

void exchange_note_lease(struct exchange *exchange)
{
    if (quota_is_answered(&exchange->route.quota, exchange->peer->context))
        exchange->lease.is_due = true;
}

static enum exchange_step step_ask(struct exchange *exchange)
{
    if (!watch_client(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (is_outdated(exchange)) {
        search_again(exchange);
        return EXCHANGE_STEP_AGAIN;
    }
    const struct verdict verdict = consent_decide(exchange);
    if (verdict.kind == VERDICT_WAIT)
        return EXCHANGE_STEP_WAIT;
    if (!conclude(exchange, verdict))
        return EXCHANGE_STEP_AGAIN;
    if (route_is_spoilt(&exchange->route))
        search_again(exchange);
    else
        approach(exchange);
    return EXCHANGE_STEP_AGAIN;
}

// drop_request frees what a tunnel that nobody looks into needs no more: all of the request but its target. Most tunnels are
// idle, and there are many. Without memory it stays.
static void drop_request(struct exchange *exchange)
{
    if (exchange->route.tunnel.inspection != NULL)
        return;
    exchange->target = target_keep(&exchange->request->url.target);
    if (exchange->target == NULL)
        return;
    free(exchange->request);
    exchange->request = NULL;
}

// open_tunnel sends the 200, where it is not out, and lets the bytes flow.
static void open_tunnel(struct exchange *exchange)
{
    char data[ANSWER_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    const struct hop *hop = exchange->route.hop;
    const struct answer answer = {.status = 200,
                                  .id = exchange->id,
                                  .passed_on = hop == NULL ? NULL : hop_answer(hop)->proxy_status};
    if (!exchange->request->is_routed)
        answer_format(&answer, &text);
    enum err error = route_open_tunnel(&exchange->route, exchange->channel, text_slice(&text));
    if (error == ERR_OK)
        error = inside_inspect(exchange);
    exchange->ending.status = error == ERR_OK ? 200 : 0;
    if (error == ERR_OK)
        drop_request(exchange);
    enter_if_ok(exchange, error, EXCHANGE_TUNNEL);
}

// undialled refuses after an allow: the target could not be reached.
static struct verdict undialled(enum dial_result result)
{
    const char *detail = dial_result_name(result);
    return result == DIAL_TIMED_OUT ? verdict_late(504, REASON_TIMEOUT, detail)
                                    : verdict_late(502, REASON_CONNECT_FAILED, detail);
}

// announce tells the target whose connection it gets, where the rule wants that.
static struct verdict announce(struct exchange *exchange)
{
    if (announcement_is_wanted(exchange) && announcement_send(exchange) != ERR_OK)
        return verdict_late(502, REASON_CONNECT_FAILED, "it took no PROXY header");
    return (struct verdict){.kind = VERDICT_GO};
}

// use_line goes on over the connection that has been found.
static void use_line(struct exchange *exchange)
{
    if (exchange->request->is_plain)
        begin_forward(exchange);
    else
        open_tunnel(exchange);
}

// refuse_hop refuses after an allow: no parent leads to the target.
static void refuse_hop(struct exchange *exchange, struct hop_failure failure)
{
    const struct parent_answer *answer = hop_answer(exchange->route.hop);
    struct verdict verdict = verdict_late(failure.status, failure.reason, failure.detail);
    if (failure.reason == REASON_PARENT_REFUSED && answer->received != 0) {
        if (failure.status == 429)
            verdict.retry_after_s = answer->retry_after_s;
        exchange->ending.answered = answer->received;
    }
    (void)conclude(exchange, verdict);
}

// hop_again leaves the way to a parent, and begins with the search.
static void hop_again(struct exchange *exchange)
{
    route_end_hop(&exchange->route);
    route_release(&exchange->route);
    search_again(exchange);
}

// go_direct goes to the target itself where no parent could be reached.
static void go_direct(struct exchange *exchange)
{
    if (is_outdated(exchange))
        hop_again(exchange);
    else if (route_dial_direct(&exchange->route) != ERR_OK)
        exchange_end(exchange, REASON_NO_MEMORY);
}

// step_hop goes on with the way through a parent.
static enum exchange_step step_hop(struct exchange *exchange)
{
    struct route *route = &exchange->route;
    if (is_outdated(exchange) && hop_may_begin_again(route->hop)) {
        hop_again(exchange);
        return EXCHANGE_STEP_AGAIN;
    }
    switch (hop_step(route->hop)) {
    case HOP_WAITS:
        return EXCHANGE_STEP_WAIT;
    case HOP_DIRECT:
        go_direct(exchange);
        break;
    case HOP_FAILED:
        refuse_hop(exchange, hop_failure(route->hop));
        break;
    case HOP_CONNECTED:
        tally_hop(exchange);
        if (conclude(exchange, judge_today(exchange)))
            use_line(exchange);
        else
            route_end_hop(&exchange->route); // it would wake us whenever the target says something
        break;
    }
    return EXCHANGE_STEP_AGAIN;
}

static enum exchange_step step_dial(struct exchange *exchange)
{
    const struct admission admission = admission_of(exchange);
    struct search *search = exchange->route.search;
    if (!watch_client(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (exchange->route.hop != NULL)
        return step_hop(exchange);
    search_judge_late(search, &admission);
    if (!search->is_dialled)
        return EXCHANGE_STEP_WAIT;
    tally_dial(exchange);
    if (conclude(exchange, search->dialled == DIAL_CONNECTED ? judge_today(exchange)
                                                             : undialled(search->dialled)) &&
        conclude(exchange, announce(exchange)))
        use_line(exchange);
    return EXCHANGE_STEP_AGAIN;
}

static enum exchange_step step_tunnel(struct exchange *exchange)
{
    struct tunnel *tunnel = &exchange->route.tunnel;
    const enum duplex_status status = tunnel_step(tunnel, exchange->peer->context->now_ms);
    tally_bytes(exchange);
    const struct inner_verdict *verdict = tunnel_verdict(tunnel);
    const bool goes_on = status == DUPLEX_WAITS || status == DUPLEX_MORE;
    if (tunnel->inspection != NULL && inspection_is_over(tunnel->inspection))
        records_fit_close(exchange);
    if (goes_on && verdict != NULL && judge_inside(exchange, verdict))
        return EXCHANGE_STEP_AGAIN;
    if (goes_on)
        return status == DUPLEX_WAITS ? EXCHANGE_STEP_WAIT : EXCHANGE_STEP_MORE;
    const bool is_orderly = status == DUPLEX_FINISHED || status == DUPLEX_LEFT;
    finish(exchange, is_orderly ? EXCHANGE_CLOSE : EXCHANGE_RESET, tunnel->reason);
    return EXCHANGE_STEP_AGAIN;
}

// upgrade turns the exchange into a tunnel: the 101 goes to the client, and from then on bytes are bytes.
static void upgrade(struct exchange *exchange)
{
    const enum err error = route_open_upgraded(&exchange->route, exchange->channel);
    channel_drop_head(exchange->channel);
    exchange->ending.status = 101;
    enter_if_ok(exchange, error, EXCHANGE_TUNNEL);
}

// try_again sends the request over a new connection: the one that had waited was dead, and has not answered. A question that
// is under way counts for an account that the exchange may give back.
static void try_again(struct exchange *exchange)
{
    consent_end(exchange);
    end_forward(exchange, true);
    if (admit_again(exchange))
        begin_search(exchange);
}

// refuse_forward answers in place of the target, from which the client has got no final response.
static void refuse_forward(struct exchange *exchange, struct verdict verdict)
{
    if (!exchange->route.forward->up.is_done)
        exchange->ending.may_keep = false;
    end_forward(exchange, true);
    (void)conclude(exchange, verdict);
}

static enum exchange_step step_forward(struct exchange *exchange)
{
    struct forward *forward = exchange->route.forward;
    bool is_kept = false;
    const enum forward_status status = forward_step(forward);
    tally_bytes(exchange);
    switch (status) {
    case FORWARD_WAITS:
        return EXCHANGE_STEP_WAIT;
    case FORWARD_MORE:
        return EXCHANGE_STEP_MORE;
    case FORWARD_FINISHED:
        is_kept = forward->is_kept;
        route_keep_upstream(&exchange->route, exchange->peer, &exchange->request->url.target,
                            exchange->generation);
        finish(exchange, is_kept ? EXCHANGE_KEEP : EXCHANGE_CLOSE, REASON_COMPLETED);
        break;
    case FORWARD_UPGRADED:
        upgrade(exchange);
        break;
    case FORWARD_UNANSWERED:
        if (exchange->route.is_pooled)
            try_again(exchange);
        else
            refuse_forward(exchange, verdict_late(502, forward->reason, forward->why));
        break;
    case FORWARD_BAD: // of a bad request the body is not done: the connection ends
        refuse_forward(exchange, verdict_late(forward->reason == REASON_BAD_REQUEST ? 400 : 502,
                                              forward->reason, forward->why));
        break;
    case FORWARD_BROKEN:
        exchange_end(exchange, forward->reason);
        break;
    }
    return EXCHANGE_STEP_AGAIN;
}

static enum exchange_step step_refuse(struct exchange *exchange)
{
    const enum err error = reply_step(exchange);
    if (error == ERR_AGAIN)
        return EXCHANGE_STEP_WAIT;
    if (error == ERR_OK)
        finish(exchange, exchange->ending.may_keep ? EXCHANGE_KEEP : EXCHANGE_CLOSE,
               exchange->verdict.action == ACTION_ALLOW ? REASON_COMPLETED : REASON_REFUSED);
    else
        exchange_end(exchange, REASON_CLIENT_RESET);
    return EXCHANGE_STEP_AGAIN;
}

// ---- what the states wait for -------------------------------------------------------------------

static void want_client(struct exchange *exchange)
{
    struct channel *channel = exchange->channel;
    stream_want(channel->stream, channel_has_room(channel), false);
}

static void want_read_hello(struct exchange *exchange)
{
    struct channel *channel = exchange->channel;
    stream_want(channel->stream, channel_has_room(channel), exchange->reply.bytes != NULL);
}

static void want_tunnel(struct exchange *exchange)
{
    duplex_update_interest(&exchange->route.tunnel.duplex);
}

static void want_forward(struct exchange *exchange)
{
    forward_update_interest(exchange->route.forward);
}

// ---- deadlines ----------------------------------------------------------------------------------

// age_ends_ms gives when it has lived as long as its client's tunnels may.
static int64_t age_ends_ms(const struct exchange *exchange)
{
    const int64_t age_ms = exchange->route.quota.age_ms;
    return age_ms == 0 ? INT64_MAX : exchange->timing.since_ms + age_ms;
}

static bool is_too_old(const struct exchange *exchange)
{
    return age_ends_ms(exchange) <= exchange->peer->context->now_ms;
}

// idle_ends_ms gives when it has been idle for too long, where it was active last at `active_ms`. One that waits
// for its share of the bandwidth is not idle.
static int64_t idle_ends_ms(const struct exchange *exchange, int64_t active_ms)
{
    const struct timeouts *timeouts = &exchange->peer->snapshot->timeouts;
    const int64_t idle_ms = exchange->route.quota.idle_ms;
    if (exchange->state == EXCHANGE_TUNNEL && duplex_is_half_closed(&exchange->route.tunnel.duplex))
        return active_ms + timeouts->half_closed_ms;
    return active_ms + (idle_ms == 0 ? timeouts->idle_ms : idle_ms);
}

// inner_ends_ms gives when the first flight of a tunnel that waits for it must have come.
static int64_t inner_ends_ms(const struct exchange *exchange)
{
    return exchange->route.tunnel.duplex.down.mode == FLOW_DRAINS
               ? exchange->timing.since_ms + exchange->peer->snapshot->timeouts.inner_ms
               : INT64_MAX;
}

static int64_t tunnel_deadline_ms(const struct exchange *exchange)
{
    const int64_t idle_ms =
        idle_ends_ms(exchange, duplex_active_ms(&exchange->route.tunnel.duplex));
    return deadline_sooner(deadline_sooner(idle_ms, age_ends_ms(exchange)),
                           inner_ends_ms(exchange));
}

static int64_t forward_deadline_ms(const struct exchange *exchange)
{
    const struct forward *forward = exchange->route.forward;
    const int64_t body_ms = exchange->peer->snapshot->timeouts.body_ms;
    return deadline_sooner(deadline_sooner(idle_ends_ms(exchange, forward_active_ms(forward)),
                                           forward_body_ends_ms(forward, body_ms)),
                           age_ends_ms(exchange));
}

static int64_t refuse_deadline_ms(const struct exchange *exchange)
{
    const int64_t since_ms = exchange->timing.since_ms;
    const int64_t due_ms = exchange->reply.due_ms;
    return (since_ms < due_ms ? due_ms : since_ms) + exchange->peer->snapshot->timeouts.request_ms;
}

static void read_request_is_late(struct exchange *exchange)
{
    (void)conclude(exchange, verdict_error(408, REASON_TIMEOUT, "the head did not arrive in time"));
}

static int64_t introduce_ends_ms(const struct exchange *exchange)
{
    return exchange->timing.since_ms + guest_wait_ms(exchange->guest);
}

static int64_t lease_ends_ms(const struct exchange *exchange)
{
    return exchange->timing.since_ms + LEASE_WAIT_MS - exchange->timing.lease_ms;
}

static void lease_is_late(struct exchange *exchange)
{
    (void)conclude(exchange, quota_end_wait(&exchange->route.quota, exchange->peer->context));
}

// read_hello_deadline_ms: it waits for the first flight no longer than the client's certificate is good.
static int64_t read_hello_deadline_ms(const struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    return deadline_sooner(exchange->timing.since_ms + peer->snapshot->timeouts.inner_ms,
                           peer->expires_ms);
}

// read_hello_is_late: by then another request of the client may have found that no entry fits it any more.
static void read_hello_is_late(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    if (!admit_again(exchange))
        return;
    if (exchange->timing.since_ms + peer->snapshot->timeouts.inner_ms <= peer->context->now_ms)
        refuse_unnamed(exchange, REASON_INNER_TIMEOUT);
    else if (peer_is_expired(peer))
        refuse_unnamed(exchange, REASON_EXPIRED);
}

static void resolve_is_late(struct exchange *exchange)
{
    (void)conclude(exchange, unresolved(RESOLVE_TIMED_OUT));
}

static void ask_is_late(struct exchange *exchange)
{
    (void)conclude(exchange, verdict_error(503, REASON_AUTHORIZER_FAILED, NULL));
}

static void dial_is_late(struct exchange *exchange)
{
    if (exchange->route.hop != NULL)
        refuse_hop(exchange, hop_fail_late(exchange->route.hop));
    else
        (void)conclude(exchange, undialled(DIAL_TIMED_OUT));
}

static void tunnel_is_late(struct exchange *exchange)
{
    if (inner_ends_ms(exchange) <= exchange->peer->context->now_ms)
        exchange_end(exchange, REASON_INNER_TIMEOUT);
    else
        exchange_end(exchange, is_too_old(exchange) ? REASON_AGE : REASON_IDLE);
}

// forward_is_idle ends a request of which nothing has been passed on for too long.
static void forward_is_idle(struct exchange *exchange)
{
    const struct forward *forward = exchange->route.forward;
    if (forward_has_begun_answer(forward))
        exchange_end(exchange, REASON_IDLE);
    else if (body_flow_wants_read(&forward->up))
        refuse_forward(exchange,
                       verdict_late(408, REASON_TIMEOUT, "the body did not arrive in time"));
    else
        refuse_forward(exchange,
                       verdict_late(504, REASON_TIMEOUT, "the target gave no answer in time"));
}

static void forward_is_late(struct exchange *exchange)
{
    struct forward *forward = exchange->route.forward;
    const struct peer *peer = exchange->peer;
    if (is_too_old(exchange))
        exchange_end(exchange, REASON_AGE);
    else if (idle_ends_ms(exchange, forward_active_ms(forward)) <= peer->context->now_ms)
        forward_is_idle(exchange);
    else if (!forward_has_slow_body(forward, peer->snapshot->timeouts.body_ms))
        return;
    else if (forward_has_begun_answer(forward))
        exchange_end(exchange, REASON_TIMEOUT);
    else
        refuse_forward(exchange, verdict_late(408, REASON_TIMEOUT,
                                              "the body came too slowly (timeouts.body)"));
}

static void refuse_is_late(struct exchange *exchange)
{
    exchange_end(exchange, REASON_TIMEOUT);
}

#define STATE(name) (1 << EXCHANGE_##name)
#define PURSUED                                                                                    \
    (STATE(LEASE) | STATE(READ_HELLO) | STATE(RESOLVE) | STATE(ASK) | STATE(FORWARD) |             \
     STATE(REFUSE) | STATE(DONE))

static const struct state_row states[EXCHANGE_STATE_COUNT] = {
    [EXCHANGE_READ_REQUEST] = {step_read_request, want_client,
                               offsetof(struct timeouts, request_ms), NULL, read_request_is_late,
                               STATE(INTRODUCE) | PURSUED},
    // Nobody has answered: it goes on without.
    [EXCHANGE_INTRODUCE] = {step_introduce, want_client, 0, introduce_ends_ms, pursue, PURSUED},
    [EXCHANGE_LEASE] = {step_lease, want_client, 0, lease_ends_ms, lease_is_late, PURSUED},
    [EXCHANGE_READ_HELLO] = {step_read_hello, want_read_hello, offsetof(struct timeouts, inner_ms),
                             read_hello_deadline_ms, read_hello_is_late,
                             STATE(RESOLVE) | STATE(DONE)},
    [EXCHANGE_RESOLVE] = {step_resolve, want_client, offsetof(struct timeouts, resolve_ms), NULL,
                          resolve_is_late,
                          STATE(RESOLVE) | STATE(LEASE) | STATE(ASK) | STATE(DIAL) | STATE(REFUSE) |
                              STATE(DONE)},
    [EXCHANGE_ASK] = {step_ask, want_client, 0, consent_ends_ms, ask_is_late,
                      STATE(RESOLVE) | STATE(DIAL) | STATE(FORWARD) | STATE(REFUSE) | STATE(DONE)},
    [EXCHANGE_DIAL] = {step_dial, want_client, offsetof(struct timeouts, connect_ms), NULL,
                       dial_is_late,
                       STATE(RESOLVE) | STATE(TUNNEL) | STATE(FORWARD) | STATE(REFUSE) |
                           STATE(DONE)},
    [EXCHANGE_TUNNEL] = {step_tunnel, want_tunnel, offsetof(struct timeouts, idle_ms),
                         tunnel_deadline_ms, tunnel_is_late, STATE(DONE)},
    [EXCHANGE_FORWARD] = {step_forward, want_forward, offsetof(struct timeouts, idle_ms),
                          forward_deadline_ms, forward_is_late,
                          STATE(RESOLVE) | STATE(TUNNEL) | STATE(REFUSE) | STATE(DONE)},
    [EXCHANGE_REFUSE] = {step_refuse, reply_update_interest, offsetof(struct timeouts, request_ms),
                         refuse_deadline_ms, refuse_is_late, STATE(DONE)},
};

void exchange_reject(struct exchange *exchange, uint16_t status, const char *why)
{
    if (exchange->state == EXCHANGE_READ_REQUEST)
        (void)conclude(exchange, verdict_error(status, REASON_BAD_REQUEST, why));
}

// keep_consent ends what the authorizer allows no longer.
static void keep_consent(struct exchange *exchange)
{
    const enum reason reason = exchange_is_open(exchange) ? consent_keep(exchange) : REASON_NONE;
    if (reason != REASON_NONE)
        exchange_end(exchange, reason);
}

enum exchange_step exchange_step(struct exchange *exchange)
{
    keep_consent(exchange);
    return exchange->state == EXCHANGE_DONE ? EXCHANGE_STEP_DONE
                                            : states[exchange->state].step(exchange);
}

void exchange_update_interest(struct exchange *exchange)
{
    states[exchange->state].update_interest(exchange);
}

// wait_ends_ms gives when what the state waits for is late.
static int64_t wait_ends_ms(const struct exchange *exchange)
{
    const struct state_row *row = &states[exchange->state];
    const char *timeouts = (const char *)&exchange->peer->snapshot->timeouts;
    if (row->deadline_ms != NULL)
        return row->deadline_ms(exchange);
    return exchange->timing.since_ms + *(const int64_t *)(const void *)(timeouts + row->timeout);
}

bool exchange_ends_by_time(const struct exchange *exchange)
{
    return exchange_is_tunnel(exchange) && exchange->timing.until_s != INT64_MAX;
}

// time_ends_ms gives when, on the monotonic clock, time may end what admits it. It is worked out each time, for the wall
// clock may be set.
static int64_t time_ends_ms(const struct exchange *exchange)
{
    if (!exchange_ends_by_time(exchange))
        return INT64_MAX;
    return exchange->peer->context->now_ms + exchange->timing.until_s * 1000 - wall_clock_ms();
}

int64_t exchange_deadline_ms(const struct exchange *exchange)
{
    const int64_t due_ms = wait_ends_ms(exchange);
    // A tunnel ends with its certificate, with its time, and with the authorizer's yes; before that, requests look for
    // themselves.
    return exchange_is_open(exchange)
               ? deadline_sooner(deadline_sooner(due_ms, exchange->peer->expires_ms),
                                 deadline_sooner(time_ends_ms(exchange), consent_due_ms(exchange)))
               : due_ms;
}

void exchange_on_deadline(struct exchange *exchange)
{
    if (wait_ends_ms(exchange) <= exchange->peer->context->now_ms)
        states[exchange->state].on_deadline(exchange);
    else if (exchange_is_tunnel(exchange) && peer_is_expired(exchange->peer))
        exchange_end(exchange, REASON_EXPIRED);
    else if (time_ends_ms(exchange) <= exchange->peer->context->now_ms)
        exchange_judge_again(exchange); // another rule may admit it
    else
        keep_consent(exchange);
}

int64_t exchange_turn_ms(const struct exchange *exchange)
{
    const struct route *route = &exchange->route;
    if (exchange->state == EXCHANGE_TUNNEL)
        return duplex_turn_ms(&route->tunnel.duplex);
    if (exchange->state == EXCHANGE_REFUSE && reply_is_held_back(exchange))
        return exchange->reply.due_ms;
    return exchange->state == EXCHANGE_FORWARD ? forward_turn_ms(route->forward) : INT64_MAX;
}

// ---- what the session asks ----------------------------------------------------------------------

bool exchange_awaits_head(const struct exchange *exchange)
{
    return exchange->state == EXCHANGE_READ_REQUEST;
}

bool exchange_is_tunnel(const struct exchange *exchange)
{
    return exchange_is_open(exchange);
}

bool exchange_is_heavy(const struct exchange *exchange)
{
    return exchange->state == EXCHANGE_TUNNEL &&
           exchange->route.tunnel.duplex.step_len >= HEAVY_LEN;
}

// make_exchange makes one with what it needs to record its end. NULL without memory.
static struct exchange *make_exchange(const struct peer *peer)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    struct exchange_records *records = &exchange->records;
    exchange->request = calloc(1, sizeof *exchange->request);
    records->decision = audit_record_create(AUDIT_DECISION_EXTRA_CAP + peer->json_len);
    records->close = audit_record_create(AUDIT_CLOSE_CAP);
    if (exchange->request == NULL || records->decision == NULL || records->close == NULL) {
        audit_record_destroy(records->decision);
        audit_record_destroy(records->close);
        free(exchange->request);
        free(exchange);
        return NULL;
    }
    return exchange;
}

struct exchange *exchange_create(struct channel *channel)
{
    struct peer *peer = channel->peer;
    struct session_context *context = peer->context;
    struct exchange *exchange = make_exchange(peer);
    if (exchange == NULL) {
        records_count_unmade(peer);
        return NULL;
    }
    exchange->peer = peer;
    exchange->channel = channel;
    session_context_make_id(context, exchange->id);
    context->counters.exchanges++;
    context->exchange_counts[EXCHANGE_READ_REQUEST]++;
    exchange->timing.begun_ms = context->now_ms;
    exchange->timing.until_s = INT64_MAX;
    exchange->timing.since_ms = context->now_ms;
    return exchange;
}

void exchange_destroy(struct exchange *exchange)
{
    if (exchange == NULL)
        return;
    ASSERT(exchange->state == EXCHANGE_DONE);
    exchange->peer->context->exchange_counts[EXCHANGE_DONE]--;
    channel_drop_head(exchange->channel);
    tunnel_deinit(&exchange->route.tunnel);
    if (exchange->guest != NULL)
        exchange->channel->peer = exchange->guest->edge;
    guest_destroy(exchange->guest);
    identity_destroy(exchange->presented);
    free(exchange->request);
    free(exchange->target);
    free(exchange);
}
