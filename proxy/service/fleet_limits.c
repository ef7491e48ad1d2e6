// A `held` account is one of which something is held, asked or open here. It has one question of each kind under way at most, so
// the questions and their answers need no names. What cannot be asked now is asked again: by the timer, which runs while
// somebody waits, or with the next beat. Where an account is over while the store is lost, a debt is left: the store may have places
// of it in our name, which nobody but us gives back as long as we live.
#include "proxy/service/fleet_limits.h"

#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "auth/base/json.h"
#include "proxy/clock/clock.h"
#include "proxy/fleet/bandwidth_share.h"
#include "proxy/fleet/fleet_scripts.h"
#include "proxy/fleet/lease.h"
#include "proxy/fleet/token_lease.h"
#include "proxy/log/log.h"
#include "proxy/loop/wakeup.h"

enum {
    HELD_MAGIC = 0x4c656173,
    KEY_CAP = 512, // bytes of a key, with the NUL: a prefix, an account and a few letters
    RETRY_MS = 10,
    FULL_KNOWN_MS = 20, // a rate that has room later than this refuses at once those who wait
    FAULT_EVERY_MS = 60000,
    SAID_CAP = 200,
    ACCOUNTS_AT_ONCE = 2000, // of a pass
    DEBTS_MAX = 10000,       // beyond these accounts stay until the store is back
    DEBTS_AT_ONCE = 500,     // that are paid with a beat
    DEBT_CHAINS = 1024,
    SHARE_BEATS = 2,      // a share is asked for with every second tick
    SHARE_FAULTS_MAX = 3, // questions without an answer, in a row, after which it is an equal part
};

enum direction { UP, DOWN, DIRECTION_COUNT };

// A question to the store; its answer comes to it.
enum question_kind {
    ASK_TUNNELS,
    ASK_NEW_TUNNELS,
    ASK_REQUESTS,
    ASK_UP,
    ASK_DOWN,
    QUESTION_COUNT,
};

struct held;

struct question {
    uint32_t magic;
    enum question_kind kind;
    struct held *held; // borrowed; whose part this is
    bool is_asked;
    struct lease_question lease; // ASK_TUNNELS
    uint32_t want;               // tokens
    uint64_t demand;             // bytes a second
};

// What is known of one direction's bandwidth.
struct flow_share {
    uint64_t share;        // bytes a second; 0: none yet
    uint64_t total_before; // bytes, at the last look
    int64_t looked_ms;     // monotonic
    bool is_told;          // the store has a demand of ours
    unsigned faults;       // questions in a row without a good answer; an error is as bad as many
};

struct held {
    TAILQ_ENTRY(held) link;
    TAILQ_ENTRY(held) waiting_link;
    uint64_t id;                // of the account's name, in this process
    bool is_waiting;            // in the list of those of whom somebody waits
    unsigned scarce_at;         // number of the beat that has named it; 0: none
    struct fleet_limits *owner; // borrowed
    struct account *account;    // ref; NULL: a debt
    struct client_limits limits;
    struct lease lease;
    struct token_lease tokens[FLEET_RATE_COUNT];
    struct flow_share shares[DIRECTION_COUNT];
    struct question questions[QUESTION_COUNT];
    char name[]; // of the account
};

TAILQ_HEAD(held_list, held);

// pass goes over all accounts, some at a time, so that main is busy with other things in between.
enum pass_kind { PASS_BEAT, PASS_TICK, PASS_COUNT };

struct pass {
    struct held *next; // NULL: it is over
    unsigned beats;    // when it began
};

struct fleet_limits {
    struct fleet_limits_options options;
    char instance[33];
    char prefix[STORE_PREFIX_CAP];
    struct store_link *link; // borrowed; NULL: none
    bool is_ready;           // calls are taken
    struct store_script scripts[FLEET_SCRIPT_COUNT];
    struct wakeup asked;
    ev_timer retry;
    struct held_list held;
    struct held_list waiting;                  // those of whom somebody waits, by waiting_link
    struct held_list debts;                    // without an account; owned
    struct held_list debts_by_id[DEBT_CHAINS]; // the same, by waiting_link
    size_t debt_count;
    struct pass passes[PASS_COUNT];
    ev_timer more;       // a pass goes on
    unsigned beat_count; // that were answered
    uint64_t epoch;      // number of the connection, as the beat says it
    uint32_t members;    // seen last; 0: never any
    int64_t expires_ms;  // monotonic; of all leases; 0: there are none
    unsigned beats;
    int64_t quiet_until_ms; // monotonic; until when no other fault is said
    bool is_draining;
    bool has_answers; // the workers are to be told
    struct fleet_limits_counts counts;
    uint64_t asked_of[QUESTION_COUNT];
};

static void drive(struct held *held, int64_t now_ms);

// ---- what workers see ---------------------------------------------------------------------------

static bool is_valid(const struct fleet_limits *limits, int64_t now_ms)
{
    return limits->is_ready && limits->expires_ms > now_ms;
}

// tell_ledger says what becomes of those for whom nothing is left. How many proxies there are is not known before the first beat:
// then a share is not known either.
static void tell_ledger(struct fleet_limits *limits, int64_t now_ms)
{
    enum ledger_fleet fleet = LEDGER_FLEET_ASKS;
    if (!is_valid(limits, now_ms))
        fleet = limits->options.refuses || limits->members == 0 ? LEDGER_FLEET_REFUSES
                                                                : LEDGER_FLEET_SHARES;
    const bool has_shares = !limits->options.refuses && limits->members != 0;
    ledger_set_fleet_loss(limits->options.ledger,
                          has_shares ? LEDGER_FLEET_SHARES : LEDGER_FLEET_REFUSES);
    ledger_set_fleet(limits->options.ledger, fleet, limits->members == 0 ? 1 : limits->members);
}

static void tell_workers(struct fleet_limits *limits)
{
    if (!limits->has_answers)
        return;
    limits->has_answers = false;
    limits->options.on_answer(limits->options.owner);
}

// answer says how the last question about a kind has ended.
static void answer(struct held *held, enum fleet_kind kind, enum fleet_outcome outcome,
                   int64_t wait_ms)
{
    fleet_queue_set_answer(&held->account->fleet.queues[kind], outcome, wait_ms);
    held->owner->has_answers = true;
    held->owner->counts.refused += outcome == FLEET_FULL;
}

// say_fault says once in a while that the store cannot say what an account may have, and what it has then.
static void say_fault(struct held *held, const char *what, const struct resp *reply,
                      const char *instead)
{
    struct fleet_limits *limits = held->owner;
    const int64_t now_ms = monotonic_ms();
    char said_data[SAID_CAP];
    struct text said;
    limits->counts.unanswered++;
    if (now_ms < limits->quiet_until_ms)
        return;
    limits->quiet_until_ms = now_ms + FAULT_EVERY_MS;
    text_init(&said, said_data, sizeof said_data);
    if (reply->kind == RESP_ERROR)
        text_append_printable(&said, slice_first(reply->text, SAID_CAP / 2));
    log_error(LOG_STORE_FAULT,
              "fleet: the store cannot say what `%s` may have of its %s: %s; %s until it can",
              held->name, what, said.len == 0 ? "its answer is none to the question" : said_data,
              instead);
}

// note_fault notes an answer that is an error, or none to the question: for this client the store counts as lost until it answers.
static void note_fault(struct held *held, enum fleet_kind kind, const struct resp *reply)
{
    held->account->fleet.is_unheard[kind] = true;
    answer(held, kind, FLEET_UNKNOWN, 0);
    say_fault(held, kind == FLEET_TUNNELS ? "tunnels" : "rates", reply,
              "`on_lost` counts for this client");
}

// ---- calls --------------------------------------------------------------------------------------

// key_of writes a key of the account.
static struct slice key_of(const struct held *held, const char *kind, const char *suffix,
                           char out[KEY_CAP])
{
    struct text text;
    text_init(&text, out, KEY_CAP);
    text_append_format(&text, "%s%s%s%s", held->owner->prefix, kind, held->name, suffix);
    ASSERT(!text.is_cut);
    return text_slice(&text);
}

static void on_reply(void *owner, const struct resp *answer);

// call sends a question. False: it cannot be asked now.
static bool call(struct question *question, enum fleet_script script, const struct slice *keys,
                 size_t key_count, const struct slice *arguments, size_t argument_count,
                 int64_t now_ms)
{
    struct fleet_limits *limits = question->held->owner;
    const struct store_script_call call = {.script = &limits->scripts[script],
                                           .keys = keys,
                                           .key_count = key_count,
                                           .arguments = arguments,
                                           .argument_count = argument_count};
    question->is_asked =
        limits->link != NULL &&
        store_link_script(limits->link, &call, now_ms + FLEET_ANSWER_MS, on_reply, question);
    limits->asked_of[question->kind] += question->is_asked;
    return question->is_asked;
}

enum { NUMBER_CAP = 24 };

static struct slice number(uint64_t value, char out[NUMBER_CAP])
{
    struct text text;
    text_init(&text, out, NUMBER_CAP);
    text_append_format(&text, "%llu", (unsigned long long)value);
    return text_slice(&text);
}

// plain_key writes a key that is of no account.
static struct slice plain_key(const struct fleet_limits *limits, const char *name,
                              const char *suffix, char out[KEY_CAP])
{
    struct text text;
    text_init(&text, out, KEY_CAP);
    text_append_format(&text, "%s%s%s", limits->prefix, name, suffix);
    ASSERT(!text.is_cut);
    return text_slice(&text);
}

static bool send_lease(struct question *question, int64_t now_ms)
{
    struct held *held = question->held;
    const struct fleet_limits *limits = held->owner;
    char keys_data[6][KEY_CAP], numbers[5][NUMBER_CAP];
    const struct slice keys[] = {
        key_of(held, "t:", "", keys_data[0]),
        plain_key(limits, "held:", limits->instance, keys_data[1]),
        plain_key(limits, "alive", "", keys_data[2]),
        plain_key(limits, "scarce", "", keys_data[3]),
        plain_key(limits, "epochs", "", keys_data[4]),
        plain_key(limits, "clock", "", keys_data[5]),
    };
    const struct slice arguments[] = {
        slice_of_string(limits->instance),        slice_of_string(held->name),
        number(held->limits.tunnels, numbers[0]), number(question->lease.keep, numbers[1]),
        number(question->lease.need, numbers[2]), number(question->lease.want, numbers[3]),
        number(limits->epoch, numbers[4]),
    };
    return call(question, FLEET_LEASE, keys, 6, arguments, 7, now_ms);
}

static bool send_rate(struct question *question, uint32_t per_second, uint32_t burst,
                      int64_t now_ms)
{
    char key_data[KEY_CAP], numbers[3][NUMBER_CAP];
    const struct slice key =
        key_of(question->held, question->kind == ASK_NEW_TUNNELS ? "r:" : "q:", "", key_data);
    const struct slice arguments[] = {number(per_second, numbers[0]), number(burst, numbers[1]),
                                      number(question->want, numbers[2])};
    return call(question, FLEET_RATE, &key, 1, arguments, 3, now_ms);
}

static bool send_share(struct question *question, uint64_t limit, int64_t now_ms)
{
    char key_data[KEY_CAP], numbers[2][NUMBER_CAP];
    const struct slice key =
        key_of(question->held, "b:", question->kind == ASK_UP ? ":up" : ":down", key_data);
    const struct slice arguments[] = {slice_of_string(question->held->owner->instance),
                                      number(limit, numbers[0]),
                                      number(question->demand, numbers[1])};
    return call(question, FLEET_SHARE, &key, 1, arguments, 3, now_ms);
}

// ---- tunnels ------------------------------------------------------------------------------------

// is_scarce tells whether what is spare is to be given back: the last beat has named the account, or nothing new comes here.
static bool is_scarce(const struct held *held)
{
    const struct fleet_limits *limits = held->owner;
    return limits->is_draining || (held->scarce_at != 0 && held->scarce_at == limits->beat_count);
}

static struct lease_view view_of(const struct held *held, int64_t now_ms)
{
    const struct fleet_account *fleet = &held->account->fleet;
    return (struct lease_view){.limit = held->limits.tunnels,
                               .spare = fleet->spare,
                               .waiting = fleet->queues[FLEET_TUNNELS].waiting,
                               .members = held->owner->members == 0 ? 1 : held->owner->members,
                               .is_scarce = is_scarce(held),
                               .now_ms = now_ms};
}

// shrink takes spare places from the workers. The store is told by the next question.
static void shrink(struct held *held, uint32_t count)
{
    lease_shrink(&held->lease, fleet_account_withdraw(&held->account->fleet, count));
}

// let_go gives all up that is held: the limit is none of the fleet any more. What is open is not the store's matter then.
static void let_go(struct held *held)
{
    const uint32_t granted = held->lease.granted;
    held->account->fleet.spare -= (int32_t)granted;
    lease_shrink(&held->lease, granted);
}

static bool has_fleet_limit(const struct held *held)
{
    return held->limits.scope == LIMIT_FLEET && held->limits.tunnels != 0;
}

// ask_nothing tells the store that nothing is held any more.
static void ask_nothing(struct held *held, int64_t now_ms)
{
    struct question *question = &held->questions[ASK_TUNNELS];
    const struct lease_view view = {.limit = 1, .members = 1, .now_ms = now_ms};
    if (lease_ask(&held->lease, &view, &question->lease) && !send_lease(question, now_ms))
        lease_unanswered(&held->lease);
}

// wake_for_spare has those who wait look again where nothing is to be asked: a place has become free here.
static void wake_for_spare(struct held *held, const struct lease_view *view)
{
    if (!lease_wakes(&held->lease, view))
        return;
    held->account->fleet.queues[FLEET_TUNNELS].round++;
    answer(held, FLEET_TUNNELS, FLEET_GRANTED, 0);
}

static void ask_lease(struct held *held, int64_t now_ms)
{
    struct question *question = &held->questions[ASK_TUNNELS];
    struct fleet_account *fleet = &held->account->fleet;
    const struct lease_view view = view_of(held, now_ms);
    fleet->low = lease_low(&held->lease, &view);
    if (!lease_ask(&held->lease, &view, &question->lease)) {
        wake_for_spare(held, &view);
        return;
    }
    // Those who have come since count in this question: its number comes first.
    fleet->queues[FLEET_TUNNELS].round++;
    const uint32_t waiting = fleet->queues[FLEET_TUNNELS].waiting;
    if (waiting > view.waiting) {
        question->lease.need += waiting - view.waiting;
        question->lease.want += waiting - view.waiting;
    }
    if (!send_lease(question, now_ms))
        lease_unanswered(&held->lease);
}

// read_lease reads an answer. False: it is none to the question.
static bool read_lease(const struct resp *reply, int64_t *out_granted, int64_t *out_others,
                       int64_t *out_settles)
{
    return reply->kind == RESP_ARRAY && reply->count == 3 &&
           resp_read_integer(&reply->items[0], out_granted) &&
           resp_read_integer(&reply->items[1], out_others) &&
           resp_read_integer(&reply->items[2], out_settles) && *out_granted >= 0 &&
           *out_granted <= INT32_MAX && *out_others >= 0 && *out_others <= INT32_MAX;
}

// take_lease takes an answer; NULL: there is none.
static void take_lease(struct question *question, const struct resp *reply, int64_t now_ms)
{
    struct held *held = question->held;
    int64_t granted = 0, others = 0, settles = 0;
    bool is_full = false;
    if (reply == NULL || !is_valid(held->owner, now_ms)) {
        lease_unanswered(&held->lease);
        return;
    }
    if (resp_is_error(reply, "NOTALIVE")) { // one that is not alive at the store beats first
        lease_fail(&held->lease, now_ms);
        return;
    }
    if (!read_lease(reply, &granted, &others, &settles)) {
        lease_fail(&held->lease, now_ms);
        note_fault(held, FLEET_TUNNELS, reply);
        return;
    }
    held->account->fleet.is_unheard[FLEET_TUNNELS] = false;
    held->account->fleet.spare += lease_answer(
        &held->lease, &question->lease, (uint32_t)granted,
        lease_above(held->limits.tunnels, (uint32_t)granted, (uint32_t)others), now_ms, &is_full);
    // A store that was empty does not know yet whether there is room.
    answer(held, FLEET_TUNNELS,
           !is_full       ? FLEET_GRANTED
           : settles != 0 ? FLEET_UNKNOWN
                          : FLEET_FULL,
           0);
}

// ---- debts --------------------------------------------------------------------------------------

// pay tells the store of accounts that are over here, some at a time.
static void pay(struct fleet_limits *limits, int64_t now_ms)
{
    struct held *debt = TAILQ_FIRST(&limits->debts);
    for (size_t i = 0; i < DEBTS_AT_ONCE && debt != NULL; i++) {
        ask_nothing(debt, now_ms);
        debt = TAILQ_NEXT(debt, link);
    }
}

static struct held_list *debts_with(struct fleet_limits *limits, uint64_t id)
{
    return &limits->debts_by_id[id % DEBT_CHAINS];
}

// leave_debts takes a debt out: it is the caller's.
static void leave_debts(struct held *debt)
{
    struct fleet_limits *limits = debt->owner;
    TAILQ_REMOVE(&limits->debts, debt, link);
    TAILQ_REMOVE(debts_with(limits, debt->id), debt, waiting_link);
    limits->debt_count--;
}

// take_payment takes the answer, after which nothing is left of a debt; NULL: there is none.
static void take_payment(struct held *debt, const struct resp *reply, int64_t now_ms)
{
    struct fleet_limits *limits = debt->owner;
    int64_t granted = 0, others = 0, settles = 0;
    if (reply != NULL && is_valid(limits, now_ms) &&
        read_lease(reply, &granted, &others, &settles)) {
        leave_debts(debt);
        free(debt);
        return;
    }
    if (reply == NULL)
        lease_unanswered(&debt->lease);
    else
        lease_fail(&debt->lease, now_ms);
    TAILQ_REMOVE(&limits->debts, debt, link); // the others come first
    TAILQ_INSERT_TAIL(&limits->debts, debt, link);
}

// find_debt gives the debt of an account; NULL: there is none.
static struct held *find_debt(struct fleet_limits *limits, const struct account *account)
{
    struct held *debt = NULL;
    TAILQ_FOREACH(debt, debts_with(limits, account->id), waiting_link)
    {
        if (debt->id == account->id && strcmp(debt->name, account->name) == 0)
            return debt;
    }
    return NULL;
}

// ---- rates --------------------------------------------------------------------------------------

// rate_of gives the rate of a question about tokens; 0: it is none of the fleet.
static uint32_t rate_of(const struct held *held, enum question_kind kind, uint32_t *out_burst)
{
    const struct client_limits *limits = &held->limits;
    const bool is_of_tunnels = kind == ASK_NEW_TUNNELS;
    *out_burst = is_of_tunnels ? limits->burst : limits->requests_burst;
    if (limits->scope != LIMIT_FLEET)
        return 0;
    return is_of_tunnels ? limits->new_tunnels : limits->requests;
}

static enum fleet_kind fleet_kind_of(enum question_kind kind)
{
    return kind == ASK_NEW_TUNNELS ? FLEET_NEW_TUNNELS : FLEET_REQUESTS;
}

static struct token_view token_view_of(const struct held *held, enum question_kind kind,
                                       int64_t now_ms)
{
    const struct fleet_account *fleet = &held->account->fleet;
    const enum fleet_kind what = fleet_kind_of(kind);
    struct token_view view = {.waiting = fleet->queues[what].waiting,
                              .left = fleet_account_tokens(fleet, what, now_ms),
                              .members = held->owner->members == 0 ? 1 : held->owner->members,
                              .now_ms = now_ms};
    view.per_second = rate_of(held, kind, &view.burst);
    return view;
}

static struct token_lease *tokens_of(struct held *held, enum question_kind kind)
{
    return &held->tokens[kind - ASK_NEW_TUNNELS];
}

static void ask_tokens(struct held *held, enum question_kind kind, int64_t now_ms)
{
    const enum fleet_kind what = fleet_kind_of(kind);
    struct fleet_account *fleet = &held->account->fleet;
    struct token_lease *lease = tokens_of(held, kind);
    struct question *question = &held->questions[kind];
    const struct token_view view = token_view_of(held, kind, now_ms);
    if (view.per_second == 0)
        return;
    fleet->low_lots[kind - ASK_NEW_TUNNELS] = token_lease_low(lease, &view);
    // There will be none for longer than anybody waits: those who do need not.
    if (view.waiting > 0 && !lease->is_asked && lease->not_before_ms - now_ms > FULL_KNOWN_MS) {
        fleet->queues[what].round++;
        answer(held, what, FLEET_FULL, lease->not_before_ms - now_ms);
        return;
    }
    if (!token_lease_ask(lease, &view, &question->want))
        return;
    fleet->queues[what].round++;
    if (!send_rate(question, view.per_second, view.burst, now_ms))
        token_lease_unanswered(lease);
}

static void take_tokens(struct question *question, const struct resp *reply, int64_t now_ms)
{
    struct held *held = question->held;
    const enum fleet_kind what = fleet_kind_of(question->kind);
    struct token_lease *lease = tokens_of(held, question->kind);
    int64_t granted = 0, wait_us = 0, wait_ms = 0;
    if (reply == NULL || !is_valid(held->owner, now_ms)) {
        token_lease_unanswered(lease);
        return;
    }
    if (reply->kind != RESP_ARRAY || reply->count != 2 ||
        !resp_read_integer(&reply->items[0], &granted) ||
        !resp_read_integer(&reply->items[1], &wait_us)) {
        token_lease_fail(lease, now_ms);
        note_fault(held, what, reply);
        return;
    }
    held->account->fleet.is_unheard[what] = false;
    const uint32_t waiting = held->account->fleet.queues[what].waiting;
    const uint32_t got =
        token_lease_answer(lease, question->want, granted, wait_us, now_ms, &wait_ms);
    if (got > 0)
        fleet_account_add_tokens(&held->account->fleet, what, got, now_ms + TOKEN_LIFE_MS, now_ms);
    answer(held, what, got < question->want && got < waiting ? FLEET_FULL : FLEET_GRANTED, wait_ms);
}

// ---- bandwidth ----------------------------------------------------------------------------------

static struct bandwidth *bandwidth_of(struct held *held, enum direction direction)
{
    return direction == UP ? &held->account->up : &held->account->down;
}

static uint64_t bandwidth_limit(const struct held *held, enum direction direction)
{
    if (held->limits.scope != LIMIT_FLEET)
        return 0;
    return direction == UP ? held->limits.bandwidth_up : held->limits.bandwidth_down;
}

// use sets the share. A small change is none: each new rate lets a burst through.
static void use(struct held *held, enum direction direction, uint64_t share)
{
    struct flow_share *flow = &held->shares[direction];
    const uint64_t before = flow->share;
    const uint64_t change = share > before ? share - before : before - share;
    if (change <= before / 32 && share <= bandwidth_limit(held, direction))
        return;
    flow->share = share;
    ledger_set_share(held->owner->options.ledger, held->account, direction == UP, share);
}

// share_alone gives an equal part, which is nobody else's.
static uint64_t share_alone(const struct held *held, enum direction direction)
{
    const uint32_t members = held->owner->members;
    return bandwidth_share_alone(bandwidth_limit(held, direction), members == 0 ? 1 : members);
}

// note_share_fault notes questions without a good answer: what the others use meanwhile is not known.
static void note_share_fault(struct held *held, enum direction direction, unsigned faults)
{
    struct flow_share *flow = &held->shares[direction];
    flow->faults += faults;
    if (flow->faults < SHARE_FAULTS_MAX)
        return;
    flow->faults = SHARE_FAULTS_MAX;
    use(held, direction, share_alone(held, direction));
}

// ask_share tells the store what could be used, and asks for the part of it.
static void ask_share(struct held *held, enum direction direction, int64_t now_ms)
{
    struct flow_share *flow = &held->shares[direction];
    struct question *question = &held->questions[direction == UP ? ASK_UP : ASK_DOWN];
    const struct bandwidth *bandwidth = bandwidth_of(held, direction);
    const uint64_t limit = bandwidth_limit(held, direction);
    const uint64_t total = bandwidth_total(bandwidth);
    const int64_t passed_ms = now_ms - flow->looked_ms;
    if (limit == 0) {
        flow->faults = 0;
        flow->is_told = false;
    }
    if (limit == 0 || question->is_asked || passed_ms <= 0)
        return;
    const uint64_t used =
        flow->looked_ms == 0 ? 0 : (total - flow->total_before) * 1000 / (uint64_t)passed_ms;
    const uint64_t alone = share_alone(held, direction);
    flow->total_before = total;
    flow->looked_ms = now_ms;
    question->demand = bandwidth_demand(limit, flow->share == 0 ? alone : flow->share, used,
                                        bandwidth_is_waited_for(bandwidth));
    if (!is_valid(held->owner, now_ms) || question->demand == 0)
        use(held, direction, alone);
    if (!is_valid(held->owner, now_ms) || (question->demand == 0 && !flow->is_told))
        return; // nothing is said to a store that is lost, or not ours
    if (!send_share(question, limit, now_ms))
        note_share_fault(held, direction, 1);
}

static void take_share(struct question *question, const struct resp *reply, int64_t now_ms)
{
    struct held *held = question->held;
    const enum direction direction = question->kind == ASK_UP ? UP : DOWN;
    const uint64_t limit = bandwidth_limit(held, direction);
    struct bandwidth_sums sums;
    if (limit == 0)
        return;
    held->shares[direction].is_told = question->demand != 0; // at least it was tried
    if (reply == NULL || !is_valid(held->owner, now_ms)) {
        note_share_fault(held, direction, 1);
        return;
    }
    if (reply->kind != RESP_ARRAY || reply->count != 3 ||
        !resp_read_integer(&reply->items[0], &sums.instances) ||
        !resp_read_integer(&reply->items[1], &sums.modest) ||
        !resp_read_integer(&reply->items[2], &sums.hungry)) {
        note_share_fault(held, direction, SHARE_FAULTS_MAX);
        say_fault(held, "bandwidth", reply, "it has an equal part here");
        return;
    }
    held->shares[direction].faults = 0;
    use(held, direction,
        bandwidth_share_of(limit, question->demand, &sums,
                           held->owner->members == 0 ? 1 : held->owner->members));
}

// ---- accounts -----------------------------------------------------------------------------------

static void on_reply(void *owner, const struct resp *reply)
{
    struct question *question = owner;
    ASSERT(question->magic == HELD_MAGIC);
    struct held *held = question->held;
    struct fleet_limits *limits = held->owner;
    const int64_t now_ms = monotonic_ms();
    question->is_asked = false;
    limits->counts.unanswered += reply == NULL;
    if (held->account == NULL) {
        take_payment(held, reply, now_ms);
        return;
    }
    switch (question->kind) {
    case ASK_TUNNELS:
        take_lease(question, reply, now_ms);
        break;
    case ASK_NEW_TUNNELS:
    case ASK_REQUESTS:
        take_tokens(question, reply, now_ms);
        break;
    case ASK_UP:
    case ASK_DOWN:
        take_share(question, reply, now_ms);
        break;
    case QUESTION_COUNT:
        break;
    }
    drive(held, now_ms);
    tell_workers(limits);
}

static bool is_asking(const struct held *held)
{
    for (size_t i = 0; i < QUESTION_COUNT; i++) {
        if (held->questions[i].is_asked)
            return true;
    }
    return false;
}

static bool has_waiting(const struct held *held)
{
    for (size_t i = 0; i < FLEET_KIND_COUNT; i++) {
        if (held->account->fleet.queues[i].waiting > 0)
            return true;
    }
    return false;
}

// drive asks what is to be asked now.
static void drive(struct held *held, int64_t now_ms)
{
    struct fleet_limits *limits = held->owner;
    if (!is_valid(limits, now_ms))
        return;
    if (has_fleet_limit(held)) {
        ask_lease(held, now_ms);
    } else if (held->lease.granted > 0 || held->lease.has_excess) {
        let_go(held);
        ask_nothing(held, now_ms);
    }
    ask_tokens(held, ASK_NEW_TUNNELS, now_ms);
    ask_tokens(held, ASK_REQUESTS, now_ms);
    if (!has_waiting(held) || held->is_waiting)
        return;
    held->is_waiting = true;
    TAILQ_INSERT_TAIL(&limits->waiting, held, waiting_link);
    if (!ev_is_active(&limits->retry))
        ev_timer_again(limits->options.loop, &limits->retry);
}

static void leave_waiting(struct held *held)
{
    if (held->is_waiting)
        TAILQ_REMOVE(&held->owner->waiting, held, waiting_link);
    held->is_waiting = false;
}

// forget_faults has the next connection judged by itself.
static void forget_faults(struct held *held)
{
    for (size_t i = 0; i < FLEET_KIND_COUNT; i++)
        held->account->fleet.is_unheard[i] = false;
    for (size_t i = 0; i < DIRECTION_COUNT; i++)
        held->shares[i].faults = 0;
}

static bool is_unheard(const struct held *held)
{
    for (size_t i = 0; i < FLEET_KIND_COUNT; i++) {
        if (held->account->fleet.is_unheard[i])
            return true;
    }
    for (size_t i = 0; i < DIRECTION_COUNT; i++) {
        if (held->shares[i].faults >= SHARE_FAULTS_MAX)
            return true;
    }
    return false;
}

// leave gives the account of a held one up, and gives it back with its reference.
static struct account *leave(struct held *held)
{
    struct fleet_limits *limits = held->owner;
    struct account *account = held->account;
    for (size_t i = 0; i < PASS_COUNT; i++) {
        if (limits->passes[i].next == held)
            limits->passes[i].next = TAILQ_NEXT(held, link);
    }
    leave_waiting(held);
    TAILQ_REMOVE(&limits->held, held, link);
    limits->counts.accounts--;
    forget_faults(held);
    account->fleet.share_up = 0;
    account->fleet.share_down = 0;
    account->fleet.keeper = NULL;
    held->account = NULL;
    return account;
}

// owe keeps of an account what the store may have in our name.
static void owe(struct held *held)
{
    struct fleet_limits *limits = held->owner;
    memset(held->tokens, 0, sizeof held->tokens);
    memset(held->shares, 0, sizeof held->shares);
    held->scarce_at = 0;
    TAILQ_INSERT_TAIL(&limits->debts, held, link);
    TAILQ_INSERT_TAIL(debts_with(limits, held->id), held, waiting_link);
    limits->debt_count++;
}

// is_over tells whether nobody uses the account, and the store has nothing of it that is ours.
static bool is_over(const struct held *held)
{
    const struct lease_view view = view_of(held, 0);
    return !is_asking(held) && lease_is_over(&held->lease, &view) && held->account->refs == 1 &&
           !held->shares[UP].is_told && !held->shares[DOWN].is_told &&
           !held->account->fleet.is_listed;
}

// is_idle tells whether nobody uses the account, and the store, which may have something of it that is ours, is lost.
static bool is_idle(const struct held *held)
{
    const struct fleet_account *fleet = &held->account->fleet;
    return held->owner->expires_ms == 0 && !is_asking(held) && !has_waiting(held) &&
           lease_open(&held->lease, fleet->spare) == 0 && held->account->refs == 1 &&
           !fleet->is_listed;
}

// make_held gives what is held of an account, which it takes over with its reference: nothing, or a debt. NULL without memory.
static struct held *make_held(struct fleet_limits *limits, struct account *account)
{
    const size_t cap = strlen(account->name) + 1;
    struct held *held = find_debt(limits, account);
    if (held != NULL) {
        leave_debts(held);
    } else {
        held = calloc(1, sizeof *held + cap);
        if (held == NULL)
            return NULL;
        held->owner = limits;
        held->id = account->id;
        ASSERT(string_copy(held->name, cap, slice_of_string(account->name)));
        for (size_t i = 0; i < QUESTION_COUNT; i++)
            held->questions[i] =
                (struct question){.magic = HELD_MAGIC, .kind = (enum question_kind)i, .held = held};
    }
    held->account = account;
    account->fleet.keeper = held;
    TAILQ_INSERT_TAIL(&limits->held, held, link);
    limits->counts.accounts++;
    return held;
}

// take_account takes an account that the ledger wants looked at, with a reference.
static void take_account(void *arg, struct account *account)
{
    struct fleet_limits *limits = arg;
    struct held *held = account->fleet.keeper;
    if (held != NULL) {
        ledger_close_account(limits->options.ledger, account, monotonic_ms());
    } else {
        held = make_held(limits, account);
        if (held == NULL) { // those who wait are told in time
            ledger_close_account(limits->options.ledger, account, monotonic_ms());
            return;
        }
    }
    const uint32_t before = held->limits.tunnels;
    held->limits = ledger_read_limits(limits->options.ledger, account);
    if (has_fleet_limit(held) && held->limits.tunnels < before)
        held->account->fleet.spare -= (int32_t)lease_lower(&held->lease);
    drive(held, monotonic_ms());
}

// let_end leaves an account that nobody uses. Somebody who has come since has found it kept, and did not say so.
static void let_end(struct held *held)
{
    struct fleet_limits *limits = held->owner;
    let_go(held);
    struct account *account = leave(held);
    if (held->lease.has_excess && limits->debt_count < DEBTS_MAX)
        owe(held);
    else
        free(held);
    if (account->refs > 1)
        take_account(limits, account);
    else
        ledger_close_account(limits->options.ledger, account, monotonic_ms());
}

static void on_asked(void *arg, uint32_t count)
{
    struct fleet_limits *limits = arg;
    (void)count;
    ledger_take_listed(limits->options.ledger, take_account, limits);
    tell_workers(limits);
}

static void on_ledger_ask(void *arg)
{
    const struct fleet_limits *limits = arg;
    wakeup_send(&limits->asked);
}

// on_retry drives those of whom somebody waits.
static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct fleet_limits *limits = timer->data;
    struct held *held = TAILQ_FIRST(&limits->waiting);
    const int64_t now_ms = monotonic_ms();
    (void)events;
    while (held != NULL) {
        struct held *next = TAILQ_NEXT(held, waiting_link);
        if (has_waiting(held))
            drive(held, now_ms);
        else
            leave_waiting(held);
        held = next;
    }
    if (TAILQ_EMPTY(&limits->waiting))
        ev_timer_stop(loop, timer);
    tell_workers(limits);
}

// ---- all accounts -------------------------------------------------------------------------------

// settle looks back at the last beat, and gives back what is idle.
static void settle(struct held *held, int64_t now_ms)
{
    const struct lease_view view = view_of(held, now_ms);
    if (has_fleet_limit(held))
        shrink(held, lease_surplus(&held->lease, &view));
    for (int kind = ASK_NEW_TUNNELS; kind <= ASK_REQUESTS; kind++) {
        const struct token_view tokens = token_view_of(held, (enum question_kind)kind, now_ms);
        token_lease_beat(tokens_of(held, (enum question_kind)kind), &tokens, FLEET_BEAT_MS);
    }
}

// look_after asks for shares, and forgets an account that nobody uses.
static void look_after(struct held *held, int64_t now_ms)
{
    if (held->owner->passes[PASS_TICK].beats % SHARE_BEATS == 0) {
        ask_share(held, UP, now_ms);
        ask_share(held, DOWN, now_ms);
    }
    const bool has_room = held->owner->debt_count < DEBTS_MAX || held->owner->link == NULL;
    if (is_over(held) || (is_idle(held) && has_room))
        let_end(held);
}

// go_on does the next part of a pass.
static void go_on(struct fleet_limits *limits, enum pass_kind kind)
{
    struct pass *pass = &limits->passes[kind];
    const int64_t now_ms = monotonic_ms();
    for (size_t i = 0; i < ACCOUNTS_AT_ONCE && pass->next != NULL; i++) {
        struct held *held = pass->next;
        pass->next = TAILQ_NEXT(held, link);
        if (kind == PASS_TICK) {
            look_after(held, now_ms);
        } else {
            settle(held, now_ms);
            drive(held, now_ms);
        }
    }
    if (pass->next != NULL && !ev_is_active(&limits->more))
        ev_timer_again(limits->options.loop, &limits->more);
}

static void on_more(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct fleet_limits *limits = timer->data;
    bool is_over = true;
    (void)events;
    for (int kind = 0; kind < PASS_COUNT; kind++) {
        go_on(limits, (enum pass_kind)kind);
        is_over = is_over && limits->passes[kind].next == NULL;
    }
    if (is_over)
        ev_timer_stop(loop, timer);
    tell_workers(limits);
}

// begin_pass begins a pass, unless the one before still goes on.
static void begin_pass(struct fleet_limits *limits, enum pass_kind kind)
{
    struct pass *pass = &limits->passes[kind];
    if (pass->next == NULL)
        *pass = (struct pass){.next = TAILQ_FIRST(&limits->held), .beats = limits->beats};
    go_on(limits, kind);
}

// note_scarce marks the accounts that a beat has named.
static void note_scarce(struct fleet_limits *limits, const struct fleet_beat *beat)
{
    if (++limits->beat_count == 0)
        limits->beat_count = 1;
    for (size_t i = 0; i < beat->scarce_count; i++) {
        struct held *held = ledger_find_keeper(limits->options.ledger, beat->scarce[i].text);
        if (held != NULL)
            held->scarce_at = limits->beat_count;
    }
}

// ---- what main does -----------------------------------------------------------------------------

struct fleet_limits *fleet_limits_create(const struct fleet_limits_options *options)
{
    struct fleet_limits *limits = calloc(1, sizeof *limits);
    if (limits == NULL)
        return NULL;
    limits->options = *options;
    const bool fits =
        string_copy(limits->instance, sizeof limits->instance,
                    slice_of_string(options->instance)) &&
        string_copy(limits->prefix, sizeof limits->prefix, slice_of_string(options->prefix));
    ASSERT(fits);
    if (!wakeup_start(&limits->asked, options->loop, on_asked, limits)) {
        free(limits);
        return NULL;
    }
    for (size_t i = 0; i < FLEET_SCRIPT_COUNT; i++) {
        limits->scripts[i].text = fleet_script_text((enum fleet_script)i);
        fleet_script_name(limits->scripts[i].text, limits->scripts[i].sha1);
    }
    TAILQ_INIT(&limits->held);
    TAILQ_INIT(&limits->waiting);
    TAILQ_INIT(&limits->debts);
    for (size_t i = 0; i < DEBT_CHAINS; i++)
        TAILQ_INIT(&limits->debts_by_id[i]);
    ev_timer_init(&limits->more, on_more, 0., RETRY_MS / 1000.);
    limits->more.data = limits;
    ev_timer_init(&limits->retry, on_retry, 0., RETRY_MS / 1000.);
    limits->retry.data = limits;
    tell_ledger(limits, monotonic_ms());
    ledger_keep_fleet(options->ledger, on_ledger_ask, limits);
    ledger_list_fleet(options->ledger);
    return limits;
}

// unclaim forgets what the store has said of an account: it is asked again.
static void unclaim(struct held *held)
{
    lease_unclaim(&held->lease);
    for (size_t i = 0; i < FLEET_RATE_COUNT; i++)
        token_lease_unclaim(&held->tokens[i]);
}

// forget_call drops what is under way.
static void forget_call(struct held *held)
{
    const struct fleet_limits *limits = held->owner;
    for (size_t i = 0; i < QUESTION_COUNT; i++) {
        if (held->questions[i].is_asked && limits->link != NULL)
            store_link_forget(limits->link, &held->questions[i]);
        held->questions[i].is_asked = false;
    }
    lease_unanswered(&held->lease);
    for (size_t i = 0; i < FLEET_RATE_COUNT; i++)
        token_lease_unanswered(&held->tokens[i]);
}

// each does something to all that the store may know of, or was asked about: what is held, and debts.
static void each(struct fleet_limits *limits, void (*act)(struct held *held))
{
    struct held *held = NULL;
    TAILQ_FOREACH(held, &limits->held, link)
    act(held);
    TAILQ_FOREACH(held, &limits->debts, link)
    act(held);
}

// destroy_all frees all that is held or owed.
static void destroy_all(struct fleet_limits *limits)
{
    while (!TAILQ_EMPTY(&limits->held)) {
        struct held *held = TAILQ_FIRST(&limits->held);
        let_go(held);
        ledger_close_account(limits->options.ledger, leave(held), monotonic_ms());
        free(held);
    }
    while (!TAILQ_EMPTY(&limits->debts)) {
        struct held *debt = TAILQ_FIRST(&limits->debts);
        leave_debts(debt);
        free(debt);
    }
}

void fleet_limits_destroy(struct fleet_limits *limits)
{
    if (limits == NULL)
        return;
    ledger_keep_fleet(limits->options.ledger, NULL, NULL);
    limits->is_ready = false;
    ledger_set_fleet_end(limits->options.ledger, 0);
    tell_ledger(limits, monotonic_ms());
    ledger_take_listed(limits->options.ledger, take_account, limits);
    each(limits, forget_call);
    destroy_all(limits);
    ev_timer_stop(limits->options.loop, &limits->retry);
    ev_timer_stop(limits->options.loop, &limits->more);
    wakeup_stop(&limits->asked);
    free(limits);
}

// lose takes all spare places back from the workers: the store has given them to others, or will.
static void lose(struct fleet_limits *limits)
{
    struct held *held = NULL;
    limits->counts.losses += limits->expires_ms != 0;
    each(limits, forget_call); // what they say is from before
    TAILQ_FOREACH(held, &limits->held, link)
    shrink(held, UINT32_MAX);
    each(limits, unclaim);
    limits->expires_ms = 0;
    ledger_set_fleet_end(limits->options.ledger, 0);
}

void fleet_limits_set_policy(struct fleet_limits *limits, const char *prefix, bool refuses)
{
    if (!slice_equal(slice_of_string(limits->prefix), slice_of_string(prefix)))
        lose(limits); // what is held is held elsewhere
    const bool fits = string_copy(limits->prefix, sizeof limits->prefix, slice_of_string(prefix));
    ASSERT(fits);
    limits->options.refuses = refuses;
    tell_ledger(limits, monotonic_ms());
}

void fleet_limits_set_link(struct fleet_limits *limits, struct store_link *link)
{
    lose(limits);
    limits->link = link;
    fleet_limits_note_state(limits, false);
}

uint64_t fleet_limits_epoch(const struct fleet_limits *limits)
{
    return limits->epoch;
}

void fleet_limits_note_state(struct fleet_limits *limits, bool is_ready)
{
    struct held *held = NULL;
    if (is_ready && limits->is_ready)
        return;
    limits->is_ready = is_ready;
    limits->epoch += is_ready;
    tell_ledger(limits, monotonic_ms());
    TAILQ_FOREACH(held, &limits->held, link)
    forget_faults(held);
    each(limits, unclaim);
    limits->options.on_answer(limits->options.owner);
}

void fleet_limits_note_beat(struct fleet_limits *limits, const struct fleet_beat *beat,
                            int64_t sent_ms)
{
    const int64_t now_ms = monotonic_ms();
    if (!beat->was_known) {
        lose(limits);
        ledger_list_fleet(limits->options.ledger); // what was opened without us
    }
    limits->members = beat->members;
    limits->expires_ms = sent_ms + FLEET_LEASE_MS;
    ledger_set_fleet_end(limits->options.ledger, limits->expires_ms);
    tell_ledger(limits, now_ms);
    note_scarce(limits, beat);
    begin_pass(limits, PASS_BEAT);
    pay(limits, now_ms);
    tell_workers(limits);
}

void fleet_limits_set_draining(struct fleet_limits *limits, bool is_draining)
{
    limits->is_draining = is_draining;
}

void fleet_limits_tick(struct fleet_limits *limits)
{
    const int64_t now_ms = monotonic_ms();
    if (limits->expires_ms != 0 && limits->expires_ms <= now_ms) {
        lose(limits);
        tell_ledger(limits, now_ms);
    }
    limits->beats++;
    begin_pass(limits, PASS_TICK);
}

bool fleet_limits_asks(const struct fleet_limits *limits)
{
    return is_valid(limits, monotonic_ms());
}

struct fleet_limits_counts fleet_limits_counts(const struct fleet_limits *limits)
{
    struct fleet_limits_counts counts = limits->counts;
    const struct held *held = NULL;
    counts.granted = 0;
    counts.unheard = 0;
    counts.waits = ledger_read(limits->options.ledger).fleet_waits;
    for (size_t i = 0; i < QUESTION_COUNT; i++)
        counts.questions += limits->asked_of[i];
    TAILQ_FOREACH(held, &limits->held, link)
    {
        counts.granted += lease_held(&held->lease);
        counts.unheard += is_unheard(held);
    }
    return counts;
}

static void add_questions(const struct fleet_limits *limits, struct exposition *out)
{
    static const struct family questions = {.name = "sallyport_fleet_limits_questions",
                                            .kind = FAMILY_COUNTER,
                                            .help = "Questions to the store about limits."};
    static const char *const kinds[QUESTION_COUNT] = {[ASK_TUNNELS] = "tunnels",
                                                      [ASK_NEW_TUNNELS] = "new_tunnels",
                                                      [ASK_REQUESTS] = "requests",
                                                      [ASK_UP] = "bandwidth_up",
                                                      [ASK_DOWN] = "bandwidth_down"};
    exposition_add_family(out, &questions);
    for (size_t i = 0; limits != NULL && i < QUESTION_COUNT; i++) {
        const struct label label = {"limit", kinds[i]};
        exposition_add_count(out, &label, 1, limits->asked_of[i]);
    }
}

void fleet_limits_metrics(const struct fleet_limits *limits, struct exposition *out)
{
    const struct fleet_limits_counts counts =
        limits == NULL ? (struct fleet_limits_counts){0} : fleet_limits_counts(limits);
    const struct {
        struct family family;
        uint64_t value;
    } rows[] = {
        {{.name = "sallyport_fleet_limits_asks",
          .kind = FAMILY_GAUGE,
          .help = "1 while limits of the fleet are those of the store, 0 while on_lost counts."},
         limits != NULL && fleet_limits_asks(limits)},
        {{.name = "sallyport_fleet_limits_accounts",
          .kind = FAMILY_GAUGE,
          .help = "Clients with limits of the fleet that are in use here."},
         counts.accounts},
        {{.name = "sallyport_fleet_limits_unheard",
          .kind = FAMILY_GAUGE,
          .help = "Of these those of whom the store says nothing but errors."},
         counts.unheard},
        {{.name = "sallyport_fleet_limits_granted",
          .kind = FAMILY_GAUGE,
          .help = "Places for tunnels held here: open tunnels, and spare places."},
         counts.granted},
        {{.name = "sallyport_fleet_limits_waits",
          .kind = FAMILY_COUNTER,
          .help = "Requests that had to wait for an answer of the store."},
         counts.waits},
        {{.name = "sallyport_fleet_limits_full",
          .kind = FAMILY_COUNTER,
          .help = "Answers of the store that there is no room, or not enough."},
         counts.refused},
        {{.name = "sallyport_fleet_limits_unanswered",
          .kind = FAMILY_COUNTER,
          .help = "Questions without an answer, or with none to the question."},
         counts.unanswered},
        {{.name = "sallyport_fleet_limits_losses",
          .kind = FAMILY_COUNTER,
          .help = "How often all leases were lost."},
         counts.losses},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        exposition_add_single(out, &rows[i].family, limits != NULL, rows[i].value);
    add_questions(limits, out);
}

void fleet_limits_status(const struct fleet_limits *limits, struct text *out)
{
    const struct fleet_limits_counts counts = fleet_limits_counts(limits);
    json_begin_object(out, "limits");
    json_add_bool(out, "asks", fleet_limits_asks(limits));
    json_add_string(out, "on_lost", limits->options.refuses ? "refuse" : "local");
    json_add_count(out, "members", limits->members);
    json_add_count(out, "accounts", counts.accounts);
    json_add_count(out, "granted", counts.granted);
    json_add_count(out, "questions", counts.questions);
    json_add_count(out, "waits", counts.waits);
    json_add_count(out, "refused", counts.refused);
    json_add_count(out, "unanswered", counts.unanswered);
    json_add_count(out, "unheard", counts.unheard);
    json_add_count(out, "losses", counts.losses);
    json_end_object(out);
}
