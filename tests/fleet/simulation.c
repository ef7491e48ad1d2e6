// A proxy does here what proxy/service/fleet_limits.c and proxy/limits do, by the same pure
// functions; what it can not see is kept beside it: the tunnels that are open in truth.
#include "tests/fleet/simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base/err.h"
#include "proxy/fleet/lease.h"
#include "proxy/fleet/token_lease.h"
#include "tests/fleet/event_queue.h"
#include "tests/fleet/store_model.h"
#include "tests/unit/proxy/random.h"

enum {
    BEAT_MS = 500,
    LEASE_MS = 5000,
    ALIVE_MS = 7000,
    ANSWER_MS = 1000,
    WAIT_MS = 50,
    WAITERS_MAX = 1024,
    RUSH_MS = 5000, // when a store that was empty grants something
    RUSH_ENDS_MS = 15000,
    QUIET_MS = 20000, // moderate use
    FAULT_MS = 26000, // of more use than the limit allows since QUIET_MS
    FAULT_MAX_MS = 14000,
    AFTER_MS = 16000, // the end of all use comes so long after the healing
    REST_MS = 20000,  // and then all is given back
    LEFT_MS = 1000,
    EXACT_PROXIES = 12, // as many reach the limit exactly
    ABOVE_MS =
        10000, // after so long nothing of a fault is left: a tunnel lives for four seconds at most
    RATE = 2000, // tokens a second
    RATE_BURST = 200,
};

enum event_kind {
    BEAT,
    REQUEST,
    TUNNEL_ENDS,
    AT_STORE,
    AT_PROXY,
    NO_ANSWER,
    WAIT_ENDS,
    RETRY,
    FAULT,
    HEAL,
    END
};

enum ask { ASK_BEAT, ASK_LEASE, ASK_TOKENS, ASK_COUNT };

// A question to the store, as it was sent: what comes late finds others in the proxy.
struct sent {
    uint64_t epoch;
    struct lease_question lease;
};

// What is on its way to the store and back.
struct message {
    uint64_t number; // 0: nothing is asked
    int64_t sent_ms;
    struct lease_question lease;
    uint32_t want;
    // The answer.
    bool has_answer, is_alive, settles;
    uint32_t granted, others;
    int64_t wait_us;
    struct model_beat beat;
};

struct waiter {
    int64_t since_ms;
    uint32_t round;
};

struct proxy {
    bool is_up;
    bool is_retired; // takes no requests
    bool is_cut;     // does not reach the store
    int64_t left_ms; // when it has said that it ends; 0: it has not
    uint64_t process;
    uint64_t epoch; // of the connection to the store
    uint32_t open;  // in truth
    int32_t spare;
    struct lease lease;
    struct token_lease tokens;
    uint64_t lots[2];
    bool is_scarce;
    bool is_ready;
    uint32_t members;
    int64_t expires_ms;
    uint32_t round;
    uint32_t answered_round;
    int answered; // 0: granted, 1: full, 2: unknown
    size_t waiter_count;
    struct waiter waiters[WAITERS_MAX];
    struct message asked[ASK_COUNT];
    int64_t to_store_ms, to_proxy_ms; // what was sent last arrives then: nothing overtakes
};

struct simulation {
    struct simulation_options options;
    struct simulation_report report;
    struct random random;
    int64_t now_ms;
    struct event_queue queue;
    uint64_t number;
    struct store_model *store, *replica;
    bool is_down;     // the store
    int64_t skew_ms;  // of its clock
    int64_t delay_ms; // of one way, at most
    bool has_replica;
    struct proxy *proxies;
    uint32_t proxy_count;
    uint32_t open; // of all, in truth
    uint32_t limit;
    uint32_t enough;  // tunnels that show that the limit can be reached
    bool was_full;    // since the healing
    int64_t pause_ms; // between requests to one proxy, on average
    int64_t life_ms;  // of a tunnel, on average
    int64_t healed_ms, crashed_ms;
    int64_t low_ms; // when a tunnel has ended that left fewer than enough
    uint32_t crashed_held;
    bool is_over;   // no more requests
    double paid_ms; // of the tokens that were used, as one bucket sees it
};

const char *simulation_fault_name(enum simulation_fault fault)
{
    static const char *const names[FAULT_COUNT] = {"none",      "partition", "store down",
                                                   "fail-over", "crash",     "upgrade",
                                                   "clock",     "empty",     "slow"};
    return names[fault];
}

static void fail(struct simulation *simulation, const char *sentence)
{
    if (simulation->report.has_failed)
        return;
    simulation->report.has_failed = true;
    (void)snprintf(simulation->report.sentence, sizeof simulation->report.sentence,
                   "at %lld ms: %s (open %u, limit %u, bound %u)", (long long)simulation->now_ms,
                   sentence, simulation->open, simulation->limit, simulation->report.bound);
}

// ---- events -------------------------------------------------------------------------------------

static int64_t below(struct simulation *simulation, int64_t bound)
{
    return bound <= 0 ? 0 : (int64_t)random_below(&simulation->random, (size_t)bound);
}

// later adds an event of a proxy after `wait_ms`.
static void later(struct simulation *simulation, int64_t wait_ms, enum event_kind kind,
                  uint32_t proxy, uint32_t ask, uint64_t number)
{
    event_queue_add(&simulation->queue, (struct queued_event){.at_ms = simulation->now_ms + wait_ms,
                                                              .kind = (int)kind,
                                                              .proxy = proxy,
                                                              .part = ask,
                                                              .number = number});
}

// ---- a proxy ------------------------------------------------------------------------------------

static void drive(struct simulation *simulation, uint32_t index);

static bool is_valid(const struct simulation *simulation, const struct proxy *proxy)
{
    return proxy->is_ready && proxy->expires_ms > simulation->now_ms;
}

static void send(struct simulation *simulation, uint32_t index, enum ask ask)
{
    struct proxy *proxy = &simulation->proxies[index];
    struct message *message = &proxy->asked[ask];
    const int64_t arrives_ms = simulation->now_ms + below(simulation, simulation->delay_ms + 1);
    message->number = ++simulation->number;
    message->sent_ms = simulation->now_ms;
    message->has_answer = false;
    if (arrives_ms > proxy->to_store_ms)
        proxy->to_store_ms = arrives_ms;
    struct sent *sent = malloc(sizeof *sent);
    ASSERT(sent != NULL);
    *sent = (struct sent){.epoch = proxy->epoch, .lease = message->lease};
    event_queue_add(&simulation->queue, (struct queued_event){.at_ms = proxy->to_store_ms,
                                                              .kind = AT_STORE,
                                                              .proxy = index,
                                                              .part = ask,
                                                              .number = message->number,
                                                              .data = sent});
    later(simulation, ANSWER_MS, NO_ANSWER, index, ask, message->number);
    simulation->report.questions += ask == ASK_LEASE;
}

static struct lease_view view_of(const struct simulation *simulation, const struct proxy *proxy)
{
    return (struct lease_view){.limit = simulation->limit,
                               .spare = proxy->spare,
                               .waiting = (uint32_t)proxy->waiter_count,
                               .members = proxy->members == 0 ? 1 : proxy->members,
                               .is_scarce = proxy->is_scarce,
                               .now_ms = simulation->now_ms};
}

static struct token_view token_view_of(const struct simulation *simulation,
                                       const struct proxy *proxy)
{
    return (struct token_view){.per_second = RATE,
                               .burst = RATE_BURST,
                               .left = token_lot_left(proxy->lots[0], simulation->now_ms) +
                                       token_lot_left(proxy->lots[1], simulation->now_ms),
                               .waiting = proxy->is_retired ? 0 : 1,
                               .members = proxy->members == 0 ? 1 : proxy->members,
                               .now_ms = simulation->now_ms};
}

static uint32_t withdraw(struct proxy *proxy, uint32_t count)
{
    const uint32_t spare = proxy->spare > 0 ? (uint32_t)proxy->spare : 0;
    const uint32_t taken = spare < count ? spare : count;
    proxy->spare -= (int32_t)taken;
    return taken;
}

// open_tunnel opens one, and checks what is promised.
static void open_tunnel(struct simulation *simulation, uint32_t index)
{
    struct proxy *proxy = &simulation->proxies[index];
    struct simulation_report *report = &simulation->report;
    proxy->spare--;
    proxy->open++;
    simulation->open++;
    report->tunnels++;
    if (simulation->open > report->most_open)
        report->most_open = simulation->open;
    if (simulation->open > report->bound)
        fail(simulation, "more tunnels than is promised");
    if (simulation->healed_ms != 0 && simulation->now_ms - simulation->healed_ms > ABOVE_MS &&
        simulation->open > simulation->limit)
        fail(simulation, "still more tunnels than the limit");
    simulation->was_full |= simulation->healed_ms != 0 && simulation->open >= simulation->limit;
    if (simulation->open >= simulation->enough && simulation->healed_ms != 0 &&
        report->reached_ms < 0)
        report->reached_ms = simulation->now_ms - (simulation->low_ms > simulation->healed_ms
                                                       ? simulation->low_ms
                                                       : simulation->healed_ms);
    later(simulation, 1 + below(simulation, 2 * simulation->life_ms), TUNNEL_ENDS, index, 0,
          proxy->process);
}

// try_take takes a place as the ledger does. False: the request waits, or is refused where `waiter` has waited.
enum turn { TAKEN, WAITS, REFUSED, LOST };

static enum turn try_take(struct simulation *simulation, uint32_t index,
                          const struct waiter *waiter)
{
    struct proxy *proxy = &simulation->proxies[index];
    if (proxy->spare > 0) {
        open_tunnel(simulation, index);
        return TAKEN;
    }
    if (!is_valid(simulation, proxy)) {
        if (simulation->options.refuses || proxy->members == 0)
            return LOST;
        if (proxy->open >= lease_share(simulation->limit, proxy->members))
            return REFUSED;
        open_tunnel(simulation, index);
        return TAKEN;
    }
    if (waiter == NULL || (int32_t)(proxy->answered_round - waiter->round) < 0)
        return WAITS;
    return proxy->answered == 1 ? REFUSED : proxy->answered == 2 ? LOST : WAITS;
}

static void count_turn(struct simulation *simulation, enum turn turn, int64_t waited_ms)
{
    struct simulation_report *report = &simulation->report;
    report->refused += turn == REFUSED;
    report->lost += turn == LOST;
    if (turn == TAKEN && waited_ms > report->worst_wait_ms)
        report->worst_wait_ms = waited_ms;
}

// look_again has those who wait look again, and ends the waiting of those who have waited too long.
static void look_again(struct simulation *simulation, uint32_t index)
{
    struct proxy *proxy = &simulation->proxies[index];
    size_t kept = 0;
    for (size_t i = 0; i < proxy->waiter_count; i++) {
        struct waiter waiter = proxy->waiters[i];
        const int64_t waited_ms = simulation->now_ms - waiter.since_ms;
        enum turn turn = try_take(simulation, index, &waiter);
        if (turn == WAITS && waited_ms >= WAIT_MS)
            turn = LOST;
        if (turn == WAITS) {
            if ((int32_t)(proxy->answered_round - waiter.round) >= 0)
                waiter.round = proxy->round + 1;
            proxy->waiters[kept++] = waiter;
            continue;
        }
        count_turn(simulation, turn, waited_ms);
    }
    proxy->waiter_count = kept;
}

static void ask_lease(struct simulation *simulation, uint32_t index)
{
    struct proxy *proxy = &simulation->proxies[index];
    const struct lease_view view = view_of(simulation, proxy);
    if (!lease_ask(&proxy->lease, &view, &proxy->asked[ASK_LEASE].lease))
        return;
    proxy->round++;
    send(simulation, index, ASK_LEASE);
}

static void ask_tokens(struct simulation *simulation, uint32_t index)
{
    struct proxy *proxy = &simulation->proxies[index];
    const struct token_view view = token_view_of(simulation, proxy);
    if (token_lease_ask(&proxy->tokens, &view, &proxy->asked[ASK_TOKENS].want))
        send(simulation, index, ASK_TOKENS);
}

static void drive(struct simulation *simulation, uint32_t index)
{
    struct proxy *proxy = &simulation->proxies[index];
    if (!proxy->is_up || !is_valid(simulation, proxy))
        return;
    ask_lease(simulation, index);
    ask_tokens(simulation, index);
}

// use_token takes a token, and checks that the fleet does not use more than the rate, with what may be in hand.
static void use_token(struct simulation *simulation, uint32_t index)
{
    struct proxy *proxy = &simulation->proxies[index];
    const double interval_ms = 1000.0 / RATE;
    if (!token_lot_take(proxy->lots[0], simulation->now_ms, &proxy->lots[0]) &&
        !token_lot_take(proxy->lots[1], simulation->now_ms, &proxy->lots[1]))
        return;
    if (simulation->paid_ms < (double)simulation->now_ms)
        simulation->paid_ms = (double)simulation->now_ms;
    simulation->paid_ms += interval_ms;
    // A replica and a clock that jumps may give what was taken once more: one bucket.
    const bool may_repeat =
        simulation->options.fault == FAULT_FAIL_OVER || simulation->options.fault == FAULT_CLOCK;
    const double burst_ms = interval_ms * RATE_BURST * (may_repeat ? 2 : 1);
    if (simulation->paid_ms - (double)simulation->now_ms > burst_ms + TOKEN_LIFE_MS + 1)
        fail(simulation, "more tokens than is promised");
}

static void request(struct simulation *simulation, uint32_t index)
{
    struct proxy *proxy = &simulation->proxies[index];
    if (!proxy->is_up || proxy->is_retired || simulation->is_over)
        return;
    use_token(simulation, index);
    const enum turn turn = try_take(simulation, index, NULL);
    if (turn == WAITS && proxy->waiter_count < WAITERS_MAX) {
        proxy->waiters[proxy->waiter_count++] =
            (struct waiter){.since_ms = simulation->now_ms, .round = proxy->round + 1};
        later(simulation, WAIT_MS, WAIT_ENDS, index, 0, proxy->process);
        if (proxy->waiter_count == 1)
            later(simulation, 10, RETRY, index, 0, proxy->process);
    } else {
        count_turn(simulation, turn == WAITS ? LOST : turn, 0);
    }
    drive(simulation, index);
    later(simulation, 1 + below(simulation, 2 * simulation->pause_ms), REQUEST, index, 0, 0);
}

static bool is_reachable(const struct simulation *simulation, const struct proxy *proxy);

// leave ends an old process that has nothing open any more: it says so, and has nothing from then on.
static void leave(struct simulation *simulation, uint32_t index)
{
    struct proxy *proxy = &simulation->proxies[index];
    if (is_reachable(simulation, proxy)) {
        store_model_leave(simulation->store, index);
        proxy->left_ms = simulation->now_ms;
    }
    proxy->is_up = false;
    proxy->waiter_count = 0;
}

static void tunnel_ends(struct simulation *simulation, uint32_t index, uint64_t process)
{
    struct proxy *proxy = &simulation->proxies[index];
    if (!proxy->is_up || proxy->process != process)
        return; // it has ended with its process
    proxy->open--;
    proxy->spare++;
    if (simulation->open-- == simulation->enough)
        simulation->low_ms = simulation->now_ms;
    if (proxy->is_retired && proxy->open == 0)
        leave(simulation, index);
}

static void lose(struct proxy *proxy)
{
    lease_shrink(&proxy->lease, withdraw(proxy, UINT32_MAX));
    lease_unclaim(&proxy->lease);
}

static void beat(struct simulation *simulation, uint32_t index)
{
    struct proxy *proxy = &simulation->proxies[index];
    if (!proxy->is_up)
        return;
    if (proxy->expires_ms != 0 && proxy->expires_ms <= simulation->now_ms) {
        lose(proxy);
        proxy->expires_ms = 0;
    }
    if (proxy->asked[ASK_BEAT].number == 0)
        send(simulation, index, ASK_BEAT);
    later(simulation, BEAT_MS, BEAT, index, 0, 0);
    look_again(simulation, index);
}

// ---- the store ----------------------------------------------------------------------------------

static bool is_reachable(const struct simulation *simulation, const struct proxy *proxy)
{
    return proxy->is_up && !proxy->is_cut && !simulation->is_down;
}

// at_store_late does what arrives over a connection that its proxy has given up: the answer reaches nobody.
static void at_store_late(struct simulation *simulation, const struct queued_event *event)
{
    const struct sent *sent = event->data;
    const struct lease_question *lease = &sent->lease;
    uint32_t granted = 0, others = 0;
    bool settles = false;
    if (event->part == ASK_BEAT)
        (void)store_model_beat(simulation->store, event->proxy, sent->epoch, ALIVE_MS);
    else if (event->part == ASK_LEASE)
        (void)store_model_lease(simulation->store, 0, event->proxy, sent->epoch, simulation->limit,
                                lease->keep, lease->need, lease->want, &granted, &others, &settles);
}

// arrives_later sends once more what the network has not brought. It may come after what the next connection brings. False: it never comes.
static bool arrives_later(struct simulation *simulation, const struct queued_event *event)
{
    const struct proxy *proxy = &simulation->proxies[event->proxy];
    struct queued_event again = *event;
    if (!proxy->is_up || simulation->is_over)
        return false;
    again.at_ms = simulation->now_ms + 1 + below(simulation, 1000);
    event_queue_add(&simulation->queue, again);
    return true;
}

// answer does what a proxy has asked that waits for it.
static void answer(struct simulation *simulation, const struct queued_event *event)
{
    struct proxy *proxy = &simulation->proxies[event->proxy];
    struct message *message = &proxy->asked[event->part];
    const struct sent *sent = event->data;
    switch ((enum ask)event->part) {
    case ASK_BEAT:
        message->beat = store_model_beat(simulation->store, event->proxy, sent->epoch, ALIVE_MS);
        break;
    case ASK_LEASE:
        message->is_alive =
            store_model_lease(simulation->store, 0, event->proxy, sent->epoch, simulation->limit,
                              message->lease.keep, message->lease.need, message->lease.want,
                              &message->granted, &message->others, &message->settles);
        break;
    case ASK_TOKENS:
        message->granted = store_model_rate(simulation->store, 0, 0, RATE, RATE_BURST,
                                            message->want, &message->wait_us);
        break;
    case ASK_COUNT:
        break;
    }
    message->has_answer = true;
    const int64_t arrives_ms = simulation->now_ms + below(simulation, simulation->delay_ms + 1);
    if (arrives_ms > proxy->to_proxy_ms)
        proxy->to_proxy_ms = arrives_ms;
    later(simulation, proxy->to_proxy_ms - simulation->now_ms, AT_PROXY, event->proxy, event->part,
          event->number);
}

// at_store has the store do what was asked, if it arrives.
static void at_store(struct simulation *simulation, const struct queued_event *event)
{
    const struct proxy *proxy = &simulation->proxies[event->proxy];
    if (!is_reachable(simulation, proxy)) {
        if (!arrives_later(simulation, event))
            free(event->data);
        return;
    }
    simulation->store->now_us = (simulation->now_ms + simulation->skew_ms) * 1000;
    if (proxy->asked[event->part].number == event->number)
        answer(simulation, event);
    else
        at_store_late(simulation, event);
    free(event->data);
}

static void take_beat(struct simulation *simulation, uint32_t index, const struct message *message)
{
    struct proxy *proxy = &simulation->proxies[index];
    if (!proxy->is_ready)
        lease_unclaim(&proxy->lease);
    if (!message->beat.was_known)
        lose(proxy);
    proxy->is_ready = true;
    proxy->members = message->beat.members;
    proxy->is_scarce = message->beat.is_scarce[0];
    proxy->expires_ms = message->sent_ms + LEASE_MS;
    const struct lease_view view = view_of(simulation, proxy);
    lease_shrink(&proxy->lease, withdraw(proxy, lease_surplus(&proxy->lease, &view)));
    const struct token_view tokens = token_view_of(simulation, proxy);
    token_lease_beat(&proxy->tokens, &tokens, BEAT_MS);
}

static void take_lease(struct simulation *simulation, uint32_t index, const struct message *message)
{
    struct proxy *proxy = &simulation->proxies[index];
    bool is_full = false;
    if (!is_valid(simulation, proxy)) {
        lease_unanswered(&proxy->lease);
        return;
    }
    if (!message->is_alive) {
        lease_fail(&proxy->lease, simulation->now_ms);
        return;
    }
    proxy->spare += lease_answer(&proxy->lease, &message->lease, message->granted,
                                 lease_above(simulation->limit, message->granted, message->others),
                                 simulation->now_ms, &is_full);
    proxy->answered_round = proxy->round;
    proxy->answered = !is_full ? 0 : message->settles ? 2 : 1;
}

static void take_tokens(struct simulation *simulation, uint32_t index,
                        const struct message *message)
{
    struct proxy *proxy = &simulation->proxies[index];
    int64_t wait_ms = 0;
    if (!is_valid(simulation, proxy)) {
        token_lease_unanswered(&proxy->tokens);
        return;
    }
    const uint32_t got = token_lease_answer(&proxy->tokens, message->want, message->granted,
                                            message->wait_us, simulation->now_ms, &wait_ms);
    const size_t emptier = token_lot_left(proxy->lots[0], simulation->now_ms) <=
                                   token_lot_left(proxy->lots[1], simulation->now_ms)
                               ? 0
                               : 1;
    if (got > 0)
        proxy->lots[emptier] = token_lot_make(got, simulation->now_ms + TOKEN_LIFE_MS);
}

static void at_proxy(struct simulation *simulation, const struct queued_event *event)
{
    struct proxy *proxy = &simulation->proxies[event->proxy];
    struct message *message = &proxy->asked[event->part];
    if (!is_reachable(simulation, proxy) || message->number != event->number ||
        !message->has_answer)
        return;
    const struct message taken = *message;
    message->number = 0;
    switch ((enum ask)event->part) {
    case ASK_BEAT:
        take_beat(simulation, event->proxy, &taken);
        break;
    case ASK_LEASE:
        take_lease(simulation, event->proxy, &taken);
        break;
    case ASK_TOKENS:
        take_tokens(simulation, event->proxy, &taken);
        break;
    case ASK_COUNT:
        break;
    }
    look_again(simulation, event->proxy);
    drive(simulation, event->proxy);
}

// no_answer ends the connection, and all that was asked over it. The next question goes over a new one.
static void no_answer(struct simulation *simulation, const struct queued_event *event)
{
    struct proxy *proxy = &simulation->proxies[event->proxy];
    if (!proxy->is_up || proxy->asked[event->part].number != event->number)
        return;
    for (size_t ask = 0; ask < ASK_COUNT; ask++)
        proxy->asked[ask].number = 0;
    proxy->is_ready = false;
    proxy->epoch++;
    proxy->to_store_ms = 0;
    proxy->to_proxy_ms = 0;
    lease_unanswered(&proxy->lease);
    token_lease_unanswered(&proxy->tokens);
    look_again(simulation, event->proxy);
}

// ---- faults -------------------------------------------------------------------------------------

// start begins a process.
static void start(struct simulation *simulation, uint32_t index)
{
    struct proxy *proxy = &simulation->proxies[index];
    memset(proxy, 0, sizeof *proxy);
    proxy->is_up = true;
    proxy->process = ++simulation->number;
    proxy->epoch = 1;
    later(simulation, below(simulation, BEAT_MS), BEAT, index, 0, 0);
    later(simulation, BEAT_MS + below(simulation, 2 * simulation->pause_ms), REQUEST, index, 0, 0);
}

// alone_most gives how many tunnels a proxy may have as long as it does not hear of the store: what it holds, or its share if that is more.
static uint32_t alone_most(const struct simulation *simulation, const struct proxy *proxy)
{
    const uint32_t proxies = simulation->options.proxies;
    const uint32_t share =
        simulation->options.refuses ? 0 : (simulation->limit + proxies - 1) / proxies;
    const uint32_t held = proxy->open > proxy->lease.granted ? proxy->open : proxy->lease.granted;
    return held > share ? held : share;
}

// cut_some cuts some proxies off. The others may have the limit, when the store takes those for dead.
static void cut_some(struct simulation *simulation)
{
    const int64_t part = 1 + below(simulation, 4);
    for (uint32_t i = 0; i < simulation->proxy_count; i++) {
        struct proxy *proxy = &simulation->proxies[i];
        if (below(simulation, 5) >= part)
            continue;
        proxy->is_cut = true;
        simulation->report.bound += alone_most(simulation, proxy);
    }
}

// lose_store takes the store from all. The one that comes back believes what it has of each until that one claims what it has opened
// meanwhile, and grants the rest to others.
static void lose_store(struct simulation *simulation, const struct store_model *back)
{
    simulation->is_down = true;
    for (uint32_t i = 0; i < simulation->proxy_count; i++) {
        const struct proxy *proxy = &simulation->proxies[i];
        const uint32_t told = back->accounts[0].held[i];
        // What gives back the difference may be under way.
        const uint32_t counted = told < proxy->lease.granted ? told : proxy->lease.granted;
        simulation->report.bound += alone_most(simulation, proxy) - counted;
    }
}

// crash_some ends some processes. Their clients go to those that are left, so that use stays what it was.
static void crash_some(struct simulation *simulation)
{
    uint32_t left = simulation->proxy_count;
    simulation->crashed_ms = simulation->now_ms;
    simulation->healed_ms = simulation->now_ms; // nothing is to be healed
    for (uint32_t i = 0; i < simulation->proxy_count; i++) {
        struct proxy *proxy = &simulation->proxies[i];
        if (below(simulation, 3) != 0 || i == 0)
            continue;
        simulation->open -= proxy->open;
        proxy->is_up = false;
        proxy->open = 0;
        left--;
        simulation->crashed_held += simulation->store->accounts[0].held[i];
    }
    simulation->pause_ms = 1 + simulation->pause_ms * left / simulation->proxy_count;
}

static void upgrade_some(struct simulation *simulation)
{
    const uint32_t count = simulation->proxy_count;
    for (uint32_t i = 0; i < count; i++) {
        if (simulation->proxy_count == MODEL_INSTANCES || below(simulation, 2) != 0)
            continue;
        simulation->proxies[i].is_retired = true;
        start(simulation, simulation->proxy_count++);
    }
}

// empty takes all from the store but its clock. What is on its way comes to an empty one.
static void empty(struct simulation *simulation)
{
    const int64_t now_us = simulation->store->now_us;
    *simulation->store = (struct store_model){.now_us = now_us};
}

static void begin_fault(struct simulation *simulation)
{
    switch (simulation->options.fault) {
    case FAULT_PARTITION:
        cut_some(simulation);
        break;
    case FAULT_STORE_DOWN:
        lose_store(simulation, simulation->store);
        break;
    case FAULT_FAIL_OVER:
        lose_store(simulation, simulation->replica);
        break;
    case FAULT_CRASH:
        crash_some(simulation);
        break;
    case FAULT_UPGRADE:
        upgrade_some(simulation);
        break;
    case FAULT_CLOCK:
        simulation->skew_ms += below(simulation, 2) == 0 ? 3600000 : -3600000;
        break;
    case FAULT_SLOW:
        simulation->delay_ms = 200;
        break;
    case FAULT_EMPTY:
        empty(simulation);
        break;
    case FAULT_NONE:
    case FAULT_COUNT:
        break;
    }
}

// heal ends the fault. What it has led to, more tunnels than the limit, ends with these.
static void heal(struct simulation *simulation)
{
    simulation->is_down = false;
    simulation->delay_ms = 3;
    for (uint32_t i = 0; i < simulation->proxy_count; i++)
        simulation->proxies[i].is_cut = false;
    if (simulation->options.fault == FAULT_FAIL_OVER) {
        *simulation->store = *simulation->replica;
        for (uint32_t i = 0; i < simulation->proxy_count; i++) {
            for (size_t ask = 0; ask < ASK_COUNT; ask++)
                simulation->proxies[i].asked[ask].has_answer = false;
        }
    }
    if (simulation->healed_ms == 0)
        simulation->healed_ms = simulation->now_ms;
}

static void make_replica(struct simulation *simulation)
{
    *simulation->replica = *simulation->store;
    simulation->has_replica = true;
}

// ---- a run --------------------------------------------------------------------------------------

static void on_event(struct simulation *simulation, const struct queued_event *event)
{
    struct proxy *proxy = &simulation->proxies[event->proxy];
    switch ((enum event_kind)event->kind) {
    case BEAT:
        beat(simulation, event->proxy);
        break;
    case REQUEST:
        request(simulation, event->proxy);
        break;
    case TUNNEL_ENDS:
        tunnel_ends(simulation, event->proxy, event->number);
        break;
    case AT_STORE:
        at_store(simulation, event);
        break;
    case AT_PROXY:
        at_proxy(simulation, event);
        break;
    case NO_ANSWER:
        no_answer(simulation, event);
        break;
    case WAIT_ENDS:
    case RETRY:
        if (!proxy->is_up || proxy->process != event->number)
            break;
        look_again(simulation, event->proxy);
        drive(simulation, event->proxy);
        if (event->kind == RETRY && proxy->waiter_count > 0)
            later(simulation, 10, RETRY, event->proxy, 0, proxy->process);
        break;
    case FAULT:
        begin_fault(simulation);
        break;
    case HEAL:
        heal(simulation);
        break;
    case END:
        simulation->is_over = true;
        break;
    }
}

// set_up makes the fleet. A tunnel lives so long that under overload the limit is reached soon, and left again.
static void set_up(struct simulation *simulation)
{
    const uint32_t proxies = simulation->options.proxies;
    simulation->random.state = simulation->options.seed * 2 + 1;
    // Each proxy has a request often enough that what is free does not stay so for want of use.
    simulation->limit = 1 + proxies / 2 + (uint32_t)below(simulation, 4 * proxies + 400);
    simulation->report.limit = simulation->limit;
    // Each proxy has a place free for a moment now and then: soon nearly all are in use, and once all.
    simulation->enough = simulation->limit - simulation->limit / 8 - (simulation->limit > 1);
    simulation->report.bound = simulation->limit;
    simulation->report.reached_ms = -1;
    simulation->report.freed_ms = -1;
    simulation->delay_ms = 3;
    simulation->life_ms = 2000;
    // Half of the limit is in use: limit / 2 = proxies * life / pause.
    simulation->pause_ms = 1 + (int64_t)proxies * simulation->life_ms * 2 / simulation->limit;
    simulation->store = calloc(1, sizeof *simulation->store);
    simulation->replica = calloc(1, sizeof *simulation->replica);
    simulation->proxies = calloc(MODEL_INSTANCES, sizeof *simulation->proxies);
    ASSERT(simulation->store != NULL && simulation->replica != NULL && simulation->proxies != NULL);
    simulation->now_ms = 1000000;
    simulation->proxy_count = proxies;
    for (uint32_t i = 0; i < proxies; i++)
        start(simulation, i);
}

// look checks what holds at any time, once a second.
static void look(struct simulation *simulation)
{
    for (uint32_t i = 0; i < simulation->proxy_count; i++) {
        const int64_t left_ms = simulation->proxies[i].left_ms;
        if (left_ms != 0 && simulation->now_ms - left_ms > LEFT_MS &&
            simulation->store->accounts[0].held[i] > 0)
            fail(simulation, "what a process held that has ended was not free within a second");
    }
    if (simulation->crashed_ms == 0 || simulation->report.freed_ms >= 0)
        return;
    for (uint32_t i = 0; i < simulation->proxy_count; i++) {
        if (!simulation->proxies[i].is_up && simulation->store->accounts[0].held[i] > 0)
            return;
    }
    simulation->report.freed_ms = simulation->now_ms - simulation->crashed_ms;
}

// check_end checks what a run has come to.
static void check_end(struct simulation *simulation)
{
    const struct simulation_report *report = &simulation->report;
    // A connection is given up a second after a question that was lost, and the next one begins with a beat.
    const int64_t may_last_ms = simulation->options.fault == FAULT_CRASH ? 10000 : 3000;
    if (report->reached_ms < 0 || report->reached_ms > may_last_ms)
        fail(simulation, "the limit was not nearly reached again in time");
    if (!simulation->was_full && simulation->options.proxies <= EXACT_PROXIES)
        fail(simulation, "the limit was not reached again");
    if (simulation->crashed_held > 0 && (report->freed_ms < 0 || report->freed_ms > 10000))
        fail(simulation, "what the dead have held was not free within 10 s");
    if (report->worst_wait_ms > WAIT_MS)
        fail(simulation, "a request has waited too long");
    if (simulation->open != 0)
        fail(simulation, "tunnels are left");
    if (simulation->store->accounts[0].total != 0)
        fail(simulation, "leases are left");
}

static void tear_down(struct simulation *simulation)
{
    while (simulation->queue.count > 0)
        free(event_queue_next(&simulation->queue).data);
    event_queue_deinit(&simulation->queue);
    free(simulation->store);
    free(simulation->replica);
    free(simulation->proxies);
}

// is_going_on tells whether there is something to happen up to then.
static bool is_going_on(const struct simulation *simulation, int64_t ends_ms)
{
    return !simulation->report.has_failed && simulation->queue.count > 0 &&
           simulation->queue.heap[0].at_ms <= ends_ms;
}

struct simulation_report simulation_rush(uint64_t seed, uint32_t proxies, uint32_t limit,
                                         uint32_t attempts)
{
    struct simulation simulation = {.options = {.seed = seed, .proxies = proxies}};
    set_up(&simulation);
    const int64_t begun_ms = simulation.now_ms;
    simulation.limit = limit;
    simulation.report.limit = limit;
    simulation.report.bound = limit;
    simulation.life_ms = INT32_MAX;
    simulation.pause_ms = 500;
    for (uint32_t i = 0; i < attempts; i++)
        later(&simulation, RUSH_MS, REQUEST, i % proxies, 0, 0);
    while (is_going_on(&simulation, begun_ms + RUSH_ENDS_MS)) {
        const struct queued_event event = event_queue_next(&simulation.queue);
        simulation.now_ms = event.at_ms;
        on_event(&simulation, &event);
    }
    if (simulation.open != limit)
        fail(&simulation, "not as many tunnels as may be");
    tear_down(&simulation);
    return simulation.report;
}

struct simulation_report simulation_run(const struct simulation_options *options)
{
    struct simulation simulation = {.options = *options};
    set_up(&simulation);
    const int64_t begun_ms = simulation.now_ms;
    const int64_t fault_ms = begun_ms + FAULT_MS;
    const int64_t heals_ms = fault_ms + 1500 + below(&simulation, FAULT_MAX_MS - 1500);
    const int64_t replica_ms = fault_ms - 100 - below(&simulation, 900);
    int64_t looked_ms = begun_ms;
    later(&simulation, FAULT_MS, FAULT, 0, 0, 0);
    later(&simulation, heals_ms - begun_ms, HEAL, 0, 0, 0);
    later(&simulation, heals_ms + AFTER_MS - begun_ms, END, 0, 0, 0);
    while (is_going_on(&simulation, heals_ms + AFTER_MS + REST_MS)) {
        const struct queued_event event = event_queue_next(&simulation.queue);
        if (event.at_ms >= begun_ms + QUIET_MS && simulation.report.quiet_tunnels == 0) {
            simulation.report.quiet_tunnels = simulation.report.tunnels;
            simulation.report.quiet_questions = simulation.report.questions;
            simulation.pause_ms = 1 + simulation.pause_ms / 8;
        }
        if (event.at_ms >= replica_ms && !simulation.has_replica)
            make_replica(&simulation);
        simulation.now_ms = event.at_ms;
        on_event(&simulation, &event);
        if (simulation.now_ms - looked_ms >= 100) {
            looked_ms = simulation.now_ms;
            look(&simulation);
        }
    }
    if (!simulation.report.has_failed)
        check_end(&simulation);
    tear_down(&simulation);
    return simulation.report;
}
